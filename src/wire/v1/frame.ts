/**
 * Frames of the Go library's wire: `[u16 LE flags | header bytes][header][payload]`, where header and payload together are
 * sealed when there is a cipher. The first two bytes are neither encrypted nor authenticated; that is that wire's way.
 */
import { GossipError } from '../../errors.js';
import {
  compressPayload,
  decodeValue,
  decompressPayload,
  encodeValue,
  openBytes,
  sealBytes,
  type WireEnv,
} from '../env.js';
import { andThen, type MaybePromise } from '../maybe-promise.js';
import { asFields, idValue, isNil, readId, readInteger, readString, readU64 } from './fields.js';
import { decodeMessage, encodeMessage, payloadBytesMax } from './message.js';
import { V1_TYPE, type V1Packet } from './packet.js';

const FLAGS_BYTES = 2;
const FLAG_COMPRESSED = 0x8000;
const FLAG_REPLY_EXPECTED = 0x4000;
const HEADER_BYTES_MASK = 0x3fff;
/** The shortest header there is; a smaller number in its place marks a native frame. Source: PROTOCOL, "Native frames". */
const HEADER_BYTES_MIN = 30;
const TTL_MAX = 0xff;
const NO_BYTES = new Uint8Array(0);

/** How a frame travels. */
export interface V1FrameOptions {
  /** Neither sealed nor compressed: the Go library's rule for HTTP. */
  plain: boolean;
}

/**
 * Encodes one packet as a frame.
 * @throws GossipError `ERR_CODEC`, `ERR_TOO_LARGE` (above `limits.frameBytesMax`), `ERR_CIPHER`, `ERR_COMPRESSED`; thrown, or
 *   as a rejection when the cipher is asynchronous. Nothing was sent.
 */
export function encodeV1Frame(packet: V1Packet, env: WireEnv, options: V1FrameOptions): MaybePromise<Uint8Array> {
  const header = encodeValue(
    {
      mt: packet.type,
      si: idValue(packet.senderId, env),
      ti: packet.targetId === undefined ? undefined : idValue(packet.targetId, env),
      tag: packet.tag,
      mi: packet.messageId,
      ttl: packet.ttl,
    },
    env,
  );
  if (header.length > HEADER_BYTES_MASK) throw new GossipError('ERR_TOO_LARGE', 'v1: the header is above 16,383 bytes');
  const payload = encodeMessage(packet.message, env);
  // Above this no peer of our own kind would take it back, however small it has become.
  if (payload.length > env.limits.decompressedBytesMax) throw tooLarge(payload.length, env.limits.decompressedBytesMax);
  const compressed = options.plain ? undefined : compressPayload(payload, env);
  const body = compressed ?? payload;
  const flags = header.length | (compressed ? FLAG_COMPRESSED : 0) | (packet.replyExpected ? FLAG_REPLY_EXPECTED : 0);

  const plaintext = new Uint8Array(FLAGS_BYTES + header.length + body.length);
  plaintext[0] = flags & 0xff;
  plaintext[1] = flags >> 8;
  plaintext.set(header, FLAGS_BYTES);
  plaintext.set(body, FLAGS_BYTES + header.length);
  if (options.plain || !env.cipher) return checkSize(plaintext, env);

  return andThen(sealBytes(plaintext.subarray(FLAGS_BYTES), NO_BYTES, env.cipher), (sealed) => {
    const frame = new Uint8Array(FLAGS_BYTES + sealed.length);
    frame.set(plaintext.subarray(0, FLAGS_BYTES));
    frame.set(sealed, FLAGS_BYTES);
    return checkSize(frame, env);
  });
}

function checkSize(frame: Uint8Array, env: WireEnv): Uint8Array {
  if (frame.length > env.limits.frameBytesMax) throw tooLarge(frame.length, env.limits.frameBytesMax);
  return frame;
}

/**
 * Decodes one frame into a packet.
 *
 * @param frame - not retained beyond the packet; the `payload` of a `data` message may be a view of it.
 * @param options.replyTo - the type of the request this frame must answer: then it must be a reply, and its payload is
 *   read as that request's answer. Without it a reply's payload is left as it is, for the core to say that nobody asked.
 * @throws GossipError `ERR_FRAME`, `ERR_CIPHER`, `ERR_COMPRESSED`, `ERR_PACKET`, `ERR_CODEC`, `ERR_TOO_LARGE`; thrown, or as a
 *   rejection when the cipher is asynchronous. The frame is dropped.
 */
export function decodeV1Frame(
  frame: Uint8Array,
  env: WireEnv,
  options: V1FrameOptions & { replyTo?: number },
): MaybePromise<V1Packet> {
  if (frame.length > env.limits.frameBytesMax) throw tooLarge(frame.length, env.limits.frameBytesMax);
  if (frame.length < FLAGS_BYTES + HEADER_BYTES_MIN) throw new GossipError('ERR_FRAME', 'v1: truncated');
  const flags = (frame[0] as number) | ((frame[1] as number) << 8);
  if ((flags & HEADER_BYTES_MASK) < HEADER_BYTES_MIN) throw new GossipError('ERR_FRAME', 'v1: header too short');
  if (options.plain && flags & FLAG_COMPRESSED) {
    throw new GossipError('ERR_FRAME', 'v1: a compressed frame on a carrier without compression');
  }
  const body = frame.subarray(FLAGS_BYTES);
  if (options.plain || !env.cipher) return decodePacket(flags, body, env, options.replyTo);
  return andThen(openBytes(body, NO_BYTES, env.cipher), (opened) => decodePacket(flags, opened, env, options.replyTo));
}

function decodePacket(flags: number, body: Uint8Array, env: WireEnv, replyTo: number | undefined): V1Packet {
  const headerBytes = flags & HEADER_BYTES_MASK;
  if (body.length < headerBytes) throw new GossipError('ERR_FRAME', 'v1: truncated header');
  const header = asFields(decodeValue(body.subarray(0, headerBytes), env), 'header');
  const type = readInteger(header, 'mt', V1_TYPE.max);
  if (replyTo !== undefined && type !== V1_TYPE.reply) {
    throw new GossipError('ERR_PACKET', `v1: type ${type} where a reply is due`);
  }
  const rest = body.subarray(headerBytes);
  const packet = {
    dialect: 'v1' as const,
    type,
    senderId: readId(header, 'si', env),
    ...(isNil(header.ti) ? {} : { targetId: readId(header, 'ti', env) }),
    ...(isNil(header.tag) ? {} : { tag: readString(header, 'tag', env.limits) }),
    messageId: readU64(header, 'mi'),
    ttl: readInteger(header, 'ttl', TTL_MAX),
    replyExpected: (flags & FLAG_REPLY_EXPECTED) !== 0,
  };
  const bytesMax = payloadBytesMax(type, replyTo, env.limits);
  const payload = flags & FLAG_COMPRESSED ? decompressPayload(rest, env, bytesMax) : rest;
  if (payload.length > bytesMax) throw tooLarge(payload.length, bytesMax);
  return { ...packet, message: decodeMessage(type, replyTo, payload, env) };
}

function tooLarge(bytes: number, max: number): GossipError {
  return new GossipError('ERR_TOO_LARGE', `v1: ${bytes} bytes, above the limit of ${max}`);
}
