/**
 * What both dialects need to turn packets into frames and back: the plug-ins, the limits, and the steps they share
 * (compressing, sealing). Whatever a plug-in throws leaves here as a GossipError.
 */
import type { Cipher } from '../cipher/cipher.js';
import type { Codec } from '../codec/codec.js';
import type { Compressor } from '../compressor/compressor.js';
import type { MemberId } from '../core/member-id.js';
import { attempt, GossipError } from '../errors.js';
import type { Limits } from '../limits.js';
import { andThen, type MaybePromise } from './maybe-promise.js';
import type { Writer } from './native/bytes.js';
import type { Field } from './native/fields.js';
import type { NativePacket } from './packet.js';

/** The plug-ins and limits of one member. */
export interface WireEnv {
  codec: Codec;
  cipher?: Cipher;
  compressor?: Compressor;
  /** Payloads below this many bytes are not compressed. Source: `CompressMinSize` of the Go library, 256. */
  compressBytesMin: number;
  limits: Limits;
  /** Writes packets one after the other: made when the first is encoded. */
  writer?: Writer;
  /** Reads the id that begins at an offset. Default: makes a new string. */
  readId?: (bytes: Uint8Array, at?: number) => MemberId;
}

/** Beside them the layouts of the native packets it speaks: a full member's, a leaf's, or all. */
export interface NativeEnv extends WireEnv {
  packets: Field<NativePacket>;
}

/**
 * The most that a member has to say about itself, in bytes.
 *
 * Why: with this the protocol's own packets have a limit far below a frame's. Whoever may send them need not be a member
 * yet, and decoding four megabytes of nested nothing takes a second.
 */
export function ownBytesMax(limits: Limits): number {
  /** Room for the fixed fields of a member, in the wordiest codec. Source: guess. */
  const FIXED_BYTES_MAX = 4096;
  return limits.metadataBytesMax + (limits.tagsMax + 3) * limits.stringBytesMax + FIXED_BYTES_MAX;
}

/** Encodes a value with the codec. @throws GossipError `ERR_CODEC` */
export function encodeValue(value: unknown, { codec }: WireEnv): Uint8Array {
  return attempt(codec.name, 'ERR_CODEC', () => codec.encode(value));
}

/** Decodes a value with the codec. @throws GossipError `ERR_CODEC` */
export function decodeValue(bytes: Uint8Array, { codec }: WireEnv): unknown {
  return attempt(codec.name, 'ERR_CODEC', () => codec.decode(bytes));
}

/**
 * Compresses a payload when that pays.
 * @returns the smaller bytes, or `undefined`: no compressor, below `compressBytesMin`, or not smaller.
 * @throws GossipError `ERR_COMPRESSED`: the compressor failed; nothing was sent.
 */
export function compressPayload(
  payload: Uint8Array,
  { compressor, compressBytesMin }: WireEnv,
): Uint8Array | undefined {
  if (!compressor || payload.length < compressBytesMin) return undefined;
  const compressed = attempt(compressor.name, 'ERR_COMPRESSED', () => compressor.compress(payload));
  return compressed.length < payload.length ? compressed : undefined;
}

/**
 * Restores a payload made by `compressPayload`, up to `bytesMax`.
 * @throws GossipError `ERR_COMPRESSED`: refused by the compressor, or there is none; the frame is dropped.
 */
export function decompressPayload(compressed: Uint8Array, { compressor }: WireEnv, bytesMax: number): Uint8Array {
  if (!compressor) throw new GossipError('ERR_COMPRESSED', 'no compressor is set');
  return attempt(compressor.name, 'ERR_COMPRESSED', () => compressor.decompress(compressed, bytesMax));
}

/** Seals bytes with the cipher. @throws GossipError `ERR_CIPHER`, or `ERR_KEY` from the cipher; nothing was sent. */
export function sealBytes(plaintext: Uint8Array, associatedData: Uint8Array, cipher: Cipher): MaybePromise<Uint8Array> {
  return attempt(cipher.name, 'ERR_CIPHER', () => cipher.seal(plaintext, associatedData));
}

/** Opens sealed bytes. @throws GossipError `ERR_CIPHER`: no key opens them; the frame is dropped. */
export function openBytes(sealed: Uint8Array, associatedData: Uint8Array, cipher: Cipher): MaybePromise<Uint8Array> {
  const opened = attempt(cipher.name, 'ERR_CIPHER', () => cipher.open(sealed, associatedData));
  return andThen(opened, (plaintext) => {
    if (!plaintext) throw new GossipError('ERR_CIPHER', 'no key opens it');
    return plaintext;
  });
}
