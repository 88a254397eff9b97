/**
 * What an application may expect of a cluster, whatever carries it. Imports no test runner, so that it runs anywhere. It
 * runs in real time, because carriers do: each wait is for an event, with a deadline.
 */
import {
  type Cluster,
  type ClusterEvent,
  type ClusterOptions,
  createCluster,
  defineMessage,
  defineRequest,
  GossipError,
  type GossipErrorCode,
  type Message,
  type Metadata,
  type Transport,
} from '../../src/index.js';
import type { TestApi } from './assert.js';
import { untilEvent } from './until.js';

/** One way to carry a cluster. */
export interface ClusterKind {
  name: string;
  /** Makes a transport that is not started; those made in one test can reach each other. */
  create(): Transport;
  /** An address of the right form at which nobody listens. */
  nobody: string;
  /** Its carrier loses nothing, so that best effort is as good as reliable. */
  losesNothing?: boolean;
  /** Plug-ins for all members. Their codec must carry bytes and dates. */
  options?: Partial<ClusterOptions>;
}

const chat = defineMessage<{ text: string; n?: number }>(129);
const sum = defineRequest<{ a: number; b: number }, number>(130);
const echo = defineRequest<unknown, unknown>(131);

/** Members of one test. */
interface Cast {
  start(options?: Partial<ClusterOptions>): Promise<Cluster>;
  /** Members that all know each other. */
  together(count: number, options?: (index: number) => Partial<ClusterOptions>): Promise<Cluster[]>;
  /** Settles when something holds, looked at after each event of any member. */
  until(what: string, holds: () => boolean): Promise<void>;
}

/** Defines the suite's tests for one kind. */
export function clusterContract({ test, assert }: TestApi, kind: ClusterKind): void {
  const within = (name: string, body: (cast: Cast) => Promise<void>) =>
    test(`cluster by ${kind.name}: ${name}`, async () => {
      const members: Cluster[] = [];
      const cast: Cast = {
        async start(options) {
          const member = await createCluster({
            transport: kind.create(),
            preset: 'local',
            ...kind.options,
            ...options,
          });
          members.push(member);
          return member;
        },
        async together(count, options = () => ({})) {
          const all: Cluster[] = [];
          for (let i = 0; i < count; i++) all.push(await cast.start(options(i)));
          for (const member of all.slice(1)) await member.join((all[0] as Cluster).address);
          await cast.until(`${count} members know each other`, () => complete(all));
          return all;
        },
        until: (what, holds) => untilEvent(members, what, holds),
      };
      try {
        await body(cast);
      } finally {
        await Promise.all(members.map((member) => member.close()));
      }
    });

  const rejects = async (work: Promise<unknown>, code: GossipErrorCode): Promise<string> => {
    const outcome = await work.then(
      () => 'nothing thrown',
      (error: unknown) => error,
    );
    assert.equal(outcome instanceof GossipError ? outcome.code : String(outcome), code);
    return (outcome as GossipError).message;
  };

  const throws = (call: () => unknown, code: GossipErrorCode) => rejects((async () => call())(), code);

  within('a member alone knows itself, and joins neither itself nor nobody', async ({ start }) => {
    const a = await start({ tags: ['x'], metadata: { zone: 'eu' } });
    assert.deepEqual(a.members(), [a.self]);
    assert.equal(a.self.state, 'alive');
    assert.deepEqual(a.self.tags, ['x']);
    assert.equal(await a.join(a.address), 0);
    const message = await rejects(a.join(kind.nobody), 'ERR_JOIN_FAILED');
    assert.ok(message.includes(kind.nobody), message);
  });

  within('two members see each other as each sees itself', async ({ start, until }) => {
    const a = await start({ tags: ['x'], metadata: { zone: 'eu' }, applicationVersion: '1.2' });
    const b = await start();
    assert.equal(await b.join(a.address), 1);
    await until('both know both', () => complete([a, b]));
    assert.deepEqual(b.member(a.id), a.self);
    assert.deepEqual(a.member(b.id), b.self);
    assert.equal(a.self.protocol, 'native');
    assert.equal(b.member(a.id)?.applicationVersion, '1.2');
  });

  within('who joins one member meets them all', async ({ start, until }) => {
    const [a, b, c] = [await start(), await start(), await start()];
    await b.join(a.address);
    assert.equal(await c.join([kind.nobody, b.address]), 1);
    await until('all know all', () => complete([a, b, c]));
    for (const member of [a, b, c]) {
      assert.deepEqual(
        member
          .members()
          .map(({ id }) => id)
          .sort(),
        [a.id, b.id, c.id].sort(),
      );
      assert.equal(member.stats().membersAlive, 3);
    }
  });

  within('tells of a life in order, by iterator and by name', async ({ start, until }) => {
    const a = await start();
    const byIterator: string[] = [];
    const byName: string[] = [];
    const say = ({ type, member }: ClusterEvent) => `${type} ${member.state} ${String(member.metadata.step)}`;
    const reading = (async () => {
      for await (const event of a.events()) byIterator.push(say(event));
    })();
    for (const name of ['joined', 'metadata', 'left'] as const) a.on(name, (event) => byName.push(say(event)));
    const b = await start({ metadata: { step: 1 } });
    await b.join(a.address);
    await until('a knows what b is', () => a.member(b.id)?.metadata.step === 1);
    b.setMetadata({ step: 2 });
    await until('a knows what b has become', () => a.member(b.id)?.metadata.step === 2);
    await b.leave();
    await until('a knows that b leaves', () => a.member(b.id)?.state === 'leaving');
    await a.leave();
    await reading;
    assert.equal(byName[0]?.slice(0, 12), 'joined alive');
    assert.deepEqual(byName.slice(-2), ['metadata alive 2', 'left leaving 2']);
    assert.deepEqual(byIterator, byName);
  });

  within('metadata has typed values that reach everyone, one key at a time', async ({ together, until }) => {
    const values = {
      big: 2n ** 60n + 1n,
      bytes: new Uint8Array([0, 255]),
      at: new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 789)),
      nested: { list: [1, 'two', null, { three: 3.5 }], yes: true },
      text: 'grüße 🎉',
      long: 'x'.repeat(5_000),
    };
    const members = await together(3, (i) => (i === 0 ? { metadata: values } : {}));
    const [a, b] = members as [Cluster, Cluster];
    await until('all know what a has', () => members.every((one) => one.member(a.id)?.metadata.text === values.text));
    for (const one of members) assert.deepEqual(one.member(a.id)?.metadata, values);
    b.setMetadata({ one: 1, two: 2 });
    b.setMetadata({ two: 'ii' });
    b.deleteMetadata('one');
    const isLast = ({ one, two }: Metadata = {}) => one === undefined && two === 'ii';
    await until('all know what b has', () => members.every((member) => isLast(member.member(b.id)?.metadata)));
    for (const one of members) assert.deepEqual(one.member(b.id)?.metadata, { two: 'ii' });
    await throws(() => a.setMetadata({ no: () => {} }), 'ERR_CODEC');
    assert.deepEqual(a.self.metadata, values);
  });

  within('a reliable broadcast reaches every other member, and none arrives twice', async ({ together, until }) => {
    const members = await together(3);
    const heard = hear(members);
    const reliable: string[] = [];
    const bestEffort: string[] = [];
    for (let n = 0; n < 20; n++) {
      for (const from of members) {
        const isReliable = n % 2 === 0;
        from.broadcast(chat, { text: 'x'.repeat(n * 100), n }, { reliable: isReliable });
        for (const to of members) {
          if (to !== from) (isReliable ? reliable : bestEffort).push(`${n} from ${from.id} at ${to.id}`);
        }
      }
    }
    const due = kind.losesNothing ? [...reliable, ...bestEffort] : reliable;
    const missing = () => due.filter((line) => !heard.includes(line));
    await until('all that must arrive', () => missing().length === 0);
    assert.equal(new Set(heard).size, heard.length, 'each once');
    // The others may be lost, as datagrams may, but not all of them.
    const others = heard.filter((line) => !reliable.includes(line));
    assert.ok(others.length > 0 && others.every((line) => bestEffort.includes(line)), others.join(', '));
  });

  within('a broadcast with a tag reaches those that have it', async ({ together, until }) => {
    const members = await together(3, (i) => ({ tags: i === 0 ? ['all'] : ['all', `only ${i}`] }));
    const [a, b, c] = members as [Cluster, Cluster, Cluster];
    const heard = hear(members);
    const say = (from: Cluster, n: number, tag: string) =>
      from.broadcast(chat, { text: '', n }, { tag, reliable: true });
    say(a, 1, 'only 1');
    say(b, 2, 'only 1');
    say(c, 3, 'all');
    const expected = [`1 from ${a.id} at ${b.id}`, `3 from ${c.id} at ${a.id}`, `3 from ${c.id} at ${b.id}`];
    await until('what was for them', () => expected.every((line) => heard.includes(line)));
    // What is sent later has overtaken nothing that could still arrive.
    say(a, 4, 'all');
    await until('what was for all', () => heard.length >= expected.length + 2);
    assert.deepEqual(heard.filter((line) => !line.startsWith('4')).sort(), expected.sort());
  });

  within('a message to one member reaches that one, as what it is', async ({ together, until }) => {
    const [a, b, c] = (await together(3)) as [Cluster, Cluster, Cluster];
    const [atB, atC]: [Message<unknown>[], Message<unknown>[]] = [[], []];
    b.on('message', (message) => atB.push(message));
    c.on('message', (message) => atC.push(message));
    await a.send(b.id, chat, { text: 'one' }, { reliable: true });
    await a.send(b.self, chat, { text: 'y'.repeat(100_000) }, { reliable: true });
    await until('two messages', () => atB.length === 2);
    const small = atB.find(({ data }) => (data as { text: string }).text === 'one');
    assert.deepEqual(small, { type: 129, data: { text: 'one' }, from: b.member(a.id), tag: '', direct: true });
    assert.equal(atC.length, 0);
    await rejects(a.send('01900000-0000-7000-8000-00000000000f', chat, { text: '' }), 'ERR_UNKNOWN_MEMBER');
    await rejects(a.send(a.id, chat, { text: '' }), 'ERR_UNKNOWN_MEMBER');
    await rejects(a.send(b.id, chat, { text: 'z'.repeat(5_000_000) }), 'ERR_TOO_LARGE');
  });

  within('each request gets its own answer, whatever its size', async ({ together }) => {
    const [a, b] = (await together(2)) as [Cluster, Cluster];
    for (const member of [a, b]) {
      member.handle(sum, ({ data }) => data.a + data.b);
      member.handle(echo, async ({ data, from }) => ({ data, from: from.id }));
    }
    const asked = Array.from({ length: 50 }, (_, n) =>
      (n % 2 ? a : b).request(n % 2 ? b.id : a.id, sum, { a: n, b: n }),
    );
    assert.deepEqual(
      await Promise.all(asked),
      Array.from({ length: 50 }, (_, n) => 2 * n),
    );
    for (const data of [null, 2n ** 60n, new Uint8Array(1_000_000).fill(0xfe), { list: ['ü', -1.5, new Date(7)] }]) {
      assert.deepEqual(await a.request(b.id, echo, data), { data, from: a.id });
    }
  });

  within('a request that fails says why', async ({ together }) => {
    const [a, b] = (await together(2)) as [Cluster, Cluster];
    await rejects(a.request(b.id, sum, { a: 1, b: 1 }), 'ERR_NO_HANDLER');
    await rejects(a.request('01900000-0000-7000-8000-00000000000f', sum, { a: 1, b: 1 }), 'ERR_UNKNOWN_MEMBER');
    const stop = b.handle(sum, () => {
      throw new Error('no sums today');
    });
    await rejects(a.request(b.id, sum, { a: 1, b: 1 }), 'ERR_HANDLER');
    stop();
    let asked = 0;
    let onAsked = () => {};
    b.handle(sum, () => {
      asked++;
      onAsked();
      return new Promise<number>(() => {});
    });
    await rejects(a.request(b.id, sum, { a: 1, b: 1 }, { timeoutMs: 200 }), 'ERR_TIMEOUT');
    const isAsked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const abort = new AbortController();
    const waiting = rejects(a.request(b.id, sum, { a: 1, b: 1 }, { signal: abort.signal }), 'ERR_ABORTED');
    await isAsked;
    abort.abort();
    await waiting;
    await rejects(a.request(b.id, sum, { a: 1, b: 1 }, { signal: abort.signal }), 'ERR_ABORTED');
    assert.equal(asked, 2);
    assert.equal(a.stats().requestsPending, 0);
    assert.equal(b.stats().handlersFailed, 1);
  });

  within('who leaves is told of at once, and does nothing more', async ({ together, until }) => {
    const [a, b, c] = (await together(3)) as [Cluster, Cluster, Cluster];
    a.handle(sum, () => new Promise<number>(() => {}));
    const pending = rejects(b.request(a.id, sum, { a: 1, b: 1 }), 'ERR_CLOSED');
    const events = b.events();
    await Promise.all([b.leave(), b.leave()]);
    await pending;
    await until('all know that b leaves', () => [a, c].every((one) => one.member(b.id)?.state === 'leaving'));
    assert.equal((await lastOf(events)).done, true);
    await throws(() => b.broadcast(chat, { text: '' }), 'ERR_CLOSED');
    await throws(() => b.setMetadata({ x: 1 }), 'ERR_CLOSED');
    await rejects(b.send(a.id, chat, { text: '' }), 'ERR_CLOSED');
    await rejects(b.join(a.address), 'ERR_CLOSED');
    assert.ok(complete([a, c]), 'those who stay');
  });

  within('who ends without a word is suspected, then dead', async ({ together, until }) => {
    const timing = { probeIntervalMs: 200, probeTimeoutMs: 100 };
    const [a, b, c] = (await together(3, () => ({ timing }))) as [Cluster, Cluster, Cluster];
    const states: string[] = [];
    a.on('state', ({ member, previous }) => {
      if (member.id === b.id) states.push(`${previous} to ${member.state}`);
    });
    await b.close();
    await until('all know that b is dead', () => [a, c].every((one) => one.member(b.id)?.state === 'dead'));
    assert.equal(states.at(-1), 'suspect to dead');
    assert.equal(a.stats().membersDead, 1);
  });

  within('a version that is not welcome is refused with the reason', async ({ start }) => {
    const a = await start({ acceptVersion: (version) => version === '1.0' || 'only 1.0 here' });
    const b = await start({ applicationVersion: '2.0' });
    assert.equal(await rejects(b.join(a.address), 'ERR_JOIN_REJECTED'), 'only 1.0 here');
    assert.deepEqual(a.members(), [a.self]);
    assert.deepEqual(b.members(), [b.self]);
    assert.equal(a.stats().joinsRejected, 1);
    const c = await start({ applicationVersion: '1.0' });
    assert.equal(await c.join(a.address), 1);
  });

  within('counts what it does', async ({ together, until }) => {
    const [a, b] = (await together(2)) as [Cluster, Cluster];
    const heard = hear([b]);
    b.handle(sum, ({ data }) => data.a + data.b);
    a.broadcast(chat, { text: '', n: 1 }, { reliable: true });
    await a.send(b.id, chat, { text: '', n: 2 }, { reliable: true });
    await a.request(b.id, sum, { a: 1, b: 1 });
    await until('both messages', () => heard.length === 2);
    const [ours, theirs] = [a.stats(), b.stats()];
    for (const name of ['broadcastsSent', 'messagesSent', 'requestsSent']) assert.equal(ours[name], 1, name);
    for (const name of ['broadcastsDelivered', 'messagesDelivered', 'requestsReceived']) {
      assert.equal(theirs[name], 1, name);
    }
    for (const name of ['framesSent', 'framesReceived', 'packetsReceived']) assert.ok(Number(ours[name]) > 0, name);
    assert.ok(Object.values({ ...ours, ...theirs }).every(Number.isFinite), 'all of them are numbers');
  });
}

/** Every member sees every member alive. */
function complete(members: readonly Cluster[]): boolean {
  return members.every((one) => members.every(({ id }) => one.member(id)?.state === 'alive'));
}

/** Keeps what members hear, as `n from whom at whom`. */
function hear(members: readonly Cluster[]): string[] {
  const heard: string[] = [];
  for (const member of members) {
    member.on(chat, ({ data, from }) => heard.push(`${data.n} from ${from.id} at ${member.id}`));
  }
  return heard;
}

/** Reads an iterator to its end. */
async function lastOf(events: AsyncIterableIterator<ClusterEvent>): Promise<IteratorResult<ClusterEvent>> {
  for (;;) {
    const next = await events.next();
    if (next.done) return next;
  }
}
