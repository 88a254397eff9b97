/**
 * A peer that behaves as the Go library's do, for simulations of mixed clusters: written after its source (v0.12.7), on
 * our own wire, since the wire itself is tried against golden frames and live peers.
 */
import type { PacketSource } from '../../src/core/input.js';
import { type MemberId, NOBODY } from '../../src/core/member-id.js';
import type { Metadata } from '../../src/core/metadata.js';
import type { Simulation } from '../../src/testing/index.js';
import { V1_TYPE, type V1Message, type V1Packet, type V1State, type V1StateEntry } from '../../src/wire/v1/packet.js';
import { type Answer, count, GoLikeStation } from './go-like-station.js';
import { type GoNode, GoTable } from './go-like-table.js';

export interface GoLikeOptions {
  address?: string;
  tags?: readonly string[];
  metadata?: Metadata;
  applicationVersion?: string;
  /** How far its wall clock is ahead. Default 0. */
  clockAheadMs?: number;
  versionCheck?: (applicationVersion: string) => boolean;
  /** Answers requests of type 128; `undefined`: there is no handler, so that the asker waits in vain. */
  answer?: (data: unknown, from: number) => unknown;
}

export interface GoDelivery {
  atMs: number;
  from: number;
  data: unknown;
  tag: string;
  direct: boolean;
}

// Source: DefaultConfig of the Go library.
const METADATA_GOSSIP_MS = 500;
const STATE_GOSSIP_MS = 45_000;
const HEALTH_CHECK_MS = 2000;
const SUSPECT_MS = 1500;
const SUSPECT_RETRY_MS = 1000;
const DEAD_MS = 15_000;
const DEAD_RETRY_MS = 30_000;
const DEAD_RETRY_FOR_MS = 600_000;
const HISTORY_MS = 30_000;
const CLEANUP_MS = 20_000;
const LEAVING_MS = 30_000;
const RECOVERY_MS = 30_000;
const JOIN_WORKERS = 3;
const JOIN_QUEUE_SIZE = 100;
const MESSAGE_TYPE = 128;

export class GoLikePeer extends GoLikeStation {
  readonly deliveries: GoDelivery[] = [];
  /** Copies of each application message that arrived, those it has seen before included. */
  readonly copies = new Map<string, number>();
  /** Packets of application messages that it has sent, those that it has passed on included. */
  spread = 0;
  /** Packets that arrived, by type and sender's number: `4 from 0`. */
  readonly received = new Map<string, number>();
  /** Exchanges it opened to ask whether somebody lives, by number. */
  readonly pings = new Map<number, number>();
  /** Why its joins were refused. */
  readonly rejections: string[] = [];
  /** Packets of senders it does not know. */
  unknownSenders = 0;
  readonly table: GoTable;
  state: V1State = 'alive';
  seeds: string[] = [];
  metadata: Metadata;
  #metadataTime: bigint;
  #startTime: bigint;
  #history = new Map<string, number>();
  #joinQueue: string[] = [];
  #joinsUnderWay = 0;

  constructor(
    sim: Simulation,
    readonly id: MemberId,
    index: number,
    seed: number,
    epochMs: number,
    readonly options: GoLikeOptions,
  ) {
    super(sim, index, seed, epochMs + (options.clockAheadMs ?? 0), options.address ?? `go${index - 1_000_000}`);
    this.metadata = options.metadata ?? {};
    this.#metadataTime = this.#startTime = this.now();
    this.table = new GoTable(sim, this.random, () => this.now());
    this.#start();
  }

  #start(): void {
    this.every(METADATA_GOSSIP_MS, METADATA_GOSSIP_MS / 4, () => this.#gossipMetadata());
    this.every(STATE_GOSSIP_MS, STATE_GOSSIP_MS / 2, () => this.#exchangeStates());
    this.every(HEALTH_CHECK_MS, 0, () => this.#ask('alive', (node) => this.sim.nowMs - node.heardMs > SUSPECT_MS));
    this.every(SUSPECT_RETRY_MS, 0, () => this.#ask('suspect', () => true));
    this.every(DEAD_RETRY_MS, 0, () => this.#ask('dead', (node) => this.table.ageMs(node) < DEAD_RETRY_FOR_MS));
    this.every(CLEANUP_MS, CLEANUP_MS / 4, () => {
      for (const node of this.table.in('leaving'))
        if (this.table.ageMs(node) > LEAVING_MS) this.table.setState(node, 'dead');
    });
    const retrySeeds = () => {
      for (const seed of this.seeds) this.#joinPeer(seed);
      this.#exchangeStates();
    };
    this.after(3000 + this.random.unit() * 2000, () => {
      retrySeeds();
      this.after(5000 + this.random.unit() * 2000, () => {
        retrySeeds();
        this.every(RECOVERY_MS, 0, () => {
          if (this.table.aliveCount > Math.ceil(this.seeds.length / 2)) return;
          for (const seed of this.seeds) this.#joinPeer(seed);
        });
      });
    });
  }

  // What a user of the library calls.

  join(...addresses: string[]): void {
    for (const address of addresses) if (address !== this.address) this.#joinPeer(address);
    this.seeds.push(...addresses);
  }

  broadcast(data: unknown, { tag, reliable = false }: { tag?: string; reliable?: boolean } = {}): void {
    const packet = this.#packet(MESSAGE_TYPE, this.#data(data), this.table.maxTtl);
    if (tag !== undefined) packet.tag = tag;
    this.#enqueue(packet, reliable, [this.id]);
  }

  sendTo(to: number, data: unknown, reliable = false): void {
    const node = this.#node(to);
    this.#enqueue({ ...this.#packet(MESSAGE_TYPE, this.#data(data), 1), targetId: node.id }, reliable, [], [node]);
  }

  request(to: number, data: unknown): { value?: unknown; failed?: string; senderId?: MemberId } {
    const outcome: { value?: unknown; failed?: string; senderId?: MemberId } = {};
    const node = this.#node(to);
    this.exchange(node.address, { ...this.#packet(MESSAGE_TYPE, this.#data(data), 1), targetId: node.id }, (reply) => {
      if (typeof reply === 'string') outcome.failed = reply;
      else if (reply.message.kind === 'data') {
        outcome.value = this.sim.wire.env.codec.decode(reply.message.payload);
        outcome.senderId = reply.senderId;
      }
    });
    return outcome;
  }

  setMetadata(metadata: Metadata): void {
    this.metadata = metadata;
    this.#metadataTime = this.now();
    this.#enqueue(this.#packet(V1_TYPE.metadata, this.#own(), this.table.maxTtl), false, [this.id]);
  }

  /** Says farewell and ends a tenth of a second later. */
  leave(): void {
    this.state = 'leaving';
    this.#enqueue(this.#packet(V1_TYPE.leave, { kind: 'leave' }, this.table.maxTtl), false, [this.id]);
    this.after(100, () => this.crash('killed'));
  }

  /** A new process with the same id, which knows nobody. */
  restart(address = this.address): void {
    this.rebind(address);
    this.state = 'alive';
    this.table.clear();
    this.seeds = [];
    this.#joinQueue = [];
    this.#joinsUnderWay = 0;
    this.#history = new Map();
    this.#metadataTime = this.#startTime = this.now();
    this.#start();
  }

  /** How it sees somebody. */
  stateOf(about: number): V1State {
    return this.table.get(this.sim.id(about))?.state ?? 'unknown';
  }

  /** Numbers of those it sees in a state. */
  sees(state: V1State): number[] {
    return this.table
      .in(state)
      .map(({ id }) => this.sim.indexOf(id))
      .sort((a, b) => a - b);
  }

  // What arrives.

  protected take(packet: V1Packet, source: PacketSource, answer?: Answer): void {
    const key = `${packet.senderId} ${packet.messageId}`;
    const { type, targetId, tag, message } = packet;
    count(this.received, `${type} from ${this.sim.indexOf(packet.senderId)}`);
    if (type >= V1_TYPE.dataMin) count(this.copies, key);
    const known = this.table.get(packet.senderId);
    if (
      packet.senderId === this.id ||
      (this.#history.get(key) ?? Number.NEGATIVE_INFINITY) > this.sim.nowMs - HISTORY_MS
    ) {
      answer?.(undefined);
      return;
    }
    if (message.kind !== 'join' && targetId !== undefined && targetId !== this.id) {
      answer?.(undefined);
      return;
    }
    this.#history.set(key, this.sim.nowMs);
    if (known) known.heardMs = this.sim.nowMs;
    if (!source.reliable) this.#enqueue({ ...packet }, false, [this.id, packet.senderId]);
    if (tag !== undefined && !(this.options.tags ?? []).includes(tag)) return;
    if (!known && message.kind !== 'join' && message.kind !== 'ping') {
      this.unknownSenders++;
      answer?.(undefined);
      return;
    }
    const reply = this.#handle(packet, known);
    if (reply && answer) {
      // The library answers in the request's own packet, so that the target is still the asked one.
      answer(this.encode({ ...this.#packet(V1_TYPE.reply, reply, 1), ...(targetId && { targetId }) }));
    }
    // Without a reply a connection stays open until its deadline.
  }

  #handle(packet: V1Packet, known: GoNode | undefined): V1Message | undefined {
    const { message } = packet;
    switch (message.kind) {
      case 'join':
        return this.#onJoin(message, known);
      case 'ping':
        if (!known) this.#joinPeer(message.address);
        return { ...this.#own(), kind: 'pong', id: this.id, address: this.address };
      case 'leave':
        if (known) this.table.setState(known, 'leaving');
        return undefined;
      case 'metadata':
        if (!known) return undefined;
        this.table.updateMetadata(known, message);
        this.table.setState(known, message.state);
        return undefined;
      case 'push-pull':
        this.#combine(message);
        return { kind: 'push-pull', entries: this.table.entries([this.#entry()], packet.senderId) };
      case 'data': {
        const data = this.sim.wire.env.codec.decode(message.payload);
        const from = this.sim.indexOf(packet.senderId);
        if (packet.replyExpected) {
          const answer = this.options.answer?.(data, from);
          return answer === undefined ? undefined : this.#data(answer);
        }
        const { tag = '', targetId } = packet;
        this.deliveries.push({ atMs: this.sim.nowMs, from, data, tag, direct: targetId !== undefined });
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #onJoin(message: Extract<V1Message, { kind: 'join' }>, known: GoNode | undefined): V1Message {
    let reason = '';
    let node = known;
    if (message.id === this.id) reason = 'unable to join self';
    else if (message.protocolVersion !== 1) reason = `incompatible protocol version: ${message.protocolVersion} != 1`;
    else if (this.options.versionCheck && !this.options.versionCheck(message.applicationVersion)) {
      reason = `incompatible application version: ${message.applicationVersion}`;
    } else if (known) this.table.setState(known, message.state);
    else node = this.table.add(message.id, message.address, message.tags, message.state);
    if (node && reason === '') this.table.updateMetadata(node, message);
    const alive = this.table.in('alive').filter(({ id }) => id !== message.id);
    const nodes = reason === '' ? this.random.sample(alive, this.table.joinReplySize) : [];
    return {
      ...this.#own(),
      kind: 'join-reply',
      accepted: reason === '',
      reason,
      id: this.id,
      address: this.address,
      tags: this.options.tags ?? [],
      nodes: nodes.map(({ id, address, tags }) => ({ id, address, tags })),
    };
  }

  #combine(message: Extract<V1Message, { kind: 'push-pull' }>): void {
    for (const entry of message.entries) {
      if (entry.id === this.id) continue;
      const node = this.table.get(entry.id);
      const thinksAlive = entry.state === 'alive' || entry.state === 'suspect';
      if (!node) {
        if (thinksAlive) this.#joinPeer(entry.address);
        else this.table.add(entry.id, entry.address, [], entry.state).stateTime = entry.stateTime;
      } else if (entry.stateTime > node.stateTime && entry.state !== node.state) {
        const gone = node.state === 'dead' || node.state === 'leaving';
        if (thinksAlive && !gone) continue;
        this.table.setState(node, entry.state, entry.stateTime);
        if (thinksAlive) this.#joinPeer(entry.address);
      }
    }
  }

  // What it does by itself.

  /** Joins by a few workers; what does not fit their queue is dropped. @source NumJoinWorkers and JoinQueueSize of the Go library */
  #joinPeer(address: string): void {
    if (this.#joinQueue.length < JOIN_QUEUE_SIZE) this.#joinQueue.push(address);
    this.#joinNext();
  }

  #joinNext(): void {
    const address = this.#joinsUnderWay < JOIN_WORKERS ? this.#joinQueue.shift() : undefined;
    if (address === undefined) return;
    this.#joinsUnderWay++;
    const message: V1Message = {
      ...this.#own(),
      kind: 'join',
      id: this.id,
      address: this.address,
      protocolVersion: 1,
      applicationVersion: this.options.applicationVersion ?? '',
      tags: this.options.tags ?? [],
    };
    this.exchange(address, { ...this.#packet(V1_TYPE.join, message, 1), targetId: NOBODY }, (reply) => {
      this.#joinsUnderWay--;
      if (typeof reply !== 'string' && reply.message.kind === 'join-reply') this.#joined(reply.message);
      this.#joinNext();
    });
  }

  #joined(reply: Extract<V1Message, { kind: 'join-reply' }>): void {
    if (!reply.accepted) {
      this.rejections.push(reply.reason);
      return;
    }
    const node = this.table.get(reply.id) ?? this.table.add(reply.id, reply.address, reply.tags, 'alive');
    this.table.updateMetadata(node, reply);
    for (const { id, address, tags } of reply.nodes) {
      const existing = this.table.get(id);
      if (id === this.id || (existing && existing.state !== 'dead' && existing.state !== 'leaving')) continue;
      if (!existing) this.table.add(id, address, tags, 'alive');
      this.#joinPeer(address);
    }
  }

  #gossipMetadata(): void {
    if (Number((this.now() - this.#metadataTime) >> 10n) <= (METADATA_GOSSIP_MS / 2) * 1000) return;
    const to = this.table.some(3, [this.id]);
    this.#enqueue(this.#packet(V1_TYPE.metadata, this.#own(), this.table.maxTtl), false, [], to);
  }

  #exchangeStates(): void {
    const entries = this.table.entries([], this.id);
    if (entries.length === 0) return;
    for (const node of this.table.some(this.table.fanOut, [this.id])) {
      const packet = this.#packet(V1_TYPE.pushPull, { kind: 'push-pull', entries }, 1);
      this.exchange(node.address, { ...packet, targetId: node.id }, (reply) => {
        if (typeof reply === 'string') return this.table.setState(node, 'suspect');
        if (node.state === 'suspect') this.table.setState(node, 'alive');
        node.heardMs = this.sim.nowMs;
        if (reply.message.kind === 'push-pull') this.#combine(reply.message);
      });
    }
  }

  #ask(state: V1State, fits: (node: GoNode) => boolean): void {
    for (const node of this.table.in(state)) {
      if (!fits(node)) continue;
      const about = this.sim.indexOf(node.id);
      count(this.pings, about);
      const packet = this.#packet(V1_TYPE.ping, { kind: 'ping', id: this.id, address: this.address }, 1);
      this.exchange(node.address, { ...packet, targetId: node.id }, (reply) => {
        if (typeof reply !== 'string' && reply.message.kind === 'pong') {
          const { message } = reply;
          if (message.address !== '') node.address = message.address;
          this.table.updateMetadata(node, message);
          this.table.setState(node, message.state);
          if (state !== 'alive') this.table.setState(node, 'alive');
          node.heardMs = this.sim.nowMs;
        } else if (state === 'alive') this.table.setState(node, 'suspect');
        else if (state === 'suspect' && this.table.ageMs(node) > DEAD_MS) this.table.setState(node, 'dead');
      });
    }
  }

  // Sending.

  #packet(type: number, message: V1Message, ttl: number): V1Packet {
    return { dialect: 'v1', type, senderId: this.id, messageId: this.now(), ttl, replyExpected: false, message };
  }

  #data(data: unknown): V1Message {
    return { kind: 'data', payload: this.sim.wire.env.codec.encode(data) };
  }

  #own(): { kind: 'metadata'; metadataTime: bigint; metadata: Metadata; state: V1State } {
    return { kind: 'metadata', metadataTime: this.#metadataTime, metadata: this.metadata, state: this.state };
  }

  #entry(): V1StateEntry {
    return { id: this.id, address: this.address, state: this.state, stateTime: this.#startTime };
  }

  #node(index: number): GoNode {
    const node = this.table.get(this.sim.id(index));
    if (!node) throw new Error(`${this.address} does not know ${index}`);
    return node;
  }

  /** The library's `enqueuePacketForBroadcast`: one hop less, to those named or to a few at random. */
  #enqueue(packet: V1Packet, reliable: boolean, without: readonly MemberId[], to?: readonly GoNode[]): void {
    if (packet.ttl === 0) return;
    packet.ttl--;
    const frame = this.encode(packet);
    for (const { address } of to ?? this.table.some(this.table.fanOut, without, packet.tag)) {
      if (packet.type >= V1_TYPE.dataMin) this.spread++;
      this.sim.carrier.send(this, this.address, address, frame, reliable, () => {});
    }
  }
}

/** Starts a Go-like peer, which knows nobody until it joins. */
export function addGoLike(sim: Simulation, options: GoLikeOptions = {}): GoLikePeer {
  return sim.addStation((id, index, seed, epochMs) => {
    return new GoLikePeer(sim, id, index, seed, epochMs, options);
  });
}
