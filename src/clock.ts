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

/** `performance.now` and `setTimeout`. */
export function systemClock(): Clock {
  return {
    epochMs: Date.now() - performance.now(),
    now: () => performance.now(),
    schedule(delayMs, run) {
      const timer = setTimeout(run, Math.min(delayMs, DELAY_MS_MAX));
      return () => clearTimeout(timer);
    },
  };
}
