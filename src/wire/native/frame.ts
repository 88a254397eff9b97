/**
 * Native frames: `[version u8][u8: 0x80 when compressed][body]`. A body is a packet, compressed as a whole when that
 * pays, then sealed with the first two bytes as associated data, so that nothing on the wire is unauthenticated.
 */
import { compressPayload, decompressPayload, type NativeEnv, openBytes, sealBytes } from '../env.js';
import { andThen, type MaybePromise } from '../maybe-promise.js';
import { COMPRESSED, FRAME_VERSION, type NativePacket } from '../packet.js';
import { checkFrame, HEAD_BYTES, plainFrame, readHead } from './open-frame.js';
import { decodePacket } from './packet-codec.js';

/**
 * Encodes, compresses and seals one packet.
 * @throws GossipError `ERR_TOO_LARGE`: above `limits.frameBytesMax`; `ERR_CODEC`. Nothing was sent.
 */
export function encodeNativeFrame(packet: NativePacket, env: NativeEnv): MaybePromise<Uint8Array> {
  const plain = plainFrame(packet, env);
  const compressed = env.compressor && compressPayload(plain.subarray(HEAD_BYTES), env);
  if (!compressed && !env.cipher) return checkFrame(plain, env);
  const head = Uint8Array.of(FRAME_VERSION, compressed ? COMPRESSED : 0);
  const body = compressed ?? plain.subarray(HEAD_BYTES);
  return andThen(env.cipher ? sealBytes(body, head, env.cipher) : body, (sealed) => {
    const frame = new Uint8Array(HEAD_BYTES + sealed.length);
    frame.set(head);
    frame.set(sealed, HEAD_BYTES);
    return checkFrame(frame, env);
  });
}

/**
 * Opens, decompresses and decodes one frame whose first two bytes mark it as native.
 * @throws GossipError `ERR_FRAME`, `ERR_CIPHER`, `ERR_COMPRESSED`, `ERR_PACKET`, `ERR_CODEC`: dropped, nothing changed.
 */
export function decodeNativeFrame(frame: Uint8Array, env: NativeEnv): MaybePromise<NativePacket> {
  const flags = readHead(frame, env, COMPRESSED);
  if (!flags && !env.cipher) return decodePacket(frame, env, HEAD_BYTES);
  const sealed = frame.subarray(HEAD_BYTES);
  const opened = env.cipher ? openBytes(sealed, frame.subarray(0, HEAD_BYTES), env.cipher) : sealed;
  return andThen(opened, (body) =>
    decodePacket(flags ? decompressPayload(body, env, env.limits.decompressedBytesMax) : body, env),
  );
}
