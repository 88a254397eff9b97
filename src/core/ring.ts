/**
 * Member ids in their order, a ring: the same at everyone who knows the same members. A place in it is found, taken and
 * left without looking at the others.
 */
import { lowerBound } from './lower-bound.js';
import type { MemberId } from './member-id.js';

export class Ring {
  /** @param ids - what it begins with, in order; it is the ring's own from now on. */
  constructor(private readonly ids: MemberId[] = []) {}

  /** Who was asked for last, mostly the same, and its place. */
  #asked: MemberId | undefined;
  #from = 0;

  get size(): number {
    return this.ids.length;
  }

  /** Takes an id in, or out. */
  set(id: MemberId, present: boolean): void {
    const at = this.#place(id);
    this.#asked = undefined;
    if ((this.ids[at] === id) === present) return;
    if (present) this.ids.splice(at, 0, id);
    else this.ids.splice(at, 1);
  }

  /** The id so many places after the first that follows `id`, round and round. */
  after(id: MemberId, places: number): MemberId | undefined {
    if (this.#asked !== id) this.#from = this.#place(id);
    this.#asked = id;
    return this.ids[(this.#from + places) % this.size];
  }

  /** Where an id stands or would stand. */
  #place(id: MemberId): number {
    return lowerBound(this.ids.length, (at) => (this.ids[at] as MemberId) < id);
  }
}
