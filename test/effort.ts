/**
 * How much the tests try: everything in CI, a share of it for whoever waits for them at work. `CI=1 npm test` tries
 * everything too.
 */

const { CI, SEED, SEEDS } = process.env;
/** A seed that failed in CI is looked at with everything that CI tries. */
const ALL = Boolean(CI || SEED || SEEDS);

/** @returns so many tries in CI, else a few of them. */
export function tries(all: number, few = Math.ceil(all / 10)): number {
  return ALL ? all : Math.min(all, few);
}

/** @returns all of a list in CI, else its first few. */
export function some<T>(all: readonly T[], few = 1): readonly T[] {
  return all.slice(0, tries(all.length, few));
}
