/**
 * A table of members that ten thousand of them hold together: each has rows of its own only of those that it has asked for. So
 * a simulation can begin with a full view at everyone, which would otherwise be a hundred million rows.
 */
import type { Core } from '../core/core.js';
import type { MemberId } from '../core/member-id.js';
import { CELLS, cellOf, hash, MemberRow } from '../core/members.js';

/** What all of them know, sorted by id; nobody changes it. */
interface SharedView {
  rows: ReadonlyMap<MemberId, MemberRow>;
  list: readonly MemberRow[];
  ids: readonly MemberId[];
  cells: Uint32Array;
  /** The latest of their times. */
  latest: bigint;
}

/** Makes the view of members out of their own rows. */
export function sharedView(own: readonly MemberRow[], nowMs: number): SharedView {
  const cells = new Uint32Array(CELLS);
  let latest = 0n;
  const list = [...own]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ info, incarnation, state }, place) => {
      const row = new MemberRow(info, incarnation, state, nowMs);
      row.place = place;
      const cell = cellOf(row.id);
      cells[cell] = (cells[cell] as number) ^ hash(row);
      if (incarnation > latest) latest = incarnation;
      return Object.freeze(row);
    });
  const rows = new Map(list.map((row) => [row.id, row]));
  return { rows, list, ids: list.map(({ id }) => id), cells, latest };
}

/** Gives the view to one of its members. */
export function shareView(core: Core, view: SharedView): void {
  const rows = new SharedRows(view, core.self);
  const ids = [...view.ids];
  ids.splice((view.rows.get(core.self.id) as MemberRow).place, 1);
  core.members.adopt(rows, rows.natives, view.cells);
  core.probe.adopt(ids);
  core.hlc.observe(view.latest);
  core.neighbours.search(true);
  for (const id of core.leaves.host ? ids : []) core.leaves.host?.changed(id, true);
}

/** One member's table: the shared rows, and over them its own. */
class SharedRows extends Map<MemberId, MemberRow> {
  readonly #gone = new Set<MemberId>();
  /** Own rows of others than those of the view. */
  #more = 0;
  readonly #natives: MemberRow[];

  constructor(
    private readonly view: SharedView,
    self: MemberRow,
  ) {
    super();
    const { place } = view.rows.get(self.id) as MemberRow;
    this.#natives = [...view.list];
    super.set(self.id, self);
    // The last takes the place of ourselves.
    const last = this.#natives.pop() as MemberRow;
    if (last.id !== self.id) this.#own(last, place);
  }

  /** All but ourselves, as the list of its table: a row is replaced there when it becomes our own. */
  get natives(): MemberRow[] {
    return this.#natives;
  }

  override get size(): number {
    return this.view.list.length + this.#more - this.#gone.size;
  }

  override get(id: MemberId): MemberRow | undefined {
    const own = super.get(id);
    if (own || this.#gone.has(id)) return own;
    const shared = this.view.rows.get(id);
    return shared && this.#own(shared, shared.place);
  }

  override has(id: MemberId): boolean {
    return super.has(id) || (this.view.rows.has(id) && !this.#gone.has(id));
  }

  override set(id: MemberId, row: MemberRow): this {
    if (!this.has(id)) {
      if (this.view.rows.has(id)) this.#gone.delete(id);
      else this.#more++;
    }
    return super.set(id, row);
  }

  override delete(id: MemberId): boolean {
    if (!this.has(id)) return false;
    if (this.view.rows.has(id)) this.#gone.add(id);
    else this.#more--;
    super.delete(id);
    return true;
  }

  override values(): MapIterator<MemberRow> {
    return this.#values() as MapIterator<MemberRow>;
  }

  *#values(): Generator<MemberRow> {
    for (const row of this.view.list) {
      const own = super.get(row.id);
      if (own) yield own;
      else if (!this.#gone.has(row.id)) yield row;
    }
    if (this.#more === 0) return;
    for (const [id, row] of super.entries()) if (!this.view.rows.has(id)) yield row;
  }

  #own({ info, incarnation, state, stateMs }: MemberRow, place: number): MemberRow {
    const row = new MemberRow(info, incarnation, state, stateMs);
    row.place = place;
    super.set(row.id, row);
    this.#natives[place] = row;
    return row;
  }
}
