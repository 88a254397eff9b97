/**
 * Membership news on its way: what has been learnt lately, each piece carried a bounded number of times on pings and
 * acks, and in packets of its own while any is waiting.
 *
 * @source SWIM §4.1 (piggyback, λ log n), §4.1 last paragraph (least sent first); memberlist's gossip interval.
 */

import type { MemberRecord, MetadataChange, News } from '../wire/packet.js';
import type { Core } from './core.js';
import { log } from './log.js';
import { lowerBound } from './lower-bound.js';
import type { MemberId } from './member-id.js';
import { estimateBytes } from './metadata.js';
import { isActive, type MemberRow, toRecord } from './row.js';

/** Metadata above this travels by pull, not in news. Source: memberlist's MetaMaxSize. */
export const NEWS_METADATA_BYTES_MAX = 512;
/** A change of metadata that takes more travels by pull as well: a datagram holds this. */
const CHANGE_BYTES_MAX = 1000;
/**
 * When as much news as this waits, as when a gateway goes with all its leaves, packets of their own carry far more and go
 * by the reliable carrier: or suspicions would end before the news that refutes them. Source: guess, and the codec's most.
 */
const STORM = 64;
/** The smallest piece of news, encoded. */
const STATE_BYTES = 42;

interface Waiting {
  /** One piece per member and kind, a newer one replaces the older. */
  key: string;
  /** Whom it is about: that member knows it best. */
  about: MemberId;
  news: News;
  /** How many were added before it. */
  age: number;
  sent: number;
  bytes: number;
}

export class NewsQueue {
  readonly #waiting = new Map<string, Waiting>();
  /** The same pieces by how often they were sent, newest last. */
  readonly #bySent: Waiting[][] = [];
  #added = 0;
  #armed = false;
  #gossipedMs = Number.NEGATIVE_INFINITY;
  #pauseMs = 0;

  constructor(private readonly core: Core) {}

  get size(): number {
    return this.#waiting.size;
  }

  /** A member appeared or told something new about itself. */
  addRecord(row: MemberRow): void {
    this.#drop(`c${row.id}`);
    this.#add('r', row.id, { kind: 'record', record: toRecord(row, row.metadataBytes <= NEWS_METADATA_BYTES_MAX) });
  }

  /** Some of a member's metadata changed: that travels, unless all of it is on its way or takes no more. */
  addChange(row: MemberRow, change: MetadataChange): void {
    const waits = this.#waiting.get(`c${row.id}`)?.news;
    let { from, set, deleted } = change;
    if (waits?.kind === 'change' && waits.version === from) {
      // Whoever has heard of the former change already can take both as well.
      from = waits.from;
      deleted = [...new Set([...waits.deleted.filter((key) => !(key in set)), ...deleted])];
      set = Object.fromEntries(Object.entries({ ...waits.set, ...set }).filter(([key]) => !deleted.includes(key)));
    }
    const news = { ...change, from, set, deleted };
    const bytes = newsBytes(news);
    const whole = row.metadataBytes <= NEWS_METADATA_BYTES_MAX && bytes >= recordBytes(toRecord(row, true));
    if (whole || bytes > CHANGE_BYTES_MAX || this.#waiting.has(`r${row.id}`)) this.addRecord(row);
    else this.#add('c', row.id, news);
  }

  /** A member's state changed, or a suspicion has one more witness. */
  addState(row: MemberRow, by: MemberId): void {
    this.#add('s', row.id, stateNews(row, by));
  }

  /** What we have said against others is not told any more: we may have heard nobody, and nobody us. If it is true they find it. */
  retract(): void {
    for (const { key, news } of this.#waiting.values()) {
      if (news.kind !== 'state' || news.state === 'alive' || news.by !== this.core.self.id) continue;
      const row = this.core.members.get(news.id);
      if (row?.dialect === 'native' && !row.via && row !== this.core.self) this.#drop(key);
    }
  }

  #drop(key: string): void {
    const item = this.#waiting.get(key);
    if (!item) return;
    const [pieces, at] = this.#placeOf(item);
    pieces.splice(at, 1);
    this.#waiting.delete(key);
  }

  #add(kind: 'r' | 's' | 'c', about: MemberId, news: News): void {
    const key = kind + about;
    this.#drop(key);
    this.#put({ key, about, news, age: this.#added++, sent: 0, bytes: newsBytes(news) });
    this.#arm();
  }

  #put(item: Waiting): void {
    this.#waiting.set(item.key, item);
    const [pieces, at] = this.#placeOf(item);
    pieces.splice(at, 0, item);
  }

  /** Where a piece is, or belongs, among those that were sent as often. */
  #placeOf({ sent, age }: Waiting): [pieces: Waiting[], at: number] {
    this.#bySent[sent] ??= [];
    const pieces = this.#bySent[sent];
    return [pieces, lowerBound(pieces.length, (at) => (pieces[at] as Waiting).age < age)];
  }

  /**
   * Takes what fits one packet, least sent first, newest first among equals. What the receiver should hear about itself
   * (Lifeguard's buddy) comes before everything else.
   * @param large - one piece that no datagram holds may go alone; the reliable carrier takes it.
   */
  take(receiver?: MemberRow, large = false): News[] {
    /** Room for news in one datagram, leaving space for the packet around it, sealing and the headers below. */
    const NEWS_BYTES_MAX = 1100;
    const STORM_BYTES_MAX = 32 * 1024;
    const PIECES_MAX = 256;
    /** Pieces passed over, too large for what room is left, before a packet is taken as full. Source: guess. */
    const PASSED_MAX = 16;
    const out: News[] = [];
    let room = large && this.size > STORM ? STORM_BYTES_MAX : NEWS_BYTES_MAX;
    if (receiver && receiver.state !== 'alive') {
      out.push(stateNews(receiver, this.core.self.id));
      room -= STATE_BYTES;
    }
    if (this.size === 0) return out;
    const limit = this.core.timing.retransmitMult * Math.ceil(log(this.core.members.peerCount + 2));
    const onlyReceiver = this.core.members.natives().length <= 1;
    const taken: Waiting[] = [];
    let passed = 0;
    for (const pieces of this.#bySent) {
      const kept: Waiting[] = [];
      while (pieces.length > 0 && out.length < PIECES_MAX && passed < PASSED_MAX && room >= STATE_BYTES) {
        const item = pieces.pop() as Waiting;
        const itself = item.about === receiver?.id;
        // Whoever it is about knows; without anybody else it counts as told, or it would wait for ever.
        if (itself ? !onlyReceiver : item.bytes > room && !(large && out.length === 0)) {
          kept.push(item);
          passed++;
          continue;
        }
        if (!itself) {
          room -= item.bytes;
          out.push(item.news);
        }
        taken.push(item);
      }
      pieces.push(...kept.reverse());
    }
    for (const item of taken) {
      item.sent++;
      if (item.sent < limit) this.#put(item);
      else this.#waiting.delete(item.key);
    }
    return out;
  }

  /**
   * While news waits, sends some of it every gossip interval; idle members send nothing. What comes after a quiet time goes at
   * once, and again soon: so it is everywhere in a moment, by no more packets.
   */
  #arm(): void {
    /** In which news that belongs together gathers. Source: guess, far below what a person notices. */
    const FIRST_PAUSE_MS = 5;
    /** Each pause is so many times the one before, until it is the interval. Source: simulation, 30 members know in 0.1 s. */
    const LONGER = 4;
    if (this.#armed) return;
    this.#armed = true;
    const { gossipIntervalMs } = this.core.timing;
    const sinceMs = this.core.nowMs - this.#gossipedMs;
    this.#pauseMs = sinceMs < gossipIntervalMs ? Math.min(gossipIntervalMs, this.#pauseMs * LONGER) : FIRST_PAUSE_MS;
    this.core.schedule(this.core.random.jitter(Math.max(FIRST_PAUSE_MS, this.#pauseMs - sinceMs), 0.2), () => {
      this.#armed = false;
      this.#gossipedMs = this.core.nowMs;
      this.#gossip();
      if (this.size > 0) this.#arm();
      // Lists that have been long keep their room, in all many times that of the members that were told of.
      else this.#bySent.length = 0;
      // Of many pieces chance leaves more out. Source: simulation; 2,000 that start at once all know each other after 2 s instead of 8.
      if (this.size === 0 || this.size > STORM) this.core.sync.afterNews(this.size > 0);
    });
  }

  #gossip(): void {
    const receivers = this.core.random.sample(this.core.members.natives(), this.core.timing.gossipFanOut);
    if (receivers.length === 0) this.#waiting.clear();
    for (const row of receivers) {
      const news = this.take(row, true);
      if (news.length > 0) this.core.send(row, { type: 'news', from: this.core.self.id, news }, false);
    }
  }

  /** News about a departed self goes out at once: there will be no next interval. */
  announceLeave(): void {
    /** A leaver tells its neighbours and this many others, reliably: loss must not swallow the farewell. Source: guess. */
    const LEAVE_FAN_OUT = 8;
    /** And as many more by a datagram, since whose connection it closes looks for it at once. Source: guess, a small cluster. */
    const LEAVE_TOLD = 24;
    const { members, neighbours, random, self } = this.core;
    const packet = { type: 'news', from: self.id, news: [stateNews(self, self.id)] } as const;
    const near = [...neighbours.all()].flatMap(({ id }) => members.get(id) ?? []);
    const others = random.sample(members.natives(), LEAVE_FAN_OUT + LEAVE_TOLD, (row) => !near.includes(row));
    this.core.send([...near, ...others.slice(0, LEAVE_FAN_OUT)], packet, true);
    this.core.send(others.slice(LEAVE_FAN_OUT), packet, false);
  }

  /** Merges news that arrived. Unknown members are pulled from whoever mentioned them. */
  receive(news: readonly News[], from: MemberId): void {
    const missing: MemberId[] = [];
    for (const item of news) {
      if (item.kind === 'record') {
        const row = this.core.members.merge(item.record, from);
        // Older still: its metadata was left out.
        if (row && row.version < item.record.version) missing.push(row.id);
        continue;
      }
      if (item.kind === 'change') {
        const row = this.core.members.get(item.id);
        if (this.core.tooFarAhead(item.version)) continue;
        if (!row || !this.core.members.mergeChange(row, item)) missing.push(item.id);
        continue;
      }
      if (this.core.tooFarAhead(item.incarnation)) continue;
      if (item.id === this.core.self.id) {
        this.core.refutation.answer(item, from);
        continue;
      }
      if (!this.core.suspicion.believes(item.by, item)) {
        this.core.count('accusersIgnored');
        continue;
      }
      const row = this.core.members.get(item.id);
      if (row) this.core.members.mergeState(row, item.incarnation, item.state, item.by);
      else if (isActive(item)) missing.push(item.id);
    }
    if (missing.length > 0) this.core.sync.pull(from, missing);
  }
}

export function stateNews(row: MemberRow, by: MemberId): Extract<News, { kind: 'state' }> {
  return { kind: 'state', id: row.id, incarnation: row.incarnation, state: row.state, by };
}

/** An upper bound of the encoded size, without encoding. */
export function newsBytes(news: News): number {
  if (news.kind === 'record') return recordBytes(news.record);
  return news.kind === 'state' ? STATE_BYTES : STATE_BYTES + estimateBytes(news.set) + estimateBytes(news.deleted);
}

/** An upper bound of a record's encoded size, without encoding. */
export function recordBytes(record: MemberRecord): number {
  let bytes = 52 + (record.via ? 16 : 0);
  for (const text of [record.address, record.applicationVersion, ...record.tags]) bytes += text.length * 3 + 2;
  return record.metadata ? bytes + record.metadataBytes : bytes;
}
