/** Randomness of the protocol: a small seeded generator, so that a run can be repeated. Not for secrets. */

/** A source of random 32-bit numbers. */
export class Generator {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  /** sfc32 (Chris Doty-Humphrey's PractRand), seeded from one number. */
  constructor(seed: number) {
    this.#a = seed >>> 0;
    this.#b = (seed / 0x1_0000_0000) >>> 0;
    this.#c = 0x9e3779b9;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  /** A real number in [0, 1). */
  unit(): number {
    return this.uint32() / 0x1_0000_0000;
  }
}

/** What the protocol of full members draws from it. */
export class Random extends Generator {
  /** An integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.unit() * n);
  }

  /** `ms` give or take `part` of it, so that members do not act in step. */
  jitter(ms: number, part: number): number {
    return ms * (1 + (this.unit() * 2 - 1) * part);
  }

  /**
   * Up to `count` different items for which `fits` holds, in random order, each choice equally likely. Looks at no more of
   * them than it takes and copies nothing. @source Fisher–Yates, its swaps kept in a map.
   */
  sample<T>(items: readonly T[], count: number, fits: (item: T) => boolean = () => true): T[] {
    const swapped = new Map<number, number>();
    const chosen: T[] = [];
    for (let left = items.length; left > 0 && chosen.length < count; left--) {
      const at = this.below(left);
      const item = items[swapped.get(at) ?? at] as T;
      swapped.set(at, swapped.get(left - 1) ?? left - 1);
      if (fits(item)) chosen.push(item);
    }
    return chosen;
  }
}
