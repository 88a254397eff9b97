/**
 * The default codec: msgpack, as the Go library's shamaton and vmihailenco codecs speak it. The library does the
 * encoding; around it stands what makes 64-bit integers exact and hostile bytes harmless.
 */
import { Encoder } from '@msgpack/msgpack';
import type { Codec } from './codec.js';
import { createMsgpackDecode } from './msgpack-decode.js';
import { type CodecOptions, DEPTH_MAX, exactInteger, guard, keysOf, kindOf, tooDeep } from './value.js';

/** An encoder whose buffer has grown beyond this is not kept. Source: guess; ordinary packets are below 1.4 kB. */
const KEPT_BYTES_MAX = 64 * 1024;

/**
 * Makes the msgpack codec.
 *
 * Integers are exact from −2^63 to 2^64 − 1. A `Date` is the timestamp extension, to the millisecond. `undefined` is nil
 * at the top and in lists, and left out in maps. Maps with integer keys decode to string keys. Other extension types are refused.
 */
export function msgpack(options: CodecOptions = {}): Codec {
  const name = 'msgpack';
  const depthMax = options.depthMax ?? DEPTH_MAX;
  const createEncoder = () => new Encoder({ useBigInt64: true, ignoreUndefined: true, maxDepth: depthMax + 2 });
  let encoder = createEncoder();
  return {
    name,
    encode: (value) =>
      guard(name, () => {
        const bytes = encoder.encode(prepare(value, 0, depthMax));
        if (bytes.length > KEPT_BYTES_MAX) encoder = createEncoder();
        return bytes;
      }),
    decode: createMsgpackDecode(name, { depthMax, raw: false }),
  };
}

/**
 * Checks a value and replaces integers the library would not encode as such; what needs no replacing is not copied.
 *
 * Why: with `useBigInt64` the library writes a number above 32 bits as a float, and a small bigint in nine bytes.
 */
function prepare(value: unknown, depth: number, depthMax: number): unknown {
  switch (kindOf(value)) {
    case 'number':
      return Number.isSafeInteger(value) ? libraryInteger(value as number) : value;
    case 'bigint': {
      const exact = exactInteger(value as bigint);
      return typeof exact === 'number' ? libraryInteger(exact) : exact;
    }
    case 'list': {
      if (depth === depthMax) throw tooDeep(depthMax);
      const list = value as readonly unknown[];
      let copy: unknown[] | undefined;
      for (let i = 0; i < list.length; i++) {
        const prepared = prepare(list[i], depth + 1, depthMax);
        if (prepared !== list[i] && !copy) copy = list.slice();
        if (copy) copy[i] = prepared;
      }
      return copy ?? list;
    }
    case 'map': {
      if (depth === depthMax) throw tooDeep(depthMax);
      const map = value as Readonly<Record<string, unknown>>;
      let copy: Record<string, unknown> | undefined;
      for (const key of keysOf(map)) {
        const prepared = prepare(map[key], depth + 1, depthMax);
        if (prepared !== map[key] && !copy) copy = { ...map };
        if (copy) copy[key] = prepared;
      }
      return copy ?? map;
    }
    default:
      return value;
  }
}

function libraryInteger(value: number): number | bigint {
  return value > 0xffff_ffff || value < -0x8000_0000 ? BigInt(value) : value;
}
