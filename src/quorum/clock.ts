/**
 * The platform's time as a lease needs it: the monotonic clock, and whether the wall's has run ahead of it. Where a machine
 * sleeps the former may stand still, and only the wall shows that a lease has run out meanwhile.
 */
import type { Clock } from '../index.js';

/** A clock that can tell of sleep. */
export interface LeaseClock extends Clock {
  /** By how much the wall is ahead of where it was when the clock was made, in ms. */
  aheadMs?(): number;
}

/** `performance.now`, `setTimeout` and `Date.now`. */
export function platformClock(): LeaseClock {
  /** The longest delay that platforms' timers take; a later wake-up is only re-armed. */
  const DELAY_MS_MAX = 2_000_000_000;
  const epochMs = Date.now() - performance.now();
  return {
    epochMs,
    now: () => performance.now(),
    aheadMs: () => Date.now() - performance.now() - epochMs,
    schedule(delayMs, run) {
      const timer = setTimeout(run, Math.min(delayMs, DELAY_MS_MAX));
      return () => clearTimeout(timer);
    },
  };
}
