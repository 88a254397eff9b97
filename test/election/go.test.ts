/** The Go library's election in virtual time: its rules, as far as they are ours to keep. Live peers: test/interop/election.live.ts. */
import { expect, test } from 'vitest';
import { followGoLeader, type GoElectionOptions } from '../../src/election/go.js';
import type { Cluster, MessageType } from '../../src/index.js';
import { Harness } from '../unit/cluster-harness.js';

const HEARTBEAT: MessageType<unknown> = { type: 65, schema: undefined };

function take(harness: Harness, cluster: Cluster, options: GoElectionOptions = {}) {
  const election = followGoLeader(cluster, { clock: harness.clock, ...options });
  const told: (string | undefined)[] = [];
  election.on('changed', ({ leader }) => told.push(leader?.member.address));
  return Object.assign(election, { told });
}

/** Ids in the order of the addresses. */
const byNumber = (i: number) => ({ id: `0000000${i}-0000-4000-8000-000000000000` });

test('who only follows shows whom the heartbeats name, until they cease', async () => {
  const harness = new Harness();
  const [go, follower] = await harness.pair();
  const seen = take(harness, follower);
  expect(seen.leader).toBeUndefined();
  const say = (term: unknown, ms = 0) =>
    go.broadcast(HEARTBEAT, { ts: new Date(harness.clock.epochMs + harness.clock.now() + ms), term });
  await say(7);
  await harness.clock.advance(100);
  expect(seen.leader).toMatchObject({ member: { id: go.id }, term: 7 });
  expect(seen.isLeader).toBe(false);
  // Old, malformed, and of a former term.
  const trap = { toString: 1, valueOf: 1 };
  const traps = [
    { ts: trap, term: 9 },
    { ts: new Date(), term: trap },
  ];
  for (const data of [null, 'x', { ts: 'never', term: 9 }, { ts: new Date(), term: -1 }, ...traps])
    await go.broadcast(HEARTBEAT, data);
  await say(6, -1000);
  await harness.clock.advance(100);
  expect(seen.stats()).toMatchObject({ term: 7, heartbeatsHeard: 2, heartbeatsMalformed: 6, heartbeatsSent: 0 });
  expect(follower.stats().handlersFailed ?? 0).toBe(0);
  await harness.clock.advance(4000);
  expect(seen.leader).toBeUndefined();
  // A cluster that has begun again begins with low terms.
  await say(1);
  await harness.clock.advance(100);
  expect(seen.leader?.term).toBe(1);
  await go.close();
  await harness.until(() => seen.leader === undefined, 5000);
  expect(seen.told).toEqual(['m0', undefined, 'm0', undefined]);
});

test('of those who stand the lowest id that may lead leads, and the next one when it is gone', async () => {
  const harness = new Harness();
  const members = await harness.members(3, byNumber);
  const all = members.map((member) =>
    take(harness, member, { stand: true, eligible: ({ address }) => address !== 'm0' }),
  );
  await harness.clock.advance(6000);
  expect(all.map(({ leader }) => leader?.member.address)).toEqual(['m1', 'm1', 'm1']);
  expect(all.map(({ isLeader }) => isLeader)).toEqual([false, true, false]);
  const term = all[1]?.leader?.term as number;
  all[1]?.close();
  expect(all[1]?.isLeader).toBe(false);
  await members[1]?.leave();
  await harness.until(() => all[2]?.isLeader === true, 6000);
  expect(all[2]?.leader?.term).toBeGreaterThan(term);
  await harness.until(() => all[0]?.leader?.member.address === 'm2', 2000);
  expect(() => followGoLeader(members[0] as Cluster, { checkIntervalMs: 0 })).toThrow('checkIntervalMs');
});

test('it ends with its cluster, and nothing of it goes on', async () => {
  const harness = new Harness();
  const cluster = await harness.member();
  const standing = take(harness, cluster, { stand: true });
  await harness.clock.advance(5000);
  expect(standing.isLeader).toBe(true);
  await cluster.close();
  await harness.clock.advance(0);
  expect([standing.isLeader, standing.told, harness.clock.pending]).toEqual([false, ['m0', undefined], 0]);
});
