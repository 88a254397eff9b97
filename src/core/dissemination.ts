/**
 * Broadcast: one message to every member, each delivering it once.
 *
 * Native members relay along fingers: in the ring of all member ids in order, each passes a new message to those 1, 2,
 * 4, 8 … places on. With equal views that reaches everyone in log₂ N hops, and each member from up to log₂ N others,
 * so that loss or a dead relay does not cut anybody off. The whole of it stands behind `start` and `receive`, so that a
 * tree (Plumtree) can take its place.
 *
 * @source Chord (2001) §IV for the fingers; their use for broadcast: El-Ansary et al. (2003).
 */
import type { NativePacket } from '../wire/packet.js';
import type { Core } from './core.js';
import type { Outgoing, PacketSource } from './input.js';
import type { MemberId } from './member-id.js';
import type { MemberRow } from './members.js';

/**
 * The most hops of any broadcast. A member relays once, however many copies it gets, so that this costs nothing; it must be
 * far above log₂ N, for the first copy to arrive may have come by many short steps. Source: guess.
 */
const HOPS_MAX = 64;
/** Tags whose fingers are kept. Source: guess. */
const TAGS_MAX = 64;

/** A broadcast in either dialect's terms. */
export interface BroadcastItem extends Outgoing {
  origin: MemberId;
  messageId: bigint;
  /** Empty: for all. Otherwise only members with this tag get it. */
  tag: string;
  reliable: boolean;
}

export class Dissemination {
  /** Whom we pass a broadcast on to, by tag; kept until the membership changes. */
  readonly #fingers = new Map<string, readonly MemberRow[]>();
  #fingersEpoch = -1;

  constructor(private readonly core: Core) {}

  /** Sends a broadcast of our own. */
  start(message: Omit<BroadcastItem, 'origin' | 'messageId'>): void {
    const item: BroadcastItem = { ...message, origin: this.core.self.id, messageId: this.core.mint() };
    this.core.history.accept(item.origin, item.messageId);
    this.core.count('broadcastsSent');
    this.#relay(item, HOPS_MAX, this.core.self.id);
    this.core.foreign?.broadcast(item, undefined);
    this.core.leaves.host?.broadcast(item);
  }

  onBroadcast(packet: Extract<NativePacket, { type: 'broadcast' }>, source: PacketSource): void {
    if (packet.origin !== this.core.self.id && !this.core.members.get(packet.origin)) {
      // Whoever passed it on knows its sender.
      this.core.sync.pull(packet.from, [packet.origin]);
      this.core.strangers.hold(packet.origin, packet, () => this.onBroadcast(packet, source));
      return;
    }
    if (this.receive(packet, source)) this.#relay(packet, Math.min(packet.ttl, HOPS_MAX) - 1, packet.from);
  }

  /**
   * Takes a broadcast of either dialect: delivers it and, when it is new, serves the foreign members that are ours.
   * @returns whether it was new.
   */
  receive(item: BroadcastItem, source: PacketSource): boolean {
    if (item.origin === this.core.self.id) return false;
    if (!this.core.members.get(item.origin)) {
      this.core.drop('unknownSenders', item.origin);
      return false;
    }
    if (!this.core.history.accept(item.origin, item.messageId)) return false;
    if (item.tag === '' || this.core.self.tags.includes(item.tag)) {
      this.core.count('broadcastsDelivered');
      this.core.emit({
        type: 'message',
        from: item.origin,
        messageType: item.messageType,
        payload: item.payload,
        tag: item.tag,
        direct: false,
      });
    }
    this.core.foreign?.broadcast(item, source);
    this.core.leaves.host?.broadcast(item);
    return true;
  }

  /** Carries the broadcast of somebody who does not relay, of the other dialect or a leaf of ours, into our own kind. */
  relayFor(item: BroadcastItem): void {
    this.#relay(item, HOPS_MAX, item.origin);
  }

  #relay(item: BroadcastItem, ttl: number, cameFrom: MemberId): void {
    if (ttl <= 0) return;
    const to = this.#relays(item.tag).filter((row) => row.id !== cameFrom && row.id !== item.origin);
    if (to.length === 0) return;
    this.core.count('broadcastsRelayed', to.length);
    this.core.send(to, { ...item, type: 'broadcast', from: this.core.self.id, ttl }, item.reliable);
  }

  /** The members 1, 2, 4 … places after us in the ring of those a broadcast with this tag is for. */
  #relays(tag: string): readonly MemberRow[] {
    if (this.#fingersEpoch !== this.core.members.epoch || this.#fingers.size > TAGS_MAX) {
      this.#fingers.clear();
      this.#fingersEpoch = this.core.members.epoch;
    }
    const known = this.#fingers.get(tag);
    if (known) return known;
    const wanted = tag === '' ? undefined : this.#receivers(tag);
    const ring = this.core.members.natives().filter((row) => wanted?.has(row.id) ?? true);
    ring.sort((a, b) => (a.id < b.id ? -1 : 1));
    // Nobody after us: the ring goes on with its first.
    const next = Math.max(
      0,
      ring.findIndex((row) => row.id > this.core.self.id),
    );
    const fingers: MemberRow[] = [];
    for (let step = 1; step <= ring.length; step *= 2) {
      fingers.push(ring[(next + step - 1) % ring.length] as MemberRow);
    }
    this.#fingers.set(tag, fingers);
    return fingers;
  }

  /** Members with a tag, and the gateways of leaves with it. */
  #receivers(tag: string): Set<MemberId> {
    const tagged = this.core.members.active().filter((row) => row.tags.includes(tag));
    return new Set(tagged.map((row) => row.via ?? row.id));
  }
}
