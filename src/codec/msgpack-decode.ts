/**
 * Decoding shared by both msgpack codecs: a look ahead that refuses what is too deep, too long or cut short before
 * anything is allocated, the library's decoder, and a pass over its result for what the library leaves to us (exact
 * integers, memory of one's own, duplicate keys).
 */
import { Decoder, ExtData } from '@msgpack/msgpack';
import { attempt } from '../errors.js';
import { exactInteger, kindOf, refuse, tooDeep } from './value.js';

/**
 * Makes the `decode` of a msgpack codec.
 *
 * @param textOf - for the old format, which has one type for bytes and strings: the string that bytes are, if they are one.
 */
export function createMsgpackDecode(
  codec: string,
  depthMax: number,
  textOf?: (bytes: Uint8Array) => string | undefined,
): (bytes: Uint8Array) => unknown {
  const decoder = new Decoder({
    useBigInt64: true,
    rawStrings: textOf !== undefined,
    mapKeyConverter: keyOf,
    // The default is shared by the whole process and forgets by Math.random.
    keyDecoder: null,
  });
  return (bytes) =>
    attempt(codec, 'ERR_CODEC', () => {
      const seen = new LookAhead(bytes, depthMax);
      seen.skip(depthMax);
      /** Corrects what the library decoded, in place. */
      const finish = (value: unknown): unknown => {
        switch (kindOf(value)) {
          case 'bigint':
            return exactInteger(value as bigint);
          case 'bytes':
            return textOf?.(value as Uint8Array) ?? new Uint8Array(value as Uint8Array);
          case 'list':
            return (value as unknown[]).map(finish);
          case 'map': {
            if (value instanceof ExtData) throw refuse(`the extension type ${value.type}`);
            const map = value as Record<string, unknown>;
            for (const key of Object.keys(map)) {
              seen.pairs--;
              map[key] = finish(map[key]);
            }
          }
        }
        return value;
      };
      const value = finish(decoder.decode(bytes));
      if (seen.pairs !== 0) throw refuse('a duplicate key');
      return value;
    });
}

/** Go may use integers as keys; as properties they are strings. */
function keyOf(key: unknown): string {
  if (['string', 'number', 'bigint'].includes(typeof key)) return String(key);
  throw refuse(`a map key of type ${typeof key}`);
}

/**
 * Walks over one value without building anything.
 *
 * Why: the library allocates what a header declares and limits no depth. Here nothing is allocated: a value that declares more than is
 * there runs into the end of the bytes. What is cut short or left over at the very end, the library sees itself.
 */
class LookAhead {
  /** Key-value pairs in all maps together. */
  pairs = 0;
  #at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly depthMax: number,
  ) {}

  /** Goes over the next value. @throws GossipError `ERR_CODEC`: truncated or too deep. */
  skip(levels: number): void {
    const head = this.#uint(1);
    // Small integers are their own head.
    if (head < 0x80 || head >= 0xe0) return;
    const isMap = head < 0x90 || head >= 0xde;
    const isList = !isMap && (head < 0xa0 || head >= 0xdc);
    const size =
      head < 0xc0
        ? head & (head < 0xa0 ? 0x0f : 0x1f)
        : this.#uint(lookUp(LENGTH_BYTES, head)) + lookUp(BODY_BYTES, head);
    if (!isMap && !isList) {
      this.#at += size;
      return;
    }
    if (levels === 0) throw tooDeep(this.depthMax);
    if (isMap) this.pairs += size;
    for (let left = isMap ? size * 2 : size; left > 0; left--) this.skip(levels - 1);
  }

  #uint(size: number): number {
    const end = this.#at + size;
    if (end > this.bytes.length) throw refuse('truncated bytes');
    let value = 0;
    while (this.#at < end) value = value * 256 + (this.bytes[this.#at++] as number);
    return value;
  }
}

/** For the heads from 0xc0 to 0xdf: how many bytes of length follow, and how many bytes of body beside that (`A`: 17). */
const LENGTH_BYTES = '00001241240000000000000001242424';
const BODY_BYTES = '000000011148124812482359A0000000';

function lookUp(table: string, head: number): number {
  return table.charCodeAt(head - 0xc0) - 48;
}
