/**
 * Membership news on its way: what has been learnt lately, each piece carried a bounded number of times on pings and
 * acks, and in packets of its own while any is waiting.
 *
 * @source SWIM §4.1 (piggyback, λ log n), §4.1 last paragraph (least sent first); memberlist's gossip interval.
 */
import type { MemberRecord, News } from '../wire/packet.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';
import { isActive, type MemberRow, toRecord } from './members.js';

interface Waiting {
  /** Whom it is about: that member knows it best. */
  about: MemberId;
  news: News;
  sent: number;
  bytes: number;
}

export class NewsQueue {
  /** Newest last; one piece per member and kind, a newer one replaces the older. */
  readonly #waiting = new Map<string, Waiting>();
  #armed = false;

  constructor(private readonly core: Core) {}

  get size(): number {
    return this.#waiting.size;
  }

  /** A member appeared or told something new about itself. */
  addRecord(row: MemberRow): void {
    /** Metadata above this travels by pull, not in news. Source: memberlist's MetaMaxSize. */
    const NEWS_METADATA_BYTES_MAX = 512;
    this.#add('r', row.id, { kind: 'record', record: toRecord(row, row.metadataBytes <= NEWS_METADATA_BYTES_MAX) });
  }

  /** A member's state changed, or a suspicion has one more witness. */
  addState(row: MemberRow, by: MemberId): void {
    this.#add('s', row.id, stateNews(row, by));
  }

  #add(kind: 'r' | 's', about: MemberId, news: News): void {
    const key = kind + about;
    this.#waiting.delete(key);
    this.#waiting.set(key, { about, news, sent: 0, bytes: newsBytes(news) });
    this.#arm();
  }

  /**
   * Takes what fits one packet, least sent first, newest first among equals. What the receiver should hear about itself
   * (Lifeguard's buddy) comes before everything else.
   * @param large - one piece that no datagram holds may go alone; the reliable carrier takes it.
   */
  take(receiver?: MemberRow, large = false): News[] {
    /** Room for news in one datagram, leaving space for the packet around it, sealing and the headers below. */
    const NEWS_BYTES_MAX = 1100;
    /**
     * When as much news as this waits, as when a gateway goes with all its leaves, packets of their own carry far more and go
     * by the reliable carrier: or suspicions would end before the news that refutes them. Source: guess, and the codec's most.
     */
    const STORM = 64;
    const STORM_BYTES_MAX = 32 * 1024;
    const PIECES_MAX = 256;
    const out: News[] = [];
    let room = large && this.#waiting.size > STORM ? STORM_BYTES_MAX : NEWS_BYTES_MAX;
    if (receiver && receiver.state !== 'alive') {
      const about = stateNews(receiver, this.core.self.id);
      out.push(about);
      room -= newsBytes(about);
    }
    if (this.#waiting.size === 0) return out;
    const limit = this.core.timing.retransmitMult * Math.ceil(Math.log10(this.core.members.peers().length + 2));
    const onlyReceiver = this.core.members.natives().length <= 1;
    const order = [...this.#waiting].reverse().sort((a, b) => a[1].sent - b[1].sent);
    for (const [key, item] of order) {
      if (out.length >= PIECES_MAX) break;
      if (item.bytes > room && !(large && out.length === 0)) continue;
      if (item.about !== receiver?.id) {
        room -= item.bytes;
        out.push(item.news);
      } else if (!onlyReceiver) {
        continue;
      }
      // Whoever it is about knows; without anybody else it counts as told, or it would wait for ever.
      if (++item.sent >= limit) this.#waiting.delete(key);
    }
    return out;
  }

  /** While news waits, sends some of it every gossip interval; idle members send nothing. */
  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.core.schedule(this.core.random.jitter(this.core.timing.gossipIntervalMs, 0.2), () => {
      this.#armed = false;
      this.#gossip();
      if (this.#waiting.size > 0) this.#arm();
      else this.core.sync.afterNews();
    });
  }

  #gossip(): void {
    const receivers = this.core.random.sample(this.core.members.natives(), this.core.timing.gossipFanOut);
    if (receivers.length === 0) {
      this.#waiting.clear();
      return;
    }
    for (const row of receivers) {
      const news = this.take(row, true);
      if (news.length > 0) this.core.send(row, { type: 'news', from: this.core.self.id, news }, false);
    }
  }

  /** News about a departed self goes out at once: there will be no next interval. */
  announceLeave(): void {
    /** A leaver tells this many members, reliably: loss must not swallow the farewell. Source: guess; they tell the others. */
    const LEAVE_FAN_OUT = 8;
    /** And as many in all, since whose connection it closes looks for it at once. Source: guess, all of a small cluster. */
    const LEAVE_TOLD = 32;
    const news = [stateNews(this.core.self, this.core.self.id)];
    const receivers = this.core.random.sample(this.core.members.natives(), LEAVE_TOLD);
    const packet = { type: 'news', from: this.core.self.id, news } as const;
    this.core.send(receivers.slice(0, LEAVE_FAN_OUT), packet, true);
    this.core.send(receivers.slice(LEAVE_FAN_OUT), packet, false);
  }

  /**
   * Whom we hold suspect or dead accuses others perhaps because it hears nobody: it would not hear them refute either. Whoever is
   * really gone, others will find.
   */
  #isDeaf({ id, state, by }: Extract<News, { kind: 'state' }>): boolean {
    if (state === 'alive' || by === id) return false;
    const accuser = this.core.members.get(by);
    return accuser !== undefined && accuser.state !== 'alive';
  }

  /** Merges news that arrived. Unknown members are pulled from whoever mentioned them. */
  receive(news: readonly News[], from: MemberId): void {
    const missing: MemberId[] = [];
    for (const item of news) {
      if (item.kind === 'record') {
        const row = this.core.members.merge(item.record, from);
        if (row && lacksMetadata(row, item.record)) missing.push(row.id);
        continue;
      }
      if (this.core.tooFarAhead(item.incarnation)) continue;
      if (item.id === this.core.self.id) {
        this.core.suspicion.aboutSelf(item);
        continue;
      }
      if (this.#isDeaf(item)) {
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

/** Whether a record announced a newer version than its row holds, without the metadata that belongs to it. */
function lacksMetadata(row: MemberRow, record: MemberRecord): boolean {
  return row.version < record.version && !record.metadata && record.metadataBytes > 0;
}

export function stateNews(row: MemberRow, by: MemberId): News {
  return { kind: 'state', id: row.id, incarnation: row.incarnation, state: row.state, by };
}

/** An upper bound of the encoded size, without encoding. */
function newsBytes(news: News): number {
  return news.kind === 'state' ? 42 : recordBytes(news.record);
}

/** An upper bound of a record's encoded size, without encoding. */
export function recordBytes(record: MemberRecord): number {
  let bytes = 52 + (record.via ? 16 : 0);
  for (const text of [record.address, record.applicationVersion, ...record.tags]) bytes += text.length * 3 + 2;
  return record.metadata ? bytes + record.metadataBytes : bytes;
}
