/**
 * When an address that could not be dialled may be dialled again: after a pause of random length that may be longer
 * with each failure, so that many who lost the same peer do not come back at the same moment.
 */

/** The pauses of one transport, by address. */
export interface Backoff {
  /** Milliseconds until the address may be dialled; 0 for now. */
  waitMs(address: string): number;
  failed(address: string): void;
  worked(address: string): void;
}

// Full jitter: a pause is anything from 0 to BASE × 2^failures, but never above MAX.
// Source: "Exponential Backoff And Jitter", AWS Architecture Blog; the values are guesses.
const BASE_MS = 200;
const MAX_MS = 10_000;
// Source: guess; more addresses than fail at the same time in any cluster that still works.
const ADDRESSES_MAX = 4_096;

/** Makes one. @param random - from 0 to below 1. */
export function createBackoff(random: () => number = Math.random): Backoff {
  const pauses = new Map<string, { failures: number; untilMs: number }>();
  return {
    waitMs: (address) => Math.max(0, Math.ceil((pauses.get(address)?.untilMs ?? 0) - performance.now())),
    failed(address) {
      const failures = (pauses.get(address)?.failures ?? 0) + 1;
      const mostMs = Math.min(MAX_MS, BASE_MS * 2 ** failures);
      pauses.delete(address);
      pauses.set(address, { failures, untilMs: performance.now() + random() * mostMs });
      if (pauses.size > ADDRESSES_MAX) pauses.delete(pauses.keys().next().value as string);
    },
    worked: (address) => void pauses.delete(address),
  };
}
