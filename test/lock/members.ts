/** Members of whole clusters in virtual time, with locks, the first three of them voters. */
import { Random } from '../../src/core/random.js';
import type { Cluster } from '../../src/index.js';
import { createLocks, type Locks, type LocksOptions } from '../../src/lock/index.js';
import { Harness } from '../unit/cluster-harness.js';

export const VOTERS = ['m0', 'm1', 'm2'];
export const TTL_MS = 3000;
export const LEASE_MS = 500;

interface Stage {
  harness: Harness;
  clusters: Cluster[];
  locks: Locks[];
  on(cluster: Cluster, more?: Partial<LocksOptions>): Promise<Locks>;
}

/** Members, the first three of them voters, each with its locks. */
export async function stage(count = 3): Promise<Stage> {
  const harness = new Harness();
  const clusters = await harness.members(count);
  const random = new Random(1);
  const on = (cluster: Cluster, more: Partial<LocksOptions> = {}) =>
    harness.within(
      createLocks(cluster, {
        voters: VOTERS,
        sessionTtlMs: TTL_MS,
        leaseMs: LEASE_MS,
        clock: harness.clock,
        random: () => random.unit(),
        ...more,
      }),
      1000,
    );
  const locks: Locks[] = [];
  for (const cluster of clusters) locks.push(await on(cluster));
  return { harness, clusters, locks, on };
}

/** What a promise comes to, without waiting for it. */
export function watch<T>(promise: Promise<T>): { done: boolean; value?: T; error?: unknown } {
  const seen: { done: boolean; value?: T; error?: unknown } = { done: false };
  promise.then(
    (value) => Object.assign(seen, { done: true, value }),
    (error: unknown) => Object.assign(seen, { done: true, error }),
  );
  return seen;
}
