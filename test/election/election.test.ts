/** Elections among real members in virtual time: events, leases, tokens, who may lead, and leaves that watch and stand. */
import { expect, test } from 'vitest';
import { createElection, type Election, type ElectionOptions, type Lease } from '../../src/election/index.js';
import { createGateway, type Gateway, type LeafMessage } from '../../src/gateway.js';
import type { Cluster, Member } from '../../src/index.js';
import { Harness } from '../unit/cluster-harness.js';

interface Told {
  election: Election;
  told: string[];
  leases: Lease[];
}

async function take(harness: Harness, cluster: Cluster, options: Partial<ElectionOptions> = {}): Promise<Told> {
  let draw = cluster.address.charCodeAt(1) || 7;
  const random = () => {
    draw = (draw * 16807) % 2147483647;
    return draw / 2147483647;
  };
  const election = await createElection(cluster, {
    name: 'boss',
    voters: ['m0', 'm1', 'm2'],
    leaseMs: 1000,
    clock: harness.clock,
    random,
    ...options,
  });
  const told: string[] = [];
  const leases: Lease[] = [];
  election.on('elected', (lease) => {
    leases.push(lease);
    told.push('elected');
  });
  election.on('lost', (lease) => told.push(`lost ${lease === leases.at(-1)} ${lease.signal.aborted}`));
  election.on('changed', ({ leader, before }) => told.push(`${before?.name} -> ${leader?.name}`));
  return { election, told, leases };
}

const eligible = ({ metadata }: Member) => metadata.tired !== true;
const leaderOf = (all: readonly Told[]) => all.find(({ election }) => election.isLeader()) as Told;

async function electionOf(
  harness: Harness,
  options: (i: number) => Partial<ElectionOptions> = () => ({}),
): Promise<[Cluster[], Told[]]> {
  const members = await harness.members(3, (i) => ({ tags: i === 1 ? ['strong'] : [] }));
  const all: Told[] = [];
  for (const [i, member] of members.entries()) all.push(await take(harness, member, options(i)));
  await harness.until(() => leaderOf(all) !== undefined, 5000);
  await harness.until(() => all.every(({ election }) => election.leader !== undefined), 2000);
  return [members, all];
}

test('one leads, all know whom, and each leadership begins, ends and changes hands with events', async () => {
  const harness = new Harness();
  const [members, all] = await electionOf(harness);
  const first = leaderOf(all);
  const at = `m${all.indexOf(first)}`;
  const [lease] = first.leases as [Lease];
  expect(first.election.token).toBe(lease.token);
  expect(first.election.leader).toMatchObject({ name: at, mine: true, token: lease.token, member: { address: at } });
  expect([lease.isValid(), lease.signal.aborted]).toEqual([true, false]);
  for (const { election } of all)
    expect(election.leader).toMatchObject({ name: at, token: lease.token, member: { address: at } });

  await harness.within(first.election.resign(), 600);
  expect([lease.isValid(), first.election.isLeader(), first.election.lease]).toEqual([false, false, undefined]);
  await harness.until(() => leaderOf(all) !== undefined, 300);
  const second = leaderOf(all);
  const then = `m${all.indexOf(second)}`;
  expect(second.election.token).toBeGreaterThan(lease.token);
  await harness.until(() => first.election.leader?.name === then, 1000);
  expect(lease.signal.aborted).toBe(true);
  expect(first.told.slice(0, 3)).toEqual(['elected', `undefined -> ${at}`, 'lost true true']);
  expect(first.told.slice(3).join()).toMatch(new RegExp(`^${at} -> (undefined,undefined -> )?${then}$`));
  expect(second.told.at(-2)).toBe('elected');
  // A member that dies.
  await members[all.indexOf(second)]?.close();
  const rest = all.filter((one) => one !== second);
  await harness.until(() => leaderOf(rest) !== undefined, 5000);
  expect(second.election.isLeader()).toBe(false);
  expect(second.leases[0]?.signal.aborted).toBe(true);
  expect(leaderOf(rest).election.token).toBeGreaterThan(second.leases[0]?.token as number);
});

test('a leader that stands still finds its lease gone before it acts, though nothing has told it', async () => {
  const harness = new Harness();
  // Its clock goes on, its timers and what it is told do not: as when a process is stopped.
  let asleep = false;
  const late: (() => unknown)[] = [];
  const wakeful = (run: () => unknown) => void (asleep ? late.push(run) : run());
  const clock = {
    epochMs: harness.clock.epochMs,
    now: () => harness.clock.now(),
    schedule: (ms: number, run: () => void) => harness.clock.schedule(ms, () => wakeful(run)),
  };
  const sleepy = (cluster: Cluster) =>
    new Proxy(cluster, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        const on = (what: 'message', handler: (event: unknown) => unknown) =>
          target.on(what, (event) => wakeful(() => handler(event)));
        if (key === 'on') return on;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const members = await harness.members(3);
  const all: Told[] = [];
  for (const [i, member] of members.entries()) {
    const options = { eligible: () => i === 0 || asleep };
    all.push(await (i === 0 ? take(harness, sleepy(member), { ...options, clock }) : take(harness, member, options)));
  }
  const [sleeper] = all as [Told];
  await harness.until(() => sleeper.election.isLeader(), 10_000);
  const lease = sleeper.election.lease as Lease;
  const before = [...sleeper.told];
  asleep = true;
  await harness.until(() => leaderOf(all.slice(1)) !== undefined, 5000);
  // It has heard of nothing, and knows all the same.
  expect([sleeper.election.isLeader(), lease.isValid(), lease.signal.aborted]).toEqual([false, false, false]);
  expect(sleeper.told).toEqual(before);
  asleep = false;
  for (const run of late.splice(0)) run();
  await harness.until(() => sleeper.told.includes('lost true true'), 1000);
});

test('who may lead is said by tags and metadata; a leader that may not any more hands over', async () => {
  const harness = new Harness();
  const strong = (self: Member) => self.tags.includes('strong') && eligible(self);
  const [members, all] = await electionOf(harness, () => ({ eligible: strong }));
  expect(leaderOf(all)).toBe(all[1]);
  members[1]?.setMetadata({ tired: true });
  expect(all[1]?.election.isLeader()).toBe(false);
  await harness.clock.advance(20_000);
  expect(leaderOf(all)).toBeUndefined();
  expect(all.map(({ election }) => election.leader)).toEqual([undefined, undefined, undefined]);
  members[1]?.setMetadata({ tired: false });
  await harness.until(() => all[1]?.election.isLeader() === true, 5000);
  // Whoever held the place meanwhile had no lease to show.
  expect([all[0]?.leases, all[2]?.leases]).toEqual([[], []]);
});

test('two elections of one cluster know nothing of each other, and a name is taken once', async () => {
  const harness = new Harness();
  const [members, all] = await electionOf(harness);
  const others: Told[] = [];
  for (const [i, member] of members.entries())
    others.push(await take(harness, member, { name: 'other', eligible: () => i === 2 }));
  await harness.until(() => leaderOf(others) === others[2], 10_000);
  expect(leaderOf(all)).toBeDefined();
  await expect(take(harness, members[0] as Cluster)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await harness.within(Promise.all([...all, ...others].map(({ election }) => election.close())), 10_000);
  await take(harness, members[0] as Cluster);
});

test('who closes has told that it leads no more, and that nobody is known to, when it is done', async () => {
  const harness = new Harness();
  const [, all] = await electionOf(harness);
  const first = leaderOf(all);
  const other = all.find((one) => one !== first) as Told;
  for (const { election, told, leases } of [other, first]) {
    await harness.within(election.close(), 2000);
    expect([election.leader, election.lease, election.isLeader()]).toEqual([undefined, undefined, false]);
    expect(leases.map(({ signal }) => signal.aborted)).toEqual(leases.map(() => true));
    expect(told.at(-1)).toMatch(/^m[0-2] -> undefined$/);
  }
  expect(first.told).toContain('lost true true');
});

test('a leaf whose gateway refuses it the messages takes no part, and is not expelled for its asking', async () => {
  const harness = new Harness();
  const [members, all] = await electionOf(harness);
  const send = (_: Member, { type }: LeafMessage) => type !== 96 && type !== 97;
  const gateway = await createGateway(members[0] as Cluster, { url: 'wss://a/', policy: { send } });
  const leaf = await harness.leaf(new Map([['wss://a/', gateway]]));
  await harness.within(leaf.join(), 5000);
  const page = await take(harness, leaf);
  const refused = expect(page.election.changeVoters(['m0'])).rejects.toMatchObject({ code: 'ERR_REFUSED' });
  await harness.within(refused, 5000);
  await leaf.send(
    members[1]?.id as string,
    { type: 96, schema: undefined },
    { q: 'election boss', m: { type: 'who' } },
  );
  await harness.clock.advance(30_000);
  expect(page.election.leader).toBeUndefined();
  expect(page.told).toEqual([]);
  expect(all.map(({ election }) => [election.stats().messagesMalformed, election.stats().messagesUnwelcome])).toEqual(
    all.map(() => [undefined, undefined]),
  );
  // A change, a message, and less than once a second who leads.
  const { leafNotAllowed } = (members[0] as Cluster).stats();
  expect(leafNotAllowed).toBeGreaterThan(3);
  expect(leafNotAllowed).toBeLessThan(9);
});

test('a leaf watches, and stands when it is made a voter', async () => {
  const harness = new Harness();
  const disks = new Map<string, unknown>();
  const storage = (name: string) => ({
    load: () => structuredClone(disks.get(name)),
    save: (state: unknown) => void disks.set(name, structuredClone(state)),
  });
  const [members, all] = await electionOf(harness, (i) => ({ storage: storage(`m${i}`), eligible }));
  const gateways = new Map<string, Gateway>();
  gateways.set('wss://a/', await createGateway(members[0] as Cluster, { url: 'wss://a/' }));
  const leaf = await harness.leaf(gateways, { metadata: { name: 'Leaf' } });
  await harness.within(leaf.join(), 5000);
  const page = await take(harness, leaf, { storage: storage('leaf') });
  await harness.until(() => page.election.leader !== undefined, 5000);
  const token = leaderOf(all).election.token as number;
  expect(page.election.leader).toMatchObject({ token, mine: false });
  await harness.within(leaderOf(all).election.resign(), 1000);
  await harness.until(() => (page.election.leader?.token ?? 0) > token, 3000);

  const voters = ['m0', 'm1', leaf.id];
  // It does not make itself one.
  const refused = expect(page.election.changeVoters(voters)).rejects.toMatchObject({ code: 'ERR_REFUSED' });
  await harness.within(refused, 10_000);
  await harness.within((all[1] as Told).election.changeVoters(voters), 10_000);
  await harness.until(() => page.election.voters.includes(leaf.id), 5000);
  expect([...page.election.voters].sort()).toEqual(['m0', 'm1', leaf.id].sort());
  expect(page.election.isLeader()).toBe(false);
  for (const member of members) member.setMetadata({ tired: true });
  await harness.until(() => page.election.isLeader(), 5000);
  expect(page.told.at(-2)).toBe('elected');
  await harness.until(() => all.every(({ election }) => election.leader?.member?.id === leaf.id), 5000);
  for (const member of members) member.setMetadata({ tired: false });
  await harness.within(leaf.leave(), 2000);
  await harness.until(() => leaderOf(all) !== undefined, 8000);
});

test('a sole voter leads before anybody can listen, and whoever listens then is told', async () => {
  const harness = new Harness();
  const { election, told, leases } = await take(harness, await harness.member(), { voters: ['m0'] });
  await harness.until(() => told.length > 0, 1000);
  expect(told).toEqual(['elected']);
  expect(leases).toEqual([election.lease]);
  await harness.within(election.close(), 2000);
  const late: Lease[] = [];
  election.on('elected', (lease) => late.push(lease));
  await harness.clock.advance(1000);
  expect(told.slice(1)).toEqual(['lost true true', 'm0 -> undefined']);
  expect(late).toEqual([]);
});

test('nobody has anything agreed upon in an election', async () => {
  const harness = new Harness();
  const [members, all] = await electionOf(harness);
  const gateway = await createGateway(members[0] as Cluster, { url: 'wss://a/' });
  const leaf = await harness.leaf(new Map([['wss://a/', gateway]]));
  await harness.within(leaf.join(), 5000);
  await harness.clock.advance(1000);
  const sizes = () => all.map(({ election }) => election.stats().logEntries);
  const before = sizes();
  const ask = { type: 97, schema: undefined, answerSchema: undefined };
  for (const { id } of members) {
    const m = { do: 'propose', value: 'for all disks' };
    const answer = await harness.within(leaf.request(id, ask, { q: 'election boss', m }), 2000);
    expect(answer).toMatchObject({ outcome: { refused: 'unwelcome' } });
  }
  await harness.clock.advance(1000);
  expect(sizes()).toEqual(before);
});
