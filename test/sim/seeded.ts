/**
 * Runs a test with several seeds; a failure says the one command that replays it. `SEED=n` runs with that one only,
 * `SEEDS=n` with so many. Outside of CI it is the first alone.
 */
import { test } from 'vitest';
import { tries } from '../effort.js';

/**
 * @param file - name of the test file, for the command.
 * @returns a function that declares one test and calls it with each seed.
 */
export function seeded(
  file: string,
): (name: string, seeds: number, run: (seed: number) => void | Promise<void>, timeoutMs?: number) => void {
  return (name, seeds, run, timeoutMs) => {
    test(
      name,
      async () => {
        const { SEED, SEEDS } = process.env;
        const length = Number(SEEDS ?? tries(seeds, 1));
        const all = Array.from({ length }, (_, i) => i + 1);
        for (const seed of SEED === undefined ? all : [Number(SEED)]) {
          try {
            await run(seed);
          } catch (error) {
            const replay = `SEED=${seed} npx vitest run test/sim/${file} -t '${name.replaceAll("'", '.')}'`;
            if (error instanceof Error) error.message += `\nreplay: ${replay}`;
            throw error;
          }
        }
      },
      timeoutMs,
    );
  };
}
