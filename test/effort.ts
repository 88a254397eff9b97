/**
 * How much the tests try: everything in CI, a share of it for whoever waits for them at work. `CI=1 npm test` tries
 * everything too.
 */

const { CI } = process.env;

/** @returns so many tries in CI, else a few of them. */
export function tries(all: number, few = Math.ceil(all / 10)): number {
  return CI ? all : Math.min(all, few);
}
