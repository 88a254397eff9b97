/**
 * The member table and the rules by which two opinions about a member become one.
 *
 * `(incarnation, state)` is ordered: a newer incarnation wins, of the same incarnation the later of alive, suspect,
 * leaving, dead. The merge is the larger of two, so it is commutative, associative and idempotent. What a member says
 * about itself is merged apart, the newer version as a whole.
 */

import type { MemberRecord, MemberState, MetadataChange } from '../wire/packet.js';
import { addressParts } from './addresses.js';
import type { Core } from './core.js';
import { log } from './log.js';
import type { MemberId } from './member-id.js';
import { estimateBytes, NO_METADATA } from './metadata.js';
import { Alike, CELLS, cellOf, hash, isActive, MemberRow, outranks } from './row.js';

/** What of a row may change. */
type Values = Partial<
  Pick<MemberRow, 'version' | 'address' | 'traits' | 'metadata' | 'metadataBytes' | 'incarnation' | 'state'>
>;

/** Every member known, ourselves included, with indexes that cost nothing per packet, and little per change. */
export class Members {
  #rows = new Map<MemberId, MemberRow>();
  readonly #alike = new Alike();
  // Active members but ourselves, each in one list.
  #natives: MemberRow[] = [];
  readonly #foreigners: MemberRow[] = [];
  readonly #leaves: MemberRow[] = [];
  /** Of each part of the table, the XOR of its rows' hashes. */
  readonly #cells = new Uint32Array(CELLS);
  #counts: Record<MemberState, number> = { alive: 0, suspect: 0, leaving: 0, dead: 0 };
  /** Grows with every change of a state or of the set of members, so that what is derived from it can be cached. */
  epoch = 0;

  constructor(
    private readonly core: Core,
    readonly self: MemberRow,
  ) {
    this.#insert(self);
  }

  get size(): number {
    return this.#rows.size;
  }

  count(state: MemberState): number {
    return this.#counts[state];
  }

  /** Alive and suspect, ourselves and the leaves included. */
  get activeCount(): number {
    return this.#counts.alive + this.#counts.suspect;
  }

  /** XOR of a hash of each active row: equal tables have equal fingerprints, whatever the order. */
  get fingerprint(): number {
    return this.fingerprints(1)[0] as number;
  }

  /** Of each of so many parts of the table; the part of a row is {@link cellOf} its id modulo their number. */
  fingerprints(parts: number): number[] {
    const all = new Uint32Array(parts);
    this.#cells.forEach((value, cell) => {
      (all[cell % parts] as number) ^= value;
    });
    return [...all];
  }

  /** Whether the table can be divided into so many equal parts. */
  divides(parts: number): boolean {
    return CELLS % parts === 0;
  }

  /** Into how many parts it is divided to be compared: each has some eight members. */
  get partsToCompare(): number {
    return Math.min(CELLS, 2 ** Math.max(0, Math.ceil(log(this.activeCount / 8, 2))));
  }

  get(id: MemberId): MemberRow | undefined {
    return this.#rows.get(id);
  }

  all(): IterableIterator<MemberRow> {
    return this.#rows.values();
  }

  /** Those whose address this is, or one of its parts. Looks at everyone: asked only when a connection has failed. */
  atAddress(address: string): MemberRow[] {
    return [...this.all()].filter(
      (row) => row.address.includes(address) && [row.address, ...addressParts(row.address)].includes(address),
    );
  }

  /** Active members but ourselves. A new array: what is asked for often is in the others. */
  active(): readonly MemberRow[] {
    return [...this.#natives, ...this.#foreigners, ...this.#leaves];
  }

  /** How many active members can be dialled, but ourselves: no leaves. One more is N of the protocol's formulas. */
  get peerCount(): number {
    return this.#natives.length + this.#foreigners.length;
  }

  /** Whether one of them is not suspect. */
  get hasAlivePeer(): boolean {
    return [this.#natives, this.#foreigners].some((rows) => rows.some(({ state }) => state === 'alive'));
  }

  /** Those of them that are of our own kind. The list itself, in no order: it changes as members do. */
  natives(): readonly MemberRow[] {
    return this.#natives;
  }

  /** Active members that cannot be dialled, likewise. */
  leaves(): readonly MemberRow[] {
    return this.#leaves;
  }

  /**
   * Merges what was said about a member.
   * @param known - others know it already, so that it is no news.
   * @returns the row when it is known now; `undefined` when the record was refused (table full, clock ahead, a dead stranger).
   */
  merge(record: MemberRecord, by: MemberId, known = false): MemberRow | undefined {
    if (this.core.tooFarAhead(record.incarnation) || this.core.tooFarAhead(record.version)) return undefined;
    if (record.id === this.self.id) {
      this.core.refutation.answer(record, by);
      return this.self;
    }
    const row = this.#rows.get(record.id);
    if (!row) return this.#add(record, known);
    this.mergeInfo(row, record, known);
    this.mergeState(row, record.incarnation, record.state, by, known);
    return row;
  }

  /** Takes a view of all others for known long since, and nobody is told. For simulations, where many hold the same. */
  adopt(rows: Map<MemberId, MemberRow>, natives: MemberRow[], cells: Uint32Array): void {
    this.#rows = rows;
    this.#natives = natives;
    this.#cells.set(cells);
    this.#counts.alive = rows.size;
    this.epoch++;
  }

  #add(record: MemberRecord, known: boolean): MemberRow | undefined {
    // A dead stranger is nobody's business: with no memory of it alive there is nothing to correct.
    if (!isActive(record)) return undefined;
    if (this.#rows.size >= this.core.limits.membersMax) {
      this.core.drop('membersOverLimit', record.id);
      return undefined;
    }
    this.core.hlc.observe(record.incarnation);
    const row = this.#toRow(record);
    // Without its metadata a record counts as the oldest version, so that the whole one is still news.
    if (!row.metadata) row.version = 0n;
    this.#insert(row);
    this.core.emitState(row, row.state, 'unknown');
    if (row.metadata && row.metadataBytes > 0) this.core.emit({ type: 'change', change: { kind: 'metadata', row } });
    if (!known) this.core.news.addRecord(row);
    this.core.rowChanged(row, 'unknown');
    return row;
  }

  #toRow(record: MemberRecord): MemberRow {
    return new MemberRow(record, this.core.nowMs, this.#alike.traitsOf(record));
  }

  /** Replaces what a member says about itself when the record's version is newer and complete. */
  mergeInfo(row: MemberRow, record: MemberRecord, known = false): void {
    if (record.version <= row.version) return;
    const { version, address, traits, metadata, metadataBytes } = this.#toRow(record);
    // Without its metadata it waits: it is taken as a whole, when it has been pulled.
    if (!metadata) return;
    const hasMetadata = row.metadataBytes + metadataBytes > 0;
    const before = row.traits;
    this.#change(row, { version, address: address || row.address, traits, metadata, metadataBytes });
    this.epoch++;
    this.core.leaves.changed(row);
    // Without metadata only those are told of who began anew with other tags, at another gateway or so.
    if (hasMetadata || traits !== before) {
      this.core.emit({ type: 'change', change: { kind: 'metadata', row } });
    }
    if (!known) this.core.news.addRecord(row);
  }

  /**
   * Merges an opinion about a member's state; tells news, suspicion and the application when it changed anything.
   * @param quiet - everybody comes to this opinion without being told.
   */
  mergeState(row: MemberRow, incarnation: bigint, state: MemberState, by: MemberId, quiet = false): void {
    if (row === this.self) return;
    if (!outranks(incarnation, state, row.incarnation, row.state)) {
      // The same suspicion from somebody else is a confirmation.
      if (incarnation === row.incarnation && state === 'suspect' && row.state === 'suspect') {
        this.core.suspicion.confirm(row, by);
      }
      return;
    }
    const previous = row.state;
    this.core.hlc.observe(incarnation);
    // Of a leaf only its gateway knows. This is how it refutes.
    const wrong = by !== this.self.id && state !== 'alive' && this.core.leaves.host?.vouches(row);
    if (wrong) this.#setState(row, this.core.mint(), 'alive');
    else this.#setState(row, incarnation, state);
    this.core.suspicion.stateChanged(row, by);
    if (!quiet) this.core.news.addState(row, by);
    this.core.rowChanged(row, previous);
  }

  #setState(row: MemberRow, incarnation: bigint, state: MemberState): void {
    const previous = row.state;
    this.#change(row, { incarnation, state }, !isActive(row)); // Leaves that came meanwhile do not know who is back.
    if (previous === state) return;
    this.epoch++;
    this.core.emitState(row, state, previous);
  }

  /** We are alive, leaving or, as we agree, dead; with an incarnation newer than any before. */
  renewSelf(state: MemberState): void {
    this.#setState(this.self, this.core.mint(), state);
  }

  /** What we say about ourselves has changed, or must be newer than what a former life of ours said. */
  updateSelf(said: Pick<Values, 'metadata' | 'metadataBytes'> = {}, keys?: readonly string[]): void {
    const { id, version: from } = this.self;
    const version = this.core.mint();
    this.#change(this.self, { ...said, version });
    const { metadata = NO_METADATA } = this.self;
    const set = Object.fromEntries(keys?.filter((key) => key in metadata).map((key) => [key, metadata[key]]) ?? []);
    if (!keys) this.core.news.addRecord(this.self);
    else
      this.core.news.addChange(this.self, {
        kind: 'change',
        id,
        from,
        version,
        set,
        deleted: keys.filter((key) => !(key in metadata)),
      });
  }

  /**
   * Changes what we know of a member's metadata.
   * @returns false when that is not what the change was made from, or it makes too much: the whole is needed.
   */
  mergeChange(row: MemberRow, change: MetadataChange): boolean {
    if (change.version <= row.version) return true;
    if (row.version < change.from || !row.metadata || row === this.self) return false;
    const deleted = new Set(change.deleted);
    const known = Object.fromEntries(
      Object.entries({ ...row.metadata, ...change.set }).filter(([key]) => !deleted.has(key)),
    );
    const bytes = estimateBytes(known);
    if (bytes > this.core.limits.metadataBytesMax) return false;
    this.#change(row, { version: change.version, metadata: known, metadataBytes: bytes });
    this.core.emit({ type: 'change', change: { kind: 'metadata', row } });
    this.core.news.addChange(row, change);
    return true;
  }

  /** Something that cannot be an old packet sent again came from a member itself. */
  heard(id: MemberId): void {
    const row = this.#rows.get(id);
    if (row) row.heardMs = Math.ceil(this.core.nowMs);
  }

  setAddress(row: MemberRow, address: string): void {
    row.address = address || row.address;
  }

  /** Drops a row for good. */
  remove(id: MemberId): void {
    const row = this.#rows.get(id);
    if (!row || row === this.self) return;
    this.#rows.delete(id);
    this.#count(row, -1);
    this.#relist(row, this.#listOf(row));
    this.core.suspicion.end(id);
    this.core.leaves.host?.changed(id, true);
    this.core.emitState(row, 'removed', row.state);
    row.state = 'dead';
    this.core.neighbours.changed(row);
    this.core.leaves.changed(row);
  }

  #insert(row: MemberRow): void {
    this.#rows.set(row.id, row);
    this.#count(row, 1);
    this.#relist(row, undefined, this.#listOf(row));
    this.core.leaves.host?.changed(row.id, true);
  }

  #change(row: MemberRow, values: Values, whole = true): void {
    const from = this.#listOf(row);
    this.#count(row, -1);
    const { state } = row;
    Object.assign(row, values);
    if (row.state !== state) row.stateMs = Math.ceil(Math.max(this.core.nowMs, row.stateMs + 1));
    this.#count(row, 1);
    const to = this.#listOf(row);
    if (from !== to) this.#relist(row, from, to);
    this.core.leaves.host?.changed(row.id, whole);
  }

  /** A row counts from now on as it is, or no more. */
  #count(row: MemberRow, by: 1 | -1): void {
    this.#counts[row.state] += by;
    (this.#cells[cellOf(row.id)] as number) ^= hash(row);
  }

  #listOf(row: MemberRow): MemberRow[] | undefined {
    if (row === this.self || !isActive(row)) return undefined;
    if (row.via) return this.#leaves;
    return row.dialect === 'native' ? this.#natives : this.#foreigners;
  }

  /** Moves a row from one list to another; the last of the one takes its place. */
  #relist(row: MemberRow, from: MemberRow[] | undefined, to?: MemberRow[]): void {
    this.epoch++;
    if (from) {
      // Adopted rows are ours only when they have been asked for.
      const last = this.get((from[from.length - 1] as MemberRow).id) as MemberRow;
      // One that goes is looked for: a place in each row would take more room than that takes time.
      from[from.indexOf(row)] = last;
      from.pop();
    }
    to?.push(row);
  }
}
