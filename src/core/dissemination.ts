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
import { isActive, type MemberRow } from './members.js';

/** A broadcast in either dialect's terms. */
export interface BroadcastItem extends Outgoing {
  origin: MemberId;
  messageId: bigint;
  /** Empty: for all. Otherwise only members with this tag get it. */
  tag: string;
  reliable: boolean;
}

export class Dissemination {
  readonly #rings = new Map<string, MemberRow[]>();
  #ringsEpoch = -1;

  constructor(private readonly core: Core) {}

  /** Sends a broadcast of our own. */
  start(message: Outgoing, tag: string, reliable: boolean): void {
    const { core } = this;
    const item: BroadcastItem = {
      origin: core.self.id,
      messageId: core.hlc.now(core.nowMs),
      messageType: message.messageType,
      payload: message.payload,
      tag,
      reliable,
    };
    core.history.accept(item.origin, item.messageId);
    core.count('broadcastsSent');
    this.#relay(item, HOPS_MAX, core.self.id);
    core.foreign?.broadcast(item, undefined);
  }

  onBroadcast(packet: Extract<NativePacket, { type: 'broadcast' }>, source: PacketSource): void {
    const { core } = this;
    if (packet.origin !== core.self.id && !core.members.get(packet.origin)) {
      // Whoever passed it on knows its sender.
      core.sync.pull(packet.from, [packet.origin]);
      core.strangers.hold(packet.origin, packet, () => this.onBroadcast(packet, source));
      return;
    }
    if (this.receive(packet, source)) this.#relay(packet, Math.min(packet.ttl, HOPS_MAX) - 1, packet.from);
  }

  /**
   * Takes a broadcast of either dialect: delivers it and, when it is new, serves the foreign members that are ours.
   * @returns whether it was new.
   */
  receive(item: BroadcastItem, source: PacketSource): boolean {
    const { core } = this;
    if (item.origin === core.self.id) return false;
    if (!core.members.get(item.origin)) {
      core.drop('unknownSenders', item.origin);
      return false;
    }
    if (!core.history.accept(item.origin, item.messageId)) return false;
    if (item.tag === '' || core.self.tags.includes(item.tag)) {
      core.count('broadcastsDelivered');
      core.emit({
        type: 'message',
        from: item.origin,
        messageType: item.messageType,
        payload: item.payload,
        tag: item.tag,
        direct: false,
      });
    }
    core.foreign?.broadcast(item, source);
    return true;
  }

  /** Carries a foreign member's broadcast into our own kind. */
  relayForeign(item: BroadcastItem): void {
    this.#relay(item, HOPS_MAX, item.origin);
  }

  #relay(item: BroadcastItem, ttl: number, cameFrom: MemberId): void {
    const { core } = this;
    if (ttl <= 0) return;
    const to = this.#fingers(item.tag).filter((row) => row.id !== cameFrom && row.id !== item.origin);
    if (to.length === 0) return;
    core.count('broadcastsRelayed', to.length);
    core.sendMany(
      to,
      {
        type: 'broadcast',
        from: core.self.id,
        origin: item.origin,
        messageId: item.messageId,
        messageType: item.messageType,
        ttl,
        reliable: item.reliable,
        tag: item.tag,
        payload: item.payload,
      },
      item.reliable,
    );
  }

  /** The members 1, 2, 4 … places after us in the ring of those a broadcast with this tag is for. */
  #fingers(tag: string): MemberRow[] {
    const { core } = this;
    const ring = this.#ring(tag);
    const at = firstAfter(ring, core.self.id);
    const fingers: MemberRow[] = [];
    for (let step = 1; step <= ring.length; step *= 2) {
      const row = ring[(at + step - 1) % ring.length];
      if (row) fingers.push(row);
    }
    return fingers;
  }

  /** Everyone concerned but ourselves, by id; kept until the membership changes. */
  #ring(tag: string): MemberRow[] {
    const { core } = this;
    if (this.#ringsEpoch !== core.members.epoch || this.#rings.size > RINGS_MAX) {
      this.#rings.clear();
      this.#ringsEpoch = core.members.epoch;
    }
    let ring = this.#rings.get(tag);
    if (!ring) {
      ring = core.members.natives().filter((row) => isActive(row) && (tag === '' || row.tags.includes(tag)));
      ring.sort((a, b) => (a.id < b.id ? -1 : 1));
      this.#rings.set(tag, ring);
    }
    return ring;
  }
}

/**
 * The most hops of any broadcast. A member relays once, however many copies it gets, so that this costs nothing; it must be
 * far above log₂ N, for the first copy to arrive may have come by many short steps. Source: guess.
 */
const HOPS_MAX = 64;
/** Rings kept, one a tag. Source: guess. */
const RINGS_MAX = 64;

/** Index of the first row with an id above `id`, by binary search; `ring.length` when there is none. */
function firstAfter(ring: readonly MemberRow[], id: MemberId): number {
  let low = 0;
  let high = ring.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ring[middle] as MemberRow).id > id) high = middle;
    else low = middle + 1;
  }
  return low;
}
