/**
 * Snappy's block format, which Go peers use: `[uvarint: length of the original][literals and copies]`. Our own code, for the
 * reasons in docs/decisions/2026-11-23-snappy.md; written from google/snappy's format_description.txt.
 */
import { GossipError } from '../errors.js';
import type { Compressor } from './compressor.js';

/** The kinds of elements, in the two low bits of their first byte. */
const LITERAL = 0;
const COPY_1 = 1;
const COPY_2 = 2;

/** Literals up to this many bytes have their length in the first byte. Source: the format. */
const SHORT_LITERAL_MAX = 60;
const COPY_LENGTH_MAX = 64;
/** The farthest back a copy of ours may reach. Source: the format, two-byte offsets. */
const OFFSET_MAX = 0xffff;
/** Shorter matches do not pay. */
const MATCH_MIN = 4;
/** Slots of the table of places seen, as a power of two. Source: google/snappy, at most 2^14. */
const TABLE_BITS_MIN = 8;
const TABLE_BITS_MAX = 14;
/** No element makes more of its bytes: 64 out of 3. A larger declared length is a lie, known before it is allocated. */
const EXPANSION_MAX = 22;

/** Makes the snappy compressor; the one to use beside Go peers. */
export function snappy(): Compressor {
  return { name: 'snappy', compress, decompress };
}

function compress(bytes: Uint8Array): Uint8Array {
  const end = bytes.length;
  const out = new Uint8Array(5 + end + Math.ceil(end / SHORT_LITERAL_MAX) + 5);
  let length = 0;
  for (let rest = end; ; rest >>>= 7) {
    out[length++] = rest < 0x80 ? rest : (rest & 0x7f) | 0x80;
    if (rest < 0x80) break;
  }

  const bits = Math.min(TABLE_BITS_MAX, Math.max(TABLE_BITS_MIN, 32 - Math.clz32(end)));
  /** Where four bytes with this hash were last seen, plus one. */
  const seen = new Uint32Array(1 << bits);
  let from = 0;
  let pos = 0;
  while (pos + MATCH_MIN <= end) {
    const here = load32(bytes, pos);
    const slot = Math.imul(here, 0x1e35a7bd) >>> (32 - bits);
    const candidate = (seen[slot] as number) - 1;
    seen[slot] = pos + 1;
    if (candidate < 0 || pos - candidate > OFFSET_MAX || load32(bytes, candidate) !== here) {
      // The longer nothing matches, the larger the steps: what cannot be compressed costs little.
      pos += 1 + ((pos - from) >> 5);
      continue;
    }
    let matched = MATCH_MIN;
    while (pos + matched < end && bytes[candidate + matched] === bytes[pos + matched]) matched++;
    length = writeLiteral(out, length, bytes, from, pos);
    length = writeCopy(out, length, pos - candidate, matched);
    pos += matched;
    from = pos;
  }
  length = writeLiteral(out, length, bytes, from, end);
  return out.slice(0, length);
}

function load32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function writeLiteral(out: Uint8Array, at: number, bytes: Uint8Array, from: number, to: number): number {
  if (from === to) return at;
  let length = at;
  const size = to - from - 1;
  if (size < SHORT_LITERAL_MAX) out[length++] = (size << 2) | LITERAL;
  else {
    const sizeBytes = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xff_ffff ? 3 : 4;
    out[length++] = ((SHORT_LITERAL_MAX - 1 + sizeBytes) << 2) | LITERAL;
    for (let i = 0; i < sizeBytes; i++) out[length++] = (size >>> (8 * i)) & 0xff;
  }
  out.set(bytes.subarray(from, to), length);
  return length + to - from;
}

function writeCopy(out: Uint8Array, at: number, offset: number, matched: number): number {
  let length = at;
  let rest = matched;
  const copy2 = (size: number) => {
    out[length++] = ((size - 1) << 2) | COPY_2;
    out[length++] = offset & 0xff;
    out[length++] = offset >> 8;
    rest -= size;
  };
  // What remains after each must be a copy of at least four bytes.
  while (rest >= COPY_LENGTH_MAX + MATCH_MIN) copy2(COPY_LENGTH_MAX);
  if (rest > COPY_LENGTH_MAX) copy2(COPY_LENGTH_MAX - MATCH_MIN);
  if (rest >= 12 || offset >= 2048) copy2(rest);
  else {
    out[length++] = ((offset >> 8) << 5) | ((rest - 4) << 2) | COPY_1;
    out[length++] = offset & 0xff;
  }
  return length;
}

function decompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  let pos = 0;
  const uint = (size: number): number => {
    if (pos + size > bytes.length) throw refuse('is truncated');
    let value = 0;
    for (let i = 0; i < size; i++) value += (bytes[pos++] as number) * 2 ** (8 * i);
    return value;
  };

  let declared = 0;
  for (let scale = 1; ; scale *= 0x80) {
    if (scale > 2 ** 28) throw refuse('has a length of more than 32 bits');
    const byte = uint(1);
    declared += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (declared > bytesMax) throw refuse(`declares ${declared} bytes, above the limit of ${bytesMax}`);
  if (declared > bytes.length * EXPANSION_MAX) throw refuse(`declares ${declared} bytes, more than it can hold`);

  const out = new Uint8Array(declared);
  let length = 0;
  while (pos < bytes.length) {
    const tag = uint(1);
    const kind = tag & 3;
    if (kind === LITERAL) {
      const code = tag >> 2;
      const size = (code < SHORT_LITERAL_MAX ? code : uint(code - SHORT_LITERAL_MAX + 1)) + 1;
      if (size > bytes.length - pos) throw refuse('is truncated');
      if (size > declared - length) throw refuse('is longer than it declares');
      out.set(bytes.subarray(pos, pos + size), length);
      pos += size;
      length += size;
      continue;
    }
    const size = kind === COPY_1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset = kind === COPY_1 ? ((tag >> 5) << 8) | uint(1) : uint(kind === COPY_2 ? 2 : 4);
    if (offset === 0 || offset > length) throw refuse('copies from before its beginning');
    if (size > declared - length) throw refuse('is longer than it declares');
    if (offset >= size) out.copyWithin(length, length - offset, length - offset + size);
    else for (let i = 0; i < size; i++) out[length + i] = out[length + i - offset] as number;
    length += size;
  }
  if (length !== declared) throw refuse('is shorter than it declares');
  return out;
}

function refuse(what: string): GossipError {
  return new GossipError('ERR_COMPRESSED', `snappy: the block ${what}`);
}
