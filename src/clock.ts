/** Time as an argument: the platform's by default, virtual in a simulation. */

/** Monotonic time and one-shot timers. */
export interface Clock {
  /** Unix milliseconds at monotonic zero. */
  readonly epochMs: number;
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `run` once, not before `delayMs` have passed; the answer cancels it. */
  schedule(delayMs: number, run: () => void): () => void;
}

/** The longest delay that platforms' timers take; a later wake-up is only re-armed. */
const DELAY_MS_MAX = 2_000_000_000;

/** A clock of the wall that is so far ahead of itself shows a sleep, or was set. Source: guess, above what NTP does at once. */
const SLEPT_MS = 2000;

/**
 * `performance.now` and `setTimeout`. Where the former stands still while the machine sleeps, as on Linux and macOS, the wall
 * shows for how long. Source: CLOCK_MONOTONIC, clock_gettime(2).
 */
export function systemClock(): Clock {
  const epochMs = Date.now() - performance.now();
  let atMs = epochMs;
  let sleptMs = 0;
  return {
    epochMs,
    now() {
      const nowMs = performance.now();
      const aheadMs = Date.now() - nowMs - atMs;
      atMs += aheadMs;
      if (aheadMs > SLEPT_MS) sleptMs += aheadMs;
      return nowMs + sleptMs;
    },
    schedule(delayMs, run) {
      // Timers count whole milliseconds from when the turn began, so that they are up to one early: then all would wake twice.
      const timer = setTimeout(run, Math.min(Math.ceil(delayMs) + 1, DELAY_MS_MAX));
      return () => clearTimeout(timer);
    },
  };
}
