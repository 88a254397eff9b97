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
  const end = bytes.length;
  /** Values still to come in each open container, the innermost last; the first is the root. */
  const open = [1];
  let pairs = 0;
  let pos = 0;
  const uint = (size: number): number => {
    if (pos + size > end) throw refuse('truncated bytes');
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
    let children = 0;
    let skip = 0;
    let container = true;
    if (head >= 0x80 && head <= 0x8f) children = countPairs(head & 0x0f);
    else if (head >= 0x90 && head <= 0x9f) children = head & 0x0f;
    else if (head === 0xdc || head === 0xdd) children = uint(head === 0xdc ? 2 : 4);
    else if (head === 0xde || head === 0xdf) children = countPairs(uint(head === 0xde ? 2 : 4));
    else {
      container = false;
      skip = bodyBytes(head, uint);
    }
    pos += skip;
    if (container) {
      open.push(children);
      // The root's own entry is not a level.
      if (open.length - 1 > depthMax) throw tooDeep(depthMax);
    }
  }
  if (pos !== end) throw refuse(pos > end ? 'truncated bytes' : 'trailing bytes');
  return pairs;

  function countPairs(count: number): number {
    pairs += count;
    return count * 2;
  }
}

/** Bytes after the head (and its length) of a value that is no container. */
function bodyBytes(head: number, uint: (size: number) => number): number {
  if (head < 0x80 || head >= 0xe0) return 0;
  if (head <= 0xbf) return head & 0x1f;
  switch (head) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return 0;
    case 0xc4:
    case 0xd9:
      return uint(1);
    case 0xc5:
    case 0xda:
      return uint(2);
    case 0xc6:
    case 0xdb:
      return uint(4);
    case 0xc7:
      return uint(1) + 1;
    case 0xc8:
      return uint(2) + 1;
    case 0xc9:
      return uint(4) + 1;
    case 0xcc:
    case 0xd0:
      return 1;
    case 0xcd:
    case 0xd1:
      return 2;
    case 0xca:
    case 0xce:
    case 0xd2:
      return 4;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 8;
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return 1 + 2 ** (head - 0xd4);
    default:
      throw refuse('bytes that are no msgpack');
  }
}
