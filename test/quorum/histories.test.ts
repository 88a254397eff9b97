/** A fixed set of histories; `SEED=n` plays one, `SEEDS=n` so many, from `FROM=n` on. */
import { expect, test } from 'vitest';
import { tries } from '../effort.js';
import { play } from './history.js';

/** Histories in which one rule or another was seen to be needed, when it was left out. */
const TELLING = [166, 329, 336, 369, 413, 662, 816, 1085, 1388, 2581];

test('in no history are there two leaders in a term, two leases at a time, or lost commands', () => {
  const { SEED, SEEDS = tries(150, 50), FROM = 1 } = process.env;
  const some = Array.from({ length: Number(SEEDS) }, (_, i) => Number(FROM) + i);
  const seeds = SEED ? [Number(SEED)] : process.env.SEEDS ? some : [...some, ...TELLING];
  let leaderships = 0;
  let commands = 0;
  let slowestMs = 0;
  for (const seed of seeds) {
    try {
      const { world, healedMs } = play(seed, SEED !== undefined);
      leaderships += world.leaderships;
      commands += world.appliedCommands.size;
      slowestMs = Math.max(slowestMs, healedMs);
    } catch (error) {
      if (error instanceof Error) error.message += `\nreplay: SEED=${seed} npx vitest run test/quorum/histories`;
      throw error;
    }
  }
  if (process.env.SEEDS) console.log({ leaderships, commands, slowestMs });
  expect(leaderships).toBeGreaterThan(seeds.length / 2);
  // As long as somebody wishes.
}, 1e9);
