/** A voter's shell by itself: what it keeps of those who speak to it. */
import { expect, test } from 'vitest';
import type { Cluster, Member } from '../../src/index.js';
import { Voter } from '../../src/quorum/voter.js';

test('however many names speak to a voter, it remembers some of them', () => {
  const sent: string[] = [];
  const cluster = {
    member: (id: string) => ({ id, state: 'alive' }),
    members: () => [],
    send: async (id: string) => void sent.push(id),
  };
  const owner = {
    cluster: cluster as unknown as Cluster,
    clock: { epochMs: 0, now: () => 0, schedule: () => () => {} },
    name: 'words',
    storage: undefined,
    isOurs: (name: string) => name === 'm0',
    eligible: () => true,
    count: () => {},
    handled: () => {},
    failed: () => {},
    ended: () => {},
  };
  const voter = new Voter(owner, {
    name: 'm0',
    names: ['m0', 'm1', 'm2'],
    machine: { apply: () => null, snapshot: () => null, restore: () => {} },
    leaseMs: 1000,
    random: () => 0,
    wallMs: () => 0,
    boot: '1',
    durable: false,
  });
  for (let i = 0; i < 1000; i++) {
    const from = { id: `x${i}`, address: `a${i}` } as Member;
    voter.said({ type: 'who', from: `${from.id}#1`, to: 'm0#' }, from);
  }
  // Each was answered.
  expect(sent.filter((id) => id.startsWith('x'))).toHaveLength(1000);
  expect(voter.stats().namesKnown).toBe(64);
});
