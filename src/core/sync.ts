/**
 * Anti-entropy: what news missed is found by comparing tables. A fingerprint of the whole table goes to one random member
 * per interval; when it differs, fingerprints of parts of the table find where, summaries of those parts find whom, and only
 * what one of the two lacks travels. Each answer says all that the next one needs, so that nobody keeps anything between
 * them. A joiner gets the whole table at once.
 *
 * @source Demers (1987) §1.3: compare checksums first; Merkle's trees for finding where they differ; Scuttlebutt (2008) for
 *   deltas, newest first, of bounded size.
 */

import type { MemberRecord, MemberState, MemberSummary, NativePacket, News } from '../wire/packet.js';
import type { Core } from './core.js';
import { log } from './log.js';
import type { MemberId } from './member-id.js';
import { NEWS_METADATA_BYTES_MAX, newsBytes, recordBytes, stateNews } from './news.js';
import { cellOf, isActive, type MemberRow, outranks, toRecord } from './row.js';

/** Estimated bytes of one packet. Source: guess; far below the frame limit, large enough to compress well. */
const PACKET_BYTES_MAX = 65_536;
/** Members that one comparison settles; with more it goes on at once. Source: the pieces of news in one packet. */
const PIECES_MAX = 256;
/** Comparisons between two intervals, at least. Source: guess. */
const ROUNDS_MIN = 8;
/** Metadata in a view, all together, above which what does not fit news is left out and pulled. Source: guess. */
const VIEW_METADATA_BYTES_MAX = 1024 * 1024;
/** Members asked for at once. Source: guess. */
const PULLED_MAX = 128;
/** Metadata in the answer to one pull: that of so many members, as large as it may be. */
const PULLED_BYTES_MAX = PULLED_MAX * 65_536;
/** Between two packets of many, so that other things get their turn. */
const PAUSE_MS = 1;

type StatePacket = Extract<NativePacket, { type: 'state' }>;

export class Sync {
  /** Members whose records are wanted, and who mentioned them last; asked for a moment later, all at once. */
  readonly #wanted = new Map<MemberId, MemberId>();
  #soon = false;
  /** Comparisons since the last interval that were not due. */
  #rounds = 0;

  constructor(private readonly core: Core) {}

  start(): void {
    const { core } = this;
    core.every(
      // In a large cluster more is compared by others in the meantime. Source: as suspicions grow.
      () => core.random.jitter(core.timing.syncIntervalMs * Math.max(1, log(core.members.peerCount)), 0.5),
      () => {
        this.#rounds = 0;
        this.#compareWithAny(1);
      },
    );
  }

  /**
   * The last news has gone out: now all should know the same. Whom chance has left out is found by comparing, a moment
   * later, instead of at the next interval; while nothing changes this costs nothing.
   * @param meanwhile - whatever news is under way: there is a storm of it, or we have just been told who is there, while others
   *   may be joining.
   */
  afterNews(meanwhile = false): void {
    /** Gossip intervals to wait after the last news, so that the others' last news has gone out as well. Source: guess. */
    const SETTLE_INTERVALS = 3;
    /** Members to compare with then. Source: simulation; one in a hundred joins at N = 5 left somebody out with one. */
    const SETTLE_COMPARISONS = 2;
    this.core.schedule(this.core.random.jitter(this.core.timing.gossipIntervalMs * SETTLE_INTERVALS, 0.5), () => {
      if (meanwhile || this.core.news.size === 0) this.#compareWithAny(SETTLE_COMPARISONS);
    });
  }

  #compareWithAny(count: number): void {
    for (const row of this.core.random.sample(this.core.members.natives(), count, (r) => r.state === 'alive'))
      this.compare(row);
  }

  /** There is more to compare with a member, or it is back, perhaps with half of the cluster: compares with one of those. */
  compareSoon(row: MemberRow): void {
    const { core } = this;
    // Tables that cannot become equal, as one that is full, must not be compared for ever.
    if (this.#soon || this.#rounds > core.members.size / (PIECES_MAX / 4) + ROUNDS_MIN) return;
    this.#soon = true;
    this.#rounds++;
    core.schedule(core.random.unit() * core.timing.gossipIntervalMs, () => {
      this.#soon = false;
      this.compare(row);
    });
  }

  /** Compares tables with one member; what either lacks is told. */
  compare(row: MemberRow, parts = 1): void {
    const { core } = this;
    core.count('digestsSent');
    const fingerprints = core.members.fingerprints(parts);
    core.send(row, { type: 'digest', from: core.self.id, fingerprints }, false);
  }

  onDigest({ from, fingerprints }: Extract<NativePacket, { type: 'digest' }>, sender: MemberRow): void {
    const { core } = this;
    const parts = fingerprints.length;
    if (!core.members.divides(parts)) {
      core.drop('digestsMalformed', from);
      return;
    }
    const ours = core.members.fingerprints(parts);
    const differing = [...fingerprints.keys()].filter((part) => ours[part] !== fingerprints[part]);
    if (differing.length === 0) return;
    core.count('digestsDiffered');
    const finer = core.members.partsToCompare;
    if (parts < finer) this.compare(sender, finer);
    else this.#sendSummary(sender, parts, core.random.sample(differing, differing.length));
  }

  /** Tells what we know of the members of some parts, the dead too; of as many as one packet takes. */
  #sendSummary(to: MemberRow, parts: number, differing: readonly number[]): void {
    const { core } = this;
    const byPart = new Map(differing.map((part): [number, MemberRow[]] => [part, []]));
    for (const row of core.members.all()) byPart.get(cellOf(row.id) % parts)?.push(row);
    const of: number[] = [];
    const members: MemberRow[] = [];
    for (const [part, rows] of byPart) {
      if (members.length >= PIECES_MAX) break;
      of.push(part);
      members.push(...rows);
    }
    const more = of.length < differing.length;
    const summaries = members
      .slice(0, PIECES_MAX * 2)
      .map(({ id, incarnation, state, version }) => ({ id, incarnation, state, version }));
    core.send(to, { type: 'summary', from: core.self.id, parts, of, members: summaries, more }, false);
  }

  onSummary(packet: Extract<NativePacket, { type: 'summary' }>, sender: MemberRow): void {
    const { core } = this;
    const { parts, of, from, more } = packet;
    if (!core.members.divides(parts)) {
      core.drop('digestsMalformed', from);
      return;
    }
    const said = new Map(packet.members.map((member) => [member.id, member]));
    const missing: MemberId[] = [];
    for (const member of said.values()) {
      if (core.tooFarAhead(member.incarnation) || core.tooFarAhead(member.version)) continue;
      const row = core.members.get(member.id);
      if (row === core.self) core.refutation.answer(member, from);
      else if (row && core.suspicion.believes(from, member))
        core.members.mergeState(row, member.incarnation, this.#asTold(member), from);
      if (row ? member.version > row.version : isActive(member)) missing.push(member.id);
    }
    this.pull(from, missing);
    const wanted = new Set(of);
    const lacking: [time: bigint, News][] = [];
    for (const row of core.members.all()) {
      if (!wanted.has(cellOf(row.id) % parts)) continue;
      const theirs = said.get(row.id);
      if (theirs ? row.version > theirs.version : isActive(row)) {
        lacking.push([row.version, { kind: 'record', record: toRecord(row, true) }]);
      } else if (theirs && outranks(row.incarnation, row.state, theirs.incarnation, theirs.state)) {
        // As others would take it from a table.
        const state = row.state === 'dead' && isActive(theirs) ? 'suspect' : row.state;
        lacking.push([row.incarnation, { ...stateNews(row, core.self.id), state }]);
      }
    }
    lacking.sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0));
    const news: News[] = [];
    let room = PACKET_BYTES_MAX;
    for (const [, piece] of lacking) {
      room -= newsBytes(piece);
      if (news.length > 0 && (room < 0 || news.length >= PIECES_MAX)) break;
      news.push(piece);
    }
    if (news.length > 0) core.send(sender, { type: 'news', from: core.self.id, news }, false);
    if (more || news.length < lacking.length) this.compareSoon(sender);
  }

  /** Sends every record, the dead and the receiver's own too, in as many packets as it takes. */
  sendAll(row: MemberRow): void {
    this.#sendRecords(row, statePackets(this.core.self.id, this.core.members.all(), true, VIEW_METADATA_BYTES_MAX));
  }

  /** One packet after the other, each in a moment of its own: thousands of records would stop everything else. */
  #sendRecords({ id }: MemberRow, packets: Generator<StatePacket>): void {
    const { value: packet } = packets.next();
    const to = this.core.members.get(id);
    if (!packet || !to || !isActive(to)) return;
    this.core.send(to, packet, true);
    if (!packet.last) this.core.schedule(PAUSE_MS, () => this.#sendRecords(to, packets));
  }

  onState({ from, records, whole, last }: StatePacket, sender: MemberRow): void {
    const { members, contacts, suspicion } = this.core;
    // What a joiner is told all others know; it would tell them for minutes.
    const known = contacts.firstViews.has(from);
    const missing: MemberId[] = [];
    for (const record of records) {
      // What it says of us we answer.
      if (record.id !== members.self.id && !suspicion.believes(from, record)) continue;
      const row = members.merge({ ...record, state: this.#asTold(record) }, from, known);
      // Older still: its metadata was left out.
      if (row && row.version < record.version) missing.push(row.id);
    }
    this.pull(from, missing);
    if (!whole || !last) return;
    // We come with others: what we know is news to it.
    if (!contacts.firstViews.delete(from)) this.compare(sender);
    this.afterNews(true);
    contacts.viewArrived(from);
  }

  /**
   * A table may tell of a death long ago, on the far side of a partition. Whom we hold alive gets the chance to refute it.
   * @source memberlist's mergeState, which suspects instead of believing.
   */
  #asTold({ id, state }: MemberSummary): MemberState {
    const row = state === 'dead' ? this.core.members.get(id) : undefined;
    return row && isActive(row) ? 'suspect' : state;
  }

  /** Asks a member for the records of those it mentioned; a storm of news makes few pulls. */
  pull(from: MemberId, ids: readonly MemberId[]): void {
    const armed = this.#wanted.size > 0;
    for (const id of ids) if (this.#wanted.size < this.core.limits.membersMax) this.#wanted.set(id, from);
    if (!armed) this.#pullSoon();
  }

  #pullSoon(): void {
    if (this.#wanted.size > 0) this.core.schedule(this.core.timing.gossipIntervalMs / 4, () => this.#sendPulls());
  }

  #sendPulls(): void {
    const { core } = this;
    const byMember = new Map<MemberId, MemberId[]>();
    for (const [id, from] of [...this.#wanted].slice(0, PULLED_MAX)) {
      this.#wanted.delete(id);
      byMember.set(from, [...(byMember.get(from) ?? []), id]);
    }
    for (const [from, ids] of byMember) {
      const row = core.members.get(from);
      if (!row || !isActive(row)) continue;
      core.count('pullsSent');
      core.send(row, { type: 'pull', from: core.self.id, ids }, true);
    }
    this.#pullSoon();
  }

  onPull(packet: Extract<NativePacket, { type: 'pull' }>, sender: MemberRow): void {
    let room = PULLED_BYTES_MAX;
    const rows: MemberRow[] = [];
    for (const id of new Set(packet.ids)) {
      const row = this.core.members.get(id);
      if (!row || room <= 0) continue;
      room -= row.metadataBytes;
      rows.push(row);
    }
    if (rows.length > 0) this.#sendRecords(sender, statePackets(this.core.self.id, rows, false));
  }
}

/**
 * Records of rows in as many packets as it takes, one at least; the last says so.
 * @param metadataBytesMax - of all of them together; then what does not fit news is left out.
 */
export function* statePackets(
  from: MemberId,
  rows: Iterable<MemberRow>,
  whole: boolean,
  metadataBytesMax = Number.POSITIVE_INFINITY,
): Generator<StatePacket> {
  let records: MemberRecord[] = [];
  let bytes = 0;
  let metadataBytes = 0;
  for (const row of rows) {
    metadataBytes += row.metadataBytes;
    const record = toRecord(row, metadataBytes <= metadataBytesMax || row.metadataBytes <= NEWS_METADATA_BYTES_MAX);
    const more = recordBytes(record);
    if (records.length > 0 && bytes + more > PACKET_BYTES_MAX) {
      yield { type: 'state', from, records, last: false, whole };
      records = [];
      bytes = 0;
    }
    records.push(record);
    bytes += more;
  }
  yield { type: 'state', from, records, last: true, whole };
}
