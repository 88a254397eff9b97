/**
 * What is going to happen in a simulation, earliest first; what happens at the same time, in the order in which it was added.
 * Millions of things pass through it, so it is a heap of numbers beside a list, and nothing is made for an entry.
 */

/** Something that is going to happen. */
export interface Happening {
  /** @param atMs - the time for which it was added. */
  happen(atMs: number): void;
}

/** Children of one entry: the heap is flatter than with two, and a child is compared more often than moved. */
const WIDTH = 4;

export class Agenda {
  #size = 0;
  #added = 0;
  #atMs = new Float64Array(1024);
  /** Numbers of the entries, in the order they were added. */
  #numbers = new Float64Array(1024);
  readonly #what: (Happening | undefined)[] = [];

  /** When the next thing happens, `Infinity` when there is none. */
  get nextMs(): number {
    return this.#size > 0 ? (this.#atMs[0] as number) : Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#size;
  }

  add(atMs: number, what: Happening): void {
    if (this.#size === this.#atMs.length) this.#grow();
    const number = this.#added++;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      // A parent of the same time is older.
      if ((this.#atMs[parent] as number) <= atMs) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, atMs, number, what);
  }

  /** Takes the next thing off. */
  take(): Happening | undefined {
    if (this.#size === 0) return undefined;
    const taken = this.#what[0];
    const last = --this.#size;
    const atMs = this.#atMs[last] as number;
    const number = this.#numbers[last] as number;
    const what = this.#what[last];
    this.#what[last] = undefined;
    if (last === 0) return taken;
    let at = 0;
    for (let child = 1; child < last; child = at * WIDTH + 1) {
      let first = child;
      const end = Math.min(child + WIDTH, last);
      for (let other = child + 1; other < end; other++) if (this.#before(other, first)) first = other;
      const firstMs = this.#atMs[first] as number;
      if (firstMs > atMs || (firstMs === atMs && (this.#numbers[first] as number) > number)) break;
      this.#move(first, at);
      at = first;
    }
    this.#put(at, atMs, number, what);
    return taken;
  }

  #before(a: number, b: number): boolean {
    const aMs = this.#atMs[a] as number;
    const bMs = this.#atMs[b] as number;
    return aMs < bMs || (aMs === bMs && (this.#numbers[a] as number) < (this.#numbers[b] as number));
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#atMs[from] as number, this.#numbers[from] as number, this.#what[from]);
  }

  #put(at: number, atMs: number, number: number, what: Happening | undefined): void {
    this.#atMs[at] = atMs;
    this.#numbers[at] = number;
    this.#what[at] = what;
  }

  #grow(): void {
    const larger = (numbers: Float64Array) => {
      const copy = new Float64Array(numbers.length * 2);
      copy.set(numbers);
      return copy;
    };
    this.#atMs = larger(this.#atMs);
    this.#numbers = larger(this.#numbers);
  }
}
