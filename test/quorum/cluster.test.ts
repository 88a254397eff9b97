/** A quorum of real members in virtual time: from anywhere commands come to the leader, and who leads is known everywhere. */
import { expect, test, vi } from 'vitest';
import { createGateway } from '../../src/gateway.js';
import type { Cluster } from '../../src/index.js';
import type { LeaseClock } from '../../src/quorum/clock.js';
import {
  createQuorum,
  type Quorum,
  type QuorumOptions,
  type QuorumStorage,
  type ReplicatedMachine,
} from '../../src/quorum/index.js';
import { Harness, settled } from '../unit/cluster-harness.js';

/** A list to which words are added. */
class Words implements ReplicatedMachine<string, number, null, string[]> {
  words: string[] = [];
  apply(word: string): number {
    return this.words.push(word);
  }
  query(): string[] {
    return [...this.words];
  }
  snapshot(): unknown {
    return [...this.words];
  }
  restore(snapshot: unknown): void {
    this.words = [...(snapshot as string[])];
  }
}

type WordsQuorum = Quorum<string, number, null, string[]>;
type WordsMember = WordsQuorum & { machine: Words };

async function quorumOf(
  harness: Harness,
  cluster: Cluster,
  options: Partial<QuorumOptions<string, number, null, string[]>> = {},
): Promise<WordsMember> {
  const machine = new Words();
  let draw = 1;
  const random = () => {
    draw = (draw * 16807) % 2147483647;
    return draw / 2147483647;
  };
  const quorum = await createQuorum(cluster, {
    name: 'words',
    voters: ['m0', 'm1', 'm2'],
    machine,
    leaseMs: 1000,
    clock: harness.clock,
    random,
    ...options,
  });
  return Object.assign(quorum, { machine });
}

const leaderOf = (quorums: readonly WordsMember[]) => quorums.find((quorum) => quorum.isLeader());

/** A quorum at each of these members, when one of them leads. */
async function led(
  harness: Harness,
  members: readonly Cluster[],
  options: (i: number) => Parameters<typeof quorumOf>[2] = () => ({}),
): Promise<{ quorums: WordsMember[]; leader: WordsMember }> {
  const quorums: WordsMember[] = [];
  for (const [i, member] of members.entries()) quorums.push(await quorumOf(harness, member, options(i)));
  await harness.until(() => leaderOf(quorums) !== undefined, 3000);
  return { quorums, leader: leaderOf(quorums) as WordsMember };
}

test('a leader comes, all know it, and commands and questions reach it from a member that does not vote', async () => {
  const harness = new Harness();
  const members = await harness.members(4);
  const { quorums } = await led(harness, members);
  const { leadership } = leaderOf(quorums) as WordsQuorum;
  await harness.until(() => quorums.every((quorum) => quorum.leadership?.token === leadership?.token), 2000);
  expect(quorums.map((quorum) => quorum.leadership?.leader)).toEqual(Array(4).fill(leadership?.leader));
  for (const [i, quorum] of quorums.entries()) {
    expect(await harness.within(quorum.propose(`word ${i}`), 2000)).toBe(i + 1);
  }
  const all = ['word 0', 'word 1', 'word 2', 'word 3'];
  for (const quorum of quorums) expect(await harness.within(quorum.query(null), 2000)).toEqual(all);
  await harness.until(() => quorums.slice(0, 3).every(({ machine }) => machine.words.length === 4), 2000);
  await harness.within(Promise.all(quorums.map((quorum) => quorum.close())), 5000);
});

test('a leader that resigns hands over at once, and one that dies is replaced; tokens grow', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  const { quorums, leader: first } = await led(harness, members);
  const token = first.leadership?.token as number;
  await harness.within(first.resign(), 1000);
  expect(first.isLeader()).toBe(false);
  await harness.until(() => leaderOf(quorums) !== undefined, 200);
  const second = leaderOf(quorums) as WordsMember;
  expect(second).not.toBe(first);
  expect(second.leadership?.token).toBeGreaterThan(token);
  await harness.within(second.propose('a'), 1000);
  await (members[quorums.indexOf(second)] as Cluster).close();
  const rest = quorums.filter((quorum) => quorum !== second);
  await harness.until(() => leaderOf(rest) !== undefined, 5000);
  expect(await harness.within((leaderOf(rest) as WordsQuorum).propose('b'), 1000)).toBe(2);
  expect(await harness.within((rest[0] as WordsQuorum).query(null), 3000)).toEqual(['a', 'b']);
});

test('a voter without a disk that starts again is let in, and one with a disk is the same as before', async () => {
  for (const durable of [false, true]) {
    const harness = new Harness();
    const disks = [0, 1, 2].map((): { value: unknown } => ({ value: undefined }));
    const storage = (i: number): { storage?: QuorumStorage } => {
      const disk = disks[i] as { value: unknown };
      const save = async (state: unknown) => {
        await settled();
        disk.value = structuredClone(state);
      };
      return durable ? { storage: { load: () => structuredClone(disk.value), save } } : {};
    };
    const members = await harness.members(3);
    const { quorums } = await led(harness, members, storage);
    for (let i = 0; i < 70; i++) await harness.within((quorums[0] as WordsQuorum).propose(`${i}`), 3000);
    for (const [i, member] of members.entries()) {
      const at = quorums[i] as WordsQuorum;
      await harness.within(at.close(), 3000);
      const again = await quorumOf(harness, member, storage(i));
      quorums[i] = again;
      await harness.until(() => again.leadership !== undefined && again.machine.words.length === 70, 12_000);
    }
    // None of them is the one that it was, and they have what the first ones agreed upon.
    expect(await harness.within((quorums[1] as WordsQuorum).propose('last'), 3000)).toBe(71);
    expect(quorums[0]?.stats().beginnings ?? 0).toBe(0);
  }
});

test('voters are changed among those that are known; others only with storage', async () => {
  const harness = new Harness();
  const members = await harness.members(4);
  const quorums: WordsMember[] = [];
  for (const member of members) quorums.push(await quorumOf(harness, member));
  const [first] = quorums as [WordsMember, ...WordsMember[]];
  await harness.within(first.propose('a'), 5000);
  await harness.within(first.changeVoters(['m1', 'm2']), 5000);
  await harness.until(() => quorums.every((quorum) => `${[...quorum.voters].sort()}` === 'm1,m2'), 5000);
  expect(await harness.within(first.propose('b'), 5000)).toBe(2);
  await expect(harness.within(first.changeVoters(['m1', 'm3']), 5000)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await expect(first.changeVoters([])).rejects.toMatchObject({ code: 'ERR_OPTION' });

  const disks: unknown[] = [];
  const lasting: WordsMember[] = [];
  for (const [i, member] of members.entries()) {
    const save = (state: unknown) => {
      disks[i] = structuredClone(state);
    };
    const storage = { load: () => disks[i], save };
    lasting.push(await quorumOf(harness, member, { name: 'lasting', storage }));
  }
  await harness.within((lasting[0] as WordsQuorum).propose('a'), 5000);
  await harness.within((lasting[0] as WordsQuorum).changeVoters(['m3']), 5000);
  await harness.until(() => (lasting[3] as WordsQuorum).isLeader(), 5000);
  expect(await harness.within((lasting[0] as WordsQuorum).propose('b'), 5000)).toBe(2);
  expect(lasting[3]?.machine.words).toEqual(['a', 'b']);
});

test('a voter is called by its id or by its address, whichever it is made one by', async () => {
  const harness = new Harness();
  const members = await harness.members(4);
  const quorums: WordsMember[] = [];
  for (const member of members) {
    const disk: { value?: unknown } = {};
    const save = (state: unknown) => {
      disk.value = structuredClone(state);
    };
    quorums.push(await quorumOf(harness, member, { storage: { load: () => disk.value, save } }));
  }
  const [first, , , last] = quorums as [WordsMember, WordsMember, WordsMember, WordsMember];
  const { id } = members[3] as Cluster;
  await harness.within(first.propose('a'), 5000);
  // Voted out and called otherwise, it forgets nothing: what was applied is not applied again.
  for (const name of [id, 'm3', id]) {
    await harness.within(first.changeVoters(['m0', 'm1', name]), 8000);
    expect(await harness.within(last.query(null), 5000)).toEqual(['a']);
    await harness.until(() => last.machine.words.length === 1, 3000);
    await harness.within(first.changeVoters(['m0', 'm1', 'm2']), 8000);
  }
  expect(last.stats().storageFailed).toBeUndefined();
  await harness.within(first.propose('b'), 5000);
  await harness.within(first.changeVoters(['m3']), 8000);
  await harness.until(() => last.isLeader(), 5000);
  expect(last.leadership?.leader).toBe('m3');
  expect(last.machine.words).toEqual(['a', 'b']);
});

test('what was never saved is no state to start with, and a failed start leaves nothing behind', async () => {
  const harness = new Harness();
  const [member] = (await harness.members(1)) as [Cluster];
  const disk: { value: unknown } = { value: { half: 'written' } };
  const save = (state: unknown) => {
    disk.value = structuredClone(state);
  };
  const options = { voters: ['m0'], storage: { load: () => disk.value, save } };
  for (const value of [{ half: 'written' }, '', 0, false, []]) {
    disk.value = value;
    await expect(quorumOf(harness, member, options)).rejects.toMatchObject({ code: 'ERR_STORAGE' });
    expect(disk.value).toBe(value);
  }
  disk.value = null;
  const first = await quorumOf(harness, member, options);
  await harness.until(() => first.isLeader(), 3000);
  for (let i = 0; i < 70; i++) await harness.within(first.propose(`${i}`), 1000);
  await harness.within(first.close(), 3000);
  const saved = disk.value as { snapshot: { state: unknown } };
  const { state } = saved.snapshot;
  saved.snapshot.state = 7;
  await expect(quorumOf(harness, member, options)).rejects.toThrow(TypeError);
  saved.snapshot.state = state;
  const again = await quorumOf(harness, member, options);
  await harness.until(() => again.isLeader() && again.machine.words.length === 70, 5000);
});

test('voters of the list that were voted out and come back with nothing begin nothing, as long as one has its disk', async () => {
  const harness = new Harness();
  const members = await harness.members(6);
  const disks: unknown[] = [];
  const storage = (i: number): QuorumStorage => ({
    load: () => disks[i],
    save: (state) => {
      disks[i] = structuredClone(state);
    },
  });
  const quorums: WordsMember[] = [];
  for (const [i, member] of members.entries()) quorums.push(await quorumOf(harness, member, { storage: storage(i) }));
  await harness.within((quorums[0] as WordsMember).propose('a'), 5000);
  await harness.within((quorums[0] as WordsMember).changeVoters(['m3', 'm4', 'm5']), 8000);
  await harness.until(() => leaderOf(quorums.slice(3)) !== undefined, 5000);
  for (const i of [0, 1, 2]) {
    await harness.within((quorums[i] as WordsMember).close(), 2000);
    if (i > 0) disks[i] = undefined;
    quorums[i] = await quorumOf(harness, members[i] as Cluster, { storage: storage(i) });
  }
  for (let i = 0; i < 100; i++) {
    await harness.clock.advance(300);
    expect(leaderOf(quorums.slice(0, 3))).toBeUndefined();
  }
  // They have tried, and hear of the others when they are wanted.
  expect(quorums.slice(1, 3).map((quorum) => (quorum.stats().preVotes ?? 0) > 5)).toEqual([true, true]);
  expect(quorums.map((quorum) => quorum.stats().beginnings ?? 0).slice(0, 3)).toEqual([0, 0, 0]);
  await harness.within((quorums[4] as WordsMember).changeVoters(['m1', 'm3', 'm4']), 8000);
  expect(await harness.within((quorums[1] as WordsMember).query(null), 5000)).toEqual(['a']);
});

test('without a majority nothing is done, and the error says what is known', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  const { quorums, leader } = await led(harness, members);
  for (const [i, quorum] of quorums.entries()) if (quorum !== leader) await members[i]?.close();
  const open = expect(leader.propose('x', { timeoutMs: 4000 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  await harness.clock.advance(1000);
  expect(leader.isLeader()).toBe(false);
  await harness.clock.advance(4000);
  await open;
  const none = expect(leader.propose('x', { timeoutMs: 2000 })).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' });
  await harness.clock.advance(3000);
  await none;
  await expect(leader.propose((() => {}) as never)).rejects.toMatchObject({ code: 'ERR_CODEC' });
  for (const timeoutMs of [0, -1, Number.NaN]) {
    await expect(leader.query(null, { timeoutMs })).rejects.toMatchObject({ code: 'ERR_OPTION' });
  }
});

test('what is no message of a quorum is counted and harms nobody; neither does a message in the name of another', async () => {
  const harness = new Harness();
  const members = await harness.members(4);
  const { quorums, leader } = await led(harness, members.slice(0, 3));
  const at = members[quorums.indexOf(leader)] as Cluster;
  const [stranger] = members.slice(3) as [Cluster];
  const token = leader.leadership?.token as number;
  const append = {
    ...{ type: 'append', from: 'm3#1', to: 'm0#1', term: 1, sentAtMs: 0, previousIndex: 0, previousTerm: 0 },
    ...{ entries: [], commit: 0, leads: true },
  };
  const junk = [
    ...[null, 7, 'x', [], {}, { type: 'who' }, { ...append, type: 'toString' }, { ...append, from: 'm1#1' }],
    ...[
      { ...append, term: -1 },
      { ...append, term: 1.5 },
      { ...append, entries: [{ type: 'command' }] },
    ],
    ...[
      { ...append, entries: {} },
      { ...append, snapshot: { index: 1 } },
      { ...append, commit: 'x' },
    ],
  ];
  const say = { type: 96, schema: undefined };
  for (const m of junk) await stranger.send(at.id, say, { q: 'words', m });
  for (const data of [null, 'words', { q: 7 }, { q: 'nobody', m: append }]) await stranger.send(at.id, say, data);
  const ask = { type: 97, schema: undefined, answerSchema: undefined };
  for (const m of [null, 7, {}, { do: 'change', value: [7] }, { do: 'toString' }]) {
    expect(await harness.within(stranger.request(at.id, ask, { q: 'words', m }), 2000)).toBe(null);
  }
  await harness.clock.advance(3000);
  expect(leader.stats().messagesMalformed).toBe(junk.length);
  expect(at.stats().handlersFailed ?? 0).toBe(0);
  expect(leader.leadership).toMatchObject({ token, mine: true });
});

const SAY = { type: 96, schema: undefined };

test('neither a snapshot that is none nor what a leaf says that does not vote harms a voter', async () => {
  const harness = new Harness();
  const members = await harness.members(4);
  const quorums: WordsMember[] = [];
  for (const member of members.slice(0, 3)) quorums.push(await quorumOf(harness, member));
  const gateway = await createGateway(members[0] as Cluster, { url: 'wss://a/' });
  const leaf = await harness.leaf(new Map([['wss://a/', gateway]]));
  await harness.within(leaf.join(), 5000);
  await harness.until(() => leaderOf(quorums) !== undefined, 3000);
  const { token } = (leaderOf(quorums) as WordsQuorum).leadership as { token: number };

  // Their ids are no secret.
  const ids = new Map<string, string>();
  const [stranger] = members.slice(3) as [Cluster];
  stranger.on(SAY, ({ data, from }) => void ids.set(from.id, (data as { m: { from: string } }).m.from));
  for (const { id, address } of members.slice(0, 3)) {
    await stranger.send(id, SAY, { q: 'words', m: { type: 'who', from: `${stranger.id}#1`, to: `${address}#` } });
  }
  await harness.until(() => ids.size === 3, 1000);
  const term = 2 ** 50;
  const names = ['m0', 'm1', 'm2'];
  const append = { term, sentAtMs: 0, previousIndex: 9, previousTerm: term, entries: [], commit: 9, leads: true };
  const snapshot = { index: 9, term, configuration: { voters: [] }, state: 7 };
  const bad = { type: 'append', ...append, snapshot };
  const reply = { type: 'append-reply', term, sentAtMs: 0, match: 0, lastIndex: 0, eligible: true };
  const denial = { type: 'vote-reply', term, pre: true, granted: false };
  const vote = { type: 'vote', term, lastIndex: 9, lastTerm: term, pre: false, forced: true, anew: false, names };
  const timeout = { type: 'timeout-now', term: token };
  // A member may lead that we have not heard of; a leaf may not.
  for (const [from, words] of [
    [stranger, [bad, reply, denial]] as const,
    [leaf, [bad, reply, denial, vote, timeout]] as const,
  ]) {
    for (const [id, to] of ids) {
      for (const m of words) await from.send(id, SAY, { q: 'words', m: { from: `${from.id}#1`, to, ...m } });
    }
  }
  await harness.clock.advance(2000);
  expect(quorums.map((quorum) => quorum.leadership?.token)).toEqual([token, token, token]);
  expect(quorums.map((quorum) => quorum.stats().snapshotsMalformed)).toEqual([1, 1, 1]);
  expect(quorums.map((quorum) => quorum.stats().messagesUnwelcome)).toEqual([4, 4, 4]);
  expect(await harness.within((leaderOf(quorums) as WordsQuorum).propose('a'), 1000)).toBe(1);
});

test('a watcher that goes by a higher term than the leader’s does not ask again and again without a pause', async () => {
  const harness = new Harness();
  const members = await harness.members(4);
  const quorums: WordsMember[] = [];
  for (const member of members) quorums.push(await quorumOf(harness, member));
  const [stranger, watcher] = [members[0], members[3]] as [Cluster, Cluster];
  await harness.until(() => quorums[3]?.leadership !== undefined, 3000);
  const vote = { type: 'vote', from: 'm0#9', to: 'm3#', term: 2 ** 50, lastIndex: 9, lastTerm: 9, pre: false };
  const m = { ...vote, forced: true, anew: false, names: ['m0', 'm1', 'm2'] };
  await stranger.send(watcher.id, SAY, { q: 'words', m });
  await harness.until(() => quorums[3]?.leadership === undefined, 3000);
  let asked = 0;
  const request: Cluster['request'] = watcher.request.bind(watcher);
  vi.spyOn(watcher, 'request').mockImplementation((...some) =>
    ++asked > 100 ? new Promise(() => {}) : request(...(some as Parameters<typeof request>)),
  );
  await harness.clock.advance(5000);
  // Four times a lease, of which it takes five.
  expect(asked).toBeGreaterThan(2);
  expect(asked).toBeLessThan(30);
});

test('a voter whose disk fails, or whose cluster is closed, takes part no more', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  let fails = false;
  const quorums: WordsMember[] = [];
  for (const [i, member] of members.entries()) {
    const save = () => {
      if (fails && i === 0) throw new Error('the disk is full');
    };
    const storage = { load: () => undefined, save };
    quorums.push(await quorumOf(harness, member, { storage, eligible: () => fails || i === 0 }));
  }
  const [first, ...others] = quorums as [WordsMember, ...WordsMember[]];
  await harness.until(() => first.isLeader(), 10_000);
  fails = true;
  const open = expect(first.propose('lost')).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  await harness.clock.advance(100);
  await open;
  expect([first.isLeader(), first.leadership, first.stats().storageFailed]).toEqual([false, undefined, 1]);
  await expect(first.propose('x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await harness.until(() => leaderOf(others) !== undefined, 5000);
  expect(await harness.within((others[0] as WordsMember).propose('a'), 5000)).toBe(1);
  // Nothing is left that would keep a process alive.
  for (const member of members) await member.close();
  await harness.clock.advance(20_000);
  expect(harness.clock.pending).toBe(0);
});

/** A clock beside which the wall's runs ahead. */
function sleepyClock({ clock }: Harness, aheadMs: () => number): LeaseClock {
  return {
    epochMs: clock.epochMs,
    now: () => clock.now(),
    schedule: (ms: number, run: () => void) => clock.schedule(ms, run),
    aheadMs,
  };
}

/** A disk whose writes end when they are let. */
class SlowDisk implements QuorumStorage {
  value: unknown;
  slow = false;
  #writing: (() => void) | undefined;
  load(): unknown {
    return structuredClone(this.value);
  }
  async save(state: unknown): Promise<void> {
    if (this.slow) await new Promise<void>((resolve) => (this.#writing = resolve));
    this.value = structuredClone(state);
  }
  finish(): void {
    this.slow = false;
    this.#writing?.();
  }
}

test('a leadership that is not saved is none: the next process from that disk could have the same token', async () => {
  const harness = new Harness();
  const [member] = await harness.members(1);
  const disk = new SlowDisk();
  disk.slow = true;
  const quorum = await quorumOf(harness, member as Cluster, { voters: ['m0'], storage: disk });
  const told: unknown[] = [];
  quorum.on('leadership', ({ now }) => told.push(now?.mine));
  await harness.clock.advance(100);
  expect([quorum.isLeader(), quorum.leadership, told]).toEqual([false, undefined, []]);
  disk.finish();
  await settled();
  expect([quorum.isLeader(), quorum.leadership?.mine, told]).toEqual([true, true, [true]]);
  expect(quorum.leadership?.token).toBe((disk.value as { term: number }).term);
});

test('a leader whose machine has slept while it saved something does not lead, nor answer, before it has looked', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  let aheadMs = 0;
  const clock = sleepyClock(harness, () => aheadMs);
  const disks = members.map(() => new SlowDisk());
  const { quorums, leader } = await led(harness, members, (i) => ({ storage: disks[i] as SlowDisk, clock }));
  const disk = disks[quorums.indexOf(leader)] as SlowDisk;
  disk.slow = true;
  const open = leader.propose('a').catch(({ code }) => code);
  const answer = leader.query(null, { timeoutMs: 300 }).catch(({ code }) => code);
  await settled();
  expect(leader.isLeader()).toBe(true);
  aheadMs = 60_000;
  expect([leader.isLeader(), leader.isLeader(), leader.leadership]).toEqual([false, false, undefined]);
  expect(leader.stats().queued).toBeLessThan(5);
  disk.finish();
  await settled();
  expect(leader.stats().leasesSlept).toBe(1);
  expect(await harness.within(open, 3000)).toBe('ERR_TIMEOUT');
  expect(await harness.within(answer, 3000)).toBe('ERR_UNREACHABLE');
});

test('what is open when a quorum is closed is settled then, wherever it waits', async () => {
  const harness = new Harness();
  const members = await harness.members(4);
  const disks = members.map(() => new SlowDisk());
  const { quorums, leader } = await led(harness, members, (i) => ({ storage: disks[i] as SlowDisk }));
  const [client] = quorums.slice(3) as [WordsMember];
  await harness.until(() => client.leadership !== undefined, 3000);
  const outcomes: string[] = [];
  const open = (of: WordsMember, who: string) => {
    const { signal } = new AbortController();
    for (const options of [{}, { signal }]) {
      of.propose('a', options).catch(({ code }) => outcomes.push(`${who} propose ${code}`));
      of.query(null, options).catch(({ code }) => outcomes.push(`${who} query ${code}`));
    }
  };
  (disks[quorums.indexOf(leader)] as SlowDisk).slow = true;
  const follower = quorums.slice(0, 3).find((quorum) => quorum !== leader) as WordsMember;
  open(leader, 'leader');
  open(client, 'client');
  open(follower, 'follower');
  await harness.clock.advance(50);
  expect(outcomes).toEqual([]);
  const closed = (who: string) =>
    [`${who} propose ERR_TIMEOUT`, `${who} query ERR_CLOSED`].flatMap((one) => [one, one]);
  await harness.within(client.close(), 2000);
  expect(outcomes.splice(0).sort()).toEqual(closed('client'));
  await harness.within(leader.close(), 2000);
  expect(outcomes.filter((one) => one.startsWith('leader')).sort()).toEqual(closed('leader'));
  // Who waited elsewhere is told.
  await harness.clock.advance(10);
  expect(outcomes.slice(4)).toEqual(Array(2).fill('follower propose ERR_TIMEOUT'));
});

test('what a voter begins whose machine has slept has a token by the wall’s clock, not by the one that stood still', async () => {
  const harness = new Harness();
  const [member] = (await harness.members(1)) as [Cluster];
  const clock = sleepyClock(harness, () => 3_600_000);
  const quorum = await quorumOf(harness, member, { voters: ['m0'], clock });
  await harness.until(() => quorum.isLeader(), 3000);
  expect(quorum.leadership?.token).toBeGreaterThanOrEqual(clock.epochMs + 3_600_000);
});

test('a leader whose machine has slept gives its lease up, though its clock has stood still', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  let aheadMs = 0;
  const clock = sleepyClock(harness, () => aheadMs);
  const { quorums, leader } = await led(harness, members, () => ({ clock }));
  aheadMs = 10;
  expect(leader.isLeader()).toBe(true);
  aheadMs = 5000;
  expect(leader.isLeader()).toBe(false);
  expect(leader.stats().leasesSlept).toBe(1);
  await harness.until(() => leaderOf(quorums) !== undefined, 5000);
});

test('a command that not all voters would read as it is, or be sent at all, is refused by who proposes it and by whoever leads', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  const { quorums, leader } = await led(harness, members);
  const { token } = leader.leadership as { token: number };
  const other = quorums.find((quorum) => quorum !== leader) as WordsMember;
  // There is room for it in a request, not in what voters say to each other.
  const deep = (levels: number): unknown => (levels > 1 ? [deep(levels - 1)] : []);
  const broken = '\ud800';
  for (const [at, command] of [
    [leader, new Map()],
    [leader, new Date(Number.NaN)],
    [leader, 2n ** 64n],
    [leader, deep(60)],
    [leader, `${'x'.repeat(70)}${broken}`],
    [leader, { [broken]: 1 }],
    [leader, [Number.NaN]],
    [leader, () => 'x'],
    [leader, JSON.parse('{"__proto__":1}')],
    [leader, new Date(Date.UTC(10_000, 0))],
    [other, Number.POSITIVE_INFINITY],
    [other, deep(58)],
    [other, broken],
  ] as const) {
    const refused = expect(at.propose(command as string)).rejects.toMatchObject({ code: 'ERR_CODEC' });
    await harness.within(refused, 2000);
  }
  // Whoever does not look first.
  const from = members[quorums.indexOf(other)] as Cluster;
  const to = (members[quorums.indexOf(leader)] as Cluster).id;
  for (const value of [Number.NaN, deep(58), [{ a: Number.NEGATIVE_INFINITY }]]) {
    const told = from.request(
      to,
      { type: 97, schema: undefined, answerSchema: undefined },
      { q: 'words', m: { do: 'propose', value } },
    );
    expect(await harness.within(told, 2000)).toMatchObject({ outcome: { refused: 'not-carried' } });
  }
  for (const word of ['a', '😀'.repeat(8000)]) await harness.within(other.propose(word), 1000);
  await harness.clock.advance(3000);
  expect(leader.leadership).toMatchObject({ token, mine: true });
  for (const { machine } of quorums) expect(machine.words).toEqual(['a', '😀'.repeat(8000)]);
});

test('a command is the same at all voters, its leader’s own too: what does not travel is not in it', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  const { quorums, leader } = await led(harness, members);
  const bytes = new Uint8Array([1, 2]);
  const command = { none: undefined, zero: -0, list: [undefined, { bytes, at: new Date(5), n: 5n, long: 2n ** 60n }] };
  await harness.within(leader.propose(command as unknown as string), 1000);
  bytes[0] = 9;
  await harness.clock.advance(3000);
  const same = { zero: 0, list: [null, { bytes: new Uint8Array([1, 2]), at: new Date(5), n: 5, long: 2n ** 60n }] };
  for (const { machine } of quorums) expect(machine.words).toStrictEqual([same]);
});

test('a voter is taught though its snapshot fills a frame, and commands that follow on it would be too much', async () => {
  const harness = new Harness();
  const members = await harness.members(3);
  const ballast = new Uint8Array(3.5 * 2 ** 20);
  const quorums: WordsMember[] = [];
  for (const member of members) {
    const quorum = await quorumOf(harness, member);
    const { machine } = quorum;
    machine.snapshot = () => ({ ballast, words: machine.words.map(() => 'word') });
    machine.restore = (state) => Object.assign(machine, { words: [...(state as { words: string[] }).words] });
    quorums.push(quorum);
  }
  await harness.until(() => leaderOf(quorums) !== undefined, 3000);
  const leader = leaderOf(quorums) as WordsMember;
  for (let i = 0; i < 64; i++) await harness.within(leader.propose('a'), 1000);
  for (let i = 0; i < 25; i++) await harness.within(leader.propose('€'.repeat(10_000)), 1000);
  const at = quorums.findIndex((quorum) => quorum !== leader);
  await harness.within((quorums[at] as WordsMember).close(), 2000);
  const again = await quorumOf(harness, members[at] as Cluster);
  const { machine } = again;
  machine.restore = (state) => Object.assign(machine, { words: [...(state as { words: string[] }).words] });
  await harness.until(() => machine.words.length === 89, 12_000);
  expect(leader.stats().messagesNotSent ?? 0).toBe(0);
});

test('a voter to which nobody else is left notices that its cluster was closed, and leaves no timer', async () => {
  for (const count of [1, 2]) {
    const harness = new Harness();
    const members = await harness.members(count);
    const voters = ['m0', 'm1'].slice(0, count);
    const [quorum] = (await Promise.all(members.map((member) => quorumOf(harness, member, { voters })))) as [
      WordsMember,
    ];
    await harness.until(() => quorum.leadership !== undefined, 3000);
    const [cluster, ...others] = members as [Cluster, ...Cluster[]];
    for (const other of others) await harness.within(other.leave(), 2000);
    await harness.clock.advance(10_000);
    expect(quorum.leadership?.mine ?? false).toBe(count === 1);
    await cluster.close();
    await harness.clock.advance(10_000);
    expect(quorum.isLeader()).toBe(false);
    await expect(quorum.propose('a')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(harness.clock.pending).toBe(0);
  }
});
