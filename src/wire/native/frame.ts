/**
 * Native frames: `[version u8][u8: 0x80 when compressed][body]`. A body is a packet, compressed as a whole when that
 * pays, then sealed with the first two bytes as associated data, so that nothing on the wire is unauthenticated.
 */
import { checkBytes, GossipError } from '../../errors.js';
import { compressPayload, decompressPayload, openBytes, sealBytes, type WireEnv } from '../env.js';
import { andThen, type MaybePromise } from '../maybe-promise.js';
import { COMPRESSED, FRAME_VERSION, type NativePacket } from '../packet.js';
import { decodePacket, encodePacket } from './packet-codec.js';

/**
 * Encodes, compresses and seals one packet.
 * @throws GossipError `ERR_TOO_LARGE`: above `limits.frameBytesMax`; `ERR_CODEC`. Nothing was sent.
 */
export function encodeNativeFrame(packet: NativePacket, env: WireEnv): MaybePromise<Uint8Array> {
  const plain = encodePacket(packet, env);
  // Above this no peer would take it back, however small it has become.
  checkBytes('a packet', plain.length, env.limits.decompressedBytesMax, 'decompressedBytesMax');
  const compressed = compressPayload(plain, env);
  const head = Uint8Array.of(FRAME_VERSION, compressed ? COMPRESSED : 0);
  const body = compressed ?? plain;
  return andThen(env.cipher ? sealBytes(body, head, env.cipher) : body, (sealed) => {
    const frame = new Uint8Array(2 + sealed.length);
    frame.set(head);
    frame.set(sealed, 2);
    checkFrame(frame, env);
    return frame;
  });
}

/**
 * Opens, decompresses and decodes one frame whose first two bytes mark it as native.
 * @throws GossipError `ERR_FRAME`, `ERR_CIPHER`, `ERR_COMPRESSED`, `ERR_PACKET`, `ERR_CODEC`: dropped, nothing changed.
 */
export function decodeNativeFrame(frame: Uint8Array, env: WireEnv): MaybePromise<NativePacket> {
  checkFrame(frame, env);
  const version = frame[0];
  const flags = frame[1] as number;
  if (frame.length < 3 || version !== FRAME_VERSION || flags & ~COMPRESSED) {
    throw new GossipError('ERR_FRAME', `frame version ${version}`);
  }
  const sealed = frame.subarray(2);
  const opened = env.cipher ? openBytes(sealed, frame.subarray(0, 2), env.cipher) : sealed;
  return andThen(opened, (body) =>
    decodePacket(flags ? decompressPayload(body, env, env.limits.decompressedBytesMax) : body, env),
  );
}

function checkFrame(frame: Uint8Array, { limits }: WireEnv): void {
  checkBytes('a frame', frame.length, limits.frameBytesMax, 'frameBytesMax');
}
