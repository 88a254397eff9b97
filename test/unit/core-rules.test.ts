/** Single rules of the protocol that a whole cluster would only show now and then. */
import { expect, test } from 'vitest';
import type { Core } from '../../src/core/core.js';
import type { Effect } from '../../src/core/effect.js';
import type { MemberRecord, NativePacket } from '../../src/wire/packet.js';
import { hlcAt, idOf, oneCore } from './one-core.js';

function record(member: number, change: Partial<MemberRecord> = {}): MemberRecord {
  return {
    id: idOf(member),
    incarnation: hlcAt(0),
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: hlcAt(0),
    address: `m${member}`,
    tags: [],
    protocolVersion: 1,
    applicationVersion: '',
    metadata: {},
    metadataBytes: 0,
    ...change,
  };
}

function coreWith(...members: number[]): Core {
  const core = oneCore();
  for (const member of members) core.members.merge(record(member), idOf(member));
  core.handle({ type: 'tick' }, 1);
  while (core.news.size > 0) core.news.take();
  return core;
}

function give(core: Core, packet: NativePacket, nowMs = core.nowMs): NativePacket[] {
  return sent(core.handle({ type: 'packet', packet, source: { address: 'somewhere', reliable: false } }, nowMs));
}

function sent(effects: readonly Effect[]): NativePacket[] {
  return effects.flatMap((effect) => (effect.type === 'send' ? [effect.packet as NativePacket] : []));
}

test('an accusation that was refuted long ago is answered again, to whoever has missed the answer', () => {
  const core = coreWith(1, 2);
  const old = core.self.incarnation;
  const accusation = { kind: 'state' as const, id: idOf(0), incarnation: old, state: 'dead' as const, by: idOf(1) };
  give(core, { type: 'news', from: idOf(1), news: [accusation] });
  expect(core.self.incarnation).toBeGreaterThan(old);
  while (core.news.size > 0) core.news.take();
  const [ack] = give(core, { type: 'ping', seq: 1, from: idOf(2), news: [accusation] });
  expect(ack).toMatchObject({
    type: 'ack',
    news: [{ kind: 'state', id: idOf(0), state: 'alive', incarnation: core.self.incarnation }],
  });
});

test('a member held suspect or dead is told so in whatever is sent to it first', () => {
  const core = coreWith(1, 2);
  give(core, {
    type: 'news',
    from: idOf(2),
    news: [{ kind: 'state', id: idOf(1), incarnation: hlcAt(0), state: 'suspect', by: idOf(2) }],
  });
  while (core.news.size > 0) core.news.take();
  const [ack] = give(core, { type: 'ping', seq: 1, from: idOf(1), news: [] });
  expect(ack).toMatchObject({ type: 'ack', news: [{ id: idOf(1), state: 'suspect' }] });
});

test('a death in a table is a suspicion for who holds the member alive; a death in the news is a death', () => {
  const core = coreWith(1, 2, 3);
  const dead = { ...record(2), state: 'dead' as const };
  give(core, { type: 'state', from: idOf(1), records: [dead], last: true, wantReply: false });
  expect(core.members.get(idOf(2))?.state).toBe('suspect');
  give(core, {
    type: 'news',
    from: idOf(1),
    news: [{ kind: 'state', id: idOf(3), incarnation: hlcAt(0), state: 'dead', by: idOf(1) }],
  });
  expect(core.members.get(idOf(3))?.state).toBe('dead');
});

test('one member asked for many times in one pull is sent once', () => {
  const core = coreWith(1, 2);
  const [state] = give(core, { type: 'pull', from: idOf(1), ids: Array.from({ length: 100 }, () => idOf(2)) });
  expect(state).toMatchObject({ type: 'state', records: [{ id: idOf(2) }] });
});

test('a dead or leaving stranger is nobody', () => {
  const core = coreWith(1);
  for (const state of ['dead', 'leaving'] as const) {
    give(core, { type: 'news', from: idOf(1), news: [{ kind: 'record', record: record(7, { state }) }] });
    give(core, {
      type: 'news',
      from: idOf(1),
      news: [{ kind: 'state', id: idOf(8), incarnation: hlcAt(0), state, by: idOf(1) }],
    });
  }
  expect(core.stats()).toMatchObject({ members: 2 });
  expect(core.stats().pullsSent).toBeUndefined();
});

test('a large record is only mentioned in the news, and pulled from who mentioned it', () => {
  const core = coreWith(1, 2);
  const { metadata, ...mention } = record(2, { version: hlcAt(5), address: 'elsewhere', metadataBytes: 5000 });
  expect(metadata).toEqual({});
  give(core, { type: 'news', from: idOf(1), news: [{ kind: 'record', record: mention }] });
  expect(core.members.get(idOf(2))).toMatchObject({ version: hlcAt(0), address: 'm2' });
  const pulls = sent(core.handle({ type: 'tick' }, core.nowMs + 100)).filter(({ type }) => type === 'pull');
  expect(pulls).toMatchObject([{ type: 'pull', ids: [idOf(2)] }]);
});

test('a record that no datagram holds goes alone, and news comes to an end', () => {
  const core = coreWith(1, 2);
  const tags = Array.from({ length: 60 }, (_, i) => `${i}`.padStart(60, 'x'));
  core.members.merge(record(2, { version: hlcAt(5), tags }), idOf(2));
  core.members.merge(record(1, { version: hlcAt(5) }), idOf(1));
  // A ping stays small.
  expect(give(core, { type: 'ping', seq: 1, from: idOf(1), news: [] })).toMatchObject([{ type: 'ack', news: [] }]);
  const told: NativePacket[] = [];
  for (let i = 0; i < 100 && core.news.size > 0; i++)
    told.push(...sent(core.handle({ type: 'tick' }, core.nowMs + 100)));
  expect(core.news.size).toBe(0);
  expect(
    told.filter(
      (packet) =>
        packet.type === 'news' && packet.news.some((one) => one.kind === 'record' && one.record.tags.length === 60),
    ).length,
  ).toBeGreaterThan(0);
});

test('news about the only other member ends as well', () => {
  const core = coreWith(1);
  core.members.merge(record(1, { version: hlcAt(5) }), idOf(1));
  // Within a second: later there is news again, since nobody answers the pings.
  for (let i = 0; i < 10; i++) core.handle({ type: 'tick' }, core.nowMs + 100);
  expect(core.news.size).toBe(0);
});

test('a probe that was open while we slept is no verdict when we wake', () => {
  const core = coreWith(1, 2, 3);
  let pings: NativePacket[] = [];
  for (let i = 0; i < 30 && pings.length === 0; i++) {
    pings = sent(core.handle({ type: 'tick' }, core.nowMs + 50)).filter(({ type }) => type === 'ping');
  }
  expect(pings).toHaveLength(1);
  core.handle({ type: 'tick' }, core.nowMs + 60_000);
  expect(core.stats()).toMatchObject({ pauses: 1, membersAlive: 4, suspicionsRunning: 0 });
  expect(core.stats().probesFailed).toBeUndefined();
});

test('a member whose connection is refused is asked once, not again and again', () => {
  const core = coreWith(1, 2, 3, 4);
  const refused = { type: 'disconnected', address: 'm1' } as const;
  const pings = sent(core.handle(refused, core.nowMs)).filter(({ type }) => type === 'ping');
  expect(pings).toHaveLength(1);
  for (let i = 0; i < 10; i++) expect(sent(core.handle(refused, core.nowMs))).toEqual([]);
  // Without an answer it asks others, and dials no more.
  const later = core.handle({ type: 'tick' }, core.nowMs + 550);
  const dials = later.filter((effect) => effect.type === 'send' && effect.reliable && effect.to.includes('m1'));
  expect(dials).toEqual([]);
  const asked = later.flatMap((effect) =>
    effect.type === 'send' && effect.packet.type === 'ping-req' ? effect.to : [],
  );
  expect(asked.sort()).toEqual(['m2', 'm3', 'm4']);
});
