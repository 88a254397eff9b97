/**
 * The clock that versions are minted from: wall-clock milliseconds and a counter in one number that only grows, and that never
 * falls behind a time it has been told. Exact as a double until 2094. @source hybrid logical clocks, Kulkarni and others 2014
 */

const EPOCH_MS = 1_735_689_600_000;
const COUNTS = 4096;

/** A wall-clock time as a version's time, with counter 0. */
export function timeAt(unixMs: number): number {
  return Math.max(0, Math.floor(unixMs - EPOCH_MS)) * COUNTS;
}

/** A time so long before another. */
export function earlier(time: number, ms: number): number {
  return Math.max(0, Math.floor(time - ms * COUNTS));
}

/** The Unix milliseconds in a version's time. */
export function unixMsOf(time: number): number {
  return Math.floor(time / COUNTS) + EPOCH_MS;
}

export class HybridClock {
  #last = 0;

  /** The latest time that was minted or observed. */
  get last(): number {
    return this.#last;
  }

  /** A time later than every time minted or observed before. */
  mint(nowMs: number): number {
    this.#last = Math.max(this.#last + 1, timeAt(nowMs));
    return this.#last;
  }

  /** Learns a time minted elsewhere. */
  observe(time: number): void {
    if (time > this.#last) this.#last = time;
  }
}
