/** The members as a leaf knows them: what its gateway says, as it says it. */
import type { MemberRecord, MemberState } from '../wire/packet.js';
import type { Machine, MemberTable } from './machine.js';
import type { MemberId } from './member-id.js';
import { hash, isActive } from './row.js';

export class LeafTable implements MemberTable {
  readonly #rows = new Map<MemberId, MemberRecord>();

  constructor(
    private readonly core: Machine,
    readonly self: MemberRecord,
  ) {
    this.#rows.set(self.id, self);
  }

  get size(): number {
    return this.#rows.size;
  }

  get(id: MemberId): MemberRecord | undefined {
    return this.#rows.get(id);
  }

  all(): IterableIterator<MemberRecord> {
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
      this.saySelf({ version: record.version, incarnation: record.incarnation });
      return;
    }
    if (!row) {
      if (!isActive(record)) return;
      if (this.size >= core.config.limits.membersMax) {
        core.drop('membersOverLimit', record.id);
        return;
      }
      const added = { ...record };
      this.#rows.set(added.id, added);
      core.emitState(added, added.state, 'unknown');
      if (added.metadataBytes > 0) core.emit({ type: 'change', change: { kind: 'metadata', row: added } });
      return;
    }
    const told = record.version !== row.version;
    const { state, ...rest } = record;
    Object.assign(row, rest);
    if (told) core.emit({ type: 'change', change: { kind: 'metadata', row } });
    this.setState(row, state);
  }

  /** Something that is said about ourselves has changed. */
  saySelf(info: Partial<MemberRecord>): void {
    Object.assign(this.self, info);
  }

  setState(row: MemberRecord, state: MemberState): void {
    const previous = row.state;
    if (previous === state) return;
    row.state = state;
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
