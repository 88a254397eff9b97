/**
 * A table of members that ten thousand of them hold together: each has rows of its own only of those that it has asked for. So
 * a simulation can begin with a full view at everyone, which would otherwise be a hundred million rows.
 */
import { Core } from '../core/core.js';
import type { Machine } from '../core/machine.js';
import type { MemberId } from '../core/member-id.js';
import { CELLS, cellOf, hash, MemberRow } from '../core/row.js';
import { GossipError } from '../errors.js';

/** Those of them that are full members know each other from now on. @throws GossipError `ERR_OPTION`: one knows somebody. */
export function connectCores(machines: readonly Machine[], nowMs: number): void {
  const cores = machines.filter((machine) => machine instanceof Core);
  if (cores.some(({ members }) => members.size > 1)) {
    throw new GossipError('ERR_OPTION', 'only members that know nobody can be connected');
  }
  const cells = new Uint32Array(CELLS);
  const list = cores
    .map(({ self }) => self)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ info, incarnation, state }, place) => {
      const row = new MemberRow(info, incarnation, state, nowMs);
      row.place = place;
      const cell = cellOf(row.id);
      cells[cell] = (cells[cell] as number) ^ hash(row);
      return Object.freeze(row);
    });
  const view = new Map(list.map((row) => [row.id, row]));
  const latest = list.reduce((time, { incarnation }) => (incarnation > time ? incarnation : time), 0n);
  const all = list.map(({ id }) => id);
  for (const core of cores) {
    const rows = new SharedRows(view, list, core.self);
    const ids = [...all];
    ids.splice((view.get(core.self.id) as MemberRow).place, 1);
    core.members.adopt(rows, rows.natives, cells);
    core.probe.adopt(ids);
    core.hlc.observe(latest);
    core.neighbours.search(true);
    for (const id of core.leaves.host ? ids : []) core.leaves.host?.changed(id, true);
  }
}

/** One member's table: the shared rows, and over them its own. */
class SharedRows extends Map<MemberId, MemberRow> {
  readonly #gone = new Set<MemberId>();
  /** Own rows of others than those of the view. */
  #more = 0;
  readonly #natives: MemberRow[];

  /** @param list - the rows of the view, each at its place. Nobody changes them. */
  constructor(
    private readonly view: ReadonlyMap<MemberId, MemberRow>,
    private readonly list: readonly MemberRow[],
    self: MemberRow,
  ) {
    super();
    const { place } = view.get(self.id) as MemberRow;
    this.#natives = [...list];
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
    return this.list.length + this.#more - this.#gone.size;
  }

  override get(id: MemberId): MemberRow | undefined {
    const own = super.get(id);
    if (own || this.#gone.has(id)) return own;
    const shared = this.view.get(id);
    return shared && this.#own(shared, shared.place);
  }

  override has(id: MemberId): boolean {
    return super.has(id) || (this.view.has(id) && !this.#gone.has(id));
  }

  override set(id: MemberId, row: MemberRow): this {
    if (!this.has(id)) {
      if (this.view.has(id)) this.#gone.delete(id);
      else this.#more++;
    }
    return super.set(id, row);
  }

  override delete(id: MemberId): boolean {
    if (!this.has(id)) return false;
    if (this.view.has(id)) this.#gone.add(id);
    else this.#more--;
    super.delete(id);
    return true;
  }

  override values(): MapIterator<MemberRow> {
    return this.#values() as MapIterator<MemberRow>;
  }

  *#values(): Generator<MemberRow> {
    for (const row of this.list) {
      const own = super.get(row.id);
      if (own) yield own;
      else if (!this.#gone.has(row.id)) yield row;
    }
    if (this.#more === 0) return;
    for (const [id, row] of super.entries()) if (!this.view.has(id)) yield row;
  }

  #own({ info, incarnation, state, stateMs }: MemberRow, place: number): MemberRow {
    const row = new MemberRow(info, incarnation, state, stateMs);
    row.place = place;
    super.set(row.id, row);
    this.#natives[place] = row;
    return row;
  }
}
