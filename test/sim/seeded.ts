/**
 * Runs a test with several seeds; a failure says the one command that replays it. `SEED=n` runs with that one only,
 * `SEEDS=n` with so many.
 */
import { test } from 'vitest';

/**
 * @param file - name of the test file, for the command.
 * @returns a function that declares one test and calls it with each seed.
 */
export function seeded(
  file: string,
): (name: string, seeds: number, run: (seed: number) => void, timeoutMs?: number) => void {
  return (name, seeds, run, timeoutMs) => {
    test(
      name,
      () => {
        const { SEED, SEEDS } = process.env;
        const all = Array.from({ length: Number(SEEDS ?? seeds) }, (_, i) => i + 1);
        for (const seed of SEED === undefined ? all : [Number(SEED)]) {
          try {
            run(seed);
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
