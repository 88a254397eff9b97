/**
 * All timers of one member in one heap, so that the shell needs a single real timer. A timer is never cancelled: when it
 * is due, its owner looks whether it still matters.
 */

interface Timer {
  atMs: number;
  order: number;
  run: () => void;
}

/** A binary heap of things to do, earliest first; equal times in the order they were scheduled. */
export class Timers {
  readonly #heap: Timer[] = [];
  #order = 0;

  /** When the earliest timer is due, `Infinity` when there is none. */
  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  schedule(atMs: number, run: () => void): void {
    const heap = this.#heap;
    const timer = { atMs, order: this.#order++, run };
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(timer, heap[parent] as Timer)) break;
      heap[at] = heap[parent] as Timer;
      at = parent;
    }
    heap[at] = timer;
  }

  /** Removes and returns the earliest timer if it is due at `nowMs`. */
  takeDue(nowMs: number): (() => void) | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (!first || first.atMs > nowMs) return undefined;
    const last = heap.pop() as Timer;
    if (heap.length > 0) {
      let at = 0;
      for (;;) {
        let child = at * 2 + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child++;
        if (!before(heap[child] as Timer, last)) break;
        heap[at] = heap[child] as Timer;
        at = child;
      }
      heap[at] = last;
    }
    return first.run;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
