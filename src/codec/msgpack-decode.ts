/**
 * Decoding shared by both msgpack codecs, in one pass: what is too deep, too long or cut short is refused before anything of its
 * declared size is allocated, integers are exact, bytes are copies, and no key comes twice.
 */
import { decodeTimestampExtension } from '@msgpack/msgpack';
import { attempt } from '../errors.js';
import { exactInteger, kindOf, refuse, tooDeep } from './value.js';

const FROM_UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });
/** For the heads from 0xc0 to 0xdf: how many bytes of length follow, and how many bytes of body beside that (`A`: 17). */
const LENGTH_BYTES = '00001241240000000000000001242424';
const BODY_BYTES = '000000011148124812482359A0000000';

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
  let bytes: Uint8Array;
  let at: number;
  /** Values that have been declared and not begun: each takes a byte at least. */
  let owed: number;

  function decode(levels: number): unknown {
    const head = uint(1);
    owed--;
    // Small integers are their own head.
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    const size =
      head < 0xc0 ? head & (head < 0xa0 ? 0x0f : 0x1f) : uint(lookUp(LENGTH_BYTES, head)) + lookUp(BODY_BYTES, head);
    const isMap = head < 0x90 || head >= 0xde;
    if (isMap || head < 0xa0 || head >= 0xdc) {
      if (levels === 0) throw tooDeep(depthMax);
      owed += isMap ? size * 2 : size;
      if (owed > bytes.length - at) throw cut();
      return isMap ? map(size, levels - 1) : list(size, levels - 1);
    }
    if (head === 0xc0) return null;
    if (head === 0xc2 || head === 0xc3) return head === 0xc3;
    if (size < 8 && head > 0xcb && head < 0xd4) {
      const value = uint(size);
      const sign = 32 - size * 8;
      return head < 0xd0 ? value : (value << sign) >> sign;
    }
    const body = bytes.subarray(take(size), at);
    const isText = head < 0xc0 || head > 0xd8;
    if (isText || (head > 0xc3 && head < 0xc7))
      return (textOf ? textOf(body) : isText ? text(body) : undefined) ?? new Uint8Array(body);
    if (head < 0xca || head > 0xd3) return extension(body);
    const view = new DataView(body.buffer, body.byteOffset);
    if (head < 0xcc) return size === 4 ? view.getFloat32(0) : view.getFloat64(0);
    return exactInteger(head < 0xd0 ? view.getBigUint64(0) : view.getBigInt64(0));
  }

  function list(size: number, levels: number): unknown[] {
    const items: unknown[] = [];
    for (let left = size; left > 0; left--) items.push(decode(levels));
    return items;
  }

  function map(size: number, levels: number): Record<string, unknown> {
    const pairs: Record<string, unknown> = {};
    for (let left = size; left > 0; left--) {
      const key = decode(levels);
      // Go may use integers as keys; as properties they are strings.
      if (typeof key === 'object' || typeof key === 'boolean') throw refuse(`a map key of type ${typeof key}`);
      if (key === '__proto__') throw refuse('the key __proto__');
      if (Object.hasOwn(pairs, key as string)) throw refuse('a duplicate key');
      pairs[key as string] = decode(levels);
    }
    return pairs;
  }

  function uint(size: number): number {
    let value = 0;
    for (let i = take(size); i < at; i++) value = value * 256 + (bytes[i] as number);
    return value;
  }

  /** @returns where the next so many bytes begin. */
  function take(size: number): number {
    const from = at;
    at += size;
    if (at > bytes.length) throw cut();
    return from;
  }

  return (encoded) =>
    attempt(codec, 'ERR_CODEC', () => {
      bytes = encoded;
      at = 0;
      owed = 1;
      const value = decode(depthMax);
      if (at < bytes.length) throw refuse('more bytes');
      return value;
    });
}

function text(bytes: Uint8Array): string {
  /** Up to so many bytes a loop is faster than a decoder. Source: measured in Node 20. */
  const SHORT_BYTES_MAX = 32;
  let ascii = '';
  if (bytes.length <= SHORT_BYTES_MAX) for (const byte of bytes) if (byte < 0x80) ascii += String.fromCharCode(byte);
  return ascii.length === bytes.length ? ascii : FROM_UTF8.decode(bytes);
}

function extension(body: Uint8Array): Date {
  if (body[0] !== 0xff) throw refuse(`the extension type ${body[0]}`);
  const date = decodeTimestampExtension(body.subarray(1)) as Date;
  kindOf(date);
  return date;
}

function cut(): Error {
  return refuse('truncated bytes');
}

function lookUp(table: string, head: number): number {
  return table.charCodeAt(head - 0xc0) - 48;
}
