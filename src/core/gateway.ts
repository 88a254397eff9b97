/**
 * The rules of a gateway: it vouches for its leaves, watches them alone, tells them what changes in the membership and
 * passes on what is from them and for them. Connections are numbers here; whose they are and what may be admitted the
 * shell has found out.
 */
import type { AddressedPacket, BroadcastMessage, ByeWhy, MemberRecord, NativePacket } from '../wire/packet.js';
import { PROTOCOL_VERSION } from './config.js';
import type { Core } from './core.js';
import { LeafNews, type Told } from './leaf-news.js';
import type { LeafEvent, LeafHost, LeafRecord } from './leaves.js';
import type { MemberId } from './member-id.js';
import { type MemberRow, toRecord } from './row.js';

/** What a gateway is told once. */
export interface GatewayConfig {
  /** The URL that leaves dial; a leaf's address is this and `#` and its id. */
  url: string;
  /** Each leaf is pinged this often. */
  pingIntervalMs: number;
  /** Changes of the membership within this time reach leaves as one packet; longer in proportion when there are many. */
  batchMs: number;
}

/** A leaf is suspect after this many ping intervals of silence, and dead after that many: everybody knows within two. */
const SUSPECT_INTERVALS = 1.4;
const DEAD_INTERVALS = 1.7;
/** Leaves are looked at this many times per ping interval. Source: guess; what is added to a death's telling. */
const LOOKS_PER_INTERVAL = 20;
/** A hidden page may be allowed to run once a minute only. Source: Chromium's intensive throttling, and some seconds. */
const HIDDEN_MS = 75_000;
/** Whom a leaf speaks to so soon after it has come is told where it is. Source: guess; news is everywhere by then. */
const NEW_HERE_MS = 5000;
/** A leaf of ours that somebody says is elsewhere is insisted on once in this time. Source: guess; it may be there, too. */
const CLAIM_AGAIN_MS = 60_000;
/**
 * A leaf's incarnation is that of its latest gateway, whose clock may be ahead of ours by this share of what is allowed; no
 * leaf may drag us further. Source: guess.
 */
const AHEAD_SHARE = 0.5;

interface Leaf extends Told {
  /** What it says about itself. */
  record: LeafRecord;
  /** When we last insisted that it is here. */
  claimedMs: number;
  readonly attachedMs: number;
  /** Whom it has spoken to since, while that was news. */
  readonly shown: Set<MemberId>;
  heardMs: number;
  pingedMs: number;
  hidden: boolean;
}

type Attach = Extract<LeafEvent, { kind: 'attach' }>;

export class Gateway implements LeafHost {
  readonly #leaves = new Map<MemberId, Leaf>();
  readonly #sessions = new Map<number, Leaf>();
  readonly #news: LeafNews;

  constructor(
    private readonly core: Core,
    private readonly config: GatewayConfig,
  ) {
    this.#news = new LeafNews(core, config.batchMs, this.#sessions, (leaf) => {
      this.#part(leaf as Leaf, 'slow', 'more has changed than can wait');
    });
    this.#lookSoon();
  }

  changed(id: MemberId, whole: boolean): void {
    this.#news.changed(id, whole);
  }

  get size(): number {
    return this.#leaves.size;
  }

  receive(event: LeafEvent): void {
    if (event.kind === 'attach') {
      this.#attach(event);
      return;
    }
    if (event.kind === 'close') {
      const leaves = [...this.#leaves.values()];
      this.leave();
      for (const leaf of leaves) this.#vouch(leaf, 'suspect');
      return;
    }
    const { core } = this;
    const leaf = this.#sessions.get(event.session);
    if (!leaf) return;
    switch (event.kind) {
      case 'packet':
        this.#packet(leaf, event.packet);
        return;
      case 'slow':
        this.#news.slow(leaf, event.slow);
        return;
      case 'closed':
        this.#detach(leaf);
        if (event.away) this.#end(leaf, 'leaving');
        // A hidden page may have been frozen, and its connection with it.
        else if (!leaf.hidden) this.#vouch(leaf, 'suspect');
        return;
      case 'expel':
        core.drop('leavesExpelled', `${leaf.id}: ${event.reason}`);
        this.#part(leaf, event.why, event.reason);
        if (event.why !== 'slow') this.#end(leaf, 'leaving');
        return;
    }
  }

  #attach(event: Attach): void {
    const { core } = this;
    const { session, record } = event;
    if (core.self.state === 'dead') {
      this.#bye(session, 'closing', 'the gateway’s own link is ill');
      return;
    }
    const refusal = refusalOf(record, core);
    if (refusal !== undefined) {
      core.drop('leavesRefused', `${record.id}: ${refusal}`);
      this.#bye(session, 'refused', refusal);
      return;
    }
    const before = this.#leaves.get(record.id);
    if (before) this.#part(before, 'moved', 'it is on another connection now');
    const leaf: Leaf = {
      id: record.id,
      record,
      session,
      claimedMs: Number.NEGATIVE_INFINITY,
      attachedMs: core.nowMs,
      shown: new Set(),
      heardMs: core.nowMs,
      pingedMs: core.nowMs,
      hidden: event.hidden,
      sees: event.sees,
      fresh: [event.fingerprint, event.members],
      behind: undefined,
    };
    this.#leaves.set(leaf.id, leaf);
    this.#sessions.set(session, leaf);
    const cameFrom = core.members.get(leaf.id)?.via;
    this.#claim(leaf);
    const row = core.members.get(leaf.id) as MemberRow;
    core.count('leavesAttached');
    // Its former gateway, before it gives it up.
    if (cameFrom) this.#showWay(leaf, cameFrom);
    const { pingIntervalMs } = this.config;
    this.#send([session], { type: 'welcome', from: core.self.id, pingIntervalMs, record: toRecord(row, true) });
    this.#news.arm();
    core.foreign?.leafChanged(row, false);
  }

  /** Says that it is here, and newer than all that was said of it before, also by a gateway that we have not heard yet. */
  #claim({ id, record }: Leaf): void {
    const { config, hlc, members, nowMs, self } = this.core;
    const aheadMaxMs = config.timing.clockDriftMaxMs * AHEAD_SHARE;
    const said = [record.incarnation, record.version].filter((time) => hlc.aheadMs(time, nowMs) < aheadMaxMs);
    const known = members.get(id);
    for (const time of known ? [...said, known.incarnation, known.version] : said) hlc.observe(time);
    const now = hlc.now(nowMs);
    const ours = { state: 'alive', dialect: 'native', bilingual: false, via: self.id } as const;
    const address = `${this.config.url}#${id}`;
    members.merge({ ...record, ...ours, address, incarnation: now, version: now }, self.id);
  }

  /** A leaf speaks, under its own name. */
  #packet(leaf: Leaf, packet: NativePacket): void {
    const { core } = this;
    if (packet.from !== leaf.id) {
      core.drop('leafPacketsRefused', `${packet.type} of ${leaf.id} in the name of ${packet.from}`);
      return;
    }
    leaf.heardMs = core.nowMs;
    this.#vouch(leaf, 'alive');
    switch (packet.type) {
      case 'ack':
        return;
      case 'ping':
        this.#sendTo(leaf, { type: 'ack', seq: packet.seq, from: core.self.id, news: [] });
        return;
      case 'hidden':
        leaf.hidden = packet.hidden;
        return;
      case 'state':
        this.#says(leaf, packet.records);
        return;
      case 'pull':
        this.#news.again(leaf, packet.ids[0]);
        return;
      case 'bye':
        this.#part(leaf, 'left', '');
        this.#end(leaf, 'leaving');
        return;
      case 'broadcast':
        core.dissemination.enter({ ...packet, origin: leaf.id, hops: 0 }, { reliable: true });
        return;
      case 'message':
      case 'request':
      case 'reply':
        this.#pass(leaf, packet);
        return;
      default:
        core.drop('leafPacketsRefused', `${packet.type} of ${leaf.id}`);
    }
  }

  /** Its metadata has changed: the one thing about itself that a leaf can change. */
  #says(leaf: Leaf, [said]: readonly MemberRecord[]): void {
    const { core } = this;
    const row = this.#row(leaf);
    if (!row || !said?.metadata) return;
    const { metadata, metadataBytes } = said;
    leaf.record = { ...leaf.record, metadata, metadataBytes };
    const version = core.hlc.now(core.nowMs);
    core.members.mergeInfo(row, { ...toRecord(row, false), metadata, metadataBytes, version });
    core.foreign?.leafChanged(row, false);
  }

  /** From a leaf to one member: to us, to another leaf, or on its way. */
  #pass(leaf: Leaf, packet: AddressedPacket): void {
    const { core } = this;
    const row = core.members.get(packet.to);
    if (row === core.self) {
      if (packet.type === 'message') core.requests.deliver(packet.from, packet.messageId, packet);
      else if (packet.type === 'request') core.requests.onRequest(packet);
      else core.requests.onReply(packet);
    } else if (!row || row.state === 'dead' || core.whyNot(row)) {
      if (packet.type === 'request') this.#answer(leaf, packet, 'unreachable');
    } else if (row.dialect === 'v1') {
      core.foreign?.pass(row, packet, (answer) => {
        if ('payload' in answer) this.#answer(leaf, packet, 'ok', answer.payload);
        // Of a deadline that has passed it knows best itself.
        else if (answer.error.code !== 'ERR_TIMEOUT') this.#answer(leaf, packet, 'unreachable');
      });
    } else {
      this.#showWay(leaf, row.via ?? row.id);
      core.send(row, packet, true);
    }
  }

  /** The news of where it is now may be slower than what it has to say, and an answer must find its way back. */
  #showWay({ id, attachedMs, shown }: Leaf, where: MemberId): void {
    const { core } = this;
    const to = core.members.get(where);
    const record = core.members.get(id);
    if (!to || !record || to === core.self || shown.has(to.id) || core.nowMs - attachedMs > NEW_HERE_MS) return;
    shown.add(to.id);
    const news = [{ kind: 'record', record: toRecord(record, true) }] as const;
    core.send(to, { type: 'news', from: core.self.id, news }, true);
  }

  #answer(
    leaf: Leaf,
    { to, messageId }: AddressedPacket,
    status: 'ok' | 'failed' | 'unreachable',
    payload: Uint8Array = new Uint8Array(),
  ): void {
    this.#sendTo(leaf, { type: 'reply', from: to, to: leaf.id, messageId, status, payload });
  }

  send(packet: AddressedPacket): boolean {
    const leaf = this.#leaves.get(packet.to);
    if (leaf?.session === undefined || !(leaf.sees?.(packet.from) ?? true)) return false;
    this.#news.introduce(packet.from, leaf);
    this.#sendTo(leaf, packet);
    return true;
  }

  broadcast(message: BroadcastMessage): void {
    const { core } = this;
    const { origin, tag } = message;
    const to: number[] = [];
    for (const leaf of this.#sessions.values()) {
      if (leaf.id === origin || leaf.session === undefined || !(leaf.sees?.(origin) ?? true)) continue;
      if (tag !== '' && !core.members.get(leaf.id)?.tags.includes(tag)) continue;
      this.#news.introduce(origin, leaf);
      to.push(leaf.session);
    }
    if (to.length === 0) return;
    this.#send(to, { ...message, type: 'broadcast', from: core.self.id });
  }

  #lookSoon(): void {
    this.core.schedule(this.config.pingIntervalMs / LOOKS_PER_INTERVAL, () => this.#look());
  }

  /** Pings those whose turn it is, and judges those that are silent. One timer for all. */
  #look(): void {
    const { core } = this;
    if (core.leaves.host !== this) return;
    this.#lookSoon();
    const { pingIntervalMs } = this.config;
    const asleep = core.nowMs < core.pausedUntilMs;
    const ping: number[] = [];
    for (const leaf of this.#leaves.values()) {
      const silentMs = core.nowMs - leaf.heardMs;
      const suspectMs = leaf.hidden ? Math.max(HIDDEN_MS, pingIntervalMs) : pingIntervalMs * SUSPECT_INTERVALS;
      const deadMs = suspectMs + pingIntervalMs * (DEAD_INTERVALS - SUSPECT_INTERVALS);
      if (silentMs >= deadMs && !asleep) {
        this.#part(leaf, 'slow', 'nothing was heard from it');
        this.#end(leaf, 'dead');
      } else {
        if (silentMs >= suspectMs && !asleep) this.#vouch(leaf, 'suspect');
        if (leaf.session === undefined || core.nowMs - leaf.pingedMs < pingIntervalMs) continue;
        leaf.pingedMs = core.nowMs;
        ping.push(leaf.session);
      }
    }
    if (ping.length > 0) this.#send(ping, { type: 'ping', seq: 0, from: core.self.id, news: [] });
  }

  /** What is known of it, as long as it is ours. */
  #row({ id }: Leaf): MemberRow | undefined {
    const row = this.core.members.get(id);
    return row?.via === this.core.self.id ? row : undefined;
  }

  /** What we say of a leaf, and nobody else has a say in. */
  #vouch(leaf: Leaf, state: 'alive' | 'suspect'): void {
    const { core } = this;
    const row = this.#row(leaf);
    if (!row || row.state === state) return;
    const incarnation = state === 'alive' ? core.hlc.now(core.nowMs) : row.incarnation;
    core.members.mergeState(row, incarnation, state, core.self.id);
  }

  review(row: MemberRow): boolean {
    const leaf = this.#leaves.get(row.id);
    if (!leaf) return false;
    const { core } = this;
    if (row.via === core.self.id && core.members.get(row.id)) return true;
    // It was forgotten here, or a gateway that had stood still tells old news as its own.
    if (this.#isHere(leaf) && core.nowMs - leaf.claimedMs > CLAIM_AGAIN_MS) {
      leaf.claimedMs = core.nowMs;
      core.schedule(0, () => {
        if (this.#leaves.get(leaf.id) === leaf) this.#claim(leaf);
      });
      return true;
    }
    this.#part(leaf, 'moved', 'it is at another gateway now');
    this.#leaves.delete(leaf.id);
    core.foreign?.leafChanged(row, true);
    return false;
  }

  #isHere({ session, heardMs }: Leaf): boolean {
    return session !== undefined && this.core.nowMs - heardMs < this.config.pingIntervalMs;
  }

  vouches(row: MemberRow): boolean {
    const leaf = this.#leaves.get(row.id);
    return leaf !== undefined && row.via === this.core.self.id && this.#isHere(leaf);
  }

  /** It is no leaf of ours any more. */
  #end(leaf: Leaf, state: 'leaving' | 'dead'): void {
    const { core } = this;
    this.#leaves.delete(leaf.id);
    const row = this.#row(leaf);
    if (!row) return;
    core.members.mergeState(row, row.incarnation, state, core.self.id);
    core.foreign?.leafChanged(row, true);
  }

  /** Ends its connection, if it has one. */
  #part(leaf: Leaf, why: ByeWhy, reason: string): void {
    if (leaf.session === undefined) return;
    this.#bye(leaf.session, why, reason);
    this.#detach(leaf);
  }

  #detach(leaf: Leaf): void {
    if (leaf.session !== undefined) this.#sessions.delete(leaf.session);
    leaf.session = undefined;
    leaf.behind = undefined;
  }

  #bye(session: number, why: ByeWhy, reason: string): void {
    this.#send([session], { type: 'bye', from: this.core.self.id, why, reason });
    this.core.emit({ type: 'leaf-close', session, why, reason });
  }

  leave(): void {
    for (const row of this.rows()) this.core.foreign?.leafChanged(row, true);
    for (const leaf of [...this.#leaves.values()]) this.#part(leaf, 'closing', 'the gateway leaves');
    this.#leaves.clear();
  }

  #sendTo({ session }: Leaf, packet: NativePacket): void {
    if (session !== undefined) this.#send([session], packet);
  }

  #send(sessions: readonly number[], packet: NativePacket): void {
    this.core.emit({ type: 'leaf-send', sessions, packet });
  }

  /** Our leaves, as rows. */
  rows(): MemberRow[] {
    return [...this.#leaves.keys()].map((id) => this.core.members.get(id)).filter((row) => row !== undefined);
  }
}

/** Why somebody may not be a leaf, if so. */
function refusalOf(
  { id, protocolVersion, applicationVersion }: LeafRecord,
  { config, members }: Core,
): string | undefined {
  const row = members.get(id);
  // Also one that is dead: it may be back.
  if (row && !row.via) return 'its id is that of another member';
  if (protocolVersion !== PROTOCOL_VERSION) {
    return `incompatible protocol version: ${protocolVersion} != ${PROTOCOL_VERSION}`;
  }
  if (!row && members.size >= config.limits.membersMax) return 'full (limits.membersMax)';
  return config.refuseVersion(applicationVersion);
}
