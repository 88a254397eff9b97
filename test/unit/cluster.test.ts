/** The members of a cluster as an application sees them: joining, events, snapshots, metadata, leaving. */
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { aesGcm } from '../../src/cipher/aes-gcm.node.js';
import { type Cluster, type ClusterEvent, createCluster, defineMessage, defineRequest } from '../../src/index.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import type { Transport } from '../../src/transport/transport.js';
import { Harness, recorder, settled } from './cluster-harness.js';

const note = defineMessage<string>(129);
const question = defineRequest<number, number>(130);

/** Reads what an iterator has now, without waiting for more. */
async function taken(events: AsyncIterableIterator<ClusterEvent>): Promise<ClusterEvent[]> {
  const all: ClusterEvent[] = [];
  const read = async () => {
    for await (const event of events) all.push(event);
  };
  const reading = read();
  await settled();
  await events.return?.();
  await reading;
  return all;
}

function name({ type, member }: ClusterEvent): string {
  return `${type} ${member.address} ${member.state}`;
}

describe('joining', () => {
  test('a joiner knows everyone and everyone knows the joiner', async () => {
    const members = await new Harness().members(4);
    for (const member of members) {
      const known = member.members();
      expect(known.map((m) => m.id).sort()).toEqual(members.map((m) => m.id).sort());
      expect(known.every((m) => m.protocol === 'native')).toBe(true);
      expect(member.stats()).toMatchObject({ members: 4, membersAlive: 4, membersDead: 0 });
    }
  });

  test('one address that answers is enough, in whatever company', async () => {
    const h = new Harness();
    const [a, b, c] = [await h.member(), await h.member(), await h.member()];
    expect(await h.within(b.join(['nowhere', 'm0', 'm1']), 5000)).toBe(1);
    expect(await h.within(c.join('m0'), 5000)).toBe(1);
    await h.until(() => [a, b, c].every((m) => m.members().length === 3), 5000);
  });

  test('our own address joins nobody, and no address is a mistake', async () => {
    const h = new Harness();
    const a = await h.member();
    expect(await a.join(['m0'])).toBe(0);
    for (const none of [[], [undefined], [8000], 8000])
      await expect(a.join(none as never)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  test('when all fail the error names every address and why; they are tried again until somebody is there', async () => {
    const h = new Harness();
    const a = await h.member();
    const failed = await h.within(
      a.join(['m1', 'nowhere']).catch((error) => error),
      10_000,
    );
    expect(failed).toMatchObject({ code: 'ERR_JOIN_FAILED' });
    expect(failed.message).toMatch(/m1/);
    expect(failed.message).toMatch(/nowhere/);
    await h.clock.advance(60_000);
    expect(a.stats().seedRetries).toBeGreaterThan(10);
    const b = await h.member();
    expect(b.address).toBe('m1');
    await h.until(() => a.members().length === 2 && b.members().length === 2, 10_000);
  });

  test('a member that is left alone goes back to its seeds by itself', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    await a.close();
    await h.until(() => b.member(a.id)?.state === 'dead', 60_000);
    const again = await h.member({ transport: h.network.transport({ address: 'm0' }) });
    await h.until(() => b.member(again.id)?.state === 'alive', 60_000);
  });

  test.each([
    [false, 'incompatible application version: 2.0'],
    ['', 'incompatible application version: 2.0'],
    ['only 1.x here', 'only 1.x here'],
    ['x'.repeat(5000), 'x'.repeat(300)],
  ])('a version that is not welcome is told why: %#', async (verdict, reason) => {
    const h = new Harness();
    const a = await h.member({ acceptVersion: (version) => version === '1.0' || verdict });
    const b = await h.member({ applicationVersion: '2.0' });
    await expect(h.within(b.join('m0'), 5000)).rejects.toMatchObject({ code: 'ERR_JOIN_REJECTED', message: reason });
    await h.clock.advance(60_000);
    expect(a.members()).toHaveLength(1);
    expect(b.members()).toHaveLength(1);
    expect(b.stats().seedRetries ?? 0).toBe(0);
    expect(a.stats().joinsRejected).toBe(1);
    const c = await h.member({ applicationVersion: '1.0' });
    expect(await h.within(c.join('m0'), 5000)).toBe(1);
    expect(a.member(c.id)?.applicationVersion).toBe('1.0');
  });

  test('an acceptVersion that throws refuses, and says so to the joiner', async () => {
    const h = new Harness();
    await h.member({
      acceptVersion: () => {
        throw new Error('no idea');
      },
    });
    const b = await h.member();
    await expect(h.within(b.join('m0'), 5000)).rejects.toMatchObject({
      code: 'ERR_JOIN_REJECTED',
      message: 'acceptVersion failed: no idea',
    });
  });

  test('a signal ends the waiting, before or during; trying goes on', async () => {
    const h = new Harness();
    const a = await h.member();
    await expect(a.join('m1', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const controller = new AbortController();
    const blackHole: Transport = {
      ...h.network.transport({ address: 'hole' }),
      start: async () => 'hole',
      send: async () => {},
      close: async () => {},
    };
    const c = await h.member({ transport: blackHole });
    const joining = c.join('m0', { signal: controller.signal });
    await h.clock.advance(100);
    const why = new Error('enough');
    controller.abort(why);
    await expect(joining).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: why });
    await h.clock.advance(30_000);
    expect(c.stats().seedRetries).toBeGreaterThan(0);
  });
});

describe('events', () => {
  test('a life in order: joined, metadata, suspect, dead, joined again, left, dead, removed', async () => {
    const h = new Harness();
    const a = await h.member();
    const events = a.events();
    const b = await h.member({ id: '01900000-0000-7000-8000-000000000001', metadata: { zone: 'eu' } });
    await h.within(b.join('m0'), 5000);
    await h.clock.advance(1000);
    await b.close();
    await h.until(() => a.member(b.id)?.state === 'dead', 60_000);
    const again = await h.member({ id: b.id });
    await h.within(again.join('m0'), 5000);
    await h.clock.advance(1000);
    again.setMetadata({ zone: 'us' });
    await h.clock.advance(1000);
    await again.leave();
    await h.until(() => a.member(b.id)?.state === 'dead', 60_000);
    a.forget(b.id);
    expect(a.member(b.id)).toBeUndefined();
    const told = await taken(events);
    expect(told.map(name)).toEqual([
      'joined m1 alive',
      'metadata m1 alive',
      'state m1 suspect',
      'state m1 dead',
      'metadata m2 alive',
      'joined m2 alive',
      'metadata m2 alive',
      'left m2 leaving',
      'state m2 dead',
      'removed m2 removed',
    ]);
    expect(told.map((event) => 'previous' in event && event.previous)).toEqual([
      'unknown',
      false,
      'alive',
      'suspect',
      false,
      'dead',
      false,
      'alive',
      'leaving',
      'dead',
    ]);
  });

  test('by name, until it is stopped', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const heard: string[] = [];
    const stop = a.on('metadata', (event) => heard.push(name(event)));
    a.on('left', (event) => heard.push(name(event)));
    b.setMetadata({ n: 1 });
    await h.clock.advance(2000);
    stop();
    stop();
    b.setMetadata({ n: 2 });
    await h.clock.advance(2000);
    await b.leave();
    await h.clock.advance(10);
    expect(heard).toEqual(['metadata m1 alive', 'left m1 leaving']);
  });

  test('keep their order for everyone although a handler calls back', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const events = a.events();
    const heard: string[] = [];
    a.on('state', ({ member }) => {
      if (member.state === 'dead') a.forget(member);
    });
    a.on('state', (event) => heard.push(name(event)));
    a.on('removed', (event) => heard.push(name(event)));
    await b.close();
    await h.until(() => a.members().length === 1, 60_000);
    const all = ['state m1 suspect', 'state m1 dead', 'removed m1 removed'];
    expect(heard).toEqual(all);
    expect((await taken(events)).map(name)).toEqual(all);
  });

  test('every iterator has its own pace; a slow one loses its oldest, which is counted', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ limits: { eventQueueMax: 3 } });
    const [slow, quick] = [a.events(), a.events()];
    const seen: unknown[] = [];
    for (let n = 1; n <= 5; n++) {
      b.setMetadata({ n });
      await h.clock.advance(2000);
      const { value } = await quick.next();
      seen.push(value.member.metadata.n);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect((await taken(slow)).map(({ member }) => member.metadata.n)).toEqual([3, 4, 5]);
    expect(a.stats().eventsDropped).toBe(2);
  });

  test('return() lets go of an iterator: nothing more is kept for it', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ limits: { eventQueueMax: 1 } });
    const events = a.events();
    const waiting = events.next();
    await events.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    for (let n = 0; n < 3; n++) {
      b.setMetadata({ n });
      await h.clock.advance(2000);
    }
    expect(await events.next()).toEqual({ done: true, value: undefined });
    expect(a.stats().eventsDropped ?? 0).toBe(0);
  });

  test('end when the member leaves; what was queued can still be read, and later ones are empty', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const [waiting, queued] = [a.events(), a.events()];
    const next = waiting.next();
    b.setMetadata({ n: 1 });
    await h.clock.advance(2000);
    expect((await next).value.type).toBe('metadata');
    const last = waiting.next();
    await a.leave();
    expect(await last).toEqual({ done: true, value: undefined });
    expect((await queued.next()).value.type).toBe('metadata');
    expect(await queued.next()).toEqual({ done: true, value: undefined });
    expect(await a.events().next()).toEqual({ done: true, value: undefined });
  });
});

describe('members', () => {
  test('are frozen, and the same object until something changes', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ metadata: { zone: 'eu' }, tags: ['web'] });
    const before = a.member(b.id);
    expect(before).toEqual({
      id: b.id,
      address: 'm1',
      state: 'alive',
      tags: ['web'],
      metadata: { zone: 'eu' },
      applicationVersion: '',
      protocol: 'native',
    });
    for (const part of [before, before?.tags, before?.metadata, a.self, a.self.tags, a.self.metadata]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    await h.clock.advance(10_000);
    expect(a.member(b.id)).toBe(before);
    expect(a.members().find(({ id }) => id === b.id)).toBe(before);
    let told: unknown;
    a.on('metadata', ({ member }) => {
      told = member;
    });
    b.setMetadata({ zone: 'us' });
    await h.clock.advance(2000);
    expect(before?.metadata).toEqual({ zone: 'eu' });
    expect(a.member(b.id)).not.toBe(before);
    expect(a.member(b.id)).toBe(told);
  });

  test('a new life shows its new tags and version although nothing else tells of them', async () => {
    const h = new Harness();
    const a = await h.member();
    const id = '01900000-0000-7000-8000-000000000001';
    const b = await h.member({ id, tags: ['old'], applicationVersion: '1' });
    await h.within(b.join('m0'), 5000);
    await h.until(() => a.member(id)?.tags[0] === 'old', 5000);
    await b.close();
    const again = await h.member({ id, tags: ['new'], applicationVersion: '2' });
    await h.within(again.join('m0'), 5000);
    await h.until(() => a.member(id)?.state === 'alive', 5000);
    expect(a.member(id)).toMatchObject({ address: 'm2', tags: ['new'], applicationVersion: '2' });
  });

  test('self is us as others see us', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ metadata: { zone: 'eu', small: 5n }, tags: ['x'], applicationVersion: '1.2' });
    expect(a.self).toEqual(b.member(a.id));
    expect(a.self).toMatchObject({ id: a.id, address: a.address, state: 'alive' });
    expect(a.member(a.id)).toBe(a.self);
    expect(a.members()).toContain(a.self);
    expect(a.member('01900000-0000-7000-8000-00000000000f')).toBeUndefined();
  });

  test('stats() has the size of everything that can grow, and every counter of core, link and transport', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const sizes = ['members', 'membersAlive', 'membersSuspect', 'membersLeaving', 'membersDead', 'newsWaiting'];
    const more = ['probesOpen', 'suspicionsRunning', 'historySize', 'requestsPending', 'requestsIncoming'];
    expect(Object.keys(a.stats())).toEqual(expect.arrayContaining([...sizes, ...more, 'contactsPending']));
    const { framesSent, framesReceived, packetsReceived } = a.stats() as Record<string, number>;
    expect([framesSent, framesReceived, packetsReceived].every((n) => (n as number) > 0)).toBe(true);
    a.broadcast(note, 'x');
    await a.send(b.id, note, 'y');
    await a.request(b.id, question, 1).catch(() => {});
    expect(a.stats()).toMatchObject({ broadcastsSent: 1, messagesSent: 1, requestsSent: 1 });
    expect(b.stats()).toMatchObject({
      broadcastsDelivered: 1,
      messagesDelivered: 1,
      requestsReceived: 1,
      requestsWithoutHandler: 1,
    });
    expect(Object.values(a.stats()).every(Number.isFinite)).toBe(true);
  });

  test('forgetting takes a member or its id; a living one comes back, and we cannot forget ourselves', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    a.forget(b.self);
    expect(a.members()).toEqual([a.self]);
    await h.until(() => a.member(b.id)?.state === 'alive', 60_000);
    a.forget(b.id.toUpperCase());
    expect(a.member(b.id)).toBeUndefined();
    a.forget(a.id);
    expect(a.members()).toEqual([a.self]);
    expect(() => a.forget('nobody')).toThrow(expect.objectContaining({ code: 'ERR_UNKNOWN_MEMBER' }));
  });
});

describe('metadata', () => {
  const values = {
    big: 2n ** 60n + 1n,
    bytes: new Uint8Array([0, 255]),
    at: new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 789)),
    nested: { list: [1, 'two', null, { three: 3.5 }], yes: true },
    text: 'grüße 🎉',
  };

  test('has typed values that reach everyone, from the start and later', async () => {
    const h = new Harness();
    const [a, b, c] = (await h.members(3, (i) => (i === 0 ? { metadata: values } : {}))) as [Cluster, Cluster, Cluster];
    for (const member of [b, c]) expect(member.member(a.id)?.metadata).toEqual(values);
    b.setMetadata(values);
    await h.until(() => [a, c].every((m) => m.member(b.id)?.metadata.text === values.text), 5000);
    for (const member of [a, b, c]) expect(member.member(b.id)?.metadata).toEqual(values);
  });

  test('keys are set and deleted one by one', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ metadata: { one: 1, two: 2 } });
    b.setMetadata({ two: 'ii', three: 3 });
    b.deleteMetadata('one', 'none');
    expect(b.self.metadata).toEqual({ two: 'ii', three: 3 });
    await h.until(() => !('one' in (a.member(b.id)?.metadata ?? {})), 5000);
    expect(a.member(b.id)?.metadata).toEqual({ two: 'ii', three: 3 });
    b.deleteMetadata('two', 'three');
    await h.until(() => Object.keys(a.member(b.id)?.metadata ?? {}).length === 0, 5000);
  });

  test('what is too large or has no encoding is refused by name and changes nothing', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ metadata: { zone: 'eu' }, limits: { metadataBytesMax: 100 } });
    const before = a.self;
    const frames = a.stats().framesSent;
    expect(() => a.setMetadata({ text: 'x'.repeat(100) })).toThrow(
      expect.objectContaining({ code: 'ERR_TOO_LARGE', message: expect.stringContaining('limits.metadataBytesMax') }),
    );
    expect(() => a.setMetadata({ f: () => {} })).toThrow(expect.objectContaining({ code: 'ERR_CODEC' }));
    expect(a.self).toBe(before);
    expect(a.stats().framesSent).toBe(frames);
    a.setMetadata({ text: 'x'.repeat(50) });
    await h.until(() => b.member(a.id)?.metadata.text !== undefined, 5000);
    await expect(h.member({ metadata: { f: Symbol('no') } })).rejects.toMatchObject({ code: 'ERR_CODEC' });
    await expect(
      h.member({ metadata: { text: 'x'.repeat(100) }, limits: { metadataBytesMax: 100 } }),
    ).rejects.toMatchObject({ code: 'ERR_TOO_LARGE' });
  });

  test('is a copy: what the application does to its own object later reaches nobody', async () => {
    const h = new Harness();
    const list = [1];
    const metadata = { list };
    const [a, b] = await h.pair({}, { metadata });
    list.push(2);
    expect(b.self.metadata).toEqual({ list: [1] });
    b.setMetadata({ other: list });
    list.push(3);
    await h.until(() => a.member(b.id)?.metadata.other !== undefined, 5000);
    expect(a.member(b.id)?.metadata).toEqual({ list: [1], other: [1, 2] });
    expect(b.self).toEqual(a.member(b.id));
  });
});

describe('leaving', () => {
  test('is told to the others, and everything afterwards is refused', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ cipher: aesGcm([new Uint8Array(32)]) });
    const leaving = b.leave();
    expect(b.leave()).toBe(leaving);
    expect(b.close()).toBe(leaving);
    await leaving;
    await settled();
    expect(a.member(b.id)?.state).toBe('leaving');
    expect(b.self.state).toBe('leaving');
    const closed = expect.objectContaining({ code: 'ERR_CLOSED' });
    expect(() => b.broadcast(note, 'x')).toThrow(closed);
    expect(() => b.setMetadata({ x: 1 })).toThrow(closed);
    expect(() => b.deleteMetadata('x')).toThrow(closed);
    expect(() => b.forget(a.id)).toThrow(closed);
    await expect(b.send(a.id, note, 'x')).rejects.toEqual(closed);
    await expect(b.request(a.id, question, 1)).rejects.toEqual(closed);
    await expect(b.join('m0')).rejects.toEqual(closed);
    expect(b.stats().members).toBe(2);
  });

  test.each([
    ['at once', (bytes: Uint8Array) => bytes.slice()],
    ['later', async (bytes: Uint8Array) => bytes.slice()],
  ])('works from inside a handler, with a cipher that answers %s', async (_, seal) => {
    const h = new Harness();
    const keyring = { size: 1, add() {}, use() {}, remove() {} };
    const cipher = { name: 'test', overheadBytes: 0, keyring, seal, open: seal };
    const [a, b] = await h.pair({ cipher });
    let left: Promise<void> | undefined;
    b.on(note, () => {
      left = b.leave();
    });
    a.broadcast(note, 'go');
    await settled();
    await left;
    await settled();
    expect(a.member(b.id)?.state).toBe('leaving');
  });

  test('waits for the farewell at most a second', async () => {
    const h = new Harness();
    const transport = h.network.transport({ address: 'stuck' });
    let stuck = false;
    const a = await h.member({
      transport: { ...transport, send: (...args) => (stuck ? new Promise(() => {}) : transport.send(...args)) },
    });
    const b = await h.member();
    await h.within(b.join('stuck'), 5000);
    await h.until(() => a.members().length === 2, 5000);
    stuck = true;
    let left = false;
    const leaving = a.leave().then(() => {
      left = true;
    });
    await h.clock.advance(990);
    expect(left).toBe(false);
    await h.clock.advance(20);
    await leaving;
  });

  test('close() is a crash: nobody is told', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const frames = a.stats().framesReceived;
    await b.close();
    await settled();
    expect(a.stats().framesReceived).toBe(frames);
    expect(a.member(b.id)?.state).toBe('alive');
    await h.until(() => a.member(b.id)?.state === 'dead', 60_000);
  });

  test('`await using` leaves at the end of the block', async () => {
    const h = new Harness();
    const a = await h.member();
    let id = '';
    {
      await using b = await h.member();
      id = b.id;
      await h.within(b.join('m0'), 5000);
      await h.until(() => a.member(id)?.state === 'alive', 5000);
    }
    await settled();
    expect(a.member(id)?.state).toBe('leaving');
  });

  test('a signal leaves, also one that fired before', async () => {
    const h = new Harness();
    const controller = new AbortController();
    const { signal } = controller;
    const early = await h.member({ transport: h.network.transport({ address: 'early' }), signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await early.leave();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const a = await h.member();
    const b = await h.member({ signal });
    await h.within(b.join(a.address), 5000);
    await h.clock.advance(1000);
    controller.abort();
    await settled();
    expect(a.member(b.id)?.state).toBe('leaving');
    const c = await h.member({ signal: controller.signal });
    expect(() => c.broadcast(note, 'x')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });

  test('a transport that cannot close says so to who leaves, and to the log when a signal did', async () => {
    const h = new Harness();
    const failing = (address: string): Transport => ({
      ...h.network.transport({ address }),
      close: () => Promise.reject(new Error('jammed')),
    });
    const logger = recorder();
    const controller = new AbortController();
    const a = await createCluster({ transport: failing('f0'), clock: h.clock });
    await createCluster({ transport: failing('f1'), clock: h.clock, logger, signal: controller.signal });
    const events = a.events();
    const next = events.next();
    await expect(a.leave()).rejects.toThrow('jammed');
    expect(await next).toEqual({ done: true, value: undefined });
    controller.abort();
    await settled();
    expect(logger.lines.filter((line) => line.startsWith('error'))).toEqual(['error: isogossip: leaving failed']);
  });

  test('leaves no timer: neither of a virtual clock nor of the platform', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    b.handle(question, () => new Promise(() => {}));
    const asked = a.request(b.id, question, 1).catch((error) => error.code);
    await settled();
    await b.leave();
    await a.leave();
    expect(await asked).toBe('ERR_CLOSED');
    expect(h.clock.pending).toBe(0);

    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const network = createMemoryNetwork();
    const c = await createCluster({ transport: network.transport({ address: 'c' }), preset: 'local' });
    const d = await createCluster({ transport: network.transport({ address: 'd' }), preset: 'local' });
    await d.join('c');
    expect(timers()).toBeGreaterThan(before);
    await d.leave();
    await c.leave();
    expect(timers()).toBe(before);
  });
});
