/**
 * Values as a store keeps them: copies of its own, frozen as far as the language can, so that nobody changes what others were told, and
 * measured, so that they have a limit.
 */
import { GossipError } from '../index.js';

/** Deepest nesting of lists and maps. Source: `limits.depthMax` of a cluster, and room for what is around it in a message. */
const DEPTH_MAX = 60;

/** A value and about how many bytes it takes in a message. */
export interface Kept {
  readonly value: unknown;
  readonly bytes: number;
}

/**
 * Copies a value.
 * @throws GossipError `ERR_CODEC`: not every codec carries it (a function, a cycle, NaN); `ERR_TOO_LARGE`.
 */
export function keep(value: unknown, bytesMax: number): Kept {
  let bytes = 0;
  const more = (size: number) => {
    bytes += size;
    if (bytes > bytesMax) {
      throw new GossipError('ERR_TOO_LARGE', `a value is above limits.valueBytesMax (${bytesMax} bytes)`);
    }
  };
  const copy = (one: unknown, depth: number): unknown => {
    if (depth > DEPTH_MAX) throw refuse(`more than ${DEPTH_MAX} levels of nesting`);
    switch (typeof one) {
      case 'undefined':
      case 'boolean':
        more(1);
        return one ?? null;
      case 'number':
        more(9);
        if (!Number.isFinite(one)) throw refuse(`${one}, which JSON has not`);
        // A zero without a sign, as those get it whom it is told.
        return one + 0;
      case 'bigint':
        more(9);
        if (BigInt.asIntN(64, one) !== one && BigInt.asUintN(64, one) !== one)
          throw refuse('an integer beyond 64 bits');
        return Number.isSafeInteger(Number(one)) ? Number(one) : one;
      case 'string':
        more(5 + utf8Bytes(one));
        if (!isWhole(one)) throw refuse('half of a character');
        return one;
      case 'object':
        break;
      default:
        throw refuse(`a ${typeof one}`);
    }
    if (one === null) {
      more(1);
      return null;
    }
    if (one instanceof Uint8Array) {
      more(5 + one.length);
      // Not `slice`, which of a Node `Buffer` is no copy.
      return new Uint8Array(one);
    }
    if (Array.isArray(one)) {
      more(5);
      // Not `map`, which leaves out what is not there, and so would not measure it.
      return Object.freeze(Array.from(one, (item) => copy(item, depth + 1)));
    }
    const name = Object.prototype.toString.call(one).slice(8, -1);
    if (name === 'Date') {
      more(15);
      const at = new Date(Number(one));
      const year = at.getUTCFullYear();
      if (!(year >= 0 && year <= 9999)) throw refuse('an invalid Date, or one outside the years 0 to 9999');
      return at;
    }
    if (name !== 'Object') throw refuse(`a ${name}`);
    more(5);
    const entries = Object.entries(one).filter(([, item]) => item !== undefined);
    return Object.freeze(
      Object.fromEntries(
        entries.map(([name, item]) => {
          if (name === '__proto__') throw refuse('the key __proto__');
          if (!isWhole(name)) throw refuse('half of a character');
          more(5 + utf8Bytes(name));
          return [name, copy(item, depth + 1)];
        }),
      ),
    );
  };
  return { value: copy(value, 0), bytes };
}

function refuse(what: string): GossipError {
  return new GossipError('ERR_CODEC', `a store cannot keep ${what}`);
}

/** Whether a text stays what it is in UTF-8: half of a surrogate pair does not. */
export function isWhole(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text);
}

/** How long a string is in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair is two of its four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
