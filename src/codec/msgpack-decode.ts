/**
 * Decoding shared by both msgpack codecs: a look ahead that refuses what is too deep, too long or cut short before
 * anything is allocated, the library's decoder, and a pass over its result for what the library leaves to us (exact
 * integers, memory of one's own, duplicate keys).
 */
import { Decoder, ExtData } from '@msgpack/msgpack';
import { exactInteger, guard, refuse, tooDeep } from './value.js';

/** What differs between the formats. */
export interface MsgpackDecodeOptions {
  depthMax: number;
  /** The old format, which has one type for bytes and strings: what is valid UTF-8 becomes a string. */
  raw: boolean;
}

/** Makes the `decode` of a msgpack codec. */
export function createMsgpackDecode(codec: string, options: MsgpackDecodeOptions): (bytes: Uint8Array) => unknown {
  const decoder = new Decoder({
    useBigInt64: true,
    rawStrings: options.raw,
    mapKeyConverter: keyOf,
    // The default is shared by the whole process and forgets by Math.random.
    keyDecoder: null,
  });
  const utf8 = options.raw ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }) : undefined;
  return (bytes) =>
    guard(codec, () => {
      const pairs = lookAhead(bytes, options.depthMax);
      const finisher = new Finisher(utf8);
      const value = finisher.finish(decoder.decode(bytes));
      if (finisher.pairs !== pairs) throw refuse('a map with the same key twice');
      return value;
    });
}

/** Go may use integers as keys; as properties they are strings. */
function keyOf(key: unknown): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint') return String(key);
  throw refuse('a map key that is neither a string nor a number');
}

/** Corrects what the library decoded, in place, and counts the pairs of all maps. */
class Finisher {
  pairs = 0;

  constructor(readonly utf8: TextDecoder | undefined) {}

  finish(value: unknown): unknown {
    if (typeof value === 'bigint') return exactInteger(value);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = this.finish(value[i]);
      return value;
    }
    if (value instanceof Uint8Array) return this.#bytes(value);
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) throw refuse('a time outside the range of Date');
      return value;
    }
    if (value instanceof ExtData) throw refuse(`the extension type ${value.type}`);
    const map = value as Record<string, unknown>;
    for (const key of Object.keys(map)) {
      this.pairs++;
      map[key] = this.finish(map[key]);
    }
    return map;
  }

  #bytes(view: Uint8Array): Uint8Array | string {
    if (this.utf8) {
      try {
        return this.utf8.decode(view);
      } catch {}
    }
    return new Uint8Array(view);
  }
}

/**
 * Walks over one value without building anything.
 *
 * Why: the library allocates what a header declares and limits no depth. Here nothing is allocated: a value that declares more than is
 * there runs into the end of the bytes.
 *
 * @returns the number of key-value pairs in all maps together.
 * @throws GossipError `ERR_CODEC`: truncated, trailing bytes, too deep, or the one byte msgpack never uses.
 */
function lookAhead(bytes: Uint8Array, depthMax: number): number {
  /** Values still to come in each open container, the innermost last; the first is the root. */
  const open = [1];
  let pairs = 0;
  let pos = 0;
  const uint = (size: number): number => {
    if (pos + size > bytes.length) throw refuse('truncated bytes');
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (bytes[pos++] as number);
    return value;
  };

  while (open.length > 0) {
    const last = open.length - 1;
    if (open[last] === 0) {
      open.pop();
      continue;
    }
    open[last] = (open[last] as number) - 1;
    const head = uint(1);
    // Small integers are their own head.
    if (head < 0x80 || head >= 0xe0) continue;
    if (head === 0xc1) throw refuse('bytes that are no msgpack');
    const short = head < 0xc0;
    const isMap = short ? head < 0x90 : head >= 0xde;
    const isList = !isMap && (short ? head < 0xa0 : head >= 0xdc);
    const size = short
      ? head & (head < 0xa0 ? 0x0f : 0x1f)
      : uint(Number(LENGTH_BYTES[head - 0xc0])) + (BODY_BYTES[head - 0xc0] as number);
    if (isMap) pairs += size;
    if (!isMap && !isList) {
      pos += size;
      continue;
    }
    open.push(isMap ? size * 2 : size);
    // The root's own entry is not a level.
    if (open.length - 1 > depthMax) throw tooDeep(depthMax);
  }
  if (pos !== bytes.length) throw refuse(pos > bytes.length ? 'truncated bytes' : 'trailing bytes');
  return pairs;
}

/** For the heads from 0xc0 to 0xdf: how many bytes of length follow, and how many bytes of body beside that length. */
const LENGTH_BYTES = '00001241240000000000000001242424';
const BODY_BYTES = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0];
