/** The codecs under the contract, and what is particular to each format. */
import fc from 'fast-check';
import { assert, describe, expect, test } from 'vitest';
import type { Codec } from '../../src/codec/codec.js';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { msgpackRaw } from '../../src/codec/msgpack-raw.js';
import { GossipError } from '../../src/errors.js';
import { codecContract } from '../contract/codec.js';
import { codecKinds } from '../contract/kinds.js';
import { tries } from '../effort.js';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const utf8 = (text: string) => new TextEncoder().encode(text);
const code = (call: () => unknown): unknown => {
  try {
    return call();
  } catch (error) {
    return error instanceof GossipError ? error.code : error;
  }
};

for (const kind of codecKinds) {
  test(`${kind.name}: what was encoded stays as it was, however much is encoded after it`, () => {
    const codec = kind.create();
    const values = Array.from({ length: 2000 }, (_, i) => `message ${i} ${'x'.repeat(i % 1500)}`);
    const encoded = values.map((value) => codec.encode(value));
    expect(encoded.map((bytes) => codec.decode(bytes))).toEqual(values);
  });
  codecContract({ test, assert }, kind);

  const integer = fc.oneof(
    fc.maxSafeInteger(),
    fc.bigInt(2n ** 53n, 2n ** 64n - 1n),
    fc.bigInt(-(2n ** 63n), -(2n ** 53n)),
  );
  const key = fc.string({ maxLength: 40 }).filter((text) => text !== '__proto__');
  const { value: values } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constant(null),
      fc.boolean(),
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((float) => (float === 0 ? 0 : float)),
      integer,
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
    ),
  }));

  test(`${kind.name}: decode(encode(value)) is the value`, () => {
    const codec = kind.create();
    fc.assert(
      fc.property(values, (value) => {
        expect(codec.decode(codec.encode(value))).toEqual(value);
      }),
      { numRuns: tries(1_000) },
    );
  });

  test(`${kind.name}: arbitrary and mutated bytes are decoded or refused with ERR_CODEC, nothing else`, () => {
    const codec = kind.create();
    const decode = (bytes: Uint8Array) => {
      try {
        codec.encode(codec.decode(bytes));
      } catch (error) {
        if (!(error instanceof GossipError) || error.code !== 'ERR_CODEC') throw error;
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decode), { numRuns: tries(5_000) });
    const mutated = fc.tuple(values, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }));
    fc.assert(
      fc.property(mutated, ([value, changes]) => {
        const bytes = codec.encode(value);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        decode(bytes);
      }),
      { numRuns: tries(5_000) },
    );
  });
}

/** A bomb is refused before anything of its declared size exists. */
function refusedAtOnce(codec: Codec, bytes: Uint8Array): void {
  const before = process.memoryUsage();
  const cpu = process.cpuUsage();
  expect(code(() => codec.decode(bytes))).toBe('ERR_CODEC');
  // A second of the processor, however long others have it meanwhile.
  expect(process.cpuUsage(cpu).user).toBeLessThan(1_000_000);
  const after = process.memoryUsage();
  expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(16 * 1024 * 1024);
}

describe.each([
  ['msgpack', msgpack()],
  ['msgpack-raw', msgpackRaw()],
])('%s bytes', (_name, codec) => {
  test('declared lengths are checked against the bytes that are there', () => {
    for (const bomb of ['ddffffffff', 'dfffffffff', 'dbffffffff', 'c6ffffffff', 'c9ffffffff01', 'dd00ffffff']) {
      refusedAtOnce(codec, hex(bomb));
      refusedAtOnce(codec, hex(`91 ${bomb}`));
      refusedAtOnce(codec, hex(`81 a161 ${bomb}`));
    }
  });

  test('nested containers cannot each claim the same remaining bytes', () => {
    const bytes = new Uint8Array(1_000_000);
    for (let i = 0; i < 60; i++) bytes.set([0xdd, 0x00, 0x0e, 0x00, 0x00], i * 5);
    refusedAtOnce(codec, bytes);
  });

  test('10,000 levels are refused', () => {
    refusedAtOnce(codec, new Uint8Array(10_000).fill(0x91));
    refusedAtOnce(codec, hex('81a161'.repeat(10_000)));
  });

  test('a duplicate key is refused, also when its value is equal or it comes in another width', () => {
    expect(code(() => codec.decode(hex('82 a161 01 a161 01')))).toBe('ERR_CODEC');
    expect(code(() => codec.decode(hex('82 a161 01 d90161 02')))).toBe('ERR_CODEC');
    expect(code(() => codec.decode(hex('81 a178 82 a161 01 a161 02')))).toBe('ERR_CODEC');
  });

  test('__proto__ is refused, integer keys become strings, other keys are refused', () => {
    expect(code(() => codec.decode(hex('81 a95f5f70726f746f5f5f 81 a161 01')))).toBe('ERR_CODEC');
    expect(({} as Record<string, unknown>).a).toBeUndefined();
    expect(codec.decode(hex('82 01 a161 cf8000000000000000 02'))).toEqual({ 1: 'a', '9223372036854775808': 2 });
    expect(code(() => codec.decode(hex('81 c3 01')))).toBe('ERR_CODEC');
    expect(code(() => codec.decode(hex('81 90 01')))).toBe('ERR_CODEC');
  });

  test('every width of an integer is read', () => {
    for (const one of ['01', 'cc01', 'cd0001', 'ce00000001', 'cf0000000000000001', 'd001', 'd10001', 'd200000001']) {
      expect(codec.decode(hex(one))).toBe(1);
    }
    expect(codec.decode(hex('d3ffffffffffffffff'))).toBe(-1);
    expect(codec.decode(hex('ca3fc00000'))).toBe(1.5);
  });

  test('integers are written as integers, floats as floats', () => {
    expect(toHex(codec.encode(1))).toBe('01');
    expect(toHex(codec.encode(2 ** 32))).toBe('cf0000000100000000');
    expect(toHex(codec.encode(-(2 ** 31) - 1))).toBe('d3ffffffff7fffffff');
    expect(toHex(codec.encode(1n))).toBe('01');
    expect(toHex(codec.encode(2n ** 64n - 1n))).toBe('cfffffffffffffffff');
    expect(toHex(codec.encode(1.5))).toBe('cb3ff8000000000000');
  });

  test('a timestamp outside Date, a malformed one, and other extensions are refused', () => {
    expect(codec.decode(hex('d6ff 00000001'))).toEqual(new Date(1000));
    expect(code(() => codec.decode(hex('c70cff 00000000 7fffffffffffffff')))).toBe('ERR_CODEC');
    expect(code(() => codec.decode(hex('d5ff 0000')))).toBe('ERR_CODEC');
    expect(code(() => codec.decode(hex('d401 00')))).toBe('ERR_CODEC');
    expect(code(() => codec.decode(hex('c1')))).toBe('ERR_CODEC');
  });

  test('a Buffer is taken as bytes, and none is handed out', () => {
    const decoded = codec.decode(Buffer.from(codec.encode({ b: Buffer.from([0xff, 1]) }))) as { b: Uint8Array };
    expect(Object.getPrototypeOf(decoded.b)).toBe(Uint8Array.prototype);
    expect(decoded.b).toEqual(new Uint8Array([0xff, 1]));
  });
});

describe('msgpack-raw', () => {
  const codec = msgpackRaw();

  test('writes strings and bytes as raw, without the 8-bit length, keys sorted', () => {
    expect(toHex(codec.encode('ab'))).toBe('a26162');
    expect(toHex(codec.encode(new Uint8Array([0xff, 0xfe])))).toBe('a2fffe');
    expect(toHex(codec.encode('x'.repeat(32))).slice(0, 6)).toBe('da0020');
    expect(toHex(codec.encode('x'.repeat(0x1_0000))).slice(0, 10)).toBe('db00010000');
    expect(toHex(codec.encode({ b: 1, a: 2 }))).toBe('82a16102a16201');
  });

  test('raw that is UTF-8 becomes a string, other raw bytes; the new types are read too', () => {
    expect(codec.decode(hex('a26162'))).toBe('ab');
    expect(codec.decode(hex('a2fffe'))).toEqual(new Uint8Array([0xff, 0xfe]));
    expect(codec.decode(hex('a3efbbbf'))).toBe('\ufeff');
    expect(codec.decode(hex('d9026162'))).toBe('ab');
    expect(codec.decode(hex('c402fffe'))).toEqual(new Uint8Array([0xff, 0xfe]));
  });
});

describe('json', () => {
  const codec = json();
  const decode = (text: string) => code(() => codec.decode(utf8(text)));
  const encode = (value: unknown) => new TextDecoder().decode(codec.encode(value));

  test('reads what JSON allows and nothing more', () => {
    expect(decode(' { "a" : [ 1 , -2.5e3 , true ] , "b" : "\\u00e9\\ud83c\\udf89\\n" } \n')).toEqual({
      a: [1, -2500, true],
      b: 'é🎉\n',
    });
    const malformed = ['', ' ', '{', '[1,]', '{"a":1,}', '{a:1}', "'a'", '01', '1.', '.5', '+1', '-', '1e', 'NaN'];
    malformed.push('nul', 'truee', '"a', '"\n"', '"\\x"', '1 2', '[1 2]', '{"a" 1}', '\ufeff1', '1e999', '\u00a01');
    for (const text of malformed) expect(decode(text), text).toBe('ERR_CODEC');
    expect(code(() => codec.decode(new Uint8Array([0x22, 0xff, 0x22])))).toBe('ERR_CODEC');
  });

  test('agrees with JSON.parse and JSON.stringify on plain values', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const plain = JSON.parse(JSON.stringify(value).replaceAll('__proto__', 'proto'));
        const unsafe = JSON.stringify(plain).match(/\d{16}|e\+/) !== null;
        if (unsafe) return;
        expect(decode(JSON.stringify(plain))).toEqual(plain);
        expect(JSON.parse(encode(plain))).toEqual(plain);
      }),
      { numRuns: tries(1_000) },
    );
  });

  test('integers are exact to 64 bits and floats beyond, as in Go', () => {
    expect(decode('9007199254740993')).toBe(9007199254740993n);
    expect(decode('18446744073709551615')).toBe(2n ** 64n - 1n);
    expect(decode('-9223372036854775808')).toBe(-(2n ** 63n));
    expect(decode('18446744073709551616')).toBe(2 ** 64);
    expect(decode('-9223372036854775809')).toBe(-(2 ** 63));
    expect(decode(`1${'0'.repeat(300)}`)).toBe(1e300);
    expect(decode('9007199254740993.0')).toBe(9007199254740992);
    expect(encode({ at: 59080778570848261n })).toBe('{"at":59080778570848261}');
    expect(encode(2 ** 60)).toBe('1.152921504606847e+18');
  });

  test('bytes are base64 and dates RFC 3339, as Go writes them', () => {
    expect(encode(new Uint8Array([0, 1, 0xfe, 0xff]))).toBe('"AAH+/w=="');
    expect(encode(new Date(0))).toBe('"1970-01-01T00:00:00.000Z"');
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, new Date(8.64e15)]) {
      expect(code(() => codec.encode(value))).toBe('ERR_CODEC');
    }
  });

  test('a duplicate key, __proto__ and 10,000 levels are refused', () => {
    expect(decode('{"a":1,"a":1}')).toBe('ERR_CODEC');
    expect(decode('{"a":1,"\\u0061":2}')).toBe('ERR_CODEC');
    expect(decode('{"__proto__":{"a":1}}')).toBe('ERR_CODEC');
    expect(decode('{"\\u005f_proto__":{"a":1}}')).toBe('ERR_CODEC');
    refusedAtOnce(codec, utf8('['.repeat(10_000)));
    refusedAtOnce(codec, utf8('{"a":'.repeat(10_000)));
  });
});
