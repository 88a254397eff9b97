/**
 * How we live with peers of the Go library: what their packets mean to us and what they need to hear from us.
 *
 * Their word about themselves is taken, their word about others is a hint that makes us ask. They never see a native
 * frame, and get each broadcast from exactly one of us.
 */
import { GossipError } from '../../errors.js';
import type { AddressedPacket, BroadcastMessage } from '../../wire/packet.js';
import { V1_TYPE, type V1Message, type V1Packet } from '../../wire/v1/packet.js';
import { v1Part } from '../addresses.js';
import type { Core } from '../core.js';
import type { Answer, Contact, ForeignDialect } from '../dialect.js';
import type { ExchangeDone, Outgoing, PacketSource } from '../input.js';
import { isActive, type MemberRow } from '../row.js';
import { Introductions } from './introductions.js';
import { V1Leaves } from './leaves.js';
import { KEEPALIVE_MS, METADATA_PAUSE_MS, V1Outbox } from './outbox.js';
import { V1Peers } from './peers.js';
import { PushPull } from './push-pull.js';
import { v1Address } from './shown.js';

/** How long a member of the dialect may take to answer a leaf: as long as a request by default. The leaf has its own deadline. */
const PASSED_TIMEOUT_MS = 10_000;

/**
 * What a member of the dialect broadcasts it sends to some others itself. They look a message up and note it in two steps: ours comes
 * so much later, as what comes by two ways at once they deliver twice. Source: guess, above a way across a LAN.
 */
const HEAD_START_MS = 50;
/** Broadcasts that wait for that at most; what comes beside them goes at once. Source: guess. */
const WAITING_MAX = 1000;

/** Makes the rules for one core. */
export function createV1Rules(core: Core): ForeignDialect | undefined {
  return v1Part(core.self.address) === undefined ? undefined : new V1Rules(core);
}

class V1Rules implements ForeignDialect {
  readonly #peers: V1Peers;
  readonly #outbox: V1Outbox;
  readonly #leaves: V1Leaves;
  readonly #introductions: Introductions;
  readonly #pushPull: PushPull;
  #keepaliveArmed = false;
  #metadataDue = false;
  /** What is to be sent when its origin has had its head start. */
  readonly #waiting = new Set<() => void>();

  constructor(private readonly core: Core) {
    this.#peers = new V1Peers(core);
    this.#outbox = new V1Outbox(core);
    this.#leaves = new V1Leaves(core, this.#peers, this.#outbox);
    this.#introductions = new Introductions(core, this.#peers, this.#outbox, this.#leaves);
    this.#pushPull = new PushPull(core, this.#peers, this.#outbox, this.#leaves);
  }

  receive(packet: V1Packet, source: PacketSource): void {
    const leaf = packet.message.kind === 'join' ? undefined : this.#leaves.addressee(packet);
    if (!this.#isWelcome(packet, source, leaf)) this.#outbox.respond(source, undefined);
    else if (packet.message.kind === 'data' && packet.replyExpected) {
      this.#onRequest(packet, packet.message.payload, source, leaf);
    } else this.#outbox.respond(source, this.#answer(packet, source, leaf), leaf?.id);
  }

  exchanged(result: ExchangeDone): void {
    this.#outbox.exchanged(result);
  }

  /** Whether a packet is for us or a leaf, from somebody we know, and not from the future. */
  #isWelcome(packet: V1Packet, source: PacketSource, leaf: MemberRow | undefined): boolean {
    const { core } = this;
    if (packet.senderId === core.self.id) core.drop('ownPackets', `v1 type ${packet.type}`);
    else if (packet.type === V1_TYPE.reply) core.drop('repliesNobodyAskedFor', packet.senderId);
    else if (core.tooFarAhead(packet.messageId)) return false;
    else if (packet.message.kind === 'join') return true;
    else if (packet.targetId !== undefined && packet.targetId !== core.self.id && !leaf) {
      core.drop('packetsForOthers', packet.targetId);
    } else if (packet.message.kind !== 'ping' && !core.members.get(packet.senderId)) {
      this.#onStranger(packet, source);
    } else return true;
    return false;
  }

  /** The first words of a joiner may be here before its answer to our join; who waits for an answer cannot wait longer. */
  #onStranger(packet: V1Packet, source: PacketSource): void {
    const { core } = this;
    const { senderId, messageId, message } = packet;
    if (message.kind !== 'data' || source.exchange !== undefined) core.drop('unknownSenders', senderId);
    else {
      core.strangers.hold(senderId, messageId, message.payload.length, () => this.receive(packet, source));
    }
  }

  /** Takes a packet. @returns what its sender hears, if it waits. */
  #answer(packet: V1Packet, source: PacketSource, leaf: MemberRow | undefined): V1Message | undefined {
    const { core } = this;
    core.count('v1PacketsReceived');
    const { message } = packet;
    if (message.kind === 'join') return this.#introductions.onJoin(packet, message);
    const row = core.members.get(packet.senderId);
    if (row) this.#heard(row, packet.messageId, message);
    if (message.kind === 'ping') {
      core.count('v1PingsReceived');
      // A stranger that pings us thinks that we know it.
      if (!row) core.contacts.contact(message.address);
      if (leaf) this.#leaves.askedFor(leaf, row);
      return this.#pong(leaf ?? core.self, message.address);
    }
    if (!row) return undefined;
    switch (message.kind) {
      case 'leave':
        return undefined;
      case 'metadata':
        this.#peers.mergeInfo(row, { version: message.metadataTime, metadata: message.metadata });
        return undefined;
      case 'push-pull':
        this.#pushPull.receive(row, message.entries);
        return this.#pushPull.message(row);
      case 'data':
        if (leaf) this.#leaves.deliver(leaf, packet, message.payload);
        else this.#onData(packet, message.payload, source);
        return undefined;
      default:
        core.drop('repliesNobodyAskedFor', packet.senderId);
        return undefined;
    }
  }

  /** What a packet says of its sender, by its mere arrival or in words. */
  #heard(row: MemberRow, messageId: bigint, message: V1Message): void {
    const state = message.kind === 'metadata' || message.kind === 'pong' ? message.state : undefined;
    if (message.kind === 'leave' || state === 'leaving') this.#peers.leaving(row, messageId);
    else this.#peers.heard(row, messageId, state === 'alive');
  }

  #onRequest(packet: V1Packet, payload: Uint8Array, source: PacketSource, leaf: MemberRow | undefined): void {
    const { core } = this;
    core.count('v1PacketsReceived');
    const row = core.members.get(packet.senderId);
    if (row) this.#peers.heard(row, packet.messageId);
    if (leaf) {
      this.#leaves.ask(leaf, packet, payload, source);
      return;
    }
    const { senderId, messageId, type: messageType } = packet;
    const taken = core.requests.ask(senderId, messageId, { messageType, payload }, (status, answer) =>
      this.#outbox.respond(source, status === 'ok' ? { kind: 'data', payload: answer } : undefined),
    );
    if (!taken) this.#outbox.respond(source, undefined);
  }

  #onData(packet: V1Packet, payload: Uint8Array, source: PacketSource): void {
    const { core } = this;
    const message: Outgoing = { messageType: packet.type, payload };
    if (packet.targetId !== undefined) {
      core.requests.deliver(packet.senderId, packet.messageId, message);
      return;
    }
    const broadcast: BroadcastMessage = {
      ...message,
      hops: 0,
      origin: packet.senderId,
      messageId: packet.messageId,
      tag: packet.tag ?? '',
      reliable: source.reliable,
    };
    // The Go library carries a reliable broadcast one hop only; all of them go on from here.
    core.dissemination.enter(broadcast, source);
  }

  contact(address: string, done: (contact: Contact) => void): void {
    this.#introductions.contact(address, done);
  }

  ping(row: MemberRow, timeoutMs: number, done: (alive: boolean) => void): void {
    const { core } = this;
    const message: V1Message = {
      kind: 'ping',
      id: core.self.id,
      address: v1Part(core.self.address, row.address) ?? '',
    };
    core.count('v1PingsSent');
    const packet = this.#outbox.packet(V1_TYPE.ping, message, row.id);
    this.#outbox.exchange(row.address, packet, timeoutMs, ({ packet: reply }) => {
      const pong = reply?.dialect === 'v1' ? reply.message : undefined;
      if (reply?.dialect !== 'v1' || pong?.kind !== 'pong' || pong.id !== row.id) {
        done(false);
        return;
      }
      if (core.members.get(row.id) === row) {
        this.#heard(row, reply.messageId, pong);
        core.members.setAddress(row, pong.address);
        this.#peers.mergeInfo(row, { version: pong.metadataTime, metadata: pong.metadata });
      }
      done(true);
    });
  }

  /** For ourselves or a leaf. */
  #pong(row: MemberRow, to: string): V1Message {
    const { id, version: metadataTime, metadata = {}, state } = row;
    return { kind: 'pong', id, address: v1Address(this.core, row, to) ?? '', metadataTime, metadata, state };
  }

  broadcast(item: BroadcastMessage, source: PacketSource | undefined): void {
    /** For so long after we were back something old may come. Source: guess, above what neighbours remember. */
    const BACK_MS = 120_000;
    /**
     * They forget after 30 s what they have seen, and would tell their application again; while we were away others have been
     * their guardians. Source: the Go library's message history, less the way.
     */
    const AGE_MAX_MS = 20_000;
    const { core } = this;
    if (
      core.nowMs < core.refutation.backMs + BACK_MS &&
      core.hlc.aheadMs(core.mint(), core.nowMs) - core.hlc.aheadMs(item.messageId, core.nowMs) > AGE_MAX_MS
    ) {
      core.count('v1BroadcastsTooOld');
      return;
    }
    const origin = core.members.get(item.origin);
    // Of a leaf its gateway knows which peers have been told of it: from a stranger they take nothing, then or later.
    const isOurs = (row: MemberRow) => (origin?.via ? origin.via === core.self.id : this.#peers.guards(row.id));
    const to = this.#peers
      .active()
      .filter(
        (row) =>
          row.id !== item.origin &&
          row.address !== source?.address &&
          (item.tag === '' || row.tags.includes(item.tag)) &&
          isOurs(row),
      );
    core.count('v1BroadcastsSent', to.length);
    const packet = this.#outbox.packet(item.messageType, { kind: 'data', payload: item.payload });
    packet.senderId = item.origin;
    packet.messageId = item.messageId;
    if (item.tag !== '') packet.tag = item.tag;
    const strangers = origin?.via ? to.filter((row) => !this.#leaves.isKnown(item.origin, row)) : [];
    for (const row of strangers)
      this.#leaves.whenKnown(item.origin, row, () => this.#outbox.send([row], packet, item.reliable));
    const known = to.filter((row) => !strangers.includes(row));
    const send = () => this.#outbox.send(known, packet, item.reliable);
    if (origin?.dialect === 'v1' && known.length > 0 && this.#waiting.size < WAITING_MAX) this.#sendLater(send);
    else send();
  }

  #sendLater(send: () => void): void {
    this.#waiting.add(send);
    this.core.schedule(HEAD_START_MS, () => {
      this.#waiting.delete(send);
      send();
    });
  }

  send(row: MemberRow, message: Outgoing, reliable: boolean, ref: number): void {
    const data: V1Message = { kind: 'data', payload: message.payload };
    this.#outbox.send([row], this.#outbox.packet(message.messageType, data, row.id), reliable, ref);
  }

  request(row: MemberRow, message: Outgoing, timeoutMs: number, done: (answer: Answer) => void): void {
    const data: V1Message = { kind: 'data', payload: message.payload };
    this.#ask(row, this.#outbox.packet(message.messageType, data, row.id), timeoutMs, done);
  }

  #ask(row: MemberRow, packet: V1Packet, timeoutMs: number, done: (answer: Answer) => void): void {
    this.#outbox.exchange(row.address, packet, timeoutMs, ({ packet: reply, error }) => {
      if (reply?.dialect === 'v1' && reply.message.kind === 'data' && reply.senderId === row.id) {
        done({ payload: reply.message.payload });
        return;
      }
      if (error?.code === 'ERR_UNREACHABLE') this.core.probe.ask(row, 'failed');
      const text = 'the answer is not from the member that was asked';
      done({ error: error ?? new GossipError('ERR_PACKET', text) });
    });
  }

  leafChanged(row: MemberRow, gone: boolean): void {
    this.#leaves.changed(row, gone);
  }

  pass(row: MemberRow, passed: AddressedPacket, answered: (answer: Answer) => void): void {
    const { type, from, messageId, payload } = passed;
    if (type === 'reply') {
      this.#leaves.answered(from, row.id, messageId, passed.status === 'ok' ? payload : undefined);
      return;
    }
    this.#leaves.whenKnown(from, row, () => {
      const packet = this.#outbox.packet(passed.messageType, { kind: 'data', payload }, row.id, from);
      if (type === 'message') this.#outbox.send([row], packet, true);
      else this.#ask(row, packet, PASSED_TIMEOUT_MS, answered);
    });
  }

  changed(row: MemberRow, first: boolean): void {
    const peer = this.#peers.get(row.id);
    if (!isActive(row)) {
      peer.introduced = false;
      peer.leaves.clear();
      return;
    }
    this.#armKeepalive();
    if (!peer.introduced) this.#introductions.introduceSoon(row, peer);
    // It cannot refute a suspicion; its guardian looks for itself, and speaks for it when it answers.
    if (!first && row.state === 'suspect' && this.#peers.guards(row.id)) {
      this.core.probe.ask(row);
    }
  }

  metadataChanged(): void {
    if (this.#metadataDue) return;
    this.#metadataDue = true;
    this.core.schedule(METADATA_PAUSE_MS, () => {
      this.#metadataDue = false;
      this.#tellMetadata();
    });
  }

  #tellMetadata(): void {
    this.#outbox.send(this.#peers.active(), this.#outbox.metadata(), false);
  }

  leave(): void {
    for (const send of this.#waiting) send();
    this.#outbox.send(this.#peers.active(), this.#outbox.packet(V1_TYPE.leave, { kind: 'leave' }), true);
  }

  #armKeepalive(): void {
    const { core } = this;
    if (this.#keepaliveArmed) return;
    this.#keepaliveArmed = true;
    core.schedule(core.random.jitter(KEEPALIVE_MS, 0.1), () => {
      this.#keepaliveArmed = false;
      if (this.#peers.active().length === 0) return;
      this.#tellMetadata();
      this.#armKeepalive();
    });
  }
}
