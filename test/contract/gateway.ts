/**
 * What an application may expect of a leaf and its gateways, wherever the leaf runs: the gateways are elsewhere, as
 * `gateway-stage.node.ts` sets them up. Imports no test runner; in real time, each wait for an event with a deadline.
 */
import {
  type Cluster,
  type ClusterEvent,
  type ClusterOptions,
  GossipError,
  type GossipErrorCode,
  type Member,
  type Message,
} from '../../src/index.js';
import type { WebSocketTransportOptions } from '../../src/transport/websocket.js';
import { uuidV7 } from '../../src/uuid.js';
import type { TestApi } from './assert.js';
import {
  asked,
  type Command,
  chat,
  command,
  echo,
  failing,
  type Heard,
  plain,
  restart,
  silent,
  sum,
  unhandled,
} from './gateway-puppet.js';
import { untilEvent } from './until.js';

/** One way to be a leaf. */
export interface GatewayKind {
  name: string;
  /** URLs of the stage's gateways. */
  gateways: readonly [string, string];
  /** Starts a leaf as applications do. */
  start(dial: WebSocketTransportOptions, options: Partial<ClusterOptions>): Promise<Cluster>;
}

/** Port 2 is bound nowhere, and browsers do not forbid it as they do 1. */
const NOBODY = 'ws://127.0.0.1:2/';

/** Leaves of one test. */
interface Cast {
  /** One that is about to look for its gateways, the stage's unless others are named. */
  start(options?: Partial<ClusterOptions>, dial?: WebSocketTransportOptions): Promise<Cluster>;
  /** One that is at a gateway, and sees the stage. */
  attached(options?: Partial<ClusterOptions>, dial?: WebSocketTransportOptions): Promise<Cluster>;
  /** Tells the puppet something, in the name of a leaf. */
  tell(leaf: Cluster, what: Command): Promise<unknown>;
  until(what: string, holds: () => boolean): Promise<void>;
}

/** Defines the suite's tests for one kind. */
export function gatewayContract({ test, assert }: TestApi, kind: GatewayKind): void {
  const [one, two] = kind.gateways;

  const within = (name: string, body: (cast: Cast) => Promise<void>) =>
    test(`leaf by ${kind.name}: ${name}`, async () => {
      const leaves: Cluster[] = [];
      const cast: Cast = {
        async start(options = {}, dial = {}) {
          const leaf = await kind.start({ gateways: [one, two], ...dial }, options);
          leaves.push(leaf);
          return leaf;
        },
        async attached(options, dial) {
          const leaf = await cast.start(options, dial);
          assert.equal(await leaf.join(), 1);
          await cast.until('it sees the stage', () => ['one', 'two', 'puppet'].every((role) => inRole(leaf, role)));
          return leaf;
        },
        tell: (leaf, what) => leaf.request(puppetOf(leaf), command, what),
        until: (what, holds) => untilEvent(leaves, what, holds),
      };
      try {
        await body(cast);
      } finally {
        await Promise.all(leaves.map((leaf) => leaf.close()));
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

  within('a leaf that is at a gateway is a member as every other, and sees them as they are', async (cast) => {
    const options = { tags: ['page'], metadata: { step: 1 }, applicationVersion: '1.2' };
    const leaf = await cast.attached(options);
    const puppet = puppetOf(leaf);
    assert.equal(leaf.self.state, 'alive');
    assert.equal(leaf.self.via, inRole(leaf, 'one')?.id);
    assert.equal(leaf.address, `${one}#${leaf.id}`);
    assert.deepEqual(leaf.self.tags, ['page']);
    assert.deepEqual(await cast.tell(leaf, { do: 'see', id: leaf.id, like: { state: 'alive' } }), plain(leaf.self));
    assert.deepEqual(await cast.tell(leaf, { do: 'see', id: puppet.id, like: {} }), plain(puppetOf(leaf)));
    const other = await cast.attached({}, { gateways: [two, one] });
    await cast.until('both see both', () => isAlive(other, leaf) && isAlive(leaf, other));
    assert.deepEqual(other.member(leaf.id), leaf.self);
    assert.deepEqual(leaf.member(other.id), other.self);
    assert.equal(other.self.via, inRole(other, 'two')?.id);
  });

  within('tells of a life in order, by iterator and by name', async (cast) => {
    const leaf = await cast.attached();
    const other = await cast.start({ metadata: { step: 1 } }, { gateways: [two] });
    const [byIterator, byName]: [string[], string[]] = [[], []];
    const say = ({ type, member }: ClusterEvent) => `${type} ${member.state} ${String(member.metadata.step)}`;
    const reading = (async () => {
      for await (const event of leaf.events()) {
        if (event.member.id === other.id) byIterator.push(say(event));
      }
    })();
    for (const name of ['joined', 'metadata', 'state', 'left'] as const) {
      leaf.on(name, (event) => event.member.id === other.id && byName.push(say(event)));
    }
    await cast.until('it sees the other', () => isAlive(leaf, other));
    other.setMetadata({ step: 2 });
    await cast.until('it sees what the other has become', () => leaf.member(other.id)?.metadata.step === 2);
    await other.leave();
    await cast.until('it sees that the other leaves', () => leaf.member(other.id)?.state === 'leaving');
    await leaf.leave();
    await reading;
    assert.equal(byName[0], 'joined alive 1');
    assert.deepEqual(byName.slice(-2), ['metadata alive 2', 'left leaving 2']);
    assert.deepEqual(byIterator, byName);
  });

  within('metadata has typed values that reach everyone, both ways', async (cast) => {
    const values = {
      big: 2n ** 60n + 1n,
      bytes: new Uint8Array([0, 255]),
      at: new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 789)),
      nested: { list: [1, 'two', null, { three: 3.5 }], yes: true },
      text: 'grüße 🎉',
    };
    const leaf = await cast.attached({ metadata: { ...values, step: 1 } });
    assert.deepEqual(leaf.self.metadata, { ...values, step: 1 });
    const seen = async (step: number) => {
      const { metadata } = (await cast.tell(leaf, { do: 'see', id: leaf.id, like: { step } })) as unknown as Member;
      return metadata;
    };
    assert.deepEqual(await seen(1), { ...values, step: 1 });
    leaf.deleteMetadata('nested', 'text');
    leaf.setMetadata({ step: 2 });
    const { big, bytes, at } = values;
    assert.deepEqual(await seen(2), { big, bytes, at, step: 2 });
    const mood = { for: leaf.id, at };
    await cast.tell(leaf, { do: 'set', values: { mood } });
    await cast.until('it sees the mood of the puppet', () => sameFor(puppetOf(leaf), leaf.id));
    assert.deepEqual(puppetOf(leaf).metadata.mood, mood);
  });

  within('a broadcast reaches every other member that it is for, both ways, once', async (cast) => {
    const [a, b] = [
      await cast.attached({ tags: ['a'] }),
      await cast.attached({ tags: ['b'] }, { gateways: [two, one] }),
    ];
    await cast.until('both see both', () => isAlive(a, b) && isAlive(b, a));
    // Whom a tag reaches its sender decides.
    for (const { id } of [a, b]) await cast.tell(a, { do: 'see', id, like: { state: 'alive' } });
    const [atA, atB]: [string[], string[]] = [[], []];
    a.on(chat, ({ data, tag }) => atA.push(data + tag));
    b.on(chat, ({ data, tag }) => atB.push(data + tag));
    for (const tag of ['a', 'b', '']) await cast.tell(a, { do: 'broadcast', text: 'from the puppet', tag });
    await cast.until('what the puppet said', () => atA.length >= 2 && atB.length >= 2);
    for (const tag of ['a', 'b', 'server', '']) a.broadcast(chat, 'from a', { tag });
    await cast.until('what a said', () => atB.includes('from a'));
    assert.deepEqual(atA, ['from the puppeta', 'from the puppet']);
    assert.deepEqual(atB, ['from the puppetb', 'from the puppet', 'from ab', 'from a']);
    assert.deepEqual(await cast.tell(a, { do: 'heard', count: 2 }), [
      { text: 'from a', tag: 'server', direct: false },
      { text: 'from a', tag: '', direct: false },
    ]);
  });

  within('a message to one member reaches that one, as what it is', async (cast) => {
    const [a, b] = [await cast.attached(), await cast.attached({}, { gateways: [two, one] })];
    await cast.until('both see both', () => isAlive(a, b) && isAlive(b, a));
    const [atA, atB]: [Message<unknown>[], Message<unknown>[]] = [[], []];
    a.on('message', (message) => atA.push(message));
    b.on('message', (message) => atB.push(message));
    await a.send(puppetOf(a), chat, 'to the puppet');
    await a.send(b.id, chat, 'to b');
    await cast.tell(a, { do: 'send', text: 'to a' });
    await cast.until('both messages', () => atA.length > 0 && atB.length > 0);
    const common = { type: 129, tag: '', direct: true };
    assert.deepEqual(atA, [{ ...common, data: 'to a', from: puppetOf(a) }]);
    assert.deepEqual(atB, [{ ...common, data: 'to b', from: b.member(a.id) }]);
    const heard = (await cast.tell(a, { do: 'heard', count: 1 })) as Heard[];
    assert.deepEqual(heard, [{ text: 'to the puppet', tag: '', direct: true }]);
    await rejects(a.send('01900000-0000-7000-8000-00000000000f', chat, ''), 'ERR_UNKNOWN_MEMBER');
    await rejects(a.send(a.id, chat, ''), 'ERR_UNKNOWN_MEMBER');
    await rejects(a.send(b.id, chat, 'z'.repeat(5_000_000)), 'ERR_TOO_LARGE');
  });

  within('each request gets its own answer, both ways and between leaves', async (cast) => {
    const [a, b] = [await cast.attached(), await cast.attached({}, { gateways: [two, one] })];
    await cast.until('both see both', () => isAlive(a, b) && isAlive(b, a));
    for (const leaf of [a, b]) {
      leaf.handle(sum, ({ data }) => data.a + data.b);
      leaf.handle(echo, ({ data, from }) => ({ data, from: from.id }));
    }
    const to = (n: number) => (n % 2 ? b.id : puppetOf(a).id);
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const sums = await Promise.all(numbers.map((n) => a.request(to(n), sum, { a: n, b: n })));
    assert.deepEqual(
      sums,
      numbers.map((n) => 2 * n),
    );
    const ask = (leaf: Cluster, type: number, data: unknown) =>
      cast.tell(leaf, { do: 'ask', type, data, timeoutMs: 5000 });
    assert.deepEqual(await ask(b, sum.type, { a: 20, b: 30 }), { answer: 50 });
    for (const data of [2n ** 60n, new Uint8Array(300_000).fill(0xfe), { list: ['ü', -1.5, new Date(7)] }]) {
      assert.deepEqual(await a.request(puppetOf(a), echo, data), data);
      assert.deepEqual(await a.request(b.id, echo, data), { data, from: a.id });
      assert.deepEqual(await ask(a, echo.type, data), { answer: { data, from: puppetOf(a).id } });
    }
  });

  within('a request that fails says why', async (cast) => {
    const leaf = await cast.attached();
    const puppet = puppetOf(leaf);
    await rejects(leaf.request(puppet, unhandled, null), 'ERR_NO_HANDLER');
    await rejects(leaf.request(puppet, failing, null), 'ERR_HANDLER');
    await rejects(leaf.request(puppet, silent, null, { timeoutMs: 200 }), 'ERR_TIMEOUT');
    await rejects(leaf.request('01900000-0000-7000-8000-00000000000f', sum, { a: 1, b: 1 }), 'ERR_UNKNOWN_MEMBER');
    const abort = new AbortController();
    leaf.on(asked, () => abort.abort());
    await rejects(leaf.request(puppet, silent, null, { signal: abort.signal }), 'ERR_ABORTED');
    assert.equal(leaf.stats().requestsPending, 0);
  });

  within('a request to a leaf that fails says why', async (cast) => {
    const leaf = await cast.attached();
    leaf.handle(failing, () => {
      throw new Error('not today');
    });
    let arrived = () => {};
    leaf.handle(silent, () => {
      arrived();
      return new Promise<null>(() => {});
    });
    const ask = (type: number, timeoutMs = 5000) => cast.tell(leaf, { do: 'ask', type, data: null, timeoutMs });
    assert.deepEqual(await ask(unhandled.type), { code: 'ERR_NO_HANDLER' });
    assert.deepEqual(await ask(failing.type), { code: 'ERR_HANDLER' });
    assert.deepEqual(await ask(silent.type, 200), { code: 'ERR_TIMEOUT' });
    arrived = () => void leaf.send(puppetOf(leaf), asked, null);
    assert.deepEqual(await ask(silent.type), { code: 'ERR_ABORTED' });
    assert.equal(leaf.stats().handlersFailed, 1);
  });

  within('who is not let in is told why, and is no member', async (cast) => {
    const refusals = [
      ['refuse:buy a ticket', {}, 'buy a ticket'],
      ['fail:a secret', {}, 'authorizing failed'],
      ['id:not an id', {}, 'authorize gave the id "not an id", which is no UUID'],
      ['', { applicationVersion: 'old' }, 'nothing old here'],
    ] as const;
    const watcher = await cast.attached();
    for (const [ticket, options, reason] of refusals) {
      const leaf = await cast.start(options, { ticket });
      assert.equal(await rejects(leaf.join(), 'ERR_JOIN_REJECTED'), reason);
      assert.deepEqual(leaf.members(), [leaf.self]);
      assert.equal(leaf.stats().attachedNow, 0);
      await cast.tell(watcher, { do: 'count' });
      assert.equal(watcher.member(leaf.id), undefined);
    }
  });

  within('what it shows is asked for at each attempt, and authorize sees it', async (cast) => {
    let made = 0;
    const leaf = await cast.attached(
      {},
      {
        gateways: [`${one}?ticket=in+the+url`],
        protocols: ['isogossip', 'ticket.x'],
        ticket: async () => `number ${++made}`,
      },
    );
    const shown = { inUrl: 'in the url', protocols: ['isogossip', 'ticket.x'] };
    assert.deepEqual(await cast.tell(leaf, { do: 'admission' }), { ...shown, ticket: 'number 1' });
    const resumed = onceResumed(leaf);
    await leaf.send(puppetOf(leaf), restart, 'one');
    await resumed;
    assert.deepEqual(await cast.tell(leaf, { do: 'admission' }), { ...shown, ticket: `number ${made}` });
    assert.ok(made > 1, 'asked again');
  });

  within('authorize says who it is, and so it can be the same member again', async (cast) => {
    const id = uuidV7();
    const first = await cast.attached({ tags: ['asked for'] }, { ticket: `id:${id}` });
    assert.equal(first.id, id);
    assert.deepEqual(first.self.tags, ['named']);
    assert.equal(first.members().filter((one) => one.id === id).length, 1);
    first.handle(echo, () => 'I am the first');
    const ask = (leaf: Cluster) => cast.tell(leaf, { do: 'ask', type: echo.type, data: null, timeoutMs: 5000 });
    assert.deepEqual(await ask(first), { answer: 'I am the first' });
    const second = await cast.attached({}, { ticket: `id:${id}` });
    assert.equal(second.id, id);
    await cast.until('the first is out', () => first.self.state === 'suspect');
    second.handle(echo, () => 'I am the second');
    assert.deepEqual(await ask(second), { answer: 'I am the second' });
  });

  within('what it may not send is refused, and whom it may not see it does not', async (cast) => {
    const free = await cast.attached();
    const leaf = await cast.attached({}, { ticket: 'limited' });
    const hidden = inRole(free, 'hidden') as Member;
    assert.equal(hidden.state, 'alive');
    assert.equal(leaf.member(hidden.id), undefined);
    await rejects(leaf.request(puppetOf(leaf), sum, { a: 1, b: 1 }), 'ERR_REFUSED');
    leaf.broadcast(chat, 'it must not');
    await leaf.send(puppetOf(leaf), chat, 'it may');
    const heard = (await cast.tell(leaf, { do: 'heard', count: 1 })) as Heard[];
    assert.deepEqual(heard, [{ text: 'it may', tag: '', direct: true }]);
    const { leafNotAllowed } = (await cast.tell(leaf, { do: 'count' })) as Record<string, number>;
    assert.ok(Number(leafNotAllowed) >= 2, `${leafNotAllowed} counted`);
  });

  within('when its gateway closes it goes to the other, and is the same member', async (cast) => {
    const leaf = await cast.attached({ metadata: { step: 1 } });
    leaf.handle(sum, ({ data }) => data.a + data.b);
    const { id } = leaf;
    const states: string[] = [];
    leaf.on('state', ({ member }) => {
      if (member.id !== id) return;
      states.push(member.state);
      // What it says while it is at no gateway waits until it is.
      if (member.state === 'suspect') leaf.broadcast(chat, 'on my way');
    });
    const resumed = onceResumed(leaf);
    await leaf.send(puppetOf(leaf), restart, 'one');
    const { awayMs } = await resumed;
    assert.ok(awayMs >= 0 && awayMs < 60_000, `away for ${awayMs} ms`);
    assert.deepEqual(states, ['suspect', 'alive']);
    const via = inRole(leaf, 'two')?.id as string;
    assert.deepEqual([leaf.id, leaf.self.via, leaf.address], [id, via, `${two}#${id}`]);
    assert.deepEqual(
      await cast.tell(leaf, { do: 'see', id, like: { state: 'alive', via, step: 1 } }),
      plain(leaf.self),
    );
    const heard = (await cast.tell(leaf, { do: 'heard', count: 1 })) as Heard[];
    assert.deepEqual(heard, [{ text: 'on my way', tag: '', direct: false }]);
    const sum23 = await cast.tell(leaf, { do: 'ask', type: sum.type, data: { a: 2, b: 3 }, timeoutMs: 5000 });
    assert.deepEqual(sum23, { answer: 5 });
  });

  within('who leaves is seen to leave at once, and does nothing more', async (cast) => {
    const [a, b] = [await cast.attached(), await cast.attached()];
    await cast.until('a sees b', () => isAlive(a, b));
    const pending = rejects(b.request(puppetOf(b), silent, null), 'ERR_CLOSED');
    const puppet = puppetOf(b);
    await Promise.all([b.leave(), b.leave()]);
    await pending;
    await cast.until('a sees b leave', () => a.member(b.id)?.state === 'leaving');
    await cast.tell(a, { do: 'see', id: b.id, like: { state: 'leaving' } });
    await rejects(b.send(puppet, chat, ''), 'ERR_CLOSED');
    await rejects(b.join(), 'ERR_CLOSED');
    await rejects((async () => b.setMetadata({ step: 1 }))(), 'ERR_CLOSED');
  });

  within('who ends without a word is suspected, then dead', async (cast) => {
    const [a, b] = [await cast.attached(), await cast.attached()];
    await cast.until('a sees b', () => isAlive(a, b));
    const states: string[] = [];
    a.on('state', ({ member, previous }) => member.id === b.id && states.push(`${previous} to ${member.state}`));
    await b.close();
    await cast.until('a sees b dead', () => a.member(b.id)?.state === 'dead');
    assert.deepEqual(states, ['alive to suspect', 'suspect to dead']);
    await rejects(a.request(b.id, sum, { a: 1, b: 1 }), 'ERR_UNKNOWN_MEMBER');
  });

  within('without a gateway it cannot join, until it is told of one', async (cast) => {
    const leaf = await cast.start({}, { gateways: [NOBODY] });
    await rejects(leaf.join(), 'ERR_JOIN_FAILED');
    assert.deepEqual(leaf.members(), [leaf.self]);
    assert.equal(await leaf.join(one), 1);
    await cast.until('it sees the puppet', () => inRole(leaf, 'puppet') !== undefined);
    assert.equal(await leaf.request(puppetOf(leaf), sum, { a: 1, b: 2 }), 3);
  });

  within('counts what it does', async (cast) => {
    const leaf = await cast.attached();
    await leaf.request(puppetOf(leaf), sum, { a: 1, b: 1 });
    await leaf.send(puppetOf(leaf), chat, 'one');
    leaf.broadcast(chat, 'two');
    await cast.tell(leaf, { do: 'heard', count: 2 });
    const ours = leaf.stats();
    const expected = { attached: 1, attachedNow: 1, attachAttempts: 1, messagesSent: 1, broadcastsSent: 1 };
    for (const [name, count] of Object.entries(expected)) assert.equal(ours[name], count, name);
    assert.equal(ours.requestsSent, 2);
    assert.equal(ours.members, leaf.members().length);
    const theirs = (await cast.tell(leaf, { do: 'count' })) as Record<string, number>;
    assert.ok(Number(theirs.leavesAttached) >= 1 && Number(theirs.leaves) >= 1, 'the gateway counts, too');
    assert.ok(Object.values({ ...ours, ...theirs }).every(Number.isFinite), 'all of them are numbers');
  });
}

/** A member of the stage. */
function inRole(leaf: Cluster, role: string): Member | undefined {
  return leaf.members().find(({ metadata, state }) => metadata.role === role && state === 'alive');
}

function puppetOf(leaf: Cluster): Member {
  const puppet = inRole(leaf, 'puppet');
  if (!puppet) throw new Error('the puppet is not there');
  return puppet;
}

function sameFor({ metadata: { mood } }: Member, id: string): boolean {
  return typeof mood === 'object' && mood !== null && 'for' in mood && mood.for === id;
}

function isAlive(leaf: Cluster, { id }: Cluster): boolean {
  return leaf.member(id)?.state === 'alive';
}

function onceResumed(leaf: Cluster): Promise<{ awayMs: number }> {
  return new Promise((resolve) => leaf.on('resumed', resolve));
}
