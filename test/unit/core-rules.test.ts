/** Single rules of the protocol that a whole cluster would only show now and then. */
import { expect, test } from 'vitest';
import type { Core } from '../../src/core/core.js';
import type { Effect } from '../../src/core/effect.js';
import { GossipError, isRefused } from '../../src/errors.js';
import type { MemberRecord, NativePacket, News } from '../../src/wire/packet.js';
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

test('who gets its answers does not agree to be dead, however often it is told so', () => {
  const core = coreWith(1, 2);
  for (let times = 0; times < 3; times++) {
    const { incarnation } = core.self;
    give(core, {
      type: 'news',
      from: idOf(1),
      news: [1n, 2n].map((more) => ({
        kind: 'state',
        id: idOf(0),
        incarnation: incarnation + more,
        state: 'dead',
        by: idOf(1),
      })),
    });
    expect(core.self.state).toBe('alive');
    expect(core.self.incarnation).toBeGreaterThan(incarnation + 2n);
  }
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

test('who is dead itself plants no suspicion by its table either, but is answered', () => {
  const core = coreWith(1, 2);
  core.members.mergeState(core.members.get(idOf(1)) as never, hlcAt(0), 'dead', idOf(2));
  const suspect = { ...record(2), state: 'suspect' as const };
  give(core, { type: 'state', from: idOf(1), records: [suspect], last: true, whole: false });
  const { id, incarnation, state, version } = suspect;
  const summary = {
    type: 'summary',
    parts: 1,
    of: [],
    members: [{ id, incarnation, state, version }],
    more: false,
  } as const;
  give(core, { ...summary, from: idOf(1) });
  expect(core.members.get(id)?.state).toBe('alive');
  const { incarnation: before } = core.self;
  give(core, {
    type: 'state',
    from: idOf(1),
    records: [{ ...record(0), incarnation: before, state }],
    last: true,
    whole: false,
  });
  expect(core.self.incarnation).toBeGreaterThan(before);
  give(core, { ...summary, from: idOf(2) });
  expect(core.members.get(id)?.state).toBe('suspect');
});

test('a death in a table is a suspicion for who holds the member alive; a death in the news is a death', () => {
  const core = coreWith(1, 2, 3);
  const dead = { ...record(2), state: 'dead' as const };
  give(core, { type: 'state', from: idOf(1), records: [dead], last: true, whole: false });
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

function pingsOf(effects: readonly Effect[]): { to: string; reliable: boolean }[] {
  return effects.flatMap((effect) =>
    effect.type === 'send' && effect.packet.type === 'ping'
      ? effect.to.map((to) => ({ to, reliable: effect.reliable }))
      : [],
  );
}

const closed = { type: 'disconnected', address: 'm1' } as const;
const refused = {
  type: 'send-failed',
  address: 'm1',
  reliable: true,
  error: new GossipError('ERR_UNREACHABLE', 'nobody listens', {
    cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
  }),
} as const;

test('a member whose connection was closed is asked once, by a datagram and a dial, not again and again', () => {
  const core = coreWith(1, 2, 3, 4);
  const pings = pingsOf(core.handle(closed, core.nowMs));
  expect(pings).toEqual([
    { to: 'm1', reliable: false },
    { to: 'm1', reliable: true },
  ]);
  for (let i = 0; i < 10; i++) expect(sent(core.handle(closed, core.nowMs))).toEqual([]);
  // Without an answer it asks others, and dials no more.
  const later = core.handle({ type: 'tick' }, core.nowMs + 450);
  expect(pingsOf(later).filter(({ to }) => to === 'm1')).toEqual([]);
  expect(helpersOf(later)).toEqual([
    ['m2', false],
    ['m3', false],
    ['m4', false],
  ]);
});

/** Who is asked to ping for us, and whether to dial. */
function helpersOf(effects: readonly Effect[]): [string, boolean][] {
  return effects
    .flatMap((effect) => {
      if (effect.type !== 'send' || effect.packet.type !== 'ping-req') return [];
      const { dial } = effect.packet;
      return effect.to.map((to): [string, boolean] => [to, dial]);
    })
    .sort();
}

/** Helpers of the probe that a refused dial has opened say that they were refused as well. */
function witnesses(core: Core, effects: readonly Effect[], ...members: number[]): void {
  const request = sent(effects).find(({ type }) => type === 'ping-req');
  if (request?.type !== 'ping-req') throw new Error('nobody was asked');
  for (const member of members) give(core, { type: 'nack', seq: request.seq, from: idOf(member), refused: true });
}

test('where a dial was refused, others dial at once; refused at three twice, with a pause, it is dead', () => {
  const core = coreWith(1, 2, 3, 4);
  const state = () => core.members.get(idOf(1))?.state;
  const first = core.handle(refused, core.nowMs);
  expect(helpersOf(first).map(([, dial]) => dial)).toEqual([true, true, true]);
  witnesses(core, first, 2, 3);
  expect(state()).toBe('alive');
  core.handle({ type: 'tick' }, core.nowMs + 101);
  expect(state()).toBe('suspect');
  expect(core.stats().localHealth).toBe(0);
  const again = core.handle({ type: 'tick' }, core.nowMs + 541);
  expect(pingsOf(again).filter(({ to }) => to === 'm1')).toHaveLength(2);
  const second = core.handle(refused, core.nowMs);
  witnesses(core, second, 3, 4);
  expect(state()).toBe('suspect');
  core.handle({ type: 'tick' }, core.nowMs + 101);
  expect(state()).toBe('dead');
});

test('a dial that was refused to us alone is no verdict', () => {
  const core = coreWith(1, 2, 3, 4);
  core.handle(refused, core.nowMs);
  for (let i = 0; i < 12; i++) {
    const effects = core.handle({ type: 'tick' }, core.nowMs + 130);
    if (pingsOf(effects).some(({ to, reliable }) => to === 'm1' && reliable)) core.handle(refused, core.nowMs);
  }
  expect(core.members.get(idOf(1))?.state).toBe('suspect');
});

test('an answer after hard evidence has been found once keeps it from being a verdict', () => {
  const core = coreWith(1, 2, 3, 4);
  witnesses(core, core.handle(refused, core.nowMs), 2, 3, 4);
  core.handle({ type: 'tick' }, core.nowMs + 101);
  const ping = sent(core.handle({ type: 'tick' }, core.nowMs + 541)).find(({ type }) => type === 'ping');
  witnesses(core, core.handle(refused, core.nowMs), 2, 3, 4);
  if (ping?.type === 'ping') give(core, { type: 'ack', seq: ping.seq, from: idOf(1), news: [] });
  core.handle({ type: 'tick' }, core.nowMs + 101);
  expect(core.members.get(idOf(1))?.state).toBe('suspect');
});

test('who is asked to ping one that has left says so', () => {
  const core = coreWith(1, 2);
  give(core, {
    type: 'news',
    from: idOf(1),
    news: [{ kind: 'state', id: idOf(1), incarnation: hlcAt(1), state: 'leaving', by: idOf(1) }],
  });
  expect(give(core, { type: 'ping-req', seq: 5, from: idOf(2), target: idOf(1), dial: true })).toMatchObject([
    { type: 'news', news: [{ id: idOf(1), state: 'leaving' }] },
  ]);
});

test('a refused dial is told from other failures by what caused the error', () => {
  const { error } = refused;
  expect(isRefused(error)).toBe(true);
  expect(isRefused(new GossipError('ERR_UNREACHABLE', 'outer', { cause: error }))).toBe(true);
  expect(isRefused(new GossipError('ERR_UNREACHABLE', 'no answer'))).toBe(false);
  expect(isRefused({ code: 'ECONNREFUSED' })).toBe(false);
  const endless = new Error('endless');
  endless.cause = endless;
  expect(isRefused(endless)).toBe(false);
});

test('our own full queue, or a name that is not found, says nothing about a member', () => {
  for (const code of ['ERR_OVERLOADED', 'ERR_RESOLVE'] as const) {
    const core = coreWith(1, 2, 3);
    const error = new GossipError(code, 'ours');
    const effects = core.handle({ type: 'send-failed', address: 'm1', reliable: true, error }, core.nowMs);
    expect(pingsOf(effects)).toEqual([]);
    expect(core.stats().evidence).toBeUndefined();
  }
});

test('with three confirmations a suspicion has shrunk to its minimum, and nacks of helpers are confirmations', () => {
  const state = (core: Core) => core.members.get(idOf(1))?.state;
  const suspicion = { kind: 'state' as const, id: idOf(1), incarnation: hlcAt(0), state: 'suspect' as const };
  for (const confirmed of [false, true]) {
    const core = coreWith(1, 2, 3, 4, 5, 6);
    const by = confirmed ? [2, 3, 4, 5] : [2];
    for (const n of by) give(core, { type: 'news', from: idOf(n), news: [{ ...suspicion, by: idOf(n) }] });
    const fromMs = core.nowMs;
    // 2 × max(1, log10 7) × 0.9 s; nobody answers our own probes either, but a pause of ours is no verdict.
    while (core.nowMs < fromMs + 1850 && state(core) !== 'dead') core.handle({ type: 'tick' }, core.nowMs + 25);
    expect(state(core)).toBe(confirmed ? 'dead' : 'suspect');
  }
});

test('who is accused itself gives those it suspects their whole time once more: it may be the one that hears nothing', () => {
  for (const accused of [false, true]) {
    const core = coreWith(1, 2, 3, 4, 5, 6);
    const tell = (about: number, by: number, incarnation: bigint) => {
      const piece = { kind: 'state' as const, id: idOf(about), incarnation, state: 'suspect' as const, by: idOf(by) };
      give(core, { type: 'news', from: idOf(by), news: [piece] });
    };
    for (const by of [2, 3, 4, 5]) tell(1, by, hlcAt(0));
    const fromMs = core.nowMs;
    const until = (ms: number) => {
      while (core.nowMs < fromMs + ms) core.handle({ type: 'tick' }, core.nowMs + 25);
      return core.members.get(idOf(1))?.state;
    };
    // 2 × max(1, log10 7) × 0.9 s.
    expect(until(1500)).toBe('suspect');
    if (accused) tell(0, 2, core.self.incarnation);
    expect(until(1850)).toBe(accused ? 'suspect' : 'dead');
    expect(until(3250)).toBe(accused ? 'suspect' : 'dead');
    expect(until(3350)).toBe('dead');
  }
});

test('who has heard nobody for a while gives no verdict by what has waited, but by what it hears from then on', () => {
  for (const silentMs of [0, 4000]) {
    const core = coreWith(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    const tell = (by: number, news: readonly News[]) => give(core, { type: 'news', from: idOf(by), news });
    const accuse = (by: number) =>
      tell(by, [{ kind: 'state', id: idOf(1), incarnation: hlcAt(0), state: 'suspect', by: idOf(by) }]);
    /** Runs on, with or without others that say something. */
    const pass = (ms: number, heard: boolean) => {
      for (const endMs = core.nowMs + ms; core.nowMs < endMs; ) {
        core.handle({ type: 'tick' }, core.nowMs + 25);
        if (heard) tell(2, []);
      }
      return core.members.get(idOf(1))?.state;
    };
    accuse(2);
    expect(pass(4000 - silentMs, true)).toBe('suspect');
    expect(pass(silentMs, false)).toBe('suspect');
    // Three confirmations end a suspicion after 2 × log10 12 × 0.9 s, which is past.
    const alive = [3, 4, 5, 6, 7, 8].filter((n) => core.members.get(idOf(n))?.state === 'alive').slice(0, 3);
    for (const by of alive) accuse(by);
    expect(core.members.get(idOf(1))?.state).toBe(silentMs > 0 ? 'suspect' : 'dead');
    expect(pass(4000, true)).toBe('dead');
  }
});

test('a connection that closes again after each answer is dialled once in a while, not in a circle', () => {
  const core = coreWith(1, 2, 3, 4);
  let dials = 0;
  for (let i = 0; i < 20; i++) {
    const effects = core.handle(closed, core.nowMs + 2);
    dials += pingsOf(effects).filter(({ to, reliable }) => to === 'm1' && reliable).length;
    const ping = sent(effects).find(({ type }) => type === 'ping');
    if (ping?.type === 'ping') give(core, { type: 'ack', seq: ping.seq, from: idOf(1), news: [] });
  }
  expect(dials).toBe(1);
  expect(core.members.get(idOf(1))?.state).toBe('alive');
});

test('a suspicion that nobody has confirmed ends with a last look, and an answer to that keeps its member alive', () => {
  for (const answers of [false, true]) {
    const core = coreWith(1, 2, 3, 4, 5, 6);
    give(core, {
      type: 'news',
      from: idOf(2),
      news: [{ kind: 'state', id: idOf(1), incarnation: hlcAt(0), state: 'suspect', by: idOf(2) }],
    });
    const fromMs = core.nowMs;
    // 2 × 0.9 s × 6, and the look itself; the others answer all along.
    while (core.nowMs < fromMs + 12_500) {
      const pings = core.handle({ type: 'tick' }, core.nowMs + 20).flatMap((effect) => {
        if (effect.type !== 'send' || effect.packet.type !== 'ping') return [];
        return [{ seq: effect.packet.seq, member: Number(effect.to[0]?.slice(1)), reliable: effect.reliable }];
      });
      for (const { seq, member, reliable } of pings) {
        const heard = member === 1 ? answers && reliable && core.nowMs > fromMs + 5900 : true;
        if (heard) give(core, { type: 'ack', seq, from: idOf(member), news: [] });
      }
    }
    expect(core.members.get(idOf(1))?.state).toBe(answers ? 'suspect' : 'dead');
  }
});

test('where a link of the tree has just ended, what is announced is asked for soon, whatever else is waited for', () => {
  const core = coreWith(1, 2, 3);
  const announce = (by: number, atMs: number) => {
    const messages = [{ origin: idOf(3), messageId: hlcAt(atMs), hops: 1 }];
    give(core, { type: 'ihave', from: idOf(by), messages }, core.nowMs + 1);
  };
  const grafts = (packets: readonly NativePacket[]) => packets.filter(({ type }) => type === 'graft');
  announce(1, 100);
  while (grafts(sent(core.handle({ type: 'tick' }, core.nowMs + 1))).length === 0);
  // Now that one has the time of a probe for its answer.
  core.dissemination.unlinked();
  announce(2, 200);
  const fromMs = core.nowMs;
  let asked: NativePacket[] = [];
  while (asked.length === 0) asked = grafts(sent(core.handle({ type: 'tick' }, core.nowMs + 1)));
  expect(asked).toMatchObject([{ messages: [{ messageId: hlcAt(200) }] }]);
  // A tenth of one to three gossip intervals.
  expect(core.nowMs - fromMs).toBeLessThanOrEqual(core.timing.gossipIntervalMs * 0.3 + 1);
});

test('what is announced and is behind what still comes by a slow link is not asked for; a gap is, and all when nothing comes', () => {
  const core = coreWith(1, 2, 3);
  const name = (atMs: number) => ({ origin: idOf(3), messageId: hlcAt(atMs), hops: 1 });
  const rest = { tag: '', reliable: true, messageType: 200, payload: new Uint8Array(1) };
  const asked: bigint[][] = [];
  const pass = (untilMs: number, push?: (nowMs: number) => number) => {
    while (core.nowMs < untilMs) {
      const nowMs = core.nowMs + 10;
      const packets = push
        ? give(core, { type: 'gossip', from: idOf(1), messages: [{ ...name(push(nowMs)), ...rest }] }, nowMs)
        : sent(core.handle({ type: 'tick' }, nowMs));
      for (const packet of packets) if (packet.type === 'graft') asked.push(packet.messages.map((m) => m.messageId));
    }
  };
  const { gossipIntervalMs } = core.timing;
  // It is a second behind, and 20 ms are lost.
  const late = (nowMs: number) => nowMs - 1000 + (nowMs > 3005 ? 20 : 0);
  pass(2000, late);
  give(core, { type: 'ihave', from: idOf(2), messages: [name(1991), name(2001)] }, core.nowMs);
  pass(2900, late);
  expect(asked).toEqual([]);
  give(core, { type: 'ihave', from: idOf(2), messages: [name(2005)] }, core.nowMs);
  pass(4000, late);
  expect(asked).toEqual([[name(2005).messageId]]);
  give(core, { type: 'ihave', from: idOf(2), messages: [name(4000)] }, core.nowMs);
  pass(4900, late);
  expect(asked).toHaveLength(1);
  pass(4900 + 2 * gossipIntervalMs);
  expect(asked.slice(1)).toEqual([[name(4000).messageId]]);
});

test('after a link has ended nothing is asked for that another one goes on bringing; what came before it ended does not count', () => {
  const core = coreWith(1, 2, 3, 4);
  const name = (atMs: number) => ({ origin: idOf(4), messageId: hlcAt(atMs), hops: 1 });
  const rest = { tag: '', reliable: true, messageType: 200, payload: new Uint8Array(1) };
  const grafts: number[] = [];
  const look = (packets: readonly NativePacket[]) => {
    if (packets.some(({ type }) => type === 'graft')) grafts.push(core.nowMs);
  };
  const push = () => {
    look(
      give(
        core,
        { type: 'gossip', from: idOf(1), messages: [{ ...name(core.nowMs - 500), ...rest }] },
        core.nowMs + 10,
      ),
    );
  };
  const announce = () => look(give(core, { type: 'ihave', from: idOf(2), messages: [name(core.nowMs)] }, core.nowMs));
  while (core.nowMs < 2000) push();
  core.handle({ type: 'disconnected', address: 'm3' }, core.nowMs);
  const endedMs = core.nowMs;
  push();
  announce();
  while (core.nowMs < endedMs + 450) push();
  expect(grafts).toEqual([]);
  core.handle({ type: 'disconnected', address: 'm1' }, core.nowMs);
  announce();
  const silentMs = core.nowMs;
  while (core.nowMs < silentMs + 100) look(sent(core.handle({ type: 'tick' }, core.nowMs + 1)));
  // A tenth of one to three gossip intervals.
  expect(grafts).toHaveLength(1);
  expect(grafts[0]).toBeLessThanOrEqual(silentMs + core.timing.gossipIntervalMs * 0.3 + 1);
});

test('who asks for much at once gets a quarter of what may be queued for it, and the rest when it asks again', () => {
  const core = coreWith(1, 2);
  const payload = new Uint8Array(65_536);
  const names = Array.from({ length: 100 }, (_, i) => ({ origin: idOf(2), messageId: hlcAt(i), hops: 1 }));
  for (const name of names) {
    const message = { ...name, tag: '', reliable: true, messageType: 200, payload };
    give(core, { type: 'gossip', from: idOf(2), messages: [message] });
  }
  while (core.nowMs < 2000) core.handle({ type: 'tick' }, core.nowMs + 1);
  const ask = (from: number) =>
    give(core, { type: 'graft', from: idOf(1), messages: names.slice(from) }).flatMap((packet) =>
      packet.type === 'gossip' ? packet.messages.map(({ messageId }) => messageId) : [],
    );
  const first = ask(0);
  expect(first).toHaveLength(core.limits.sendQueueBytesMax / 4 / payload.length + 1);
  expect([...first, ...ask(first.length)]).toEqual(names.map(({ messageId }) => messageId));
});
