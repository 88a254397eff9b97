/** Native packets: whatever a core can say arrives as it was said, and no bytes do more than be refused. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { msgpack } from '../../src/codec/msgpack.js';
import { snappy } from '../../src/compressor/snappy.js';
import { BUNDLE } from '../../src/core/bundle.js';
import { memberIdFromBytes } from '../../src/core/member-id.js';
import { GossipError } from '../../src/errors.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { ALL_PACKETS } from '../../src/wire/native/gateway-packets.js';
import { LEAF_PACKETS } from '../../src/wire/native/leaf-packets.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import { decodePacket, encodePacket } from '../../src/wire/native/packet-codec.js';
import type { ByeWhy, MemberRecord, NativePacket, News, ReplyStatus } from '../../src/wire/packet.js';
import { Wire } from '../../src/wire/wire.js';
import { tries } from '../effort.js';

const codec = msgpack();
const full = { codec, compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS };
const env = { ...full, packets: ALL_PACKETS };
const wires = [new Wire(env, undefined), new Wire({ ...env, compressor: snappy() }, undefined)];

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => memberIdFromBytes(bytes));
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const time = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
/** No codec carries `__proto__`; `test/contract/codec.ts` has that. */
const key = text.filter((name) => name !== '__proto__');
const payload = fc.uint8Array({ maxLength: 600 });
const messageType = fc.integer({ min: 64, max: 0xffff });
const state = fc.constantFrom('alive' as const, 'suspect' as const, 'leaving' as const, 'dead' as const);
const value = fc.oneof(
  text,
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 20 }),
  fc.array(text),
);
const metadata = fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), value, { maxKeys: 5, noNullPrototype: true });

const record: fc.Arbitrary<MemberRecord> = fc
  .record({
    id,
    incarnation: time,
    state,
    dialect: fc.constantFrom('native' as const, 'v1' as const),
    bilingual: fc.boolean(),
    via: fc.option(id, { nil: undefined }),
    version: time,
    address: text,
    tags: fc.array(text, { maxLength: 5 }),
    protocolVersion: u32,
    applicationVersion: text,
    metadataBytes: u32,
    metadata: fc.option(metadata, { nil: undefined }),
  })
  .map(({ metadata, ...rest }) => {
    if (!metadata) return rest;
    const empty = Object.keys(metadata).length === 0;
    return { ...rest, metadata, metadataBytes: empty ? 0 : codec.encode(metadata).length };
  });
const news: fc.Arbitrary<News[]> = fc.array(
  fc.oneof(
    record.map((record): News => ({ kind: 'record', record })),
    fc.record({ kind: fc.constant('state' as const), id, incarnation: time, state, by: id }),
    fc.record({
      kind: fc.constant('change' as const),
      id,
      from: time,
      version: time,
      set: fc.dictionary(key, fc.oneof(text, fc.integer(), fc.boolean()), { minKeys: 1, noNullPrototype: true }),
      deleted: fc.array(text, { maxLength: 5 }),
    }),
  ),
  { maxLength: 8 },
);

const type = <T extends NativePacket['type']>(name: T) => fc.constant(name);
// Few origins, so that several messages in a row are of one.
const name = { origin: fc.oneof(id, fc.constantFrom(...fc.sample(id, 2))), messageId: time };
const hops = fc.nat(255);
const broadcast = { ...name, messageType, hops, reliable: fc.boolean(), tag: text, payload };
const gossiped = { ...broadcast, messageType: fc.oneof(messageType, fc.constant(BUNDLE)) };
const addressed = { from: id, to: id, messageId: time, messageType, payload };
const packet: fc.Arbitrary<NativePacket> = fc.oneof(
  fc.record({ type: type('ping'), seq: u32, from: id, news }),
  fc.record({ type: type('ack'), seq: u32, from: id, news }),
  fc.record({ type: type('ping-req'), seq: u32, from: id, target: id, dial: fc.boolean() }),
  fc.record({ type: type('nack'), seq: u32, from: id, refused: fc.boolean() }),
  fc.record({ type: type('news'), from: id, news }),
  fc.record({ type: type('join'), seq: u32, from: id, record }),
  fc.record({
    type: type('join-reply'),
    seq: u32,
    from: id,
    accepted: fc.boolean(),
    reason: text,
    verify: u32,
    record,
  }),
  fc.record({ type: type('digest'), from: id, fingerprints: fc.array(u32, { maxLength: 256 }) }),
  fc.record({
    type: type('summary'),
    from: id,
    parts: u32,
    of: fc.array(u32, { maxLength: 256 }),
    members: fc.array(fc.record({ id, incarnation: time, state, version: time }), { maxLength: 50 }),
    more: fc.boolean(),
  }),
  fc.record({
    type: type('state'),
    from: id,
    records: fc.array(record, { maxLength: 20 }),
    last: fc.boolean(),
    whole: fc.boolean(),
  }),
  fc.record({ type: type('pull'), from: id, ids: fc.array(id, { maxLength: 50 }) }),
  fc.record({ type: type('gossip'), from: id, messages: fc.array(fc.record(gossiped), { maxLength: 5 }) }),
  fc.record({ type: type('message'), ...addressed }),
  fc.record({ type: type('request'), ...addressed }),
  fc.record({
    type: type('reply'),
    from: id,
    to: id,
    messageId: time,
    status: fc.constantFrom<ReplyStatus[]>('ok', 'no-handler', 'failed', 'unreachable', 'refused'),
    payload,
  }),
  fc.record({ type: type('native-only'), from: id }),
  fc.record({ type: type('neighbour'), from: id, on: fc.boolean() }),
  fc.record({ type: type('ihave'), from: id, messages: fc.array(fc.record({ ...name, hops }), { maxLength: 50 }) }),
  fc.record({ type: type('graft'), from: id, messages: fc.array(fc.record(name), { maxLength: 50 }) }),
  fc.record({ type: type('prune'), from: id }),
  fc.record({ type: type('broadcast'), from: id, ...broadcast }),
  fc.record({
    type: type('attach'),
    from: id,
    record,
    hidden: fc.boolean(),
    fingerprint: u32,
    members: u32,
    proof: fc.uint8Array({ maxLength: 16 }),
    ticket: text,
  }),
  fc.record({ type: type('welcome'), from: id, pingIntervalMs: u32, record }),
  fc.record({
    type: type('bye'),
    from: id,
    why: fc.constantFrom<ByeWhy[]>('refused', 'moved', 'closing', 'slow', 'abusive', 'left'),
    reason: text,
  }),
  fc.record({ type: type('hidden'), from: id, hidden: fc.boolean() }),
  fc.record({ type: type('forgotten'), from: id, ids: fc.array(id, { maxLength: 50 }) }),
);

/** Decodes; anything but a packet or a GossipError fails the test. */
function decode(bytes: Uint8Array): NativePacket | undefined {
  try {
    return decodePacket(bytes, env);
  } catch (error) {
    if (!(error instanceof GossipError)) throw error;
    return undefined;
  }
}

test('every packet is the same after the way through bytes, compressed or not', () => {
  fc.assert(
    fc.property(packet, (one) => {
      for (const wire of wires) {
        const frame = wire.encode(one, false) as Uint8Array;
        expect(wire.decode(frame, false)).toEqual(one);
      }
    }),
    { numRuns: tries(1000) },
  );
});

test('no packet can be cut short or made longer unnoticed, but for payloads that reach to the end', () => {
  fc.assert(
    fc.property(packet, fc.double({ min: 0, max: 0.999, noNaN: true }), (one, part) => {
      const bytes = encodePacket(one, env);
      const cut = bytes.subarray(0, Math.floor(bytes.length * part));
      const short = decode(cut);
      const open = 'payload' in one || one.type === 'ping' || one.type === 'ack' || one.type === 'news';
      if (!open) expect(short).toBeUndefined();
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      if (!('payload' in one)) {
        const read = decode(longer);
        // A ping without news may be followed by a count of none.
        if (read) expect(read).toEqual(one);
      }
    }),
    { numRuns: 500 },
  );
});

test('arbitrary bytes are a packet or refused, whatever their type', () => {
  fc.assert(
    fc.property(fc.nat(25), fc.uint8Array({ maxLength: 300, size: 'max' }), (first, rest) => {
      decode(Uint8Array.of(first, ...rest));
    }),
    { numRuns: tries(5000) },
  );
});

test('packets with a byte changed are a packet or refused, and what is read can be written again', () => {
  fc.assert(
    fc.property(packet, fc.nat(), fc.nat(255), (one, at, byte) => {
      const bytes = encodePacket(one, env);
      bytes[at % bytes.length] = byte;
      const read = decode(bytes);
      if (!read) return;
      // Metadata may come in longer forms than ours; once written by us it stays as it is.
      const ours = decode(encodePacket(read, env));
      expect(ours?.type).toBe(read.type);
      if (ours) expect(decode(encodePacket(ours, env))).toEqual(ours);
    }),
    { numRuns: tries(2000) },
  );
});

test('who is no gateway refuses what only leaves say, and a leaf what only full members do', () => {
  const bye: NativePacket = { type: 'bye', from: memberIdFromBytes(new Uint8Array(16)), why: 'moved', reason: '' };
  expect(decodePacket(encodePacket(bye, env), env)).toEqual(bye);
  expect(() => decodePacket(encodePacket(bye, env), full)).toThrow('type 34');
  const prune: NativePacket = { type: 'prune', from: bye.from };
  expect(decodePacket(encodePacket(prune, env), full)).toEqual(prune);
  expect(() => decodePacket(encodePacket(prune, env), { ...full, packets: LEAF_PACKETS })).toThrow('type 26');
});

test('a count above what the packet can hold is refused before anything is made of it', () => {
  const most = [0xff, 0xff, 0xff, 0xff, 0x0f];
  const from = new Uint8Array(16);
  for (const [name, type, head] of [
    ['news', 2, []],
    ['state', 3, [0, 0]],
    ['pull', 4, []],
    ['gossip', 21, []],
    ['ihave', 24, []],
    ['graft', 25, []],
  ] as const) {
    const bytes = Uint8Array.of(type, ...from, ...head, ...most, ...new Uint8Array(200));
    expect(() => decodePacket(bytes, env), name).toThrow(/items|above|cannot/);
  }
});
