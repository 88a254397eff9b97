/**
 * The rules of a gateway: it vouches for its leaves, watches them alone, tells them what changes in the membership and
 * passes on what is from them and for them. Connections are numbers here; whose they are and what may be admitted the
 * shell has found out.
 */
import type { AddressedPacket, ByeWhy, MemberRecord, NativePacket, News } from '../wire/packet.js';
import { PROTOCOL_VERSION } from './config.js';
import type { Core } from './core.js';
import type { BroadcastItem } from './dissemination.js';
import type { LeafEvent, LeafHost } from './leaves.js';
import type { MemberId } from './member-id.js';
import { hash, isActive, type MemberRow, toRecord } from './members.js';
import { recordBytes, stateNews } from './news.js';
import { statePackets } from './sync.js';

/** What a gateway is told once. */
export interface GatewayConfig {
  /** The URL that leaves dial; a leaf's address is this and `#` and its id. */
  url: string;
  /** Each leaf is pinged this often. */
  pingIntervalMs: number;
  /** Changes of the membership within this time reach leaves as one packet; longer in proportion beyond `CROWD` leaves. */
  batchMs: number;
}

/** A leaf is suspect after this many ping intervals of silence, and dead after that many: told within two. */
const SUSPECT_INTERVALS = 1.5;
const DEAD_INTERVALS = 1.9;
/** Leaves are looked at this many times per ping interval. Source: guess; what is added to a death's telling. */
const LOOKS_PER_INTERVAL = 20;
/** A hidden page may be allowed to run once a minute only. Source: Chromium's intensive throttling, and some seconds. */
const HIDDEN_MS = 75_000;
/** Bytes and pieces of news in one packet to leaves. Source: guess, as state packets. */
const BATCH_BYTES_MAX = 64 * 1024;
const BATCH_MAX = 256;

/** So many leaves are told in a moment; to tell more takes longer, and so is done less often. Source: measured, 20 µs each. */
const CROWD = 1000;

interface Leaf {
  readonly id: MemberId;
  /** Absent when its connection has ended; it may be back. */
  session: number | undefined;
  heardMs: number;
  pingedMs: number;
  hidden: boolean;
  sees: ((id: MemberId) => boolean) | undefined;
  /** It has just come and has not been shown the members; these it knew, as a fingerprint and a number. */
  fresh: readonly [fingerprint: number, members: number] | undefined;
  /** It is slow: what it has to be told when it has caught up. */
  behind: Changes | undefined;
}

/** Members that changed, and whether more than their state did. */
type Changes = Map<MemberId, boolean>;

type Attach = Extract<LeafEvent, { kind: 'attach' }>;

export class Gateway implements LeafHost {
  readonly #leaves = new Map<MemberId, Leaf>();
  readonly #sessions = new Map<number, Leaf>();
  /** What leaves have to be told, each member once. */
  #changed: Changes = new Map();
  /** When leaves were last told, and whether there is a time at which they will be. */
  #toldMs = Number.NEGATIVE_INFINITY;
  #armed = false;

  constructor(
    private readonly core: Core,
    private readonly config: GatewayConfig,
  ) {
    const lookMs = config.pingIntervalMs / LOOKS_PER_INTERVAL;
    core.every(
      () => lookMs,
      () => this.#look(),
    );
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
      this.leave();
      return;
    }
    const leaf = this.#sessions.get(event.session);
    if (!leaf) return;
    switch (event.kind) {
      case 'packet':
        this.#packet(leaf, event.packet);
        return;
      case 'slow':
        this.#slow(leaf, event.slow);
        return;
      case 'closed':
        this.#detach(leaf);
        // A hidden page may have been frozen, and its connection with it.
        if (leaf.hidden) return;
        if (event.away) this.#end(leaf, 'leaving');
        else this.#vouch(leaf, 'suspect');
        return;
      case 'expel':
        this.#part(leaf, event.why, event.reason);
        if (event.why !== 'slow') this.#end(leaf, 'leaving');
        return;
    }
  }

  #attach(event: Attach): void {
    const { core } = this;
    const { session, record } = event;
    const refusal = this.#refusal(event);
    if (refusal !== undefined) {
      core.drop('leavesRefused', `${record.id}: ${refusal}`);
      this.#bye(session, 'refused', refusal);
      return;
    }
    const before = this.#leaves.get(record.id);
    if (before) this.#part(before, 'moved', 'it is on another connection now');
    const leaf: Leaf = {
      id: record.id,
      session,
      heardMs: core.nowMs,
      pingedMs: core.nowMs,
      hidden: event.hidden,
      sees: event.sees,
      fresh: [event.fingerprint, event.members],
      behind: undefined,
    };
    this.#leaves.set(leaf.id, leaf);
    this.#sessions.set(session, leaf);
    const { url, pingIntervalMs } = this.config;
    const known = core.members.get(leaf.id);
    if (known) {
      core.hlc.observe(known.incarnation);
      core.hlc.observe(known.version);
    }
    const now = core.hlc.now(core.nowMs);
    core.members.merge(
      {
        ...record,
        incarnation: now,
        version: now,
        state: 'alive',
        dialect: 'native',
        bilingual: false,
        via: core.self.id,
        address: `${url}#${leaf.id}`,
      },
      core.self.id,
    );
    const row = core.members.get(leaf.id) as MemberRow;
    core.count('leavesAttached');
    this.#send([session], { type: 'welcome', from: core.self.id, pingIntervalMs, record: toRecord(row, true) });
    this.#arm();
    core.foreign?.leafChanged(row, false);
  }

  #refusal({ record }: Attach): string | undefined {
    const { core } = this;
    const row = core.members.get(record.id);
    if (record.id === core.self.id || (row && !row.via && isActive(row))) return 'its id is that of another member';
    if (record.protocolVersion !== PROTOCOL_VERSION) {
      return `incompatible protocol version: ${record.protocolVersion} != ${PROTOCOL_VERSION}`;
    }
    if (!row && core.members.size >= core.config.limits.membersMax) return 'full (limits.membersMax)';
    return core.config.refuseVersion(record.applicationVersion);
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
      case 'bye':
        this.#part(leaf, 'left', '');
        this.#end(leaf, 'leaving');
        return;
      case 'broadcast':
        if (core.dissemination.receive({ ...packet, origin: leaf.id }, { reliable: true })) {
          core.dissemination.relayFor({ ...packet, origin: leaf.id });
        }
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
    const version = core.hlc.now(core.nowMs);
    core.members.mergeInfo(row, { ...toRecord(row, false), metadata, metadataBytes, version });
    core.foreign?.leafChanged(row, false);
  }

  /** From a leaf to one member: to us, to another leaf, or on its way. */
  #pass(leaf: Leaf, packet: AddressedPacket): void {
    const { core } = this;
    const row = core.members.get(packet.to);
    if (row === core.self) {
      if (packet.type === 'message') core.requests.onMessage(packet);
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
      core.send(row, packet, true);
    }
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
    if (leaf?.session === undefined) return false;
    // Not before it knows whom it is from.
    if (leaf.fresh || this.#changed.has(packet.from)) this.#tell();
    if (leaf.sees?.(packet.from) ?? true) this.#sendTo(leaf, packet);
    return true;
  }

  broadcast({ origin, messageId, messageType, tag, reliable, payload }: BroadcastItem): void {
    const { core } = this;
    const to: number[] = [];
    let unknown = this.#changed.has(origin);
    for (const leaf of this.#sessions.values()) {
      if (leaf.id === origin || leaf.session === undefined || !(leaf.sees?.(origin) ?? true)) continue;
      if (tag !== '' && !core.members.get(leaf.id)?.tags.includes(tag)) continue;
      to.push(leaf.session);
      unknown ||= leaf.fresh !== undefined;
    }
    if (to.length === 0) return;
    if (unknown) this.#tell();
    const from = core.self.id;
    this.#send(to, { type: 'broadcast', from, origin, messageId, messageType, ttl: 0, reliable, tag, payload });
  }

  changed(id: MemberId, whole: boolean): void {
    if (this.#sessions.size === 0) return;
    note(this.#changed, id, whole);
    this.#arm();
  }

  /** Leaves are told at once after a quiet time, else once per batch: a change, or a crowd that comes in, is encoded once. */
  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    const pauseMs = this.config.batchMs * Math.max(1, this.#sessions.size / CROWD);
    this.core.schedule(this.#toldMs + pauseMs - this.core.nowMs, () => this.#tell());
  }

  /** Tells the leaves what has changed; those that are slow will hear it when they have caught up. */
  #tell(): void {
    this.#armed = false;
    this.#toldMs = this.core.nowMs;
    const changes = this.#changed;
    this.#changed = new Map();
    const all: number[] = [];
    const fresh: Leaf[] = [];
    for (const [session, leaf] of this.#sessions) {
      if (leaf.fresh) fresh.push(leaf);
      else if (leaf.behind) for (const [id, whole] of changes) note(leaf.behind, id, whole);
      else if (leaf.sees) this.#tellOf(changes, [session], leaf.sees);
      else all.push(session);
    }
    if (all.length > 0) this.#tellOf(changes, all);
    this.#show(fresh);
  }

  /** Shows the members to those that have just come, but to those that still know them. */
  #show(fresh: readonly Leaf[]): void {
    const { members } = this.core;
    const current: number[] = [];
    const all: number[] = [];
    for (const leaf of fresh) {
      const knows = this.#knowsAll(leaf);
      leaf.fresh = undefined;
      const session = leaf.session as number;
      if (leaf.sees)
        this.#showRows(
          [...members.all()].filter(({ id }) => leaf.sees?.(id)),
          true,
          [session],
        );
      else if (knows) current.push(session);
      else all.push(session);
    }
    this.#showRows([], false, current);
    this.#showRows(members.all(), true, all);
  }

  /** Whether what it knew of all others is what we know of them. */
  #knowsAll({ id, fresh }: Leaf): boolean {
    const { members } = this.core;
    const row = members.get(id) as MemberRow;
    return fresh?.[0] === (members.fingerprint ^ hash(row)) >>> 0 && fresh[1] === members.activeCount - 1;
  }

  /** @param whole - whoever is not among the rows is no more. */
  #showRows(rows: Iterable<MemberRow>, whole: boolean, sessions: readonly number[]): void {
    if (sessions.length === 0) return;
    for (const packet of statePackets(this.core.self.id, rows, whole)) this.#send(sessions, packet);
  }

  #tellOf(changes: Changes, sessions: readonly number[], sees?: (id: MemberId) => boolean): void {
    const { core } = this;
    const from = core.self.id;
    const gone: MemberId[] = [];
    let news: News[] = [];
    let bytes = 0;
    const flush = () => {
      if (news.length > 0) this.#send(sessions, { type: 'news', from, news });
      news = [];
      bytes = 0;
    };
    for (const [id, whole] of changes) {
      if (sees && !sees(id)) continue;
      const row = core.members.get(id);
      if (!row) {
        gone.push(id);
        continue;
      }
      const record = toRecord(row, true);
      const more = whole ? recordBytes(record) : 0;
      if (news.length >= BATCH_MAX || (bytes > 0 && bytes + more > BATCH_BYTES_MAX)) flush();
      news.push(whole ? { kind: 'record', record } : stateNews(row, row.id));
      bytes += more;
    }
    flush();
    for (let at = 0; at < gone.length; at += BATCH_MAX) {
      this.#send(sessions, { type: 'forgotten', from, ids: gone.slice(at, at + BATCH_MAX) });
    }
  }

  #slow(leaf: Leaf, slow: boolean): void {
    const { behind, session } = leaf;
    if (slow) {
      leaf.behind ??= new Map();
      return;
    }
    leaf.behind = undefined;
    if (behind && session !== undefined) this.#tellOf(behind, [session], leaf.sees);
  }

  /** Pings those whose turn it is, and judges those that are silent. One timer for all. */
  #look(): void {
    const { core } = this;
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
    if (row.via !== core.self.id) {
      this.#part(leaf, 'moved', 'it is at another gateway now');
      this.#leaves.delete(leaf.id);
      core.foreign?.leafChanged(row, true);
      return false;
    }
    // Somebody takes it for worse than it is: we had been out of sight, or it was.
    const alive = leaf.session !== undefined && core.nowMs - leaf.heardMs < this.config.pingIntervalMs;
    if (alive && row.state !== 'alive') core.schedule(0, () => this.#vouch(leaf, 'alive'));
    return true;
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
    for (const leaf of [...this.#leaves.values()]) this.#part(leaf, 'closing', 'the gateway leaves');
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

function note(changes: Changes, id: MemberId, whole: boolean): void {
  changes.set(id, whole || (changes.get(id) ?? false));
}
