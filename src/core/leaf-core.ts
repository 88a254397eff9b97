/**
 * The state machine of a leaf: a member that cannot be dialled. It keeps one gateway, which watches it and tells it who is
 * there; whatever it sends goes by that gateway. It probes nobody and decides nothing about others, and so it is small.
 */
import { joinFailure } from '../errors.js';
import type { ByeWhy, MemberRecord, NativePacket, News } from '../wire/packet.js';
import { type MachineConfig, ownRecord } from './config.js';
import { follow } from './follow.js';
import type { Input, Packet } from './input.js';
import { LeafTable } from './leaf-table.js';
import { LeafWishes, type Wish } from './leaf-wishes.js';
import { Machine } from './machine.js';
import type { MemberId } from './member-id.js';
import type { Metadata } from './metadata.js';
import { Generator } from './random.js';

/** What a leaf is told once, beside what every member is. */
export interface LeafConfig extends MachineConfig {
  /** URLs of gateways, the preferred first. */
  gateways: readonly string[];
  /** What only the owner of our id can know; empty when the id is not made from it. */
  proof: Uint8Array;
}

/** Pauses between attempts grow from this, doubled each time, to the most; each is a random part of it (full jitter). */
const RETRY_MS = 500;
const RETRY_MOST_MS = 15_000;
/** Who refused us is asked again this much later: a ticket may be new by then. Source: guess. */
const REFUSED_MS = 60_000;
/** Asked whether it is there, the gateway must answer within this. Source: guess; so that we are current 2 s after a pause. */
const ANSWER_MS = 800;
/** … and within this share of its ping interval; it is asked when no ping has come for so many. */
const ANSWER_SHARE = 0.5;
/** Source: so that we are elsewhere before it declares us dead, as `gateway.ts` says. */
const SILENT_INTERVALS = 1.2;

export class LeafCore extends Machine {
  declare readonly config: LeafConfig;
  readonly members: LeafTable;
  readonly random: Generator;
  readonly #gateways: string[];
  /** Which of them is next. */
  #next = 0;
  #failures = 0;
  /** The gateway we are at, or are trying. */
  #url: string | undefined;
  #attached = false;
  /** The view has come as well. */
  #ready = false;
  /** Stale timers are known by their number. */
  #attempt = 0;
  /** When something came that cannot have waited while we stood still. */
  #heardMs = 0;
  /** Of the latest question whether the gateway is there, and whether it was answered. */
  #asked = 0;
  #answered = true;
  #pingIntervalMs = Number.POSITIVE_INFINITY;
  #awaySinceMs: number | undefined;
  #hidden = false;
  #asleep = false;
  #refusals = 0;
  readonly #wishes = new LeafWishes(this);
  #joins: number[] = [];
  /** What we told about ourselves when we asked to be admitted. */
  #told: Metadata | undefined;
  /** Ids of the view that is arriving. */
  #view: Set<MemberId> | undefined;

  constructor(config: LeafConfig, nowMs: number) {
    super(config, nowMs);
    this.random = new Generator(config.seed);
    this.#gateways = [...config.gateways];
    // Gateways mint our incarnations.
    this.members = new LeafTable(this, ownRecord(config, 0n));
    // Gateways have their order, and the first attempt need not wait.
    this.schedule(0, () => this.#try());
  }

  protected woke(): void {
    this.count('pauses');
    this.#isItThere();
  }

  protected route(input: Input): void {
    switch (input.type) {
      case 'packet':
        // Only what the present gateway says counts.
        if (input.source.address === this.#url) this.#packet(input.packet as NativePacket);
        else this.drop('packetsMisplaced', input.packet.dialect ?? input.packet.type);
        return;
      case 'send-failed':
      case 'disconnected':
        if (input.address === this.#url) this.#lost('error' in input ? input.error.message : 'the connection ended');
        return;
      case 'join':
        this.#join(input.addresses, input.ref);
        return;
      case 'leave':
        if (this.#attached) this.#say({ type: 'bye', from: this.self.id, why: 'left', reason: '' });
        this.left = true;
        return;
      case 'broadcast':
      case 'send':
      case 'request':
      case 'reply':
        if (this.#ready) this.#carryOut(input);
        else this.#wishes.add(input);
        return;
      case 'cancel':
        this.requests.cancel(input.ref);
        this.#wishes.cancel(input.ref);
        this.#joins = this.#joins.filter((ref) => ref !== input.ref);
        return;
      case 'set-metadata':
        this.members.saySelf({ metadata: input.metadata, metadataBytes: input.metadataBytes });
        this.emit({ type: 'change', change: { kind: 'metadata', row: this.self } });
        if (this.#attached) this.#sayMetadata();
        return;
      case 'forget':
        this.members.remove(input.id);
        if (this.#attached) this.#say({ type: 'pull', from: this.self.id, ids: [input.id] });
        return;
      case 'page':
        this.#page(input);
        return;
    }
  }

  send(_to: unknown, packet: Packet, reliable: boolean, ref?: number): void {
    this.#say(packet, reliable, ref);
  }

  foreignOf(): undefined {}

  whyNot(): undefined {}

  /** To the gateway we are at. */
  #say(packet: Packet, reliable = true, ref?: number): void {
    this.emit({ type: 'send', to: [this.#url as string], packet, reliable, ref });
  }

  #carryOut(wish: Wish): void {
    const { requests, self } = this;
    if (wish.type === 'request') requests.request(wish);
    else if (wish.type === 'reply') requests.reply(wish.exchange, wish.status, wish.payload);
    else if (wish.type === 'send') requests.send(wish);
    else {
      const messageId = this.hlc.now(this.nowMs);
      this.count('broadcastsSent');
      this.#say({ ...wish, from: self.id, origin: self.id, messageId, hops: 0 });
    }
  }

  #sayMetadata(): void {
    const { self } = this;
    this.#say({ type: 'state', from: self.id, records: [{ ...self }], last: true, whole: false });
  }

  /** The application names gateways, or only waits until we are at one. */
  #join(addresses: readonly string[], ref: number): void {
    for (const address of addresses) if (!this.#gateways.includes(address)) this.#gateways.push(address);
    if (this.#ready) {
      this.emit({ type: 'settled', ref, joined: 1 });
      return;
    }
    this.#joins.push(ref);
    this.#refusals = 0;
    if (this.#url === undefined) this.#try();
  }

  /** Tries the gateway whose turn it is. */
  #try(): void {
    const url = this.#gateways[this.#next % this.#gateways.length];
    if (this.#url !== undefined || url === undefined || this.#asleep) return;
    this.#url = url;
    const { self } = this;
    const attempt = ++this.#attempt;
    this.count('attachAttempts');
    this.#told = self.metadata;
    this.emit({
      type: 'attach',
      to: url,
      packet: {
        type: 'attach',
        from: self.id,
        record: { ...self },
        hidden: this.#hidden,
        ...this.members.digest(),
        proof: this.config.proof,
        ticket: '',
      },
    });
    this.schedule(this.config.timing.joinTimeoutMs, () => {
      if (attempt === this.#attempt && !this.#attached) this.#lost('it does not answer');
    });
  }

  /** The present gateway is of no use; another one, after a moment. */
  #lost(why: string, refused = false): void {
    const url = this.#url;
    if (url === undefined) return;
    this.emit({ type: 'log', level: 'info', message: `no gateway at ${url}: ${why}` });
    this.#next++;
    if (refused) this.#refusals++;
    else if (!this.#attached) this.#failures++;
    const attempt = this.#letGo();
    const all = this.#gateways.length;
    const byAll = this.#refusals >= all;
    if (byAll || this.#failures >= all) {
      const error = joinFailure(byAll ? why : `no gateway could be reached: ${why}`, byAll);
      for (const ref of this.#joins.splice(0)) this.emit({ type: 'settled', ref, error });
    }
    // A hidden page's timers may be late by a minute.
    const mostMs = byAll ? REFUSED_MS : Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** Math.min(this.#failures, 10));
    const pauseMs = this.#hidden && this.#failures === 0 ? 0 : this.random.unit() * mostMs;
    this.schedule(pauseMs, () => {
      if (attempt === this.#attempt) this.#try();
    });
  }

  /** Ends the connection to the present gateway. @returns the number of this attempt; a later one is another. */
  #letGo(): number {
    if (this.#url !== undefined) this.emit({ type: 'disconnect', address: this.#url });
    this.#url = undefined;
    this.#view = undefined;
    this.#answered = true;
    if (this.#attached) {
      this.#attached = this.#ready = false;
      this.#awaySinceMs = this.#heardMs;
      this.members.setState(this.self, 'suspect');
    }
    return ++this.#attempt;
  }

  /** We may have stood still: the gateway must answer at once, or we take another. */
  #isItThere(): void {
    if (this.#url === undefined) {
      this.#failures = 0;
      this.#try();
    } else if (this.#attached) {
      // What arrives now may have been sent long ago; only the answer to this proves anything.
      const seq = ++this.#asked;
      this.#answered = false;
      this.#say({ type: 'ping', seq, from: this.self.id, news: [] });
      const attempt = this.#attempt;
      this.schedule(Math.min(ANSWER_MS, this.#pingIntervalMs * ANSWER_SHARE), () => {
        if (attempt === this.#attempt && seq === this.#asked && !this.#answered) this.#lost('it does not answer');
      });
    }
  }

  #page({ hidden, look, asleep }: Extract<Input, { type: 'page' }>): void {
    this.#hidden = hidden;
    if (this.#attached) this.#say({ type: 'hidden', from: this.self.id, hidden });
    if (look || !hidden) {
      this.#asleep = false;
      this.#isItThere();
    } else if (asleep) {
      // An open connection would keep the page from being kept.
      this.#asleep = true;
      this.#letGo();
    }
  }

  #packet(packet: NativePacket): void {
    this.#answered ||= packet.type === 'ack' && packet.seq === this.#asked;
    if (this.#answered) this.#heardMs = this.nowMs;
    this.count('packetsReceived');
    const wanted = this.#attached || packet.type === 'welcome' || packet.type === 'bye';
    if (!wanted || ('to' in packet && packet.to !== this.self.id)) {
      this.drop('packetsMisplaced', packet.type);
      return;
    }
    switch (packet.type) {
      case 'welcome':
        this.#welcome(packet.record, packet.pingIntervalMs);
        return;
      case 'bye':
        this.#bye(packet.why, packet.reason);
        return;
      case 'ping':
        this.#say({ type: 'ack', seq: packet.seq, from: this.self.id, news: [] });
        return;
      case 'state':
        this.#takeView(packet);
        return;
      case 'news':
        for (const news of packet.news) this.#takeNews(news);
        return;
      case 'forgotten':
        for (const id of packet.ids) this.members.remove(id);
        return;
      case 'broadcast': {
        const { origin, messageId, messageType, payload, tag, hops } = packet;
        if (!this.members.get(origin)) this.drop('unknownSenders', origin);
        else if (this.history.accept(origin, messageId)) {
          this.count('broadcastsDelivered');
          this.emit({ type: 'message', from: origin, messageType, payload, tag, direct: false, hops: hops + 1 });
        }
        return;
      }
      case 'message':
        this.requests.deliver(packet.from, packet.messageId, packet);
        return;
      case 'request':
        this.requests.onRequest(packet);
        return;
      case 'reply':
        this.requests.onReply(packet);
        return;
    }
  }

  #welcome(record: MemberRecord, pingIntervalMs: number): void {
    if (this.#attached) return;
    // Who we are is our gateway's to say.
    if (record.id !== this.self.id) this.members.rename(record.id);
    // The gateway's clock is the cluster's; ours may be an hour off, and what we send must not be refused for it.
    follow(this.hlc, record.version, this.nowMs);
    this.#attached = true;
    this.#failures = 0;
    this.#refusals = 0;
    this.#pingIntervalMs = pingIntervalMs;
    const { address, via, tags, incarnation, version } = record;
    this.members.saySelf({ address, via, tags, incarnation, version });
    this.members.setState(this.self, 'alive');
    this.count('attached');
    // It was changed while we were on our way.
    if (this.self.metadata !== this.#told) this.#sayMetadata();
    this.#watch(this.#attempt);
  }

  /** We know who is there: what has waited for that goes on. */
  #current(): void {
    this.#ready = true;
    const away = this.#awaySinceMs;
    this.#awaySinceMs = undefined;
    for (const ref of this.#joins.splice(0)) this.emit({ type: 'settled', ref, joined: 1 });
    for (const wish of this.#wishes.take()) this.#carryOut(wish);
    if (away !== undefined) this.emit({ type: 'resumed', awayMs: this.nowMs - away });
  }

  /** Its pings are due; when they stay out it is asked. */
  #watch(attempt: number): void {
    const silentMs = this.#pingIntervalMs * SILENT_INTERVALS;
    const leftMs = this.#heardMs + silentMs - this.nowMs;
    if (leftMs <= 0 && this.#answered) this.#isItThere();
    // No less than a moment: a rest that rounding leaves would be due at once, again and again.
    this.schedule(leftMs > 0 ? Math.max(1, leftMs) : silentMs, () => {
      if (attempt === this.#attempt) this.#watch(attempt);
    });
  }

  #bye(why: ByeWhy, reason: string): void {
    // Whoever has our id now may have it: to come back at once would only drive it away.
    if (why === 'moved') this.#refusals = this.#gateways.length;
    this.#lost(reason, why === 'refused' || why === 'abusive');
  }

  #takeView({ records, last, whole }: Extract<NativePacket, { type: 'state' }>): void {
    this.#view ??= new Set();
    for (const record of records) {
      this.#view.add(record.id);
      this.members.take(record);
    }
    if (!last) return;
    // Who was not in a whole view is no more.
    if (whole) for (const { id } of [...this.members.all()]) if (!this.#view.has(id)) this.members.remove(id);
    this.#view = undefined;
    if (!this.#ready) this.#current();
  }

  #takeNews(news: News): void {
    // Gateways tell the whole.
    if (news.kind === 'change') return;
    if (news.kind === 'record') {
      this.members.take(news.record);
      return;
    }
    const row = this.members.get(news.id);
    if (!row) return;
    row.incarnation = news.incarnation;
    // How we are we know best.
    if (row !== this.self) this.members.setState(row, news.state);
  }

  override sizes(): Record<string, number> {
    return Object.assign(super.sizes(), {
      members: this.members.size,
      waiting: this.#wishes.size,
      attachedNow: Number(this.#attached),
      current: Number(this.#ready),
    });
  }
}
