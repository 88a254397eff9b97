/**
 * Our leaves toward peers of the Go library: nodes at our own address, for which we speak. We introduce each to each peer,
 * answer what is for it, and pass on what it says.
 *
 * Such a peer follows a member to a new address only by that member's answer to a ping at the old one. So whoever of us is
 * asked for a leaf of another gateway answers with that gateway's address; and a new gateway keeps silent for a leaf until
 * the peer has asked for it there, because a peer that hears from a leaf does not ask.
 */
import { V1_TYPE, type V1Message, type V1Packet } from '../../wire/v1/packet.js';
import type { Core } from '../core.js';
import type { PacketSource } from '../input.js';
import type { MemberId } from '../member-id.js';
import { isActive, type MemberRow } from '../row.js';
import { EXCHANGE_TIMEOUT_MS, KEEPALIVE_MS, METADATA_PAUSE_MS, type V1Outbox } from './outbox.js';
import type { Acquaintance, V1Peer, V1Peers } from './peers.js';
import { v1Address } from './shown.js';

/** Leaves are introduced to a peer this many at a time. Source: guess; a Go peer joins others by three workers. */
const JOINS_MAX = 4;
/** Introductions begin within this time, so that many gateways do not come to a new peer at once. Source: guess. */
const INTRODUCE_WITHIN_MS = 300;
/** A peer that did not answer is told of a leaf again after this. Source: guess. */
const RETRY_MS = 5000;
/** Whoever joins us again may have forgotten our leaves, and hears of them anew, this much later. Source: guess. */
const MEET_AGAIN_MS = 10_000;
/** A peer has asked for a leaf where it was by then, if anybody is there. Source: it asks every 2 s who was silent for 1.5. */
const FOLLOW_MS = 5000;
/**
 * Keep-alives a second, for all leaves and peers: 1,200 pairs of the two. One datagram for each replaces a connection every
 * 2 s, some ten packets, so that it is worth it for as many as can be; but a peer's checks are bounded (256 waiting, four at
 * a time) and ours are not. Those beyond are asked for, and answered. Source: guess, a few per cent of a core.
 */
const KEEPALIVES_PER_S = 1000;
/** Leaves with more metadata than a datagram holds are asked for as well: a connection every 2 s instead of 1.2. */
const KEEPALIVE_METADATA_BYTES_MAX = 1000;
/** Keep-alives are spread over so many parts of their interval. Source: guess. */
const PARTS = 10;
/** What leaves have for a peer that does not know them yet. Source: guess. */
const WAITING_MAX = 32;

export class V1Leaves {
  /** Requests of peers to our leaves, until they are answered. */
  readonly #asked = new Map<string, (payload?: Uint8Array) => void>();
  readonly #metadataDue = new Set<MemberId>();
  #part = 0;
  #armed = false;

  constructor(
    private readonly core: Core,
    private readonly peers: V1Peers,
    private readonly outbox: V1Outbox,
  ) {}

  /** The leaf a packet is for, when it can be answered for: it is alive, and peers may know it. */
  addressee({ targetId }: V1Packet): MemberRow | undefined {
    const row = targetId === undefined ? undefined : this.core.members.get(targetId);
    return row?.via && row.state === 'alive' && v1Address(this.core, row) !== undefined ? row : undefined;
  }

  /** A peer asks whether a leaf is alive; when it is ours, the peer knows now where it is. */
  askedFor(leaf: MemberRow, by: MemberRow | undefined): void {
    if (by?.dialect === 'v1' && isActive(by) && this.#isOurs(leaf)) this.#acquaint(leaf.id, by).here = true;
  }

  /** A peer has a message for a leaf; one that has moved gets it from its present gateway. */
  deliver(leaf: MemberRow, { senderId: from, messageId, type: messageType }: V1Packet, payload: Uint8Array): void {
    this.core.send(leaf, { type: 'message', from, to: leaf.id, messageId, messageType, payload }, true);
  }

  /** A peer asks a leaf. It asks on a connection to us, so that only a leaf of ours can answer. */
  ask(leaf: MemberRow, packet: V1Packet, payload: Uint8Array, source: PacketSource): void {
    const { core } = this;
    const { senderId: from, messageId, type: messageType } = packet;
    const key = requestKey(leaf.id, from, messageId);
    const answer = (reply?: Uint8Array) => {
      if (this.#asked.delete(key)) {
        this.outbox.respond(source, reply && { kind: 'data', payload: reply }, leaf.id);
      }
    };
    const full = this.#asked.size >= core.config.limits.incomingRequestsMax;
    if (full) core.drop('incomingRequestsOverLimit', from);
    if (full || this.#asked.has(key) || !this.#isOurs(leaf)) {
      this.outbox.respond(source, undefined);
      return;
    }
    this.#asked.set(key, answer);
    const request = { type: 'request', from, to: leaf.id, messageId, messageType, payload } as const;
    if (!core.leaves.host?.send(request)) answer();
    // It does not wait longer.
    else core.schedule(EXCHANGE_TIMEOUT_MS, answer);
  }

  /** A leaf of ours has answered a peer; without a payload it could not. */
  answered(leaf: MemberId, peer: MemberId, messageId: bigint, payload?: Uint8Array): void {
    this.#asked.get(requestKey(leaf, peer, messageId))?.(payload);
  }

  /** A leaf of ours is new, back, or has changed its metadata; or it is not ours any more. */
  changed(row: MemberRow, gone: boolean): void {
    if (gone) this.#gone(row);
    else {
      for (const peer of this.peers.active()) if (this.peers.get(peer.id).introduced) this.#acquaint(row.id, peer);
      this.#tellSoon(row.id);
    }
  }

  #gone(row: MemberRow): void {
    const { core } = this;
    const to = this.peers.active().filter(({ id }) => this.peers.get(id).leaves.get(row.id)?.state === 'told');
    for (const { id } of this.peers.active()) this.peers.get(id).leaves.delete(row.id);
    // Of a death they hear nothing: it does not answer them any more.
    if (row.via !== core.self.id || row.state !== 'leaving') return;
    this.outbox.send(to, this.outbox.packet(V1_TYPE.leave, { kind: 'leave' }, undefined, row.id), true);
  }

  #tellSoon(id: MemberId): void {
    const { core } = this;
    if (this.#metadataDue.has(id)) return;
    this.#metadataDue.add(id);
    core.schedule(METADATA_PAUSE_MS, () => {
      this.#metadataDue.delete(id);
      const row = core.members.get(id);
      if (row && this.#vouchesFor(row)) this.#tell(row, this.peers.active(), () => true);
    });
  }

  /** What a leaf says of itself, to those of some peers that know it, and that are wanted. */
  #tell(row: MemberRow, to: readonly MemberRow[], wanted: (pair: Acquaintance) => boolean): void {
    const known = to.filter(({ id }) => {
      const pair = this.peers.get(id).leaves.get(row.id);
      return pair?.state === 'told' && wanted(pair);
    });
    this.outbox.send(known, this.outbox.metadata(row), false);
  }

  /** A peer thinks ill of a leaf; it is told better when the leaf is ours and alive. */
  refute(id: MemberId, to: MemberRow): void {
    const row = this.core.members.get(id);
    if (row && this.#vouchesFor(row)) this.outbox.send([to], this.outbox.metadata(row), false);
  }

  /** A peer knows us now: it hears of our leaves. */
  met(peer: MemberRow): void {
    for (const row of this.core.leaves.host?.rows() ?? []) if (this.#isOurs(row)) this.#acquaint(row.id, peer);
  }

  /** A peer has joined us once more, maybe after a restart. */
  metAgain(row: MemberRow): void {
    const peer = this.peers.get(row.id);
    if (peer.meeting) return;
    peer.meeting = true;
    this.core.schedule(MEET_AGAIN_MS, () => {
      peer.meeting = false;
      if (!this.#isPeer(row)) return;
      for (const [id, { state }] of peer.leaves) if (state !== 'stranger') peer.leaves.delete(id);
      this.met(row);
    });
  }

  /** Whether a peer has been told of a leaf, or need not be. */
  isKnown(leaf: MemberId, row: MemberRow): boolean {
    return this.#acquaint(leaf, row).state !== 'stranger';
  }

  /** Something of a leaf that a peer takes only when it knows the leaf. */
  whenKnown(leaf: MemberId, row: MemberRow, run: () => void): void {
    const pair = this.#acquaint(leaf, row);
    if (pair.state !== 'stranger') run();
    else if (pair.waiting.length < WAITING_MAX) {
      pair.waiting.push(run);
      this.#introduce(this.peers.get(row.id));
    } else this.core.drop('waitingOverLimit', leaf);
  }

  #acquaint(leaf: MemberId, { id }: MemberRow): Acquaintance {
    const peer = this.peers.get(id);
    let pair = peer.leaves.get(leaf);
    if (!pair) {
      pair = { state: 'stranger', toldMs: 0, here: false, waiting: [] };
      peer.leaves.set(leaf, pair);
      peer.strangers.add(leaf);
      if (peer.strangers.size === 1) {
        this.core.schedule(this.core.random.unit() * INTRODUCE_WITHIN_MS, () => this.#introduce(peer));
      }
      this.#arm();
    }
    return pair;
  }

  /** Introduces leaves to a peer, a few at a time. */
  #introduce(peer: V1Peer): void {
    const { core } = this;
    const to = core.members.get(peer.id);
    for (const id of peer.strangers) {
      if (peer.joining >= JOINS_MAX) return;
      peer.strangers.delete(id);
      const pair = peer.leaves.get(id);
      const leaf = core.members.get(id);
      if (!pair || !leaf || !to || !this.#isPeer(to) || !this.#isOurs(leaf)) {
        peer.leaves.delete(id);
        continue;
      }
      peer.joining++;
      core.count('v1LeafJoinsSent');
      this.outbox.exchange(to.address, this.outbox.join(leaf, to.address), EXCHANGE_TIMEOUT_MS, ({ packet }) => {
        peer.joining--;
        this.#introduced(
          leaf,
          to,
          pair,
          packet?.dialect === 'v1' && packet.senderId === to.id ? packet.message : undefined,
        );
        this.#introduce(peer);
      });
    }
  }

  #introduced(leaf: MemberRow, to: MemberRow, pair: Acquaintance, answer: V1Message | undefined): void {
    const { core } = this;
    const { leaves } = this.peers.get(to.id);
    if (answer?.kind !== 'join-reply') {
      if (leaves.get(leaf.id) === pair) leaves.delete(leaf.id);
      core.schedule(RETRY_MS, () => {
        if (this.#isPeer(to) && this.#isOurs(leaf)) this.#acquaint(leaf.id, to);
      });
    } else {
      pair.state = answer.accepted ? 'told' : 'refused';
      pair.toldMs = core.nowMs;
      if (!answer.accepted) core.drop('v1LeafJoinsRejected', `${leaf.id} by ${to.id}: ${answer.reason}`);
    }
    // Whatever came of it: there is nothing better to wait for.
    for (const run of pair.waiting.splice(0)) run();
  }

  #arm(): void {
    const { core } = this;
    if (this.#armed) return;
    this.#armed = true;
    core.schedule(core.random.jitter(KEEPALIVE_MS / PARTS, 0.1), () => {
      this.#armed = false;
      const peers = this.peers.active();
      const leaves = core.leaves.host?.rows() ?? [];
      if (peers.length === 0 || leaves.length === 0) return;
      this.#keepAlive(leaves, peers);
      this.#arm();
    });
  }

  #keepAlive(leaves: readonly MemberRow[], peers: readonly MemberRow[]): void {
    const { nowMs } = this.core;
    const settled = ({ here, toldMs }: Acquaintance) => here || nowMs - toldMs >= FOLLOW_MS;
    const most = Math.floor((KEEPALIVES_PER_S * KEEPALIVE_MS) / 1000 / peers.length);
    this.#part = (this.#part + 1) % PARTS;
    for (let i = this.#part; i < Math.min(leaves.length, most); i += PARTS) {
      const row = leaves[i] as MemberRow;
      if (row.metadataBytes <= KEEPALIVE_METADATA_BYTES_MAX && this.#vouchesFor(row)) this.#tell(row, peers, settled);
    }
  }

  #isOurs(row: MemberRow): boolean {
    return row.via === this.core.self.id && isActive(row);
  }

  #vouchesFor(row: MemberRow): boolean {
    return this.#isOurs(row) && row.state === 'alive';
  }

  #isPeer(row: MemberRow): boolean {
    return this.core.members.get(row.id) === row && isActive(row);
  }
}

function requestKey(leaf: MemberId, peer: MemberId, messageId: bigint): string {
  return `${leaf}${peer}${messageId}`;
}
