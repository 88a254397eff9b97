/**
 * Native frames in the open: `[version u8][0 u8][packet]`. So gateways and their leaves speak, whose connections are
 * protected by TLS. What members compress and seal is in `frame.ts`.
 */
import { checkBytes, GossipError } from '../../errors.js';
import type { NativeEnv, WireEnv } from '../env.js';
import { FRAME_VERSION, type NativePacket } from '../packet.js';
import type { FrameMaker } from '../wire.js';
import { decodePacket, encodePacket } from './packet-codec.js';

export const HEAD_BYTES = 2;

/** All that a leaf needs of a wire. */
export const openWire = (env: NativeEnv): FrameMaker => ({
  env,
  // Only the plug-in for the Go library makes others.
  encode: (packet) => encodeOpenFrame(packet as NativePacket, env),
  decode: (frame) => decodeOpenFrame(frame, env),
});

/**
 * Encodes one packet.
 * @throws GossipError `ERR_TOO_LARGE`: above `limits.frameBytesMax`; `ERR_CODEC`. Nothing was sent.
 */
export function encodeOpenFrame(packet: NativePacket, env: NativeEnv): Uint8Array {
  return checkFrame(plainFrame(packet, env), env);
}

/**
 * Decodes one frame.
 * @throws GossipError `ERR_FRAME`, `ERR_TOO_LARGE`, `ERR_PACKET`, `ERR_CODEC`: dropped, nothing changed.
 */
export function decodeOpenFrame(frame: Uint8Array, env: NativeEnv): NativePacket {
  readHead(frame, env, 0);
  return decodePacket(frame, env, HEAD_BYTES);
}

/** A frame that may become smaller before it is sent. @throws GossipError `ERR_TOO_LARGE`: no peer would take it back. */
export function plainFrame(packet: NativePacket, env: NativeEnv): Uint8Array {
  const plain = encodePacket(packet, env, HEAD_BYTES);
  checkBytes('a packet', plain.length - HEAD_BYTES, env.limits.decompressedBytesMax, 'decompressedBytesMax');
  plain[0] = FRAME_VERSION;
  return plain;
}

/** @returns its flags, which are among those known. @throws GossipError `ERR_TOO_LARGE`, `ERR_FRAME` */
export function readHead(frame: Uint8Array, env: WireEnv, known: number): number {
  checkFrame(frame, env);
  const [version, flags] = frame as unknown as [number, number];
  if (frame.length > HEAD_BYTES && version === FRAME_VERSION && !(flags & ~known)) return flags;
  throw new GossipError('ERR_FRAME', `frame version ${version}, flags ${flags}`);
}

/** @returns the frame. @throws GossipError `ERR_TOO_LARGE` */
export function checkFrame(frame: Uint8Array, { limits }: WireEnv): Uint8Array {
  checkBytes('a frame', frame.length, limits.frameBytesMax, 'frameBytesMax');
  return frame;
}
