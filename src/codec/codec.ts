/**
 * A codec turns values into bytes and back. One codec per cluster: it encodes the application's data, metadata and,
 * toward Go peers, the messages themselves.
 */

/**
 * Three members make a codec; anyone can write one.
 *
 * Values are what JSON knows plus `bigint` (integers beyond ±2^53), `Uint8Array` and `Date`. An integer that fits
 * ±(2^53 − 1) decodes as `number`, a larger one as `bigint`. `undefined` as a property of an object is left out.
 */
export interface Codec {
  /** Shown in errors and in `stats()`. */
  readonly name: string;
  /**
   * Encodes one value.
   * @throws GossipError `ERR_CODEC`: a value that has no encoding (function, symbol, cycle, too deep).
   */
  encode(value: unknown): Uint8Array;
  /**
   * Decodes exactly one value that fills `bytes`.
   * @param bytes - not retained: what is returned does not share memory with it.
   * @throws GossipError `ERR_CODEC`: malformed, trailing bytes, a duplicate key, or deeper than `depthMax`.
   */
  decode(bytes: Uint8Array): unknown;
}

/** Deepest nesting of lists and maps that codecs carry by default. Source: `limits.depthMax`. */
export const DEPTH_MAX = 64;
