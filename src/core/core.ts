/**
 * The state machine of one member: `handle(input, nowMs)` takes what came in and returns what is to be done. No I/O, no
 * clock, no global randomness; the same inputs give the same effects anywhere. This file only routes; each rule stands in
 * the part it belongs to.
 */

import { isRefused } from '../errors.js';
import type { MemberRecord, MemberState, NativePacket } from '../wire/packet.js';
import { type CoreConfig, ownRecord } from './config.js';
import { Contacts } from './contacts.js';
import type { ForeignDialect } from './dialect.js';
import { Dissemination } from './dissemination.js';
import type { Input, Packet, PacketSource } from './input.js';
import { Leaves } from './leaves.js';
import { type KnownMember, Machine } from './machine.js';
import { Members } from './members.js';
import { Neighbours } from './neighbours.js';
import { NewsQueue } from './news.js';
import { Prober } from './probe.js';
import { Random } from './random.js';
import { Refutation } from './refutation.js';
import { MemberRow, toRecord } from './row.js';
import { Strangers } from './strangers.js';
import { SuspicionTable } from './suspicion.js';
import { Sync } from './sync.js';

export class Core extends Machine {
  declare readonly config: CoreConfig;
  readonly random: Random;
  readonly members: Members;
  readonly news: NewsQueue;
  readonly suspicion: SuspicionTable;
  readonly refutation: Refutation;
  readonly probe: Prober;
  readonly neighbours: Neighbours;
  readonly dissemination: Dissemination;
  readonly sync: Sync;
  readonly contacts: Contacts;
  readonly strangers: Strangers;
  readonly leaves: Leaves;
  readonly foreign: ForeignDialect | undefined;
  /** Until then nobody is judged: we were asleep, and what was silent may be us. */
  pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(config: CoreConfig, nowMs: number) {
    /** How often leaving members and tombstones are looked through. Source: NodeCleanupInterval of the Go library. */
    const CLEANUP_INTERVAL_MS = 20_000;
    super(config, nowMs);
    this.random = new Random(config.seed);
    const start = this.hlc.now(nowMs);
    this.leaves = new Leaves(this);
    this.members = new Members(this, new MemberRow(ownRecord(config, start), nowMs));
    this.news = new NewsQueue(this);
    this.suspicion = new SuspicionTable(this);
    this.refutation = new Refutation(this);
    this.probe = new Prober(this);
    this.neighbours = new Neighbours(this);
    this.dissemination = new Dissemination(this);
    this.sync = new Sync(this);
    this.contacts = new Contacts(this);
    this.strangers = new Strangers(this);
    this.probe.start();
    this.sync.start();
    this.every(
      () => this.random.jitter(CLEANUP_INTERVAL_MS, 0.25),
      () => this.#cleanUp(),
    );
    this.foreign = config.foreign?.(this);
    this.self.traits = { ...this.self.traits, bilingual: this.foreign !== undefined };
  }

  override get self(): MemberRow {
    return this.members.self;
  }

  /** What we say about ourselves. */
  selfRecord(): MemberRecord {
    return toRecord(this.self, true);
  }

  protected woke(): void {
    this.pausedUntilMs = this.nowMs + this.timing.probeIntervalMs * 2;
    this.count('pauses');
    this.suspicion.adjustHealth(1);
  }

  protected route(input: Input): void {
    if ('packet' in input) this.suspicion.heard();
    switch (input.type) {
      case 'tick':
        return;
      case 'packet':
        if (input.packet.dialect === 'v1') this.foreign?.receive(input.packet, input.source);
        else this.#packet(input.packet, input.source);
        return;
      case 'exchange-done':
        this.foreign?.exchanged(input);
        return;
      case 'send-failed':
        this.#sendFailed(input);
        return;
      case 'disconnected':
        this.neighbours.failed(input.address);
        this.contacts.unreachable(input.address, 'it closed the connection');
        for (const row of this.members.atAddress(input.address)) this.probe.ask(row, 'closed');
        return;
      case 'join':
        this.contacts.join(input.addresses, input.ref);
        return;
      case 'leave':
        this.#leave();
        return;
      case 'broadcast':
        this.dissemination.start(input);
        return;
      case 'send':
        // What was said first leaves first.
        this.dissemination.push();
        this.requests.send(input);
        return;
      case 'request':
        this.dissemination.push();
        this.requests.request(input);
        return;
      case 'cancel':
        this.requests.cancel(input.ref);
        return;
      case 'reply':
        this.requests.reply(input.exchange, input.status, input.payload);
        return;
      case 'set-metadata':
        this.#setMetadata(input);
        return;
      case 'forget':
        this.members.remove(input.id);
        return;
      case 'leaf':
        this.leaves.host?.receive(input.event);
        return;
    }
  }

  #packet(packet: NativePacket, source: PacketSource): void {
    if (packet.from === this.self.id) {
      this.drop('ownPackets', packet.type);
      return;
    }
    this.count('packetsReceived');
    const sender = this.members.get(packet.from);
    if (sender && 'news' in packet) this.news.receive(packet.news, packet.from);
    // What may come from someone who is not in the table (yet).
    switch (packet.type) {
      case 'ping':
        this.probe.onPing(packet, source, sender);
        return;
      case 'ack':
        this.probe.onAck(packet, sender);
        return;
      case 'join':
        this.contacts.onJoin(packet);
        return;
      case 'join-reply':
        this.contacts.onJoinReply(packet);
        return;
      case 'native-only':
        this.drop('repliesNobodyAskedFor', packet.from);
        return;
    }
    if (!sender) {
      const retry = () => this.#packet(packet, source);
      if (packet.type === 'message' || packet.type === 'request') {
        this.strangers.hold(packet.from, packet.messageId, packet.payload.length, retry);
      } else if (packet.type === 'gossip' && packet.messages[0]) {
        const bytes = packet.messages.reduce((sum, { payload }) => sum + payload.length, 0);
        this.strangers.hold(packet.from, packet.messages[0].messageId, bytes, retry);
      } else this.drop('unknownSenders', packet.from);
      return;
    }
    if ('to' in packet && packet.to !== this.self.id) {
      this.leaves.deliver(packet);
      return;
    }
    switch (packet.type) {
      case 'news':
        return;
      case 'ping-req':
        this.probe.onPingReq(packet, sender);
        return;
      case 'nack':
        this.probe.onNack(packet);
        return;
      case 'digest':
        this.sync.onDigest(packet, sender);
        return;
      case 'summary':
        this.sync.onSummary(packet, sender);
        return;
      case 'state':
        this.sync.onState(packet, sender);
        return;
      case 'pull':
        this.sync.onPull(packet, sender);
        return;
      // Only those who can be dialled have links.
      case 'neighbour':
        this.neighbours.onNeighbour(packet);
        return;
      case 'gossip':
        this.dissemination.onGossip(packet, source);
        return;
      case 'ihave':
        this.dissemination.onIHave(packet);
        return;
      case 'graft':
        this.dissemination.onGraft(packet, sender);
        return;
      case 'prune':
        this.dissemination.onPrune(packet);
        return;
      case 'message':
        this.requests.deliver(packet.from, packet.messageId, packet);
        return;
      case 'request':
        this.requests.onRequest(packet);
        return;
      case 'reply':
        this.requests.onReply(packet);
        return;
      default:
        this.drop('packetsMisplaced', packet.type);
    }
  }

  /** Whoever cannot be dialled may be gone: ask at once; what it was asked cannot be answered. */
  #sendFailed(input: Extract<Input, { type: 'send-failed' }>): void {
    const { code, message } = input.error;
    const refused = isRefused(input.error);
    this.count('sendsFailed');
    // Only a carrier without datagrams has a small packet refused.
    if (!input.reliable && !refused) return;
    this.neighbours.failed(input.address);
    this.contacts.unreachable(input.address, message);
    for (const row of this.members.atAddress(input.address)) {
      this.requests.unreachable(row, message);
      // Our own full queue or a name server says nothing about the member.
      if (code === 'ERR_UNREACHABLE') this.probe.ask(row, refused ? 'refused' : 'failed');
    }
  }

  #setMetadata(input: Extract<Input, { type: 'set-metadata' }>): void {
    const { metadata, metadataBytes, keys } = input;
    this.members.updateSelf({ metadata, metadataBytes }, keys);
    this.emit({ type: 'change', change: { kind: 'metadata', row: this.self } });
    this.foreign?.metadataChanged();
  }

  #leave(): void {
    this.dissemination.push();
    this.members.renewSelf('leaving');
    this.news.announceLeave();
    this.foreign?.leave();
    this.leaves.host?.leave();
    this.left = true;
  }

  /** Leavers become dead, the dead are forgotten; not by one that is dead itself, whom nobody tells who is back. */
  #cleanUp(): void {
    /**
     * Dead leaves are forgotten after this long, if not sooner: nobody asks whether they are back, and pages come and go by the
     * thousand. Source: guess, far above the time for which news about them goes round.
     */
    const LEAF_TOMBSTONE_MS = 300_000;
    const { leavingTimeoutMs, tombstoneMs } = this.timing;
    if (this.members.count('leaving') + this.members.count('dead') === 0 || this.self.state === 'dead') return;
    for (const row of this.members.all()) {
      const age = this.nowMs - row.stateMs;
      if (row.state === 'leaving' && age >= leavingTimeoutMs) {
        this.members.mergeState(row, row.incarnation, 'dead', this.self.id);
      } else if (row.state === 'dead' && age >= (row.via ? Math.min(LEAF_TOMBSTONE_MS, tombstoneMs) : tombstoneMs)) {
        this.members.remove(row.id);
      }
    }
  }

  // What the parts share.

  /** Runs something again and again, each time after a pause that is asked for anew. */
  every(pauseMs: () => number, run: () => void): void {
    this.schedule(pauseMs(), () => {
      this.every(pauseMs, run);
      run();
    });
  }

  /**
   * Sends one packet, encoded once, to a member, to several that are no leaves, or to an address. What is for a leaf goes to
   * its gateway.
   * @param ref - of the application's wish, which is settled when the carrier has taken the packet.
   */
  send(to: KnownMember | readonly KnownMember[] | string, packet: Packet, reliable: boolean, ref?: number): void {
    const rows: readonly { address: string }[] =
      typeof to === 'string' ? [{ address: to }] : 'id' in to ? this.leaves.way(to, packet, ref) : to;
    if (rows.length === 0) return;
    this.emit({ type: 'send', to: rows.map(({ address }) => address), packet, reliable, ref });
  }

  foreignOf(row: MemberRow): ForeignDialect | undefined {
    return row.dialect === 'native' ? undefined : this.foreign;
  }

  whyNot(row: MemberRow): string | undefined {
    return row.dialect === 'native' || this.foreign ? undefined : 'speaks v1: pass option v1';
  }

  /** A row appeared (`previous` is unknown) or its state was merged. */
  rowChanged(row: MemberRow, previous: MemberState | 'unknown'): void {
    this.probe.changed(row);
    if (previous === 'unknown') {
      this.strangers.met(row.id);
      if (row.state === 'suspect') this.suspicion.stateChanged(row, row.id);
    } else if (row.state === 'dead' && previous !== 'dead') {
      this.requests.unreachable(row, 'declared dead');
    } else if (previous === 'dead' && row.state === 'alive' && row.dialect === 'native' && !row.via) {
      // Back from a partition: the two halves have news for each other.
      this.sync.compareSoon(row);
      this.refutation.reunited();
    }
    if (row.dialect !== 'native') this.foreign?.changed(row, previous === 'unknown');
    this.neighbours.changed(row);
    this.leaves.changed(row);
    this.refutation.recover();
  }

  override sizes(): Record<string, number> {
    const own = {
      members: this.members.size,
      membersAlive: this.members.count('alive'),
      membersSuspect: this.members.count('suspect'),
      membersLeaving: this.members.count('leaving'),
      membersDead: this.members.count('dead'),
      localHealth: this.suspicion.health,
      newsWaiting: this.news.size,
      probesOpen: this.probe.size,
      suspicionsRunning: this.suspicion.size,
      contactsPending: this.contacts.pending,
      strangersWaiting: this.strangers.size,
      neighbours: this.neighbours.size,
    };
    // Objects with spreads in them take V8 forty times as long.
    return Object.assign(super.sizes(), own, this.dissemination.stats());
  }
}
