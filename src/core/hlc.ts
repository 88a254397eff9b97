/**
 * Hybrid logical clock: wall-clock microseconds and a counter in one 64-bit number that only ever grows and never falls
 * behind a time it has been told. Incarnations, versions and message ids are minted from it.
 */

/** `(microseconds since 2025-01-01T00:00:00Z) << 10 | counter`, the same layout as the Go library's. */
export type HlcTime = bigint;

export const EPOCH_MS = 1_735_689_600_000;
export const COUNTER_BITS = 10n;
const COUNTS_PER_US = 2 ** 10;

/** The clock of one member. Wall time comes in as an argument, so that a simulation owns it. */
export class Hlc {
  /** The latest time minted or observed. */
  last = 0n;

  /** @param epochMs - Unix milliseconds at monotonic zero. */
  constructor(public epochMs: number) {}

  /** Mints a time later than every time minted or observed before. */
  now(nowMs: number): HlcTime {
    this.observe(this.physical(nowMs) - 1n);
    return ++this.last;
  }

  /** Learns a time minted elsewhere. */
  observe(time: HlcTime): void {
    if (time > this.last) this.last = time;
  }

  /** Wall time as an HLC time with counter 0; does not advance the clock. */
  physical(nowMs: number): HlcTime {
    // Exact: a power of two costs a number no digits.
    return BigInt(Math.max(0, Math.floor((this.epochMs + nowMs - EPOCH_MS) * 1000)) * COUNTS_PER_US);
  }

  /** How far a time lies ahead of our wall clock (negative: behind), in milliseconds. */
  aheadMs(time: HlcTime, nowMs: number): number {
    return Number(time) / COUNTS_PER_US / 1000 + EPOCH_MS - this.epochMs - nowMs;
  }
}
