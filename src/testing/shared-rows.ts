/**
 * A table of members that ten thousand of them hold together: each has rows of its own only of those that it has asked for. So
 * a simulation can begin with a full view at everyone, which would otherwise be a hundred million rows.
 */
import { Core } from '../core/core.js';
import type { Machine } from '../core/machine.js';
import type { MemberId } from '../core/member-id.js';
import { CELLS, cellOf, hash, MemberRow } from '../core/row.js';
import { GossipError } from '../errors.js';

/**
 * Those of them that are full members know each other from now on.
 * @returns the table of each of these.
 * @throws GossipError `ERR_OPTION`: one knows somebody.
 */
export function connectCores(machines: readonly Machine[], nowMs: number): Map<Machine, SharedRows> {
  const cores = machines.filter((machine) => machine instanceof Core);
  if (cores.some(({ members }) => members.size > 1)) {
    throw new GossipError('ERR_OPTION', 'only members that know nobody can be connected');
  }
  const cells = new Uint32Array(CELLS);
  const list = cores
    .map(({ self }) => self)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((self) => {
      const row = new MemberRow(self, nowMs, self.traits);
      const cell = cellOf(row.id);
      cells[cell] = (cells[cell] as number) ^ hash(row);
      return Object.freeze(row);
    });
  const places = new Map(list.map(({ id }, place) => [id, place]));
  const latest = list.reduce((time, { incarnation }) => (incarnation > time ? incarnation : time), 0n);
  const all = list.map(({ id }) => id);
  const tables = new Map<Machine, SharedRows>();
  for (const core of cores) {
    const rows = new SharedRows(places, list, core.self);
    tables.set(core, rows);
    const ids = [...all];
    ids.splice(places.get(core.self.id) as number, 1);
    core.members.adopt(rows, rows.natives, cells);
    core.probe.adopt(ids);
    core.hlc.observe(latest);
    core.neighbours.search(true);
    for (const id of core.leaves.host ? ids : []) core.leaves.host?.changed(id, true);
  }
  return tables;
}

/** One member's table: the shared rows, over them its own, and in the map itself those that are not of the view. */
export class SharedRows extends Map<MemberId, MemberRow> {
  /** At the places of the view: what is our own, `null` what is gone. */
  readonly #own: (MemberRow | null | undefined)[];
  #gone = 0;
  readonly #natives: MemberRow[];

  /** @param list - the rows of the view, each at its place. Nobody changes them. */
  constructor(
    private readonly places: ReadonlyMap<MemberId, number>,
    private readonly list: readonly MemberRow[],
    self: MemberRow,
  ) {
    super();
    const place = places.get(self.id) as number;
    this.#own = Array(list.length);
    this.#own[place] = self;
    this.#natives = [...list];
    // The last takes the place of ourselves.
    const last = this.#natives.pop() as MemberRow;
    if (last.id !== self.id) this.#take(list.length - 1, place);
  }

  /** All but ourselves, as the list of its table: a row is replaced there when it becomes our own. */
  get natives(): MemberRow[] {
    return this.#natives;
  }

  override get size(): number {
    return this.list.length + super.size - this.#gone;
  }

  override get(id: MemberId): MemberRow | undefined {
    const place = this.places.get(id);
    if (place === undefined) return super.get(id);
    const own = this.#own[place];
    return own === undefined ? this.#take(place) : (own ?? undefined);
  }

  /** What is held of a member, to look at only: it may be the row that all share. */
  peek(id: MemberId): MemberRow | undefined {
    const place = this.places.get(id);
    if (place === undefined) return super.get(id);
    const own = this.#own[place];
    return own === undefined ? this.list[place] : (own ?? undefined);
  }

  override has(id: MemberId): boolean {
    return this.peek(id) !== undefined;
  }

  override set(id: MemberId, row: MemberRow): this {
    const place = this.places.get(id);
    if (place === undefined) return super.set(id, row);
    if (this.#own[place] === null) this.#gone--;
    this.#own[place] = row;
    return this;
  }

  override delete(id: MemberId): boolean {
    const place = this.places.get(id);
    if (place === undefined) return super.delete(id);
    if (this.#own[place] === null) return false;
    this.#own[place] = null;
    this.#gone++;
    return true;
  }

  override values(): MapIterator<MemberRow> {
    return this.#values() as MapIterator<MemberRow>;
  }

  *#values(): Generator<MemberRow> {
    for (let place = 0; place < this.list.length; place++) {
      const own = this.#own[place];
      if (own !== null) yield own ?? (this.list[place] as MemberRow);
    }
    yield* super.values();
  }

  /** Makes a row our own. @param at - where it stands in the list. */
  #take(place: number, at = place): MemberRow {
    const shared = this.list[place] as MemberRow;
    const row = new MemberRow(shared, shared.stateMs, shared.traits);
    this.#own[place] = row;
    this.#natives[at] = row;
    return row;
  }
}
