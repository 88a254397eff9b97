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
    const list = this.#list;
    let at = list.length;
    // There are a few, and more only while many are suspected: to search and splice takes longer.
    for (; at > 0 && (list[at - 1] as Timer).atMs <= atMs; at--) list[at] = list[at - 1] as Timer;
    list[at] = { atMs, run };
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
