/** What a member or a leaf that is no voter may say to locks, and in whose name: everything else is refused, and counted. */
import { describe, expect, test } from 'vitest';
import { createGateway } from '../../src/gateway.js';
import type { Cluster } from '../../src/index.js';
import type { Lock, Locks } from '../../src/lock/index.js';
import { createQuorum } from '../../src/quorum/index.js';
import { LEASE_MS, stage, VOTERS, watch } from './members.js';

/** Eve, who is no voter, and Ada, who has lock `a`. */
async function eve(kind: 'a member' | 'a leaf') {
  const { harness, clusters, locks, on } = await stage(kind === 'a member' ? 4 : 3);
  const [ada, ben] = locks as [Locks, Locks];
  const lock: Lock = await harness.within(ada.acquire('a'), 5000);
  let cluster = clusters[3] as Cluster;
  if (kind === 'a leaf') {
    cluster = await harness.leaf(
      new Map([['wss://a/', await createGateway(clusters[1] as Cluster, { url: 'wss://a/' })]]),
    );
    await harness.within(cluster.join(), 5000);
  } else await harness.within((locks[3] as Locks).close(), 2000);
  const machine = { apply: () => {}, snapshot: () => null, restore: () => {} };
  const { clock } = harness;
  const quorum = await createQuorum(cluster, { name: 'lock/locks', voters: VOTERS, machine, clock, leaseMs: LEASE_MS });
  return {
    harness,
    clusters,
    cluster,
    lock,
    ben,
    on,
    /** Ada's: the token is the number after it. */
    session: lock.token - 1,
    id: cluster.id,
    ada: (clusters[0] as Cluster).id,
    propose: (command: unknown) => harness.within(quorum.propose(command, { timeoutMs: 2000 }), 3000),
    counted: (what: string) => locks.reduce((sum, one) => sum + (one.stats()[what] ?? 0), 0),
  };
}

describe.each(['a member', 'a leaf'] as const)('%s that is no voter', (kind) => {
  test('judges nobody, and speaks for nobody else', async () => {
    const { harness, ada, ben, counted, id, lock, propose, session } = await eve(kind);
    const next = watch(ben.acquire('a'));
    await harness.clock.advance(200);
    const open = { type: 'open', key: 'k', ttlMs: 1000, previous: 0 };
    const turn = { type: 'turn', session, turn: 2, seen: 0, operations: [] };
    const verdicts = [0, 1, 2, 3, 4, 5].flatMap((beats) => ['end', 'expire'].map((type) => ({ type, session, beats })));
    const forged = [
      ...verdicts,
      ...verdicts.map((verdict) => ({ ...verdict, member: id })),
      ...verdicts.map((verdict) => ({ ...verdict, member: ada })),
      // Whatever else it says, in its own name.
      ...verdicts.map((verdict) => ({ ...open, ...turn, ...verdict, member: id })),
      ...[open, turn].flatMap((call) => [
        call,
        { ...call, member: ada },
        { ...call, member: [id] },
        { ...call, member: id, beats: 1 },
      ]),
      'anything',
      null,
    ];
    for (const command of forged)
      await expect(propose(command), JSON.stringify(command)).rejects.toMatchObject({ code: 'ERR_REFUSED' });
    expect(counted('commandsUnwelcome')).toBeGreaterThanOrEqual(forged.length);
    // In its own name it may; Ada's session it can neither use nor give up.
    expect(await propose({ ...turn, member: id })).toEqual({ type: 'gone' });
    expect(await propose({ ...open, previous: session, member: id })).toMatchObject({ type: 'opened' });
    expect(next.done).toBe(false);
    expect(await harness.within(lock.extend(), 1000)).toBeGreaterThan(0);
  });

  test('grants nothing: only voters tell who has a lock', async () => {
    const { harness, ben, clusters, cluster, counted, lock, session } = await eve(kind);
    const next = watch(ben.acquire('a'));
    await harness.clock.advance(200);
    const grants = [[1, 2 ** 52]];
    const tell = async (from: Cluster, more: object) => {
      const answer = { type: 'view', turn: 1, answers: [], grants, ...more };
      await from.send((clusters[1] as Cluster).id, { type: 100, schema: undefined }, { locks: 'locks', answer });
      await harness.clock.advance(50);
    };
    for (let guess = session; guess < session + 6; guess++) await tell(cluster, { session: guess });
    expect(counted('lockAnswersUnwelcome')).toBe(6);
    expect(next.done).toBe(false);
    await harness.within(lock.release(), 1000);
    await harness.until(() => next.done, 200);
    expect(next.value?.token).toBeLessThan(2 ** 52);
  });
});
