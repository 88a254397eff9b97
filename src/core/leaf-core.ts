/**
 * The state machine of a leaf: a member that cannot be dialled. It keeps one gateway, which watches it and tells it who is
 * there; whatever it sends goes by that gateway. It probes nobody and decides nothing about others, and so it is small.
 */
import { GossipError, joinFailure } from '../errors.js';
import type { ByeWhy, MemberRecord, NativePacket, News } from '../wire/packet.js';
import { type CoreConfig, ownRecord } from './config.js';
import type { Effect } from './effect.js';
import type { Input, Packet } from './input.js';
import { LeafTable } from './leaf-table.js';
import { Machine } from './machine.js';
import type { MemberId } from './member-id.js';
import { toRow } from './members.js';
import type { Metadata } from './metadata.js';

/** What a leaf is told once, beside what every member is. */
export interface LeafConfig extends CoreConfig {
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
/** After a pause the gateway must answer within this, or another is taken. Source: guess; so that we are current within 2 s. */
const WAKE_ANSWER_MS = 800;
/** The gateway is silent when nothing has come for this many of its ping intervals. */
const SILENT_INTERVALS = 2;
/** What waits until we are attached. Source: guess. */
const WAITING_MAX = 256;

export class LeafCore extends Machine {
  readonly members: LeafTable;
  readonly #gateways: string[];
  /** Which of them is next. */
  #next = 0;
  #failures = 0;
  /** The gateway we are at, or are trying. */
  #url: string | undefined;
  #attached = false;
  /** Stale timers are known by their number. */
  #attempt = 0;
  #heardMs = 0;
  #pingIntervalMs = Number.POSITIVE_INFINITY;
  #awaySinceMs: number | undefined;
  #hidden = false;
  #refusals = 0;
  readonly #waiting: Extract<Effect, { type: 'send' }>[] = [];
  #joins: number[] = [];
  /** What we told about ourselves when we asked to be admitted. */
  #told: Metadata | undefined;
  /** Ids of the view that is arriving; until it is there we do not know the members. */
  #view: Set<MemberId> | undefined;

  constructor(
    override readonly config: LeafConfig,
    nowMs: number,
  ) {
    super(config, nowMs);
    this.#gateways = [...config.gateways];
    const start = this.hlc.now(nowMs);
    this.members = new LeafTable(this, toRow(ownRecord(config, start), nowMs, start));
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
      case 'broadcast': {
        const { messageType, payload, tag, reliable } = input;
        const { id: from } = this.self;
        const messageId = this.hlc.now(this.nowMs);
        this.count('broadcastsSent');
        this.#say({ type: 'broadcast', from, origin: from, messageId, messageType, ttl: 0, reliable, tag, payload });
        return;
      }
      case 'send':
        this.requests.send(input);
        return;
      case 'request':
        this.requests.request(input);
        return;
      case 'cancel':
        this.requests.cancel(input.ref);
        this.#joins = this.#joins.filter((ref) => ref !== input.ref);
        return;
      case 'reply':
        this.requests.reply(input.exchange, input.status, input.payload);
        return;
      case 'set-metadata':
        Object.assign(this.self, { metadata: input.metadata, metadataBytes: input.metadataBytes });
        this.emit({ type: 'change', change: { kind: 'metadata', row: this.self } });
        if (this.#attached) this.#sayMetadata();
        return;
      case 'forget':
        this.members.remove(input.id);
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

  /** To the gateway; what cannot go yet waits. */
  #say(packet: Packet, reliable = true, ref?: number): void {
    const effect = { type: 'send', to: [this.#url ?? ''], packet, reliable, ref } as const;
    if (this.#attached) this.emit(effect);
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(effect);
    else {
      this.drop('waitingOverLimit', packet.dialect ?? packet.type);
      const error = new GossipError('ERR_OVERLOADED', 'no gateway, and too much waits for one');
      if (ref !== undefined) this.emit({ type: 'settled', ref, error });
    }
  }

  #sayMetadata(): void {
    const { self } = this;
    this.#say({ type: 'state', from: self.id, records: [this.selfRecord()], last: true, wantReply: false });
  }

  /** The application names gateways, or only waits until we are at one. */
  #join(addresses: readonly string[], ref: number): void {
    for (const address of addresses) if (!this.#gateways.includes(address)) this.#gateways.push(address);
    if (this.#attached && !this.#view) {
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
    if (this.#url !== undefined || url === undefined) return;
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
        record: this.selfRecord(),
        hidden: this.#hidden,
        ...this.members.digest(),
        proof: this.config.proof,
        ticket: '',
      },
    });
    this.schedule(this.config.timing.joinTimeoutMs, () => {
      if (attempt === this.#attempt && !this.#attached) this.#lost(`${url} did not answer`);
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
    if (this.#refusals >= all || this.#failures >= all) {
      const error = joinFailure(
        this.#refusals >= all ? why : `no gateway could be reached: ${why}`,
        this.#refusals >= all,
      );
      for (const ref of this.#joins.splice(0)) this.emit({ type: 'settled', ref, error });
    }
    // A hidden page's timers may be late by a minute.
    const mostMs =
      this.#refusals >= all ? REFUSED_MS : Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** Math.min(this.#failures, 10));
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
    if (this.#attached) {
      this.#attached = false;
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
      const askedMs = this.nowMs;
      this.#say({ type: 'ping', seq: 0, from: this.self.id, news: [] });
      this.schedule(WAKE_ANSWER_MS, () => {
        if (this.#attached && this.#heardMs < askedMs) this.#lost('it does not answer');
      });
    }
  }

  #page({ hidden, look, asleep }: Extract<Input, { type: 'page' }>): void {
    this.#hidden = hidden;
    if (this.#attached) this.#say({ type: 'hidden', from: this.self.id, hidden });
    if (look || !hidden) this.#isItThere();
    // An open connection would keep the page from being kept.
    else if (asleep) this.#letGo();
  }

  #packet(packet: NativePacket): void {
    this.#heardMs = this.nowMs;
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
        const { origin, messageId, messageType, payload, tag } = packet;
        if (!this.members.get(origin)) this.drop('unknownSenders', origin);
        else if (this.history.accept(origin, messageId)) {
          this.count('broadcastsDelivered');
          this.emit({ type: 'message', from: origin, messageType, payload, tag, direct: false });
        }
        return;
      }
      case 'message':
        this.requests.onMessage(packet);
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
    if (this.#attached || record.id !== this.self.id) return;
    // The gateway's clock is the cluster's; ours may be an hour off, and what we send must not be refused for it.
    this.hlc.follow(record.version, this.nowMs);
    this.#attached = true;
    this.#failures = 0;
    this.#refusals = 0;
    this.#pingIntervalMs = pingIntervalMs;
    const { address, via, incarnation, version } = record;
    Object.assign(this.self, { address, via, incarnation, version });
    this.members.setState(this.self, 'alive');
    this.count('attached');
    this.#view = new Set();
    // It was changed while we were on our way.
    if (this.self.metadata !== this.#told) this.#sayMetadata();
    for (const effect of this.#waiting.splice(0)) this.emit({ ...effect, to: [this.#url as string] });
    this.#watch(this.#attempt);
  }

  /** Its pings are due; when they stay out, it is gone or cannot be reached. */
  #watch(attempt: number): void {
    const silentMs = this.#pingIntervalMs * SILENT_INTERVALS;
    this.schedule(this.#heardMs + silentMs - this.nowMs, () => {
      if (attempt !== this.#attempt) return;
      if (this.nowMs - this.#heardMs >= silentMs) this.#lost(`nothing was heard for ${silentMs} ms`);
      else this.#watch(attempt);
    });
  }

  #bye(why: ByeWhy, reason: string): void {
    this.#lost(reason, why === 'refused' || why === 'abusive');
  }

  #takeView({ records, last, wantReply }: Extract<NativePacket, { type: 'state' }>): void {
    const view = this.#view ?? new Set<MemberId>();
    this.#view = view;
    for (const record of records) {
      view.add(record.id);
      this.members.take(record);
    }
    if (!last) return;
    // `wantReply` marks a whole view, after which who was not in it is no more.
    if (wantReply) for (const { id } of [...this.members.all()]) if (!view.has(id)) this.members.remove(id);
    this.#view = undefined;
    for (const ref of this.#joins.splice(0)) this.emit({ type: 'settled', ref, joined: 1 });
    if (this.#awaySinceMs !== undefined) this.emit({ type: 'resumed', awayMs: this.nowMs - this.#awaySinceMs });
    this.#awaySinceMs = undefined;
  }

  #takeNews(news: News): void {
    if (news.kind === 'record') this.members.take(news.record);
    else {
      const row = this.members.get(news.id);
      if (row && row !== this.self) {
        row.incarnation = news.incarnation;
        this.members.setState(row, news.state);
      }
    }
  }

  override stats(): Record<string, number> {
    return {
      ...super.stats(),
      members: this.members.size,
      waiting: this.#waiting.length,
      attachedNow: Number(this.#attached),
    };
  }
}
