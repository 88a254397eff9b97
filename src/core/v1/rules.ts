/**
 * How we live with peers of the Go library: what their packets mean to us and what they need to hear from us.
 *
 * Their word about themselves is taken (any packet of theirs proves them alive), their word about others is a hint that
 * makes us ask. They know no incarnations, so whoever has heard from them mints one. They never see a native frame.
 */
import { GossipError } from '../../errors.js';
import type { MemberRecord } from '../../wire/packet.js';
import { V1_TYPE, type V1Message, type V1Packet, type V1StateEntry } from '../../wire/v1/packet.js';
import { PROTOCOL_VERSION } from '../config.js';
import type { Core } from '../core.js';
import type { Contact, ForeignDialect } from '../dialect.js';
import type { BroadcastItem } from '../dissemination.js';
import type { Outgoing, Packet, PacketSource } from '../input.js';
import { type MemberId, NOBODY } from '../member-id.js';
import { isActive, type MemberRow } from '../members.js';
import type { Metadata } from '../metadata.js';
import { type V1Peer, V1Peers } from './peers.js';
import { estimateBytes, joinReplySize, pushPullSize } from './sizes.js';

/** `PROTOCOL_VERSION` of the Go library. */
const V1_PROTOCOL_VERSION = 1;
/**
 * A metadata update this often keeps a Go peer from opening a connection to ask: it asks who was silent for 1.5 s.
 * Source: its SuspectTimeout, and a live measurement (none in 45 s at 1.2 s).
 */
const KEEPALIVE_MS = 1200;
/** Source: StateGossipInterval of the Go library. */
const PUSH_PULL_MS = 45_000;
/** A new v1 peer hears from each of us within this time, spread out. Source: guess. */
const INTRODUCE_WITHIN_MS = 300;
/** Source: TCPDeadline of the Go library. */
const EXCHANGE_TIMEOUT_MS = 2000;
/** Members one push/pull can make us ask. Source: guess, the Go library's largest push/pull. */
const HINTS_MAX = 16;

/** Makes the rules for one core. */
export function createV1Rules(core: Core): ForeignDialect {
  return new V1Rules(core);
}

class V1Rules implements ForeignDialect {
  readonly #peers: V1Peers;
  #keepaliveArmed = false;

  constructor(private readonly core: Core) {
    this.#peers = new V1Peers(core);
    core.schedule(core.random.unit() * PUSH_PULL_MS, () => this.#pushPullRound());
  }

  // Packets that arrive.

  receive(packet: V1Packet, source: PacketSource): void {
    const { core } = this;
    const answer = (message?: V1Message) => this.#respond(source, message);
    if (packet.senderId === core.self.id) {
      core.drop('ownPackets', `v1 type ${packet.type}`);
      return answer();
    }
    if (core.tooFarAhead(packet.messageId)) return answer();
    if (packet.message.kind === 'join') return answer(this.#onJoin(packet, packet.message));
    if (packet.targetId !== undefined && packet.targetId !== core.self.id) {
      core.drop('packetsForOthers', packet.targetId);
      return answer();
    }
    core.count('v1PacketsReceived');
    const row = core.members.get(packet.senderId);
    if (row?.dialect === 'v1') this.#heard(row, packet.messageId);
    const { message } = packet;
    if (message.kind === 'ping') {
      // A stranger that pings us thinks we know it; so does one of whom we have only heard.
      if (!row) core.contacts.contact(message.address);
      return answer(this.#pong());
    }
    if (!row) {
      core.drop('unknownSenders', packet.senderId);
      return answer();
    }
    switch (message.kind) {
      case 'leave':
        this.#onLeave(row, packet.messageId);
        return answer();
      case 'metadata':
        this.#mergeInfo(row, { version: message.metadataTime, metadata: message.metadata });
        if (message.state === 'leaving') this.#onLeave(row, packet.messageId);
        return answer();
      case 'push-pull':
        this.#onEntries(row, message.entries);
        return answer({ kind: 'push-pull', entries: this.#entries(row.id) });
      case 'data':
        this.#onData(packet, message.payload, source);
        return;
      case 'join-reply':
      case 'pong':
        core.drop('repliesNobodyAskedFor', packet.senderId);
        return answer();
    }
  }

  #onJoin(packet: V1Packet, message: Extract<V1Message, { kind: 'join' }>): V1Message {
    const { core } = this;
    const reason = this.#refusal(packet, message);
    core.count(reason === undefined ? 'joinsAccepted' : 'joinsRejected');
    // One of our own kind only asks which dialect we speak; its native join follows.
    if (reason === undefined && message.iso === undefined) this.#acceptJoin(packet, message);
    const { self } = core;
    return {
      kind: 'join-reply',
      accepted: reason === undefined,
      reason: reason ?? '',
      id: self.id,
      address: self.address,
      tags: self.tags,
      metadataTime: self.version,
      metadata: self.metadata ?? {},
      nodes: reason === undefined ? this.#sampleNodes(message.id) : [],
      iso: PROTOCOL_VERSION,
    };
  }

  #refusal(packet: V1Packet, message: Extract<V1Message, { kind: 'join' }>): string | undefined {
    if (message.id === this.core.self.id) return 'unable to join self';
    if (message.id !== packet.senderId) return 'the joiner is not the sender';
    if (message.iso !== undefined) return undefined;
    if (message.protocolVersion !== V1_PROTOCOL_VERSION) {
      return `incompatible protocol version: ${message.protocolVersion} != ${V1_PROTOCOL_VERSION}`;
    }
    return this.core.config.refuseVersion(message.applicationVersion);
  }

  /** Whoever is new, or names a new address, is believed once it has answered there. */
  #acceptJoin(packet: V1Packet, message: Extract<V1Message, { kind: 'join' }>): void {
    const { core } = this;
    const row = core.members.get(message.id);
    if (!row || row.dialect !== 'v1' || row.address !== message.address) {
      core.contacts.contact(message.address);
      return;
    }
    const peer = this.#peers.get(row.id);
    if (packet.messageId > peer.joinId) peer.joinId = packet.messageId;
    this.#heard(row, packet.messageId);
    this.#mergeInfo(row, {
      version: message.metadataTime,
      metadata: message.metadata,
      tags: message.tags,
      applicationVersion: message.applicationVersion,
    });
  }

  #sampleNodes(joiner: MemberId): Extract<V1Message, { kind: 'join-reply' }>['nodes'] {
    const { core } = this;
    const size = joinReplySize(core.members.count('alive'));
    return core.random
      .sample(core.members.active(), size, (row) => row.state === 'alive' && row.id !== joiner && this.#isShown(row))
      .map((row) => ({ id: row.id, address: row.address, tags: row.tags, ...isoMark(row) }));
  }

  #onLeave(row: MemberRow, messageId: bigint): void {
    if (row.dialect !== 'v1') return;
    const peer = this.#peers.get(row.id);
    if (messageId <= peer.joinId || messageId <= peer.leaveId) return;
    peer.leaveId = messageId;
    peer.introduced = false;
    if (isActive(row)) this.core.members.mergeState(row, this.core.hlc.now(this.core.nowMs), 'leaving', row.id);
  }

  #onData(packet: V1Packet, payload: Uint8Array, source: PacketSource): void {
    const { core } = this;
    const message: Outgoing = { messageType: packet.type, payload };
    if (packet.replyExpected) {
      core.requests.ask(packet.senderId, packet.messageId, message, {
        kind: 'foreign',
        answer: (reply) => this.#respond(source, reply && { kind: 'data', payload: reply }),
      });
      return;
    }
    if (packet.targetId !== undefined) {
      core.requests.deliver(packet.senderId, packet.messageId, message);
      return;
    }
    const item: BroadcastItem = {
      ...message,
      origin: packet.senderId,
      messageId: packet.messageId,
      tag: packet.tag ?? '',
      reliable: source.reliable,
    };
    // The Go library carries a reliable broadcast one hop only; all of them go on from here.
    if (core.dissemination.receive(item, source)) core.dissemination.relayForeign(item);
  }

  #onEntries(from: MemberRow, entries: readonly V1StateEntry[]): void {
    const { core } = this;
    let hints = HINTS_MAX;
    for (const entry of entries) {
      if (hints === 0) return;
      const thinksAlive = entry.state === 'alive' || entry.state === 'suspect';
      if (entry.id === core.self.id) {
        // Our refutation toward v1 peers is to speak up.
        if (entry.state !== 'alive') this.#sendMetadata([from]);
        continue;
      }
      const row = core.members.get(entry.id);
      if (thinksAlive && (!row || row.state === 'dead')) {
        hints--;
        core.contacts.contact(entry.address);
      } else if (row && entry.state !== 'alive' && row.heardMs < core.nowMs - core.config.timing.probeIntervalMs) {
        hints--;
        core.probe.check(row);
      }
    }
  }

  // What is known of them.

  /** A packet of its own proves a peer alive, unless it was sent before it said farewell. */
  #heard(row: MemberRow, messageId: bigint): void {
    const peer = this.#peers.get(row.id);
    if (messageId <= peer.leaveId || messageId < peer.joinId) return;
    const { core } = this;
    row.heardMs = core.nowMs;
    if (row.state !== 'alive') core.members.mergeState(row, core.hlc.now(core.nowMs), 'alive', core.self.id);
  }

  #mergeInfo(
    row: MemberRow,
    info: { version: bigint; metadata: Metadata; tags?: readonly string[]; applicationVersion?: string },
  ): void {
    if (row.dialect !== 'v1' || this.core.tooFarAhead(info.version)) return;
    this.core.members.mergeInfo(row, this.#record(row.id, row.address, info.tags ?? row.tags, row, info));
  }

  #record(
    id: MemberId,
    address: string,
    tags: readonly string[],
    row: MemberRow | undefined,
    info: { version: bigint; metadata: Metadata; applicationVersion?: string },
  ): MemberRecord {
    const alive = row?.state === 'alive';
    return {
      id,
      incarnation: alive ? row.incarnation : this.core.hlc.now(this.core.nowMs),
      state: 'alive',
      dialect: 'v1',
      bilingual: false,
      version: info.version,
      address,
      tags,
      protocolVersion: V1_PROTOCOL_VERSION,
      applicationVersion: info.applicationVersion ?? row?.applicationVersion ?? '',
      metadata: info.metadata,
      metadataBytes: estimateBytes(info.metadata),
    };
  }

  // What we send.

  contact(address: string, done: (contact: Contact) => void): void {
    const { core } = this;
    const { self } = core;
    const message: V1Message = {
      kind: 'join',
      id: self.id,
      address: self.address,
      protocolVersion: V1_PROTOCOL_VERSION,
      applicationVersion: self.applicationVersion,
      state: 'alive',
      tags: self.tags,
      metadataTime: self.version,
      metadata: self.metadata ?? {},
      iso: PROTOCOL_VERSION,
    };
    const packet = this.#packet(V1_TYPE.join, message, { targetId: NOBODY, ttl: 1, replyExpected: true });
    core.exchange(address, packet, EXCHANGE_TIMEOUT_MS, ({ packet: reply, error }) => {
      if (error || !reply) done({ kind: 'failed', reason: error?.message ?? 'no answer' });
      else done(this.#met(address, reply));
    });
  }

  /** Reads the answer to a join: adds whoever answered, under the id in the answer, and goes on to those it names. */
  #met(address: string, reply: Packet): Contact {
    if (reply.dialect !== 'v1') return { kind: 'native' };
    const { message } = reply;
    const { core } = this;
    if (message.kind !== 'join-reply' || message.id !== reply.senderId) {
      return { kind: 'failed', reason: 'the answer to our join is not one' };
    }
    if (!message.accepted) return { kind: 'rejected', reason: message.reason };
    for (const node of message.nodes) {
      const known = core.members.get(node.id);
      if (node.id !== core.self.id && (!known || !isActive(known))) core.contacts.contact(node.address);
    }
    if (message.iso !== undefined) return { kind: 'native' };
    if (core.tooFarAhead(reply.messageId)) return { kind: 'failed', reason: 'its clock is too far ahead of ours' };

    const peer = this.#peers.get(message.id);
    peer.introduced = true;
    peer.joinId = reply.messageId;
    const before = core.members.get(message.id);
    const info = { version: message.metadataTime, metadata: message.metadata };
    const row = core.members.merge(
      this.#record(message.id, message.address || address, message.tags, before, info),
      core.self.id,
    );
    if (!row) return { kind: 'failed', reason: 'the table of members is full' };
    row.heardMs = core.nowMs;
    core.members.setAddress(row, message.address || address);
    return { kind: 'foreign' };
  }

  ping(row: MemberRow, timeoutMs: number, done: (alive: boolean) => void): void {
    const { core } = this;
    const message: V1Message = { kind: 'ping', id: core.self.id, address: core.self.address };
    const packet = this.#packet(V1_TYPE.ping, message, { targetId: row.id, ttl: 1, replyExpected: true });
    core.count('v1PingsSent');
    core.exchange(row.address, packet, timeoutMs, ({ packet: reply }) => {
      const pong = reply?.dialect === 'v1' ? reply.message : undefined;
      if (pong?.kind !== 'pong' || pong.id !== row.id) return done(false);
      if (core.members.get(row.id) === row && reply?.dialect === 'v1') {
        this.#heard(row, reply.messageId);
        if (pong.address !== '') core.members.setAddress(row, pong.address);
        this.#mergeInfo(row, { version: pong.metadataTime, metadata: pong.metadata });
        if (pong.state === 'leaving') this.#onLeave(row, reply.messageId);
      }
      done(true);
    });
  }

  #pong(): V1Message {
    const { self } = this.core;
    return {
      kind: 'pong',
      id: self.id,
      address: self.address,
      metadataTime: self.version,
      metadata: self.metadata ?? {},
      state: self.state,
    };
  }

  broadcast(item: BroadcastItem, source: PacketSource | undefined): void {
    const to = this.#peers
      .active()
      .filter(
        (row) =>
          row.id !== item.origin &&
          row.address !== source?.address &&
          (item.tag === '' || row.tags.includes(item.tag)) &&
          this.#peers.guards(row.id),
      );
    if (to.length === 0) return;
    const packet: V1Packet = {
      dialect: 'v1',
      type: item.messageType,
      senderId: item.origin,
      ...(item.tag === '' ? {} : { tag: item.tag }),
      messageId: item.messageId,
      // Each peer is served by its guardian; nothing needs to be forwarded.
      ttl: 0,
      replyExpected: false,
      message: { kind: 'data', payload: item.payload },
    };
    this.core.count('v1BroadcastsSent', to.length);
    this.#send(to, packet, item.reliable);
  }

  send(row: MemberRow, message: Outgoing, reliable: boolean, ref: number): void {
    const data: V1Message = { kind: 'data', payload: message.payload };
    this.#send([row], this.#packet(message.messageType, data, { targetId: row.id }), reliable, ref);
  }

  request(row: MemberRow, message: Outgoing, timeoutMs: number, ref: number): void {
    const { core } = this;
    const data: V1Message = { kind: 'data', payload: message.payload };
    const packet = this.#packet(message.messageType, data, { targetId: row.id, ttl: 1, replyExpected: true });
    core.exchange(row.address, packet, timeoutMs, ({ packet: reply, error }) => {
      if (reply?.dialect === 'v1' && reply.message.kind === 'data' && reply.senderId === row.id) {
        core.emit({ type: 'settled', ref, payload: reply.message.payload });
        return;
      }
      if (error?.code === 'ERR_UNREACHABLE') core.probe.evidence(row);
      const text = 'the answer is not from the member that was asked';
      core.emit({ type: 'settled', ref, error: error ?? new GossipError('ERR_PACKET', text) });
    });
  }

  changed(row: MemberRow, first: boolean): void {
    const peer = this.#peers.get(row.id);
    if (!isActive(row)) {
      peer.introduced = false;
      return;
    }
    this.#armKeepalive();
    if (!peer.introduced) this.#introduceSoon(row, peer);
    else if (!first && row.state === 'suspect' && this.#peers.guards(row.id)) this.core.probe.check(row);
  }

  /** A peer that others told us of must come to know us: it drops what strangers send. */
  #introduceSoon(row: MemberRow, peer: V1Peer): void {
    const { core } = this;
    core.schedule(core.random.unit() * INTRODUCE_WITHIN_MS, () => {
      const now = core.members.get(row.id);
      if (now && isActive(now) && !peer.introduced) core.contacts.contact(now.address);
    });
  }

  metadataChanged(): void {
    this.#sendMetadata(this.#peers.active());
  }

  leave(): void {
    const to = this.#peers.active();
    if (to.length > 0) this.#send(to, this.#packet(V1_TYPE.leave, { kind: 'leave' }), true);
  }

  #sendMetadata(to: readonly MemberRow[]): void {
    if (to.length === 0) return;
    const { self } = this.core;
    this.#send(
      to,
      this.#packet(V1_TYPE.metadata, {
        kind: 'metadata',
        metadataTime: self.version,
        metadata: self.metadata ?? {},
        state: self.state,
      }),
      false,
    );
  }

  #armKeepalive(): void {
    const { core } = this;
    if (this.#keepaliveArmed || core.left) return;
    this.#keepaliveArmed = true;
    core.schedule(core.random.jitter(KEEPALIVE_MS, 0.1), () => {
      this.#keepaliveArmed = false;
      if (core.left || this.#peers.active().length === 0) return;
      this.#sendMetadata(this.#peers.active());
      this.#armKeepalive();
    });
  }

  #pushPullRound(): void {
    const { core } = this;
    if (core.left) return;
    core.schedule(core.random.jitter(PUSH_PULL_MS, 0.2), () => this.#pushPullRound());
    const [row] = core.random.sample(this.#peers.active(), 1, (peer) => peer.state === 'alive');
    if (!row) return;
    const message: V1Message = { kind: 'push-pull', entries: this.#entries(row.id) };
    const packet = this.#packet(V1_TYPE.pushPull, message, { targetId: row.id, ttl: 1, replyExpected: true });
    core.exchange(row.address, packet, EXCHANGE_TIMEOUT_MS, ({ packet: reply }) => {
      if (reply?.dialect !== 'v1' || reply.message.kind !== 'push-pull') return core.probe.check(row);
      this.#heard(row, reply.messageId);
      this.#onEntries(row, reply.message.entries);
    });
  }

  #entries(to: MemberId): V1StateEntry[] {
    const { core } = this;
    return core.random
      .sample([...core.members.all()], pushPullSize(core.members.size), (row) => row.id !== to && this.#isShown(row))
      .map((row) => ({
        id: row.id,
        address: row.address,
        state: row.state,
        stateTime: row.stateTime,
        ...isoMark(row),
      }));
  }

  /** Members without the plug-in cannot answer a v1 peer, so it is not told of them. */
  #isShown(row: MemberRow): boolean {
    return row.dialect === 'v1' || row.bilingual;
  }

  #packet(
    type: number,
    message: V1Message,
    head: { targetId?: MemberId; ttl?: number; replyExpected?: boolean } = {},
  ): V1Packet {
    const { core } = this;
    return {
      dialect: 'v1',
      type,
      senderId: core.self.id,
      ...(head.targetId === undefined ? {} : { targetId: head.targetId }),
      messageId: core.hlc.now(core.nowMs),
      ttl: head.ttl ?? 0,
      replyExpected: head.replyExpected ?? false,
      message,
    };
  }

  #send(to: readonly MemberRow[], packet: V1Packet, reliable: boolean, ref?: number): void {
    const addresses = to.map((row) => row.address);
    this.core.emit({
      type: 'send',
      to: addresses,
      packet,
      reliable,
      single: true,
      ...(ref === undefined ? {} : { ref }),
    });
  }

  #respond(source: PacketSource, message?: V1Message): void {
    const { exchange } = source;
    if (exchange === undefined) return;
    if (!message) this.core.emit({ type: 'respond', exchange });
    else this.core.emit({ type: 'respond', exchange, packet: this.#packet(V1_TYPE.reply, message, { ttl: 1 }) });
  }
}

function isoMark(row: MemberRow): { iso?: number } {
  return row.dialect === 'native' ? { iso: PROTOCOL_VERSION } : {};
}
