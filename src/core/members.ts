/**
 * The member table and the rules by which two opinions about a member become one.
 *
 * `(incarnation, state)` is ordered: a newer incarnation wins, of the same incarnation the later of alive, suspect,
 * leaving, dead. The merge is the larger of two, so it is commutative, associative and idempotent. What a member says
 * about itself is merged apart, the newer version as a whole.
 */
import type { MemberRecord, MemberState } from '../wire/packet.js';
import { addressParts } from './addresses.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';

const RANK: Record<MemberState, number> = { alive: 0, suspect: 1, leaving: 2, dead: 3 };

/** Tells whether opinion A about a member's state outranks opinion B. @source SWIM §4.2, with `left` beside `dead`. */
export function outranks(aIncarnation: bigint, a: MemberState, bIncarnation: bigint, b: MemberState): boolean {
  return aIncarnation > bIncarnation || (aIncarnation === bIncarnation && RANK[a] > RANK[b]);
}

/** What we hold about one member. */
export interface MemberRow extends MemberRecord {
  /** Monotonic time of the last packet from the member itself that cannot be an old one sent again. */
  heardMs: number;
  /** Monotonic time of the last change of `state`. */
  stateMs: number;
  /** HLC time of that change, for peers that want one. */
  stateTime: bigint;
}

/** Whether a member takes part: others count it, probe it and send to it. */
export function isActive({ state }: { readonly state: MemberState }): boolean {
  return state === 'alive' || state === 'suspect';
}

/** Builds the record that travels: a row without what only we know. */
export function toRecord(row: MemberRow, withMetadata: boolean): MemberRecord {
  const { heardMs, stateMs, stateTime, metadata, ...record } = row;
  return withMetadata && metadata ? { ...record, metadata } : record;
}

/** Makes a row of a record. */
export function toRow(record: MemberRecord, nowMs: number, stateTime: bigint): MemberRow {
  return { ...record, metadata: record.metadata, heardMs: nowMs, stateMs: nowMs, stateTime };
}

/** Every member known, ourselves included, with indexes that cost nothing per packet. */
export class Members {
  readonly #rows = new Map<MemberId, MemberRow>();
  #active: MemberRow[] | undefined;
  #peers: MemberRow[] | undefined;
  #natives: MemberRow[] | undefined;
  #fingerprint = 0;
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
    return this.#fingerprint >>> 0;
  }

  get(id: MemberId): MemberRow | undefined {
    return this.#rows.get(id);
  }

  all(): IterableIterator<MemberRow> {
    return this.#rows.values();
  }

  /** Those whose address this is, or one of its parts. Looks at everyone: asked only when a connection has failed. */
  atAddress(address: string): MemberRow[] {
    return [...this.#rows.values()].filter(
      (row) => row.address === address || addressParts(row.address).includes(address),
    );
  }

  /** Active members but ourselves; the array is shared, do not change it. */
  active(): readonly MemberRow[] {
    this.#active ??= [...this.#rows.values()].filter((row) => row !== this.self && isActive(row));
    return this.#active;
  }

  /** Active members that can be dialled, but ourselves: no leaves. One more is N of the protocol's formulas. */
  peers(): readonly MemberRow[] {
    this.#peers ??= this.active().filter((row) => !row.via);
    return this.#peers;
  }

  /** Those of them that are of our own kind. */
  natives(): readonly MemberRow[] {
    this.#natives ??= this.peers().filter((row) => row.dialect === 'native');
    return this.#natives;
  }

  /**
   * Merges what was said about a member.
   * @returns the row when it is known now; `undefined` when the record was refused (table full, clock ahead, a dead stranger).
   */
  merge(record: MemberRecord, by: MemberId): MemberRow | undefined {
    if (this.core.tooFarAhead(record.incarnation) || this.core.tooFarAhead(record.version)) return undefined;
    if (record.id === this.self.id) {
      this.core.suspicion.aboutSelf(record);
      return this.self;
    }
    const row = this.#rows.get(record.id);
    if (!row) return this.#add(record);
    this.mergeInfo(row, record);
    this.mergeState(row, record.incarnation, record.state, by);
    return row;
  }

  /** Takes what many say of themselves for known long since: nobody is told. For simulations. */
  adopt(records: readonly MemberRecord[]): void {
    for (const record of records) {
      if (this.#rows.has(record.id)) continue;
      this.core.hlc.observe(record.incarnation);
      const row = toRow(record, this.core.nowMs, record.incarnation);
      this.#insert(row);
      this.core.probe.changed(row);
    }
    this.core.neighbours.search(true);
  }

  #add(record: MemberRecord): MemberRow | undefined {
    // A dead stranger is nobody's business: with no memory of it alive there is nothing to correct.
    if (!isActive(record)) return undefined;
    if (this.#rows.size >= this.core.limits.membersMax) {
      this.core.drop('membersOverLimit', record.id);
      return undefined;
    }
    this.core.hlc.observe(record.incarnation);
    const row = toRow(record, this.core.nowMs, this.core.mint());
    // Without its metadata a record counts as the oldest version, so that the whole one is still news.
    if (!record.metadata && record.metadataBytes > 0) row.version = 0n;
    this.#insert(row);
    this.core.emitState(row, row.state, 'unknown');
    if (row.metadata && row.metadataBytes > 0) this.core.emit({ type: 'change', change: { kind: 'metadata', row } });
    this.core.rowChanged(row, 'unknown');
    return row;
  }

  /** Replaces what a member says about itself when the record's version is newer and complete. */
  mergeInfo(row: MemberRow, record: MemberRecord): void {
    // Without its metadata it waits: it is taken as a whole, when it has been pulled.
    if (record.version <= row.version || (!record.metadata && record.metadataBytes > 0)) return;
    const hasMetadata = row.metadataBytes > 0 || record.metadataBytes > 0;
    const { incarnation, state, address, ...info } = record;
    this.#change(row, { ...info, metadata: record.metadata });
    this.setAddress(row, address);
    this.#activeChanged();
    this.core.leaves.changed(row);
    if (hasMetadata) this.core.emit({ type: 'change', change: { kind: 'metadata', row } });
    this.core.news.addRecord(row);
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
    this.#change(row, { incarnation, state }, false);
    if (previous === state) return;
    row.stateMs = this.core.nowMs;
    row.stateTime = this.core.mint();
    this.#counts[previous]--;
    this.#counts[state]++;
    this.#activeChanged();
    this.core.emitState(row, state, previous);
  }

  /** We are alive or leaving, with an incarnation newer than any before. */
  renewSelf(state: MemberState): void {
    this.#setState(this.self, this.core.mint(), state);
  }

  /** What we say about ourselves has changed, or must be newer than what a former life of ours said. */
  updateSelf(info: Partial<Pick<MemberRow, 'metadata' | 'metadataBytes'>> = {}): void {
    this.#change(this.self, { ...info, version: this.core.mint() });
    this.core.news.addRecord(this.self);
  }

  /** Something that cannot be an old packet sent again came from a member itself. */
  heard(id: MemberId): void {
    const row = this.#rows.get(id);
    if (row) row.heardMs = this.core.nowMs;
  }

  setAddress(row: MemberRow, address: string): void {
    if (address !== '') row.address = address;
  }

  /** Drops a row for good. */
  remove(id: MemberId): void {
    const row = this.#rows.get(id);
    if (!row || row === this.self) return;
    this.#rows.delete(id);
    this.#fingerprint ^= hash(row);
    this.#counts[row.state]--;
    this.#activeChanged();
    this.core.suspicion.end(id);
    this.core.leaves.host?.changed(id, true);
    this.core.emitState(row, 'removed', row.state);
    this.core.neighbours.changed({ ...row, state: 'dead' });
    this.core.leaves.changed({ ...row, state: 'dead' });
  }

  #insert(row: MemberRow): void {
    this.#rows.set(row.id, row);
    this.#fingerprint ^= hash(row);
    this.#counts[row.state]++;
    this.#activeChanged();
    this.core.leaves.host?.changed(row.id, true);
  }

  #change(row: MemberRow, values: Partial<MemberRow>, whole = true): void {
    this.#fingerprint ^= hash(row);
    Object.assign(row, values);
    this.#fingerprint ^= hash(row);
    this.core.leaves.host?.changed(row.id, whole);
  }

  #activeChanged(): void {
    this.#active = undefined;
    this.#peers = undefined;
    this.#natives = undefined;
    this.epoch++;
  }
}

/** FNV-1a over what two tables must agree on; rows that are not active count as absent. */
export function hash(row: MemberRow): number {
  if (!isActive(row)) return 0;
  const text = `${row.id} ${row.incarnation} ${row.version} ${row.state}`;
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}
