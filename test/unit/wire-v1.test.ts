/** The Go library's wire: its own golden frames, our round trips, and everything a frame can do wrong. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aesGcm as aesGcmWeb } from '../../src/cipher/aes-gcm.js';
import { aesGcm } from '../../src/cipher/aes-gcm.node.js';
import { secretbox } from '../../src/cipher/secretbox.js';
import type { Codec } from '../../src/codec/codec.js';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { msgpackRaw } from '../../src/codec/msgpack-raw.js';
import { deflate } from '../../src/compressor/deflate.js';
import { snappy } from '../../src/compressor/snappy.js';
import { memberIdFromBytes, memberIdToBytes, NOBODY } from '../../src/core/member-id.js';
import type { Metadata } from '../../src/core/metadata.js';
import { GossipError } from '../../src/errors.js';
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.js';
import type { NativeEnv } from '../../src/wire/env.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import { decodeV1Frame, encodeV1Frame } from '../../src/wire/v1/frame.js';
import { V1_STATES, type V1Message, type V1Packet } from '../../src/wire/v1/packet.js';
import { tries } from '../effort.js';

/** One of the Go library's frames; see test/vectors/README.md. */
interface Vector {
  name: string;
  codec: string;
  type: number;
  senderId: string;
  targetId?: string;
  tag?: string;
  messageId: string;
  ttl: number;
  replyExpected?: boolean;
  compressor?: string;
  keyHex?: string;
  payload: unknown;
  payloadHex: string;
  frameHex: string;
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../vectors/v1.json', import.meta.url), 'utf8'));

const hex = (digits: string) => Uint8Array.from(Buffer.from(digits, 'hex'));
const CODECS: Record<string, () => Codec> = {
  'shamaton-msgpack': msgpack,
  'vmihailenco-msgpack': msgpack,
  'hashicorp-msgpack': msgpackRaw,
  json,
};
const envOf = (codec: Codec, rest: Partial<NativeEnv> = {}): NativeEnv => ({
  codec,
  compressBytesMin: 256,
  packets: MEMBER_PACKETS,
  limits: DEFAULT_LIMITS,
  ...rest,
});

/** What a reply in the vectors answers. */
const REPLY_TO: Record<string, number> = {
  'join-reply-accepted': 1,
  'join-reply-rejected': 1,
  'push-pull-empty': 3,
  'push-pull-nil': 3,
  pong: 5,
};
const replyToOf = (name: string) => (REPLY_TO[name] === undefined ? {} : { replyTo: REPLY_TO[name] });

/** The fields of all payloads in the vectors, with the wire's short keys. */
interface Shown {
  [key: string]: unknown;
  id: number[];
  sid: number[];
  nid: number[];
  addr: string;
  pv: number;
  av: string;
  s: number;
  state: number;
  tags?: string[];
  mdts: bigint;
  md: Metadata;
  acc: boolean;
  rr: string;
  nodes: Shown[] | null;
  sct: bigint;
}

/** The message a vector's `payload` describes, put together without our decoder. */
function expectedMessage(vector: Vector): V1Message {
  const own = (value: unknown): unknown => {
    if (typeof value === 'string' && /^\d{16,}$/.test(value)) return BigInt(value);
    if (Array.isArray(value)) return value.map(own);
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, own(item)]));
    }
    return value;
  };
  const p = own(vector.payload) as Shown;
  const id = (bytes: number[]) => memberIdFromBytes(Uint8Array.from(bytes));
  const state = (index: number) => V1_STATES[index] as 'alive';
  const about = () => ({ metadataTime: p.mdts, metadata: p.md });
  const tags = (from: Shown) => from.tags ?? [];
  const kind = vector.type === 0 ? `reply to ${REPLY_TO[vector.name]}` : `${vector.type}`;
  const list = (items: unknown) => (items ?? []) as Shown[];
  switch (kind) {
    case '1':
      return {
        kind: 'join',
        id: id(p.id),
        address: p.addr,
        protocolVersion: p.pv,
        applicationVersion: p.av,
        state: state(p.s),
        tags: tags(p),
        ...about(),
      };
    case 'reply to 1':
      return {
        kind: 'join-reply',
        accepted: p.acc,
        reason: p.rr,
        id: id(p.id),
        address: p.addr,
        tags: tags(p),
        ...about(),
        nodes: list(p.nodes).map((node) => ({ id: id(node.id), address: node.addr, tags: tags(node) })),
      };
    case '2':
      return { kind: 'leave' };
    case '3':
    case 'reply to 3':
      return {
        kind: 'push-pull',
        entries: list(p).map((entry) => ({
          id: id(entry.id),
          address: entry.addr,
          state: state(entry.s),
          stateTime: entry.sct,
        })),
      };
    case '4':
      return { kind: 'metadata', ...about(), state: state(p.state) };
    case '5':
      return { kind: 'ping', id: id(p.sid), address: p.addr };
    case 'reply to 5':
      return { kind: 'pong', id: id(p.nid), address: p.addr, ...about(), state: state(p.state) };
    default:
      return { kind: 'data', payload: hex(vector.payloadHex) };
  }
}

function envOfVector(vector: Vector): NativeEnv {
  return envOf((CODECS[vector.codec] as () => Codec)(), {
    ...(vector.compressor ? { compressor: snappy() } : {}),
    ...(vector.keyHex ? { cipher: aesGcm([hex(vector.keyHex)]) } : {}),
  });
}

describe("the Go library's frames", () => {
  test('there are 88 of them, 22 for each codec', () => {
    expect(vectors.length).toBe(88);
    for (const codec of Object.keys(CODECS)) expect(vectors.filter((one) => one.codec === codec).length).toBe(22);
  });

  test.each(vectors.map((vector) => [vector.codec, vector.name, vector] as const))('%s: %s', (_codec, name, vector) => {
    const env = envOfVector(vector);
    const options = { plain: false, ...replyToOf(name) };
    const packet = decodeV1Frame(hex(vector.frameHex), env, options) as V1Packet;
    expect(packet).toEqual({
      dialect: 'v1',
      type: vector.type,
      senderId: vector.senderId,
      ...(vector.targetId === undefined ? {} : { targetId: vector.targetId }),
      ...(vector.tag === undefined ? {} : { tag: vector.tag }),
      messageId: BigInt(vector.messageId),
      ttl: vector.ttl,
      replyExpected: vector.replyExpected ?? false,
      message: expectedMessage(vector),
    });

    const again = encodeV1Frame(packet, env, options) as Uint8Array;
    expect(decodeV1Frame(again, env, options)).toEqual(packet);
  });

  test('data payloads decode to the values they were made of', () => {
    for (const vector of vectors.filter((one) => one.type >= 64)) {
      const env = envOfVector(vector);
      const { message } = decodeV1Frame(hex(vector.frameHex), env, { plain: false }) as V1Packet;
      const value = env.codec.decode((message as { payload: Uint8Array }).payload);
      const raw = (value as { raw?: unknown } | null)?.raw;
      const shown =
        raw instanceof Uint8Array ? { ...(value as object), raw: Buffer.from(raw).toString('base64') } : value;
      expect(typeof shown === 'bigint' ? String(shown) : shown).toEqual(vector.payload);
    }
  });

  test('what we encode is what shamaton encodes, byte for byte, but for nil lists and 32-bit floats', () => {
    const differing = vectors
      .filter((vector) => vector.codec === 'shamaton-msgpack' && !vector.keyHex && !vector.compressor)
      .filter((vector) => {
        const env = envOfVector(vector);
        const options = { plain: false, ...replyToOf(vector.name) };
        const packet = decodeV1Frame(hex(vector.frameHex), env, options) as V1Packet;
        return Buffer.from(encodeV1Frame(packet, env, options) as Uint8Array).toString('hex') !== vector.frameHex;
      });
    expect(differing.map(({ name }) => name)).toEqual(['push-pull-nil', 'metadata-update']);
  });
});

const ID = '01960f9b-72ca-7a51-9efa-47c12f42a138';
const OTHER = '0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
/** Each of its 16 bytes is ASCII, which the raw codec takes for a string. */
const ASCII = '41424344-4546-4748-494a-4b4c4d4e4f50';

const header = {
  dialect: 'v1' as const,
  senderId: ID,
  messageId: 59_080_778_570_848_261n,
  ttl: 4,
  replyExpected: false,
};
const pingPacket: V1Packet = {
  ...header,
  type: 5,
  targetId: OTHER,
  replyExpected: true,
  message: { kind: 'ping', id: ASCII, address: '127.0.0.1:8001' },
};

/** Waits where it must; a rejection and a throw look the same. */
async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return error instanceof GossipError ? error.code : error;
  }
}

const idBytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
const id = fc.oneof(
  idBytes.map((bytes) => memberIdFromBytes(bytes)),
  fc.constantFrom(NOBODY, ASCII),
);
const u64 = fc.bigInt(0n, 2n ** 64n - 1n);
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const iso = fc
  .option(fc.nat(0xffff), { nil: undefined })
  .map((version) => (version === undefined ? {} : { iso: version }));
const state = fc.constantFrom(...V1_STATES);
const tags = fc.array(text, { maxLength: 5 });
const metadata = fc.dictionary(
  text.filter((key) => key !== '__proto__'),
  fc.oneof(text, fc.maxSafeInteger(), fc.boolean(), fc.constant(null), fc.bigInt(2n ** 53n, 2n ** 64n - 1n)),
  { maxKeys: 6, noNullPrototype: true },
);
const about = { metadataTime: u64, metadata };
/** Each message with the type and the `replyTo` it travels with. */
const messages: fc.Arbitrary<[type: number, replyTo: number | undefined, message: V1Message]> = fc
  .oneof(
    fc
      .tuple(
        fc.record({
          id,
          address: text,
          protocolVersion: fc.nat(0xffff),
          applicationVersion: text,
          state,
          tags,
          ...about,
        }),
        iso,
      )
      .map(([join, more]) => [1, undefined, { kind: 'join' as const, ...join, ...more }] as const),
    fc
      .tuple(
        fc.record({ accepted: fc.boolean(), reason: text, id, address: text, tags, ...about }),
        fc.array(
          fc.tuple(fc.record({ id, address: text, tags }), iso).map(([node, more]) => ({ ...node, ...more })),
          { maxLength: 5 },
        ),
        iso,
      )
      .map(([reply, nodes, more]) => [0, 1, { kind: 'join-reply' as const, ...reply, nodes, ...more }] as const),
    fc
      .tuple(
        fc.constantFrom<[number, number | undefined]>([3, undefined], [0, 3]),
        fc.array(
          fc
            .tuple(fc.record({ id, address: text, state, stateTime: u64 }), iso)
            .map(([entry, more]) => ({ ...entry, ...more })),
          { maxLength: 5 },
        ),
      )
      .map(([[type, replyTo], entries]) => [type, replyTo, { kind: 'push-pull' as const, entries }] as const),
    fc.record({ ...about, state }).map((own) => [4, undefined, { kind: 'metadata' as const, ...own }] as const),
    fc.record({ id, address: text }).map((ping) => [5, undefined, { kind: 'ping' as const, ...ping }] as const),
    fc
      .record({ id, address: text, ...about, state })
      .map((pong) => [0, 5, { kind: 'pong' as const, ...pong }] as const),
    fc.constant([2, undefined, { kind: 'leave' as const }] as const),
    fc
      .tuple(fc.integer({ min: 64, max: 0xffff }), fc.boolean(), fc.uint8Array({ maxLength: 600 }))
      .map(
        ([type, reply, payload]) =>
          [reply ? 0 : type, reply ? type : undefined, { kind: 'data' as const, payload }] as const,
      ),
  )
  .map(([type, replyTo, message]) => [type, replyTo, message as V1Message]);

const packets = fc
  .tuple(
    messages,
    fc.record({ senderId: id, messageId: u64, ttl: fc.nat(255), replyExpected: fc.boolean() }),
    fc.option(id, { nil: undefined }),
    fc.option(text, { nil: undefined }),
  )
  .map(([[type, replyTo, message], rest, targetId, tag]) => ({
    replyTo,
    packet: {
      dialect: 'v1' as const,
      type,
      ...rest,
      ...(targetId === undefined ? {} : { targetId }),
      ...(tag === undefined ? {} : { tag }),
      message,
    } satisfies V1Packet,
  }));

const key = new Uint8Array(32).fill(7);
const envs: [string, NativeEnv][] = [
  ['msgpack', envOf(msgpack())],
  ['msgpack, aes-gcm, snappy', envOf(msgpack(), { cipher: aesGcm([key]), compressor: snappy() })],
  ['msgpack-raw, secretbox, deflate', envOf(msgpackRaw(), { cipher: secretbox([key]), compressor: deflate() })],
  [
    'json, aes-gcm, snappy from the first byte',
    envOf(json(), { cipher: aesGcm([key]), compressor: snappy(), compressBytesMin: 0 }),
  ],
  ['json', envOf(json())],
];

describe.each(envs)('%s', (_name, env) => {
  test('decode(encode(packet)) is the packet', () => {
    fc.assert(
      fc.property(packets, fc.boolean(), ({ packet, replyTo }, plain) => {
        const frame = encodeV1Frame(packet, env, { plain }) as Uint8Array;
        expect(decodeV1Frame(frame, env, { plain, ...(replyTo === undefined ? {} : { replyTo }) })).toEqual(packet);
      }),
      { numRuns: 300 },
    );
  });

  test('arbitrary and mutated frames are decoded or refused with a GossipError, nothing else', async () => {
    const replyTo = fc.constantFrom(undefined, 1, 3, 5, 128);
    const decode = async (frame: Uint8Array, to: number | undefined) => {
      const result = await codeOf(() =>
        decodeV1Frame(frame, env, { plain: true, ...(to === undefined ? {} : { replyTo: to }) }),
      );
      expect(typeof result === 'string' || (result as V1Packet).dialect === 'v1', String(result)).toBe(true);
      const sealed = await codeOf(() =>
        decodeV1Frame(frame, env, { plain: false, ...(to === undefined ? {} : { replyTo: to }) }),
      );
      expect(typeof sealed === 'string' || (sealed as V1Packet).dialect === 'v1', String(sealed)).toBe(true);
    };
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), replyTo, decode), { numRuns: tries(1_000) });
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(packets, changes, fc.nat(), async (one, mutations, cut) => {
        const frame = (encodeV1Frame(one.packet, env, { plain: true }) as Uint8Array).slice();
        for (const [at, byte] of mutations) frame[at % frame.length] = byte;
        await decode(frame, one.replyTo);
        await decode(frame.subarray(0, cut % frame.length), one.replyTo);
      }),
      { numRuns: tries(1_000) },
    );
  });
});

describe('frames', () => {
  const env = envOf(msgpack());
  const frame = encodeV1Frame(pingPacket, env, { plain: false }) as Uint8Array;
  const decode = (bytes: Uint8Array, from = env, options = {}) =>
    codeOf(() => decodeV1Frame(bytes, from, { plain: false, ...options }));
  /** A frame around any header and payload value. */
  const crafted = (head: unknown, payload: Uint8Array | unknown, codec = env.codec, flags = 0) => {
    const headerBytes = codec.encode(head);
    const payloadBytes = payload instanceof Uint8Array ? payload : codec.encode(payload);
    const first = headerBytes.length | flags;
    return Uint8Array.from([first & 0xff, first >> 8, ...headerBytes, ...payloadBytes]);
  };
  const bytesOf = (member: string) => memberIdToBytes(member);
  const goodHeader = { mt: 5, si: bytesOf(ID), mi: 1n, ttl: 1 };
  const goodPing = { sid: bytesOf(ID), addr: 'a:1' };

  test('the crafted frame of these tests is good, so that what they change is what is refused', async () => {
    expect(await decode(crafted(goodHeader, goodPing))).toMatchObject({ message: { kind: 'ping', id: ID } });
  });

  test('truncated anywhere it is refused', async () => {
    for (let end = 0; end < frame.length; end++) {
      expect(await decode(frame.subarray(0, end)), `${end} bytes`).toMatch(/^ERR_(FRAME|CODEC)$/);
    }
  });

  test('a header length below 30 is refused: it may mark a native frame', async () => {
    for (let length = 0; length < 30; length++) {
      const copy = frame.slice();
      copy[0] = length;
      copy[1] = 0;
      expect(await decode(copy)).toBe('ERR_FRAME');
    }
  });

  test('a frame or payload above its limit is refused both ways', async () => {
    const small = envOf(msgpack(), { limits: { ...DEFAULT_LIMITS, frameBytesMax: frame.length - 1 } });
    expect(await decode(frame, small)).toBe('ERR_TOO_LARGE');
    expect(await codeOf(() => encodeV1Frame(pingPacket, small, { plain: false }))).toBe('ERR_TOO_LARGE');
    const sealed = envOf(msgpack(), {
      ...small,
      limits: { ...DEFAULT_LIMITS, frameBytesMax: frame.length + 1 },
      cipher: aesGcm([key]),
    });
    expect(await codeOf(() => encodeV1Frame(pingPacket, sealed, { plain: false }))).toBe('ERR_TOO_LARGE');

    const zeros = new Uint8Array(5 * 1024 * 1024);
    const compressing = envOf(msgpack(), { compressor: snappy() });
    const bulk: V1Packet = { ...header, type: 128, message: { kind: 'data', payload: zeros } };
    expect(await codeOf(() => encodeV1Frame(bulk, compressing, { plain: false }))).toBe('ERR_TOO_LARGE');
    const bomb = crafted({ ...goodHeader, mt: 128 }, snappy().compress(zeros), env.codec, 0x8000);
    expect(await decode(bomb, compressing)).toBe('ERR_COMPRESSED');
    const long: V1Packet = { ...pingPacket, tag: 'x'.repeat(0x4000) };
    expect(await codeOf(() => encodeV1Frame(long, env, { plain: false }))).toBe('ERR_TOO_LARGE');
  });

  test('is sealed and compressed, or neither on a plain carrier', async () => {
    const payload = new Uint8Array(1000);
    const data: V1Packet = { ...header, type: 128, message: { kind: 'data', payload } };
    const full = envOf(msgpack(), { cipher: aesGcm([key]), compressor: snappy() });
    const sealed = encodeV1Frame(data, full, { plain: false }) as Uint8Array;
    const plain = encodeV1Frame(data, full, { plain: true }) as Uint8Array;
    expect(sealed.length).toBeLessThan(200);
    expect(Buffer.from(plain).includes(Buffer.from(payload))).toBe(true);
    expect((plain[1] as number) & 0x80).toBe(0);
    expect(await decode(plain, full, { plain: true })).toEqual(data);
    expect(await decode(plain, full)).toBe('ERR_CIPHER');
    expect(await decode(sealed, full, { plain: true })).toBe('ERR_FRAME');
    expect(await decode(sealed, envOf(msgpack(), { cipher: aesGcm([new Uint8Array(32)]), compressor: snappy() }))).toBe(
      'ERR_CIPHER',
    );
    expect(await decode(sealed, envOf(msgpack(), { cipher: aesGcm([key]) }))).toBe('ERR_COMPRESSED');
    expect(await decode(sealed)).toMatch(/^ERR_/);
  });

  test('below compressBytesMin, or when it does not get smaller, the payload stays as it is', () => {
    const compressing = envOf(msgpack(), { compressor: snappy() });
    const flagOf = (payload: Uint8Array) => {
      const data: V1Packet = { ...header, type: 128, message: { kind: 'data', payload } };
      return ((encodeV1Frame(data, compressing, { plain: false }) as Uint8Array)[1] as number) & 0x80;
    };
    expect(flagOf(new Uint8Array(255))).toBe(0);
    expect(flagOf(new Uint8Array(256))).toBe(0x80);
    expect(flagOf(crypto.getRandomValues(new Uint8Array(1000)))).toBe(0);
  });

  test('a synchronous cipher answers at once, an asynchronous one with a promise and rejections', async () => {
    expect(encodeV1Frame(pingPacket, envOf(msgpack(), { cipher: aesGcm([key]) }), { plain: false })).toBeInstanceOf(
      Uint8Array,
    );
    const web = envOf(msgpack(), { cipher: aesGcmWeb([key]) });
    const sealing = encodeV1Frame(pingPacket, web, { plain: false });
    expect(sealing).toBeInstanceOf(Promise);
    const sealed = await sealing;
    expect(await decodeV1Frame(sealed, web, { plain: false })).toEqual(pingPacket);
    sealed[20] = (sealed[20] as number) ^ 1;
    const opening = decodeV1Frame(sealed, web, { plain: false });
    expect(opening).toBeInstanceOf(Promise);
    expect(await codeOf(() => opening)).toBe('ERR_CIPHER');
  });

  test("a plug-in's own failure leaves as a GossipError", async () => {
    const boom = (): never => {
      throw new TypeError('boom');
    };
    const codec: Codec = { name: 'mine', encode: boom, decode: boom };
    expect(await codeOf(() => encodeV1Frame(pingPacket, envOf(codec), { plain: false }))).toBe('ERR_CODEC');
    expect(await decode(frame, envOf(codec))).toBe('ERR_CODEC');
    const compressor = { name: 'mine', compress: boom, decompress: boom };
    const failing = envOf(msgpack(), { compressor, compressBytesMin: 0 });
    expect(await codeOf(() => encodeV1Frame(pingPacket, failing, { plain: false }))).toBe('ERR_COMPRESSED');
    const flagged = frame.slice();
    flagged[1] = (flagged[1] as number) | 0x80;
    expect(await decode(flagged, failing)).toBe('ERR_COMPRESSED');
    for (const fail of [boom, async () => boom()]) {
      const cipher = { ...aesGcm([key]), seal: fail, open: fail };
      expect(await codeOf(() => encodeV1Frame(pingPacket, envOf(msgpack(), { cipher }), { plain: false }))).toBe(
        'ERR_CIPHER',
      );
      expect(await decode(frame, envOf(msgpack(), { cipher }))).toBe('ERR_CIPHER');
    }
  });

  test('anything but the right reply is refused where one is due, and a reply nobody asked for is left to the core', async () => {
    const pong = vectors.find(({ name, codec }) => name === 'pong' && codec === 'shamaton-msgpack') as Vector;
    expect(await decode(hex(pong.frameHex))).toMatchObject({ type: 0, message: { kind: 'data' } });
    expect(await decode(frame, env, { replyTo: 5 })).toBe('ERR_PACKET');
    expect(await decode(hex(pong.frameHex), env, { replyTo: 1 })).toBe('ERR_PACKET');
    expect(await decode(hex(pong.frameHex), env, { replyTo: 200 })).toMatchObject({ message: { kind: 'data' } });
  });

  test('reserved types are refused', async () => {
    for (const mt of [6, 7, 63]) expect(await decode(crafted({ ...goodHeader, mt }, null))).toBe('ERR_PACKET');
    expect(await decode(crafted({ ...goodHeader, mt: 64 }, null))).toMatchObject({ message: { kind: 'data' } });
  });

  test('a header with a wrong field is refused', async () => {
    const wrong: [string, object][] = [
      ['no type', { mt: undefined }],
      ['a type above 16 bits', { mt: 65_536 }],
      ['a negative type', { mt: -1 }],
      ['a fraction as type', { mt: 5.5 }],
      ['a type as text', { mt: '5' }],
      ['no sender', { si: undefined }],
      ['a sender of 15 bytes', { si: new Uint8Array(15) }],
      ['a sender of 17 bytes', { si: new Uint8Array(17) }],
      ['a sender as text', { si: 'ABCDEFGHIJKLMNOP' }],
      ['a sender of 15 numbers', { si: Array(15).fill(1) }],
      ['a sender of 16 numbers, one above 255', { si: [...Array(15).fill(1), 256] }],
      ['a target of 15 bytes', { ti: new Uint8Array(15) }],
      ['a tag that is no string', { tag: 1 }],
      ['a message id that is negative', { mi: -1 }],
      ['a message id that is a float', { mi: 2 ** 60 }],
      ['no message id', { mi: undefined }],
      ['a ttl above 255', { ttl: 256 }],
      ['no ttl', { ttl: undefined }],
    ];
    for (const [what, change] of wrong) {
      // A filler keeps the header above the 30 bytes it must have.
      const head = { ...goodHeader, ...change, filler: 'x'.repeat(30) };
      expect(await decode(crafted(head, goodPing)), what).toBe('ERR_PACKET');
    }
    expect(await decode(crafted({ ...goodHeader, tag: 'x'.repeat(1025) }, goodPing))).toBe('ERR_TOO_LARGE');
    expect(await decode(crafted(Array(40).fill(1), goodPing))).toBe('ERR_PACKET');
    expect(await decode(crafted({ ...goodHeader, ti: null, tag: null, unknown: [1] }, goodPing))).toMatchObject({
      type: 5,
    });
    expect(await decode(crafted({ ...goodHeader, si: Array.from(bytesOf(ID)) }, goodPing))).toMatchObject({
      senderId: ID,
    });
  });

  test('ids of 15 and 17 bytes are refused in every message and every codec', async () => {
    for (const codec of [msgpack(), msgpackRaw(), json()]) {
      const from = envOf(codec);
      const as = (bytes: Uint8Array) => (codec.name === 'json' ? Array.from(bytes) : bytes);
      const head = { ...goodHeader, si: as(bytesOf(ID)) };
      for (const fill of [0x41, 0xfe]) {
        for (const size of [0, 15, 17, 32]) {
          const bad = as(new Uint8Array(size).fill(fill));
          const good = as(new Uint8Array(16).fill(fill));
          const own = { addr: 'a:1', mdts: 1, md: {} };
          const payloads: [number, number | undefined, (of: unknown) => unknown][] = [
            [1, undefined, (of) => ({ id: of, ...own, pv: 1, av: '', s: 1 })],
            [0, 1, (of) => ({ acc: true, rr: '', id: of, ...own, nodes: [] })],
            [0, 1, (of) => ({ acc: true, rr: '', id: good, ...own, nodes: [{ id: of, addr: 'a:1' }] })],
            [3, undefined, (of) => [{ id: of, addr: 'a:1', s: 1, sct: 1 }]],
            [5, undefined, (of) => ({ sid: of, addr: 'a:1' })],
            [0, 5, (of) => ({ nid: of, ...own, state: 1 })],
          ];
          for (const [mt, replyTo, payload] of payloads) {
            const options = replyTo === undefined ? {} : { replyTo };
            const what = `${codec.name}, type ${mt}, ${size} bytes`;
            expect(await decode(crafted({ ...head, mt }, payload(good), codec), from, options), what).toMatchObject({
              type: mt,
            });
            expect(await decode(crafted({ ...head, mt }, payload(bad), codec), from, options), what).toBe('ERR_PACKET');
          }
        }
      }
    }
  });

  test('messages are read liberally: nil, absent, unknown and any width', async () => {
    const bare = { id: bytesOf(ID), addr: '', pv: 1, s: 1, mdts: 0, md: null, tags: null, av: null, extra: { a: [1] } };
    expect(await decode(crafted({ ...goodHeader, mt: 1 }, bare))).toMatchObject({
      message: { kind: 'join', applicationVersion: '', tags: [], metadata: {}, metadataTime: 0n },
    });
    const reply = { acc: true, id: bytesOf(ID), addr: 'a:1', mdts: 1, nodes: null };
    expect(await decode(crafted({ ...goodHeader, mt: 0 }, reply), env, { replyTo: 1 })).toMatchObject({
      message: { kind: 'join-reply', reason: '', nodes: [], metadata: {} },
    });
    for (const empty of [null, []]) {
      expect(await decode(crafted({ ...goodHeader, mt: 3 }, empty))).toMatchObject({ message: { entries: [] } });
    }
  });

  test('messages with a wrong field are refused', async () => {
    const join = { id: bytesOf(ID), addr: 'a:1', pv: 1, av: '', s: 1, mdts: 1, md: {} };
    const limit = (change: Partial<Limits>) => envOf(msgpack(), { limits: { ...DEFAULT_LIMITS, ...change } });
    const refused: [string, object, string, NativeEnv?][] = [
      ['state removed', { s: 5 }, 'ERR_PACKET'],
      ['state 255', { s: 255 }, 'ERR_PACKET'],
      ['no address', { addr: undefined }, 'ERR_PACKET'],
      ['address as bytes', { addr: new Uint8Array(3) }, 'ERR_PACKET'],
      ['address too long', { addr: 'x'.repeat(1025) }, 'ERR_TOO_LARGE'],
      ['address too long in UTF-8 only', { addr: '✓'.repeat(400) }, 'ERR_TOO_LARGE'],
      ['version above 16 bits', { pv: 65_536 }, 'ERR_PACKET'],
      ['metadata as a list', { md: [] }, 'ERR_PACKET'],
      ['metadata as text', { md: 'x' }, 'ERR_PACKET'],
      ['metadata as bytes', { md: new Uint8Array(2) }, 'ERR_PACKET'],
      ['metadata as a time', { md: new Date(0) }, 'ERR_PACKET'],
      ['metadata too large', { md: { a: 'x'.repeat(70_000) } }, 'ERR_TOO_LARGE'],
      ['tags as text', { tags: 'x' }, 'ERR_PACKET'],
      ['a tag that is a number', { tags: [1] }, 'ERR_PACKET'],
      ['too many tags', { tags: Array(65).fill('x') }, 'ERR_TOO_LARGE'],
      ['a tag too long', { tags: ['x'.repeat(1025)] }, 'ERR_TOO_LARGE'],
      ['iso that is no number', { iso: 'yes' }, 'ERR_PACKET'],
      ['iso that is negative', { iso: -1 }, 'ERR_PACKET'],
      ['a time that is negative', { mdts: -1 }, 'ERR_PACKET'],
      ['one tag too many for the limit', { tags: ['a', 'b'] }, 'ERR_TOO_LARGE', limit({ tagsMax: 1 })],
    ];
    for (const [what, change, code, from] of refused) {
      expect(await decode(crafted({ ...goodHeader, mt: 1 }, { ...join, ...change }), from ?? env), what).toBe(code);
    }
    expect(await decode(crafted({ ...goodHeader, mt: 1 }, { ...join, tags: Array(64).fill('x') }))).toMatchObject({
      type: 1,
    });
    expect(await decode(crafted({ ...goodHeader, mt: 1 }, { ...join, addr: 'x'.repeat(1024) }))).toMatchObject({
      type: 1,
    });
    // Large tags beside small metadata: it is the metadata that is measured.
    const wide = { ...join, tags: Array(64).fill('x'.repeat(1024)), md: { a: 1 } };
    expect(await decode(crafted({ ...goodHeader, mt: 1 }, wide))).toMatchObject({ type: 1 });

    const entry = { id: bytesOf(ID), addr: 'a:1', s: 1, sct: 1 };
    const two = limit({ membersMax: 2 });
    expect(await decode(crafted({ ...goodHeader, mt: 3 }, [entry, entry]), two)).toMatchObject({ type: 3 });
    expect(await decode(crafted({ ...goodHeader, mt: 3 }, [entry, entry, entry]), two)).toBe('ERR_TOO_LARGE');
    for (const payload of [{}, 'x', [1], [null], [{ ...entry, s: 5 }]]) {
      expect(await decode(crafted({ ...goodHeader, mt: 3 }, payload))).toBe('ERR_PACKET');
    }
    for (const payload of [null, [], 'x', 1]) {
      for (const mt of [1, 4, 5]) expect(await decode(crafted({ ...goodHeader, mt }, payload))).toBe('ERR_PACKET');
    }
  });

  test('duplicate keys and too deep a payload are refused', async () => {
    const twice = hex('82 a461646472 a1 61 a461646472 a1 62'.replaceAll(' ', ''));
    expect(await decode(crafted({ ...goodHeader, mt: 5 }, twice))).toBe('ERR_CODEC');
    expect(await decode(crafted({ ...goodHeader, mt: 4 }, new Uint8Array(10_000).fill(0x91)))).toBe('ERR_CODEC');
  });

  test('the payload of data is passed on untouched, whatever it is', async () => {
    for (const payload of [new Uint8Array(0), Uint8Array.of(0xc1), new Uint8Array(10_000).fill(0x91)]) {
      expect(await decode(crafted({ ...goodHeader, mt: 128 }, payload))).toMatchObject({ message: { payload } });
    }
  });
});
