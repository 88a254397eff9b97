/**
 * A JSON reader that keeps what `JSON.parse` loses: integers beyond 2^53, and the difference between a key given once and
 * twice. Depth is limited on the way, so that no input can exhaust the stack.
 */
import { exactInteger, refuse, tooDeep } from './value.js';

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const INTEGER = /^-?[0-9]+$/;
/** Digits of an integer that a number surely holds. */
const SAFE_DIGITS = 15;
/** Digits of the largest 64-bit integer; beyond it a Go peer can only mean a float. */
const INTEGER_DIGITS_MAX = 20;

/**
 * Parses exactly one JSON value (RFC 8259).
 *
 * Integers from −2^63 to 2^64 − 1 are exact: `number` when that holds them, else `bigint`; what is written with a fraction or an
 * exponent, or is larger, is a float as it is in Go.
 *
 * @throws GossipError `ERR_CODEC`: malformed, too deep, a duplicate key or the key `__proto__`.
 */
export function parseJson(text: string, depthMax: number): unknown {
  const parser = new Parser(text, depthMax);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  #pos = 0;

  constructor(
    readonly text: string,
    readonly depthMax: number,
  ) {}

  end(): void {
    this.#space();
    if (this.#pos !== this.text.length) throw refuse('bytes after the JSON value');
  }

  value(depth: number): unknown {
    this.#space();
    switch (this.text[this.#pos]) {
      case '{':
        return this.#map(depth);
      case '[':
        return this.#list(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #map(depth: number): Record<string, unknown> {
    if (depth === this.depthMax) throw tooDeep(this.depthMax);
    const map: Record<string, unknown> = {};
    this.#pos++;
    if (this.#take('}')) return map;
    do {
      this.#space();
      if (this.text[this.#pos] !== '"') throw this.#malformed();
      const key = this.#string();
      if (key === '__proto__') throw refuse('the key __proto__');
      if (Object.hasOwn(map, key)) throw refuse('a map with the same key twice');
      this.#expect(':');
      map[key] = this.value(depth + 1);
    } while (this.#take(','));
    this.#expect('}');
    return map;
  }

  #list(depth: number): unknown[] {
    if (depth === this.depthMax) throw tooDeep(this.depthMax);
    const list: unknown[] = [];
    this.#pos++;
    if (this.#take(']')) return list;
    do list.push(this.value(depth + 1));
    while (this.#take(','));
    this.#expect(']');
    return list;
  }

  /** Lets `JSON.parse` read the literal even without escapes: a mere slice would keep the whole text in memory. */
  #string(): string {
    const start = this.#pos;
    for (let at = start + 1; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at);
      if (code === 0x22) {
        this.#pos = at + 1;
        return JSON.parse(this.text.slice(start, at + 1));
      }
      if (code === 0x5c) at++;
    }
    throw this.#malformed();
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#pos;
    const literal = NUMBER.exec(this.text)?.[0];
    if (literal === undefined) throw this.#malformed();
    this.#pos += literal.length;
    if (literal.length > SAFE_DIGITS && literal.length <= INTEGER_DIGITS_MAX && INTEGER.test(literal)) {
      const integer = BigInt(literal);
      if (integer === BigInt.asUintN(64, integer) || integer === BigInt.asIntN(64, integer))
        return exactInteger(integer);
    }
    const float = Number(literal);
    if (!Number.isFinite(float)) throw refuse('a number beyond the range of a float');
    return float;
  }

  #word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.#pos)) throw this.#malformed();
    this.#pos += word.length;
    return value;
  }

  #take(char: string): boolean {
    this.#space();
    if (this.text[this.#pos] !== char) return false;
    this.#pos++;
    return true;
  }

  #expect(char: string): void {
    if (!this.#take(char)) throw this.#malformed();
  }

  #space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.#pos);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#pos++;
    }
  }

  #malformed(): Error {
    return refuse(`JSON malformed at ${this.#pos}`);
  }
}
