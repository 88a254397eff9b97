/**
 * Rows by the ids in them, in the order in which they came. A map does the same; V8's takes 28 to 56 bytes for each row, as the
 * id stands in it once more, and this 12 to 18.
 */
import { lowerBound } from './lower-bound.js';
import type { MemberId } from './member-id.js';
import type { MemberRow } from './row.js';

export class Rows {
  /** Holes where one has gone. */
  #rows: (MemberRow | undefined)[] = [];
  /** Their places there, in the order of their ids; room for as many as are there, holes included. */
  #places = new Uint32Array(0);
  size = 0;

  get(id: MemberId): MemberRow | undefined {
    const row = this.#rows[this.#places[this.#find(id)] as number];
    return row?.id === id ? row : undefined;
  }

  /** Takes in one whose id is not there. */
  add(row: MemberRow): void {
    if (this.#rows.length === this.#places.length) this.#tidy();
    const at = this.#find(row.id);
    this.#places.copyWithin(at + 1, at, this.size++);
    this.#places[at] = this.#rows.push(row) - 1;
  }

  /** Takes out one that is there. */
  delete(id: MemberId): void {
    const at = this.#find(id);
    this.#rows[this.#places[at] as number] = undefined;
    this.#places.copyWithin(at, at + 1, this.size--);
  }

  /** Some may come and go meanwhile. */
  *values(): Generator<MemberRow> {
    for (const row of this.#rows) if (row) yield row;
  }

  #find(id: MemberId): number {
    return lowerBound(this.size, (at) => (this.#rows[this.#places[at] as number] as MemberRow).id < id);
  }

  /** Fills the holes, and makes room for half as many again. */
  #tidy(): void {
    let kept = 0;
    const now = this.#rows.map((row) => (row ? kept++ : 0));
    const places = new Uint32Array(kept * 1.5 + 16);
    places.set(this.#places.subarray(0, kept).map((place) => now[place] as number));
    this.#places = places;
    this.#rows = [...this.values()];
  }
}
