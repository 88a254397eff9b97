/**
 * The old msgpack format, as the Go library's hashicorp codec speaks it: one type, raw, for bytes and strings. The library
 * behind `msgpack()` reads it but cannot write it, hence an encoder of our own.
 */
import { encodeTimestampExtension } from '@msgpack/msgpack';
import { attempt } from '../errors.js';
import { type Codec, DEPTH_MAX } from './codec.js';
import { createMsgpackDecode } from './msgpack-decode.js';
import { type CodecOptions, keysOf, kindOf, tooDeep } from './value.js';

export type { CodecOptions } from './value.js';

/**
 * Makes the codec for clusters whose Go peers use hashicorp's msgpack.
 *
 * Raw that is valid UTF-8 decodes as a string, any other as `Uint8Array`: bytes that happen to be UTF-8 come back as a
 * string, which this format cannot help. A `Date` is sent as the timestamp extension, which hashicorp's decoder reads;
 * a Go peer's own times arrive as 4, 8 or 12 raw bytes.
 */
export function msgpackRaw(options: CodecOptions = {}): Codec {
  const name = 'msgpack-raw';
  const depthMax = options.depthMax ?? DEPTH_MAX;
  return {
    name,
    encode: (value) =>
      attempt(name, 'ERR_CODEC', () => {
        const writer = new Writer(depthMax);
        writer.value(value, 0);
        return writer.result();
      }),
    decode: createMsgpackDecode(name, depthMax, textOf),
  };
}

const FROM_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text that raw bytes are, if they are UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return FROM_UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes a writer starts with. Source: guess; most packets fit. */
const START_BYTES = 256;

class Writer {
  readonly #depthMax: number;
  readonly #utf8 = new TextEncoder();
  #bytes = new Uint8Array(START_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(depthMax: number) {
    this.#depthMax = depthMax;
  }

  result(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  value(value: unknown, depth: number): void {
    switch (kindOf(value)) {
      case 'nil':
        this.#u8(0xc0);
        break;
      case 'boolean':
        this.#u8(value ? 0xc3 : 0xc2);
        break;
      case 'number':
        if (Number.isSafeInteger(value)) this.#integer(value as number);
        else this.#float(value as number);
        break;
      case 'bigint':
        this.#bigint(value as bigint);
        break;
      case 'string':
        this.#raw(this.#utf8.encode(value as string));
        break;
      case 'bytes':
        this.#raw(value as Uint8Array);
        break;
      case 'date':
        this.#timestamp(encodeTimestampExtension(value) as Uint8Array);
        break;
      case 'list':
        this.#list(value as readonly unknown[], depth);
        break;
      case 'map':
        this.#map(value as Readonly<Record<string, unknown>>, depth);
    }
  }

  #list(list: readonly unknown[], depth: number): void {
    if (depth === this.#depthMax) throw tooDeep(this.#depthMax);
    this.#size(list.length, 0x90, 16, 0xdc);
    for (let i = 0; i < list.length; i++) this.value(list[i], depth + 1);
  }

  /** Keys sorted, as hashicorp's encoder writes those of structs. */
  #map(map: Readonly<Record<string, unknown>>, depth: number): void {
    if (depth === this.#depthMax) throw tooDeep(this.#depthMax);
    const keys = keysOf(map).sort();
    this.#size(keys.length, 0x80, 16, 0xde);
    for (const key of keys) {
      this.#raw(this.#utf8.encode(key));
      this.value(map[key], depth + 1);
    }
  }

  #raw(bytes: Uint8Array): void {
    this.#size(bytes.length, 0xa0, 32, 0xda);
    this.#all(bytes);
  }

  /** A length in the head itself, else in 16 or 32 bits; the old format has no 8-bit lengths. */
  #size(size: number, fixHead: number, fixEnd: number, head16: number): void {
    if (size < fixEnd) this.#u8(fixHead | size);
    else if (size <= 0xffff) this.#number(head16, 2, size);
    else this.#number(head16 + 1, 4, size);
  }

  #integer(value: number): void {
    if (value >= 0) {
      if (value < 0x80) this.#u8(value);
      else if (value <= 0xff) this.#number(0xcc, 1, value);
      else if (value <= 0xffff) this.#number(0xcd, 2, value);
      else if (value <= 0xffff_ffff) this.#number(0xce, 4, value);
      else this.#bigint(BigInt(value));
    } else if (value >= -0x20) this.#u8(value & 0xff);
    else if (value >= -0x80) this.#number(0xd0, 1, value);
    else if (value >= -0x8000) this.#number(0xd1, 2, value);
    else if (value >= -0x8000_0000) this.#number(0xd2, 4, value);
    else this.#bigint(BigInt(value));
  }

  #bigint(value: bigint): void {
    if (value >= -0x8000_0000n && value <= 0xffff_ffffn) {
      this.#integer(Number(value));
      return;
    }
    this.#u8(value < 0n ? 0xd3 : 0xcf);
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value));
  }

  #float(value: number): void {
    this.#u8(0xcb);
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value);
  }

  #timestamp(body: Uint8Array): void {
    if (body.length === 12) this.#number(0xc7, 1, 12);
    else this.#u8(body.length === 4 ? 0xd6 : 0xd7);
    this.#u8(0xff);
    this.#all(body);
  }

  #number(head: number, size: 1 | 2 | 4, value: number): void {
    this.#u8(head);
    const at = this.#reserve(size);
    if (size === 1) this.#view.setUint8(at, value);
    else if (size === 2) this.#view.setUint16(at, value);
    else this.#view.setUint32(at, value);
  }

  #u8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  #all(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Makes room; returns where it begins. What was fetched from `#bytes` or `#view` before is stale. */
  #reserve(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
