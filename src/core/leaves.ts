/**
 * Members that cannot be dialled, as every full member sees them: rows whose packets go by way of their gateway, which
 * alone watches them. When a gateway goes, each member comes to the same end about its leaves without a word: suspect, and
 * dead unless they show up elsewhere. What a gateway itself does stands in `gateway.ts`, behind `LeafHost`.
 */
import { GossipError } from '../errors.js';
import type { AddressedPacket, BroadcastMessage, ByeWhy, MemberRecord, NativePacket } from '../wire/packet.js';
import type { Core } from './core.js';
import type { Packet } from './input.js';
import type { KnownMember } from './machine.js';
import type { MemberId } from './member-id.js';
import { isActive, type MemberRow } from './row.js';

/**
 * What a leaf that was admitted says about itself, under the id it was admitted with. Incarnation and version are those that
 * its last gateway minted.
 */
export type LeafRecord = Pick<
  MemberRecord,
  'id' | 'incarnation' | 'version' | 'tags' | 'protocolVersion' | 'applicationVersion' | 'metadata' | 'metadataBytes'
>;

/** What happens at the gateway's end of leaves' connections, each of which has a number. */
export type LeafEvent =
  | {
      kind: 'attach';
      session: number;
      record: LeafRecord;
      hidden: boolean;
      /** Of its view of all others. */
      fingerprint: number;
      members: number;
      /** Whom it may see; absent: everybody. */
      sees?: ((id: MemberId) => boolean) | undefined;
    }
  | { kind: 'packet'; session: number; packet: NativePacket }
  /** What was sent has not been taken yet, or it has. */
  | { kind: 'slow'; session: number; slow: boolean }
  /** Its connection ended; `away`: since its page is no more. */
  | { kind: 'closed'; session: number; away?: boolean }
  | { kind: 'expel'; session: number; why: ByeWhy; reason: string }
  /** The gateway closes; the member goes on. */
  | { kind: 'close' };

/** The rules of a gateway. All of it is called from inside `core.handle`. */
export interface LeafHost {
  receive(event: LeafEvent): void;
  /** Hands a packet to a leaf. @returns false when it is not attached here. */
  send(packet: AddressedPacket): boolean;
  /** Passes a broadcast on to the leaves it is for. */
  broadcast(message: BroadcastMessage): void;
  /** A row appeared, changed or was removed. @param whole - more than its state did. */
  changed(id: MemberId, whole: boolean): void;
  /** A row of a leaf has changed, or is gone. @returns whether it is one of ours, attached or not. */
  review(row: MemberRow): boolean;
  /** Whether a leaf is attached here and has been heard lately. */
  vouches(row: MemberRow): boolean;
  /** Our leaves, as rows. */
  rows(): MemberRow[];
  /** We are leaving: they go to others. */
  leave(): void;
}

export class Leaves {
  /** Present at a gateway. */
  host: LeafHost | undefined;

  constructor(private readonly core: Core) {}

  /** Where what is for a member goes: to itself, or to a leaf's gateway. What is for a leaf of ours is handed over here. */
  way(row: KnownMember, packet: Packet, ref?: number): readonly KnownMember[] {
    if (!row.via) return [row];
    const gateway = this.core.members.get(row.via);
    if (gateway && gateway !== this.core.self && gateway.state !== 'dead') return [gateway];
    const addressed = packet as AddressedPacket;
    const taken = gateway === this.core.self && this.host?.send(addressed);
    if (!taken) this.#bounce(addressed);
    if (ref !== undefined) {
      const error = taken
        ? undefined
        : new GossipError('ERR_UNREACHABLE', `${row.id} could not be reached by a gateway`);
      this.core.emit({ type: 'settled', ref, error });
    }
    return [];
  }

  /** Something came that is for somebody else: for a leaf of ours, or for nobody. */
  deliver(packet: AddressedPacket): void {
    if (this.host?.send(packet)) return;
    this.core.drop('packetsForOthers', packet.to);
    if (this.core.members.get(packet.to)?.via) this.#bounce(packet);
  }

  /** Who asks a leaf that is not there need not wait for its answer. */
  #bounce({ type, from, to, messageId }: AddressedPacket): void {
    const row = this.core.members.get(from);
    if (type !== 'request' || row?.dialect !== 'native') return;
    const status = 'unreachable';
    const reply = { type: 'reply', from: to, to: from, messageId, status, payload: new Uint8Array() } as const;
    if (row === this.core.self) this.core.requests.onReply(reply);
    else this.core.send(row, reply, true);
  }

  /** A row appeared or changed: a leaf that moved, or a gateway that went. */
  changed(row: MemberRow): void {
    /** How long a leaf is believed whose gateway is not known yet: the news of it may be behind. Source: as `strangers.ts`. */
    const GATEWAY_UNKNOWN_MS = 5000;
    if (!row.via) {
      if (isActive(row)) return;
      for (const leaf of this.core.members.leaves().filter(({ via }) => via === row.id)) this.judge(leaf, 'suspect');
      return;
    }
    if (this.host?.review(row) || !isActive(row)) return;
    if (this.core.members.get(row.via)) this.#lookAfter(row);
    else this.core.schedule(GATEWAY_UNKNOWN_MS, () => this.#lookAfter(row));
  }

  /** Nobody vouches for a leaf whose gateway is gone, or knows nothing of it. */
  #lookAfter(row: MemberRow): void {
    const gateway = this.core.members.get(row.via as MemberId);
    const vouched = gateway && (gateway === this.core.self ? this.host?.review(row) : isActive(gateway));
    if (!vouched && this.core.members.get(row.id) === row && row.state === 'alive') this.judge(row, 'suspect');
  }

  /** Everybody comes to this end by itself, so that nobody is told; but what a gateway has forgotten only it knows. */
  judge(row: MemberRow, state: 'suspect' | 'dead'): void {
    this.core.members.mergeState(row, row.incarnation, state, this.core.self.id, row.via !== this.core.self.id);
  }
}
