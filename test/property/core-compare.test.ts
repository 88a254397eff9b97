/**
 * Comparing tables: whatever two members know, a few exchanges make them know the same, by packets of bounded size, and
 * nothing that one of them knows already travels.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { msgpack } from '../../src/codec/msgpack.js';
import type { Core } from '../../src/core/core.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import type { MemberRecord, NativePacket } from '../../src/wire/packet.js';
import { Wire } from '../../src/wire/wire.js';
import { tries } from '../effort.js';
import { hlcAt, idOf, oneCore } from '../unit/one-core.js';

const wire = new Wire(
  { codec: msgpack(), compressBytesMin: 1e9, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS },
  undefined,
);

function record(n: number, incarnation: number, version: number, metadata: object = {}): MemberRecord {
  return {
    id: idOf(n),
    incarnation: hlcAt(-incarnation),
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: hlcAt(-version),
    address: `m${n}`,
    tags: [],
    protocolVersion: 1,
    applicationVersion: '',
    metadata: { version, ...metadata },
    metadataBytes: msgpack().encode({ version, ...metadata }).length,
  };
}

/** Two members that know each other, and what each knows of others. */
function pair(ours: readonly MemberRecord[], theirs: readonly MemberRecord[]): [Core, Core] {
  const cores = [1, 2].map((n) => oneCore({ id: idOf(n), address: `m${n}` })) as [Core, Core];
  for (const [at, records] of [ours, theirs].entries()) {
    const core = cores[at] as Core;
    for (const one of [...cores.map((other) => other.selfRecord()), ...records]) core.members.merge(one, one.id, true);
    core.handle({ type: 'tick' }, 0);
  }
  return cores;
}

/** One compares; what the two send each other until `untilMs` arrives, and is returned with its size. */
function run([a, b]: [Core, Core], untilMs: number): { packet: NativePacket; bytes: number }[] {
  const sent: { packet: NativePacket; bytes: number }[] = [];
  const other = (core: Core) => (core === a ? b : a);
  const carryOut = (core: Core, effects: ReturnType<Core['handle']>, nowMs: number): void => {
    for (const effect of effects) {
      const to = other(core);
      if (effect.type !== 'send' || !effect.to.includes(to.self.address)) continue;
      const frame = wire.encode(effect.packet, false) as Uint8Array;
      const packet = wire.decode(frame, false) as NativePacket;
      sent.push({ packet, bytes: frame.length });
      carryOut(to, to.handle({ type: 'packet', packet, source: { reliable: true } }, nowMs), nowMs);
    }
  };
  a.sync.compare(a.members.get(b.self.id) as never);
  for (let nowMs = 1; nowMs <= untilMs; nowMs += 10) {
    for (const core of [a, b]) carryOut(core, core.handle({ type: 'tick' }, nowMs), nowMs);
  }
  return sent;
}

const active = (core: Core) =>
  [...core.members.all()]
    .filter(({ state }) => state === 'alive' || state === 'suspect')
    .map(({ id, incarnation, version, metadata, state }) => ({ id, incarnation, version, metadata, state }))
    .sort((x, y) => (x.id < y.id ? -1 : 1));

const known = fc
  .uniqueArray(fc.integer({ min: 3, max: 400 }), { maxLength: 150 })
  .chain((ids) =>
    fc.tuple(...ids.map((n) => fc.record({ n: fc.constant(n), incarnation: fc.nat(3), version: fc.nat(3) }))),
  )
  .map((rows) => rows.map(({ n, incarnation, version }) => record(n, incarnation, version)));

test('whatever two members know of others, comparing makes them know the same', () => {
  fc.assert(
    fc.property(known, known, (ours, theirs) => {
      const cores = pair(ours, theirs);
      run(cores, 900);
      expect(active(cores[0])).toEqual(active(cores[1]));
      expect(cores[0].members.fingerprint).toBe(cores[1].members.fingerprint);
    }),
    { numRuns: tries(60, 20) },
  );
});

test('one difference among thousands costs a few small packets', () => {
  const all = Array.from({ length: 5000 }, (_, n) => record(n + 3, 9, 9));
  const changed = all.map((one, at) => (at === 4000 ? record(at + 3, 1, 9) : at === 10 ? record(at + 3, 9, 1) : one));
  const cores = pair(all, changed);
  const sent = run(cores, 300).filter(({ packet: { type } }) => type !== 'ping' && type !== 'ack');
  expect(active(cores[0])).toEqual(active(cores[1]));
  expect(sent.map(({ packet: { type } }) => type)).toEqual(expect.arrayContaining(['digest', 'digest', 'summary']));
  expect(sent.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(5000);
});

test('a thousand members that one of them lacks come in packets of bounded size', () => {
  const all = Array.from({ length: 1500 }, (_, n) => record(n + 3, 9, 9, { text: 'x'.repeat(100) }));
  const cores = pair(all, all.slice(0, 300));
  const sent = run(cores, 4000);
  const versions = (core: Core) => active(core).map(({ id, version, metadata }) => ({ id, version, metadata }));
  expect(versions(cores[1])).toEqual(versions(cores[0]));
  expect(Math.max(...sent.map(({ bytes }) => bytes))).toBeLessThan(70_000);
});

test('a table that cannot take what it lacks is not compared for ever', () => {
  const all = Array.from({ length: 1500 }, (_, n) => record(n + 3, 9, 9));
  const cores = pair(all, all.slice(0, 100));
  (cores[1].config.limits as { membersMax: number }) = { ...DEFAULT_LIMITS, membersMax: 102 };
  run(cores, 10_000);
  expect(cores[1].members.size).toBe(102);
  const { digestsSent = 0 } = cores[0].stats();
  expect(digestsSent).toBeLessThan(100);
});
