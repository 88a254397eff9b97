/**
 * All timers of one member in one list, so that the shell needs a single real timer. A timer is never cancelled: when it
 * is due, its owner looks whether it still matters.
 */

interface Timer {
  atMs: number;
  run: () => void;
}

/** Things to do, earliest first; equal times in the order they were scheduled. */
export class Timers {
  /** Latest first, so that the next one is taken off the end. */
  readonly #list: Timer[] = [];

  /** When the earliest timer is due, `Infinity` when there is none. */
  nextMs = Number.POSITIVE_INFINITY;

  schedule(atMs: number, run: () => void): void {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#list[middle] as Timer).atMs > atMs) low = middle + 1;
      else high = middle;
    }
    this.#list.splice(low, 0, { atMs, run });
    this.nextMs = Math.min(this.nextMs, atMs);
  }

  /** Removes and returns the earliest timer if it is due at `nowMs`. */
  takeDue(nowMs: number): (() => void) | undefined {
    if (this.nextMs > nowMs) return undefined;
    const timer = this.#list.pop();
    this.nextMs = this.#list[this.#list.length - 1]?.atMs ?? Number.POSITIVE_INFINITY;
    return timer?.run;
  }
}
