/** The members as a leaf knows them: what its gateway says, as it says it. */
import type { MemberRecord, MemberState } from '../wire/packet.js';
import type { Machine, MemberTable } from './machine.js';
import type { MemberId } from './member-id.js';
import { Alike, hash, isActive, type MemberInfo, type MemberRow, toInfo, toRow } from './members.js';

export class LeafTable implements MemberTable {
  readonly #rows = new Map<MemberId, MemberRow>();
  readonly #alike = new Alike();

  constructor(
    private readonly core: Machine,
    readonly self: MemberRow,
  ) {
    this.#rows.set(self.id, self);
  }

  get size(): number {
    return this.#rows.size;
  }

  get(id: MemberId): MemberRow | undefined {
    return this.#rows.get(id);
  }

  all(): IterableIterator<MemberRow> {
    return this.#rows.values();
  }

  heard(): void {}

  /** Of all others, as a full member's table makes it, so that the two can be compared. */
  digest(): { fingerprint: number; members: number } {
    const others = [...this.#rows.values()].filter((row) => row !== this.self && isActive(row));
    return { fingerprint: others.reduce((all, row) => all ^ hash(row), 0) >>> 0, members: others.length };
  }

  /** Takes what the gateway says of a member. */
  take(record: MemberRecord): void {
    const { core } = this;
    const row = this.#rows.get(record.id);
    if (row === this.self) {
      this.saySelf({ version: record.version });
      row.incarnation = record.incarnation;
      return;
    }
    if (!row) {
      if (!isActive(record)) return;
      if (this.size >= core.config.limits.membersMax) {
        core.drop('membersOverLimit', record.id);
        return;
      }
      const added = toRow(record, core.nowMs, this.#alike);
      this.#rows.set(added.id, added);
      core.emitState(added, added.state, 'unknown');
      if (added.metadataBytes > 0) core.emit({ type: 'change', change: { kind: 'metadata', row: added } });
      return;
    }
    const told = record.version !== row.version && row.metadataBytes + record.metadataBytes > 0;
    row.info = toInfo(record, this.#alike);
    row.incarnation = record.incarnation;
    if (told) core.emit({ type: 'change', change: { kind: 'metadata', row } });
    this.setState(row, record.state);
  }

  /** Something that is said about ourselves has changed. */
  saySelf(info: Partial<MemberInfo>): void {
    this.self.info = { ...this.self.info, ...info };
  }

  setState(row: MemberRow, state: MemberState): void {
    const previous = row.turn(state, this.core.nowMs);
    if (previous === state) return;
    this.core.emitState(row, state, previous);
    if (state === 'dead') this.core.requests.unreachable(row, 'declared dead');
  }

  /** We have another id from now on; who had it before was us. */
  rename(id: MemberId): void {
    this.remove(id);
    this.#rows.delete(this.self.id);
    this.saySelf({ id });
    this.#rows.set(id, this.self);
  }

  remove(id: MemberId): void {
    const row = this.#rows.get(id);
    if (!row || row === this.self) return;
    this.#rows.delete(id);
    this.core.emitState(row, 'removed', row.state);
  }
}
