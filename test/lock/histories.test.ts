/**
 * A fixed set of histories; `SEED=n` plays one, `SEEDS=n` so many, from `FROM=n` on, and prints what they did. What must hold is
 * checked in `world.ts`.
 */
import { expect, test } from 'vitest';
import { tries } from '../effort.js';
import { PlainVoters } from './plain-voters.js';
import { RaftVoters } from './raft-voters.js';
import { LockHistory, noFigures } from './world.js';

/** As many as take two seconds each in CI, and below that as many as try everything at least once. */
test.each([
  ['a plain list', PlainVoters, 400, 50],
  ['Raft', RaftVoters, 20, 10],
] as const)(
  'in no history a lock has two holders, a token falls, or somebody is passed over or waits for ever: voters agree by %s',
  {
    timeout: 36_000_000,
  },
  (_, Voters, all, few) => {
    const { SEED, SEEDS = tries(all, few), FROM = 1 } = process.env;
    const seeds = SEED ? [Number(SEED)] : Array.from({ length: Number(SEEDS) }, (_, i) => Number(FROM) + i);
    const sum = noFigures();
    for (const seed of seeds) {
      try {
        const figures = new LockHistory(seed, (stage, owner) => new Voters(stage, owner)).run();
        for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += figures[key];
      } catch (error) {
        if (error instanceof Error) error.message += `\nreplay: SEED=${seed} npx vitest run test/lock/histories`;
        throw error;
      }
    }
    if (process.env.SEEDS) console.log({ histories: seeds.length, ...sum });
    if (SEED) return;
    // They have tried something.
    for (const [what, times] of Object.entries(sum)) expect(times, what).toBeGreaterThan(0);
  },
);
