/** Reading and writing the primitive fields of native packets. Reads are checked before anything is allocated. */
import { type MemberId, memberIdFromBytes, memberIdToBytes } from '../../core/member-id.js';
import { GossipError, toGossipError } from '../../errors.js';

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Appends fields to a buffer that grows by doubling; `finish` returns a copy of just what was written, and begins anew. */
export class Writer {
  /** Most packets fit, and so few bytes V8 keeps with its objects. */
  #bytes = new Uint8Array(64);
  #at = 0;

  u8(value: number): void {
    const at = this.#take(1);
    this.#bytes[at] = value;
  }

  u32(value: number): void {
    const at = this.#take(4);
    for (let i = 0; i < 4; i++) this.#bytes[at + i] = value >>> (8 * i);
  }

  u64(value: bigint): void {
    this.u32(Number(value & 0xffffffffn));
    this.u32(Number(value >> 32n));
  }

  /** An unsigned LEB128 of up to 32 bits. */
  varint(value: number): void {
    let rest = value >>> 0;
    for (; rest > 127; rest >>>= 7) this.u8((rest & 127) | 128);
    this.u8(rest);
  }

  id(id: MemberId): void {
    const at = this.#take(16);
    memberIdToBytes(id, this.#bytes, at);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  string(value: string): void {
    if (value) this.bytes(UTF8.encode(value));
    else this.u8(0);
  }

  raw(value: Uint8Array): void {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
  }

  finish(): Uint8Array {
    /** Larger buffers are not kept. Source: guess; most packets are datagrams. */
    const KEPT_BYTES_MAX = 4096;
    const written = this.#bytes.slice(0, this.#at);
    this.begin();
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(64);
    return written;
  }

  /** Forgets what was written. @param room - bytes to leave free in front. */
  begin(room = 0): void {
    this.#bytes.fill(0, 0, room);
    this.#at = room;
  }

  #take(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      const larger = new Uint8Array(this.#at * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

/** Takes fields off the front of a buffer; every shortage is an `ERR_PACKET`. */
export class Reader {
  #at: number;
  #view: DataView | undefined;

  constructor(
    private readonly source: Uint8Array,
    private readonly readId = memberIdFromBytes,
    at = 0,
  ) {
    this.#at = at;
  }

  get left(): number {
    return this.source.length - this.#at;
  }

  u8(): number {
    return this.source[this.#take(1)] as number;
  }

  u32(): number {
    let value = 0;
    const from = this.#take(4);
    for (let at = from + 3; at >= from; at--) value = value * 256 + (this.source[at] as number);
    return value;
  }

  u64(): bigint {
    this.#view ??= new DataView(this.source.buffer, this.source.byteOffset);
    return this.#view.getBigUint64(this.#take(8), true);
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128 && value <= 0xffffffff) return value;
    }
    throw new GossipError('ERR_PACKET', 'bad varint');
  }

  id(): MemberId {
    return this.readId(this.source, this.#take(16));
  }

  /** A view into the source; `slice`: a copy. */
  bytes(max: number, how: 'subarray' | 'slice' = 'subarray'): Uint8Array {
    const length = this.varint();
    if (length > max) throw new GossipError('ERR_PACKET', `${length} bytes, above ${max}`);
    const at = this.#take(length);
    return this.source[how](at, at + length);
  }

  /** A copy of everything that is left. */
  rest(): Uint8Array {
    return this.source.slice(this.#take(this.left));
  }

  string(max: number): string {
    const bytes = this.bytes(max);
    if (bytes.length === 0) return '';
    try {
      return FROM_UTF8.decode(bytes);
    } catch (error) {
      throw toGossipError(error, 'ERR_PACKET');
    }
  }

  /** A count of items that take at least `bytesEach`; refused when the rest of the packet cannot hold them. */
  count(max: number, bytesEach: number): number {
    const count = this.varint();
    if (count > max || count * bytesEach > this.left) throw new GossipError('ERR_PACKET', `${count} items`);
    return count;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.source.length - at) throw new GossipError('ERR_PACKET', 'truncated');
    this.#at = at + bytes;
    return at;
  }
}
