/**
 * Reads the fields of decoded v1 maps. Liberal where the four Go codecs differ (widths, order, nil, unknown keys), strict
 * where a wrong value could do harm (lengths of ids, ranges, counts, sizes).
 */
import type { Codec } from '../../codec/codec.js';
import { type MemberId, memberIdFromBytes, memberIdToBytes } from '../../core/member-id.js';
import type { Metadata } from '../../core/metadata.js';
import { GossipError } from '../../errors.js';
import type { Limits } from '../../limits.js';
import { decodeValue, encodeValue, type WireEnv } from '../env.js';
import { V1_STATES, type V1State } from './packet.js';

/** A decoded map whose values have not been looked at. */
export type Fields = Readonly<Record<string, unknown>>;

const ID_BYTES = 16;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const ISO_MAX = 0xffff;

/** How a codec carries an id. Found out by trying, so that it holds for codecs we have never heard of. */
interface IdForm {
  /** Bytes come back as bytes; otherwise an id travels as a list of 16 numbers. */
  bytes: boolean;
  /** Bytes that happen to be UTF-8 come back as a string. */
  text: boolean;
}

/** A memo of a pure function: what a codec does with bytes never changes. */
const idForms = new WeakMap<Codec, IdForm>();

function idFormOf(env: WireEnv): IdForm {
  const known = idForms.get(env.codec);
  if (known) return known;
  const roundTrip = (fill: number) => decodeValue(encodeValue(new Uint8Array(ID_BYTES).fill(fill), env), env);
  const bytes = roundTrip(0xff) instanceof Uint8Array;
  const form = { bytes, text: bytes && typeof roundTrip(0x41) === 'string' };
  idForms.set(env.codec, form);
  return form;
}

/** Prepares an id for the codec. */
export function idValue(id: MemberId, env: WireEnv): Uint8Array | number[] {
  const bytes = memberIdToBytes(id);
  return idFormOf(env).bytes ? bytes : Array.from(bytes);
}

/** Reads an id of exactly 16 bytes. @throws GossipError `ERR_PACKET` */
export function readId(fields: Fields, key: string, env: WireEnv): MemberId {
  const value = fields[key];
  let bytes: Uint8Array | undefined;
  if (value instanceof Uint8Array) bytes = value;
  else if (Array.isArray(value)) {
    if (value.length === ID_BYTES && value.every(isByte)) bytes = Uint8Array.from(value);
  } else if (typeof value === 'string' && value.length <= ID_BYTES && idFormOf(env).text) {
    bytes = new TextEncoder().encode(value);
  }
  if (bytes?.length !== ID_BYTES) throw wrong(key, 'is not an id of 16 bytes');
  return memberIdFromBytes(bytes);
}

function isByte(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;
}

/** Reads an integer from 0 to `max`, in whatever width it came. @throws GossipError `ERR_PACKET` */
export function readInteger(fields: Fields, key: string, max: number): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw wrong(key, `is not an integer from 0 to ${max}`);
  }
  return value;
}

/** Reads an unsigned 64-bit integer. @throws GossipError `ERR_PACKET` */
export function readU64(fields: Fields, key: string): bigint {
  const value = fields[key];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === 'bigint' && value >= 0n && value <= U64_MAX) return value;
  throw wrong(key, 'is not an unsigned 64-bit integer');
}

/** Reads the version under which a native member shows itself. @throws GossipError `ERR_PACKET` */
export function readIso(fields: Fields): { iso?: number } {
  return isNil(fields.iso) ? {} : { iso: readInteger(fields, 'iso', ISO_MAX) };
}

/** Reads a boolean. @throws GossipError `ERR_PACKET` */
export function readBoolean(fields: Fields, key: string): boolean {
  const value = fields[key];
  if (typeof value !== 'boolean') throw wrong(key, 'is not a boolean');
  return value;
}

/** Reads a string of at most `limits.stringBytesMax` UTF-8 bytes; nil and absent are empty. @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE` */
export function readString(fields: Fields, key: string, limits: Limits): string {
  const value = fields[key];
  return isNil(value) ? '' : checkString(value, key, limits);
}

/** Reads a string that must be there; it may be empty. @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE` */
export function readAddress(fields: Fields, limits: Limits): string {
  return checkString(fields.addr, 'addr', limits);
}

function checkString(value: unknown, key: string, limits: Limits): string {
  if (typeof value !== 'string') throw wrong(key, 'is not a string');
  const max = limits.stringBytesMax;
  // A UTF-16 unit is at most three bytes of UTF-8, so most strings need no counting.
  if (value.length > max || (value.length * 3 > max && new TextEncoder().encode(value).length > max)) {
    throw tooLarge(key, `is above ${max} bytes`);
  }
  return value;
}

/** Reads tags; nil and absent are none. @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE` */
export function readTags(fields: Fields, limits: Limits): string[] {
  return readList(fields.tags, 'tags', limits.tagsMax).map((tag) => checkString(tag, 'tags', limits));
}

/** Reads a list of at most `max` items; nil is empty. @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE` */
function readList(value: unknown, key: string, max: number): readonly unknown[] {
  if (isNil(value)) return [];
  if (!Array.isArray(value)) throw wrong(key, 'is not a list');
  if (value.length > max) throw tooLarge(key, `has more than ${max} items`);
  return value;
}

/** Reads a list of maps. @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE` */
export function readMaps<T>(value: unknown, key: string, max: number, read: (fields: Fields) => T): T[] {
  return readList(value, key, max).map((item) => read(asFields(item, key)));
}

/** Reads a state; `removed` and anything unknown is refused. @throws GossipError `ERR_PACKET` */
export function readState(fields: Fields, key: string): V1State {
  return V1_STATES[readInteger(fields, key, V1_STATES.length - 1)] as V1State;
}

/**
 * Reads metadata of at most `limits.metadataBytesMax` encoded bytes; nil is empty.
 * @param payloadBytes - size of the payload around it: when that fits, the metadata does.
 * @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE`
 */
export function readMetadata(fields: Fields, payloadBytes: number, env: WireEnv): Metadata {
  if (isNil(fields.md)) return {};
  const metadata = asFields(fields.md, 'md');
  const max = env.limits.metadataBytesMax;
  if (payloadBytes > max && encodeValue(metadata, env).length > max) throw tooLarge('md', `is above ${max} bytes`);
  return metadata;
}

/** Takes a decoded value as a map. @throws GossipError `ERR_PACKET` */
export function asFields(value: unknown, what: string): Fields {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    value instanceof Uint8Array ||
    value instanceof Date
  ) {
    throw wrong(what, 'is not a map');
  }
  return value as Fields;
}

/** Go sends nil where a list, a map or a pointer is nil there. */
export function isNil(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function wrong(key: string, what: string): GossipError {
  return new GossipError('ERR_PACKET', `v1: ${key} ${what}`);
}

function tooLarge(key: string, what: string): GossipError {
  return new GossipError('ERR_TOO_LARGE', `v1: ${key} ${what}`);
}
