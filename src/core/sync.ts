/**
 * Anti-entropy: what news missed is found by comparing tables. A fingerprint of the whole table goes to one random member
 * per interval; only when it differs do both sides exchange their records. A joiner gets the whole table at once.
 *
 * @source Demers (1987) §1.3: compare checksums first, exchange on a difference.
 */
import type { MemberRecord, NativePacket } from '../wire/packet.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';
import { isActive, type MemberRow, toRecord } from './members.js';
import { recordBytes } from './news.js';

export class Sync {
  /** Members whose records are wanted, and who mentioned them last; asked for a moment later, all at once. */
  readonly #wanted = new Map<MemberId, MemberId>();

  constructor(private readonly core: Core) {}

  start(): void {
    this.core.every(
      () => this.core.random.jitter(this.core.timing.syncIntervalMs, 0.5),
      () => this.#compareWithAny(1),
    );
  }

  /**
   * The last news has gone out: now all should know the same. Whom chance has left out is found by comparing, a moment
   * later, instead of at the next interval; while nothing changes this costs nothing.
   */
  afterNews(): void {
    /** Gossip intervals to wait after the last news, so that the others' last news has gone out as well. Source: guess. */
    const SETTLE_INTERVALS = 3;
    /** Members to compare with then. Source: simulation; one in a hundred joins at N = 5 left somebody out with one. */
    const SETTLE_COMPARISONS = 2;
    this.core.schedule(this.core.random.jitter(this.core.timing.gossipIntervalMs * SETTLE_INTERVALS, 0.5), () => {
      if (this.core.news.size === 0) this.#compareWithAny(SETTLE_COMPARISONS);
    });
  }

  #compareWithAny(count: number): void {
    for (const row of this.core.random.sample(this.core.members.natives(), count, (r) => r.state === 'alive'))
      this.compare(row);
  }

  /** Compares tables with one member, and exchanges them when they differ. */
  compare(row: MemberRow): void {
    this.core.count('digestsSent');
    this.core.send(
      row,
      {
        type: 'digest',
        from: this.core.self.id,
        fingerprint: this.core.members.fingerprint,
        members: this.core.members.activeCount,
      },
      false,
    );
  }

  onDigest(packet: Extract<NativePacket, { type: 'digest' }>, sender: MemberRow): void {
    if (packet.fingerprint === this.core.members.fingerprint && packet.members === this.core.members.activeCount)
      return;
    this.core.count('digestsDiffered');
    this.sendAll(sender, true);
  }

  /** Sends every record, the dead and the receiver's own too, in as many packets as it takes. */
  sendAll(row: MemberRow, wantReply: boolean): void {
    this.#sendRecords(row, this.core.members.all(), wantReply);
  }

  #sendRecords(to: MemberRow, rows: Iterable<MemberRow>, wantReply: boolean): void {
    for (const packet of statePackets(this.core.self.id, rows, wantReply)) this.core.send(to, packet, true);
  }

  onState(packet: Extract<NativePacket, { type: 'state' }>, sender: MemberRow): void {
    for (const record of packet.records) this.core.members.merge(this.#asTold(record), packet.from);
    if (packet.wantReply) this.sendAll(sender, false);
    if (packet.last) this.core.contacts.viewArrived(packet.from);
  }

  /**
   * A table may tell of a death long ago, on the far side of a partition. Whom we hold alive gets the chance to refute it.
   * @source memberlist's mergeState, which suspects instead of believing.
   */
  #asTold(record: MemberRecord): MemberRecord {
    const row = record.state === 'dead' ? this.core.members.get(record.id) : undefined;
    return row && isActive(row) ? { ...record, state: 'suspect' } : record;
  }

  /** Asks a member for the records of those it mentioned; a storm of news makes one pull. */
  pull(from: MemberId, ids: readonly MemberId[]): void {
    /** Ids asked for in one pull. Source: guess. */
    const PULL_MAX = 256;
    if (this.#wanted.size === 0) this.core.schedule(this.core.timing.gossipIntervalMs / 4, () => this.#sendPulls());
    for (const id of ids) if (this.#wanted.size < PULL_MAX) this.#wanted.set(id, from);
  }

  #sendPulls(): void {
    for (const [id, from] of this.#wanted) {
      const row = this.core.members.get(from);
      if (!row || !isActive(row)) continue;
      this.core.count('pullsSent');
      this.core.send(row, { type: 'pull', from: this.core.self.id, ids: [id] }, true);
    }
    this.#wanted.clear();
  }

  onPull(packet: Extract<NativePacket, { type: 'pull' }>, sender: MemberRow): void {
    const rows = [...new Set(packet.ids)].flatMap((id) => this.core.members.get(id) ?? []);
    if (rows.length > 0) this.#sendRecords(sender, rows, false);
  }
}

/** Records of rows in as many packets as it takes, one at least; the last says so. */
export function* statePackets(
  from: MemberId,
  rows: Iterable<MemberRow>,
  wantReply: boolean,
): Generator<Extract<NativePacket, { type: 'state' }>> {
  /** Estimated bytes of one packet. Source: guess; far below the frame limit, large enough to compress well. */
  const STATE_BYTES_MAX = 65_536;
  let records: MemberRecord[] = [];
  let bytes = 0;
  for (const row of rows) {
    const record = toRecord(row, true);
    const more = recordBytes(record);
    if (records.length > 0 && bytes + more > STATE_BYTES_MAX) {
      yield { type: 'state', from, records, last: false, wantReply: false };
      records = [];
      bytes = 0;
    }
    records.push(record);
    bytes += more;
  }
  yield { type: 'state', from, records, last: true, wantReply };
}
