/**
 * Payloads for the live suites, as the JSON lines write them, and their comparison. Codecs differ in what they can tell
 * apart: json has no bytes and no times, hashicorp's raw has no difference between bytes and text.
 */

/** A codec as our command names it, with the Go codec on the other side. */
export interface CodecPair {
  name: string;
  iso: 'msgpack' | 'msgpack-raw' | 'json';
  go: 'msgpack' | 'vmihailenco' | 'msgpack-raw' | 'json';
}

/** Ours against each of the Go library's four codecs. */
export const codecPairs: readonly CodecPair[] = [
  { name: 'msgpack / shamaton', iso: 'msgpack', go: 'msgpack' },
  { name: 'msgpack / vmihailenco', iso: 'msgpack', go: 'vmihailenco' },
  { name: 'msgpack-raw / hashicorp', iso: 'msgpack-raw', go: 'msgpack-raw' },
  { name: 'json', iso: 'json', go: 'json' },
];

const int = (decimal: string) => ({ $int: decimal });
const bytes = (...values: number[]) => ({ $bytes: Buffer.from(values).toString('base64') });

/** Both sides of every width an integer can be encoded in. */
const integers = [
  ...[0, 1, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32],
  ...[2 ** 53 - 1, int('9007199254740993'), int('9223372036854775807'), int('9223372036854775808')],
  ...[int('18446744073709551615'), -1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1],
  ...[-(2 ** 53) + 1, int('-9007199254740993'), int('-9223372036854775808')],
];

/** One payload of every type, and each type inside others. */
export const typedPayloads: readonly { name: string; data: unknown }[] = [
  { name: 'null', data: null },
  { name: 'true', data: true },
  { name: 'false', data: false },
  { name: 'zero', data: 0 },
  { name: 'negative', data: -7 },
  { name: 'u64 max', data: int('18446744073709551615') },
  { name: 'i64 min', data: int('-9223372036854775808') },
  { name: 'integers of each width', data: integers },
  { name: 'floats', data: [0.5, -2.25, Math.PI, 1e-7, 5e-324, 1.5e300, -1.1] },
  { name: 'empty text', data: '' },
  { name: 'unicode', data: 'žluťoučký kůň 🐎 \u0000 \u2028 \\ " <&> 漢字' },
  {
    name: 'text of each length class',
    data: [31, 32, 255, 256, 65_535, 65_536].map((length) => 'é'.repeat(length / 2)),
  },
  { name: 'bytes', data: bytes(0, 1, 127, 128, 254, 255) },
  { name: 'bytes inside', data: { list: [bytes(), bytes(255, 0)], one: bytes(1, 2, 3) } },
  { name: 'empty array', data: [] },
  { name: 'array of 70,000', data: Array.from({ length: 70_000 }, (_, index) => index % 200) },
  { name: 'empty map', data: {} },
  { name: 'map of 300', data: Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`key ${index}`, index])) },
  { name: 'nested', data: { a: [{ b: { c: [null, true, [1.5, ['x']]] } }], ключ: { '': 'empty key' } } },
];

/** Sizes on both sides of the codecs' length classes, of the datagram limit (1,400) and of u16, up to 300 KB. */
export const sizes = [0, 1, 255, 256, 1_200, 1_399, 1_400, 1_401, 65_535, 65_536, 300 * 1024];

/** Bytes that neither compress nor repeat; the same every run. */
export function noise(length: number, seed = 1): { $bytes: string } {
  const buffer = Buffer.alloc(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    buffer[index] = state & 255;
  }
  return { $bytes: buffer.toString('base64') };
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** The form in which a value that was sent equals the value that arrived under this codec. */
export function canonical(value: unknown, codec: CodecPair['iso']): unknown {
  if (typeof value === 'number' && Number.isInteger(value)) return { $int: BigInt(value).toString() };
  if (typeof value === 'string' && codec === 'json' && RFC_3339.test(value)) return new Date(value).toISOString();
  if (typeof value === 'string') return codec === 'msgpack-raw' ? raw(Buffer.from(value)) : value;
  if (Array.isArray(value)) return value.map((item) => canonical(item, codec));
  if (typeof value !== 'object' || value === null) return value;
  if ('$int' in value) return { $int: String(value.$int) };
  if ('$bytes' in value && typeof value.$bytes === 'string') {
    if (codec === 'json') return value.$bytes;
    return codec === 'msgpack-raw' ? raw(Buffer.from(value.$bytes, 'base64')) : value;
  }
  if ('$time' in value) {
    const text = new Date(String(value.$time)).toISOString();
    return codec === 'json' ? text : { $time: text };
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, canonical(item, codec)]));
}

const raw = (buffer: Buffer) => ({ $raw: buffer.toString('hex') });
