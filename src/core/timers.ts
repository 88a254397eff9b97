/**
 * All timers of one member in one list, so that the shell needs a single real timer. When one is due, its owner looks whether
 * it still matters; only those that would wake an idle member each time are cancelled.
 */

/** Something to do. */
export interface Timer {
  atMs: number;
  run: () => void;
}

/** Things to do, earliest first; equal times in the order they were scheduled. */
export class Timers {
  /** Earliest first: what comes after most that waits, as suspicions of a thousand leaves do, is put in its place at once. */
  readonly #list: Timer[] = [];
  /** Those before it have run; an array that gives up its first each time is moved as a whole when it is long. */
  #first = 0;

  /** When the earliest timer is due, `Infinity` when there is none. */
  get nextMs(): number {
    return this.#list[this.#first]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  schedule(atMs: number, run: () => void): Timer {
    const list = this.#list;
    let at = list.length;
    // There are a few, and more only while many are suspected: to search and splice takes longer.
    for (; at > this.#first && (list[at - 1] as Timer).atMs > atMs; at--) list[at] = list[at - 1] as Timer;
    const timer = { atMs, run };
    list[at] = timer;
    return timer;
  }

  /** It need not run any more, if it has not. */
  cancel(timer: Timer | undefined): void {
    const at = this.#list.indexOf(timer as Timer, this.#first);
    if (at >= 0) this.#list.splice(at, 1);
  }

  /** Removes and returns the earliest timer if it is due at `nowMs`. */
  takeDue(nowMs: number): (() => void) | undefined {
    const list = this.#list;
    const timer = this.nextMs > nowMs ? undefined : list[this.#first++];
    if (this.#first * 2 > list.length) {
      list.splice(0, this.#first);
      this.#first = 0;
    }
    return timer?.run;
  }
}
