/**
 * The default codec: msgpack, as the Go library's shamaton and vmihailenco codecs speak it. The library does the
 * encoding; around it stands what makes 64-bit integers exact and hostile bytes harmless.
 */
import { Encoder } from '@msgpack/msgpack';
import { attempt } from '../errors.js';
import { type Codec, DEPTH_MAX } from './codec.js';
import { createMsgpackDecode } from './msgpack-decode.js';
import { type CodecOptions, exactInteger, keysOf, kindOf, tooDeep } from './value.js';

export type { CodecOptions } from './value.js';

/**
 * Makes the msgpack codec.
 *
 * Integers are exact from −2^63 to 2^64 − 1. A `Date` is the timestamp extension, to the millisecond. `undefined` is nil
 * at the top and in lists, and left out in maps. Maps with integer keys decode to string keys. Other extension types are refused.
 */
export function msgpack(options: CodecOptions = {}): Codec {
  /** An encoder whose buffer has grown beyond this is not kept. Source: guess; ordinary packets are below 1.4 kB. */
  const KEPT_BYTES_MAX = 65_536;
  const name = 'msgpack';
  const depthMax = options.depthMax ?? DEPTH_MAX;
  /** Small results share memory of this size: one of its own for each takes ten times as long as to encode it. Source: Node's Buffer.poolSize. */
  const POOL_BYTES = 8192;
  const createEncoder = () => new Encoder({ useBigInt64: true, maxDepth: depthMax + 1 });
  let encoder = createEncoder();
  let pool = new Uint8Array(0);
  let taken = 0;

  function pooled(bytes: Uint8Array): Uint8Array {
    if (bytes.length > POOL_BYTES / 8) return bytes.slice();
    if (taken + bytes.length > pool.length) {
      pool = new Uint8Array(POOL_BYTES);
      taken = 0;
    }
    pool.set(bytes, taken);
    taken += bytes.length;
    return pool.subarray(taken - bytes.length, taken);
  }

  /**
   * Checks a value and replaces integers the library would not encode as such.
   *
   * Why: with `useBigInt64` the library writes a number above 32 bits as a float, and a small bigint in nine bytes.
   */
  function prepare(value: unknown, levels: number): unknown {
    const kind = kindOf(value);
    if (kind === 'number' || kind === 'bigint') {
      const exact = exactInteger(value as number | bigint);
      const isLong = Number.isSafeInteger(exact) && (exact > 0xffff_ffff || exact < -0x8000_0000);
      return isLong ? BigInt(exact) : exact;
    }
    if (kind !== 'list' && kind !== 'map') return value;
    if (levels === 0) throw tooDeep(depthMax);
    if (kind === 'list') return (value as readonly unknown[]).map((item) => prepare(item, levels - 1));
    const map = value as Readonly<Record<string, unknown>>;
    const copy: Record<string, unknown> = {};
    for (const key of keysOf(map)) copy[key] = prepare(map[key], levels - 1);
    return copy;
  }

  return {
    name,
    encode: (value) =>
      attempt(name, 'ERR_CODEC', () => {
        const bytes = encoder.encodeSharedRef(prepare(value, depthMax));
        if (bytes.length > KEPT_BYTES_MAX) encoder = createEncoder();
        return pooled(bytes);
      }),
    decode: createMsgpackDecode(name, depthMax),
  };
}
