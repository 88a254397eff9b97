/**
 * Values as every codec carries them: what a value is to whoever reads it, whatever the codec. Stores keep such values and voters' logs
 * hold them, so that they are the same where they are written and where they are told.
 */
import { GossipError } from './errors.js';

/** What becomes of a value on its way. */
export interface CarriedOptions {
  /** Deepest nesting of lists and maps; also what ends a cycle. */
  readonly depthMax: number;
  /** Is told about how many bytes each part takes, before that is copied; may throw. */
  readonly measure?: (bytes: number) => void;
  /** Finishes each list and map of the copy. */
  readonly finish?: <T extends object>(copy: T) => T;
}

/**
 * Copies a value as others will read it: nothing is shared with whoever gave it, keys of `undefined` and the sign of a zero are left
 * out, and an integer is a number where that is exact.
 * @throws GossipError `ERR_CODEC`: not every codec carries it (a function, a cycle, NaN).
 */
export function carried(value: unknown, options: CarriedOptions): unknown {
  const { depthMax, measure = () => {}, finish = (copy) => copy } = options;
  const text = (one: string): string => {
    measure(5 + utf8Bytes(one));
    if (!isWhole(one)) throw refuse('half of a character');
    return one;
  };
  const copy = (one: unknown, levels: number): unknown => {
    switch (typeof one) {
      case 'undefined':
      case 'boolean':
        measure(1);
        return one ?? null;
      case 'number':
        measure(9);
        if (!Number.isFinite(one)) throw refuse(`${one}, which JSON has not`);
        // A zero without a sign, as those get it whom it is told.
        return one + 0;
      case 'bigint':
        measure(9);
        if (BigInt.asIntN(64, one) !== one && BigInt.asUintN(64, one) !== one)
          throw refuse('an integer beyond 64 bits');
        return Number.isSafeInteger(Number(one)) ? Number(one) : one;
      case 'string':
        return text(one);
      case 'object':
        break;
      default:
        throw refuse(`a ${typeof one}`);
    }
    if (one === null) {
      measure(1);
      return null;
    }
    if (one instanceof Uint8Array) {
      measure(5 + one.length);
      // Not `slice`, which of a Node `Buffer` is no copy.
      return new Uint8Array(one);
    }
    const name = Object.prototype.toString.call(one).slice(8, -1);
    if (name === 'Date') {
      measure(15);
      const at = new Date(Number(one));
      const year = at.getUTCFullYear();
      if (!(year >= 0 && year <= 9999)) throw refuse('an invalid Date, or one outside the years 0 to 9999');
      return at;
    }
    const isList = Array.isArray(one);
    if (!isList && name !== 'Object') throw refuse(`a ${name}`);
    if (levels === 0) throw refuse(`more than ${depthMax} levels of nesting`);
    measure(5);
    // Not `map`, which leaves out what is not there, and so would not measure it.
    if (isList) return finish(Array.from(one, (item) => copy(item, levels - 1)));
    const entries = Object.entries(one).filter(([, item]) => item !== undefined);
    return finish(
      Object.fromEntries(
        entries.map(([key, item]) => {
          if (key === '__proto__') throw refuse('the key __proto__');
          return [text(key), copy(item, levels - 1)];
        }),
      ),
    );
  };
  return copy(value, depthMax);
}

function refuse(what: string): GossipError {
  return new GossipError('ERR_CODEC', `not every codec carries ${what}`);
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
