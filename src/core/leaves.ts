/**
 * Members that cannot be dialled, as every full member sees them: rows whose packets go by way of their gateway, which
 * alone watches them. When a gateway goes, each member comes to the same end about its leaves without a word: suspect, and
 * dead unless they show up elsewhere. What a gateway itself does stands in `gateway.ts`, behind `LeafHost`.
 */
import { GossipError } from '../errors.js';
import type { AddressedPacket, ByeWhy, MemberRecord, NativePacket } from '../wire/packet.js';
import type { Core } from './core.js';
import type { BroadcastItem } from './dissemination.js';
import type { Packet } from './input.js';
import type { MemberId } from './member-id.js';
import { isActive, type MemberRow } from './members.js';

/** What a leaf that was admitted says about itself, under the id it was admitted with. */
type LeafRecord = Pick<
  MemberRecord,
  'id' | 'tags' | 'protocolVersion' | 'applicationVersion' | 'metadata' | 'metadataBytes'
>;

/** What happens at the gateway's end of leaves' connections, each of which has a number. */
export type LeafEvent =
  | {
      kind: 'attach';
      session: number;
      record: LeafRecord;
      hidden: boolean;
      fingerprint: number;
      members: number;
      /** Whom it may see; absent: everybody. */
      sees?: ((id: MemberId) => boolean) | undefined;
    }
  | { kind: 'packet'; session: number; packet: NativePacket }
  /** What was sent has not been taken yet, or it has. */
  | { kind: 'slow'; session: number; slow: boolean }
  /** Its connection ended; `away`: since its browser went to another page. */
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
  broadcast(item: BroadcastItem): void;
  /** A row appeared, changed or was removed. @param whole - more than its state did. */
  changed(id: MemberId, whole: boolean): void;
  /** A leaf of ours, attached or not: where it is now, or what others think of it, may be wrong. */
  review(row: MemberRow): boolean;
  /** Our leaves, as rows. */
  rows(): MemberRow[];
  /** We are leaving. */
  leave(): void;
}

export class Leaves {
  /** Present at a gateway. */
  host: LeafHost | undefined;

  constructor(private readonly core: Core) {}

  /** Where what is for a member goes: to itself, or to a leaf's gateway. What is for a leaf of ours is handed over here. */
  way(row: MemberRow, packet: Packet, ref?: number): readonly MemberRow[] {
    if (!row.via) return [row];
    const { core } = this;
    const gateway = core.members.get(row.via);
    if (gateway && gateway !== core.self && gateway.state !== 'dead') return [gateway];
    const addressed = packet as AddressedPacket;
    const taken = gateway === core.self && this.host?.send(addressed);
    if (!taken) this.#bounce(addressed);
    if (ref !== undefined) {
      const error = taken ? undefined : new GossipError('ERR_UNREACHABLE', `${row.id} is a leaf without a gateway`);
      core.emit({ type: 'settled', ref, ...(error && { error }) });
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
    const { core } = this;
    const row = core.members.get(from);
    if (type !== 'request' || row?.dialect !== 'native') return;
    const status = 'unreachable';
    const reply = { type: 'reply', from: to, to: from, messageId, status, payload: new Uint8Array() } as const;
    if (row === core.self) core.requests.onReply(reply);
    else core.send(row, reply, true);
  }

  /** A row appeared or changed: a leaf that moved, or a gateway that went. */
  changed(row: MemberRow): void {
    const { core } = this;
    if (!row.via) {
      if (isActive(row)) return;
      this.#orphan(core.members.active().filter((leaf) => leaf.via === row.id));
      return;
    }
    if (this.host?.review(row) || !isActive(row)) return;
    const gateway = core.members.get(row.via);
    if (!gateway || gateway === core.self || !isActive(gateway)) this.#orphan([row]);
  }

  /** Nobody vouches for them. As everybody knows it, nobody is told. */
  #orphan(leaves: readonly MemberRow[]): void {
    const { core } = this;
    if (leaves.length === 0) return;
    const before = leaves.map((row) => [row, row.incarnation] as const);
    for (const row of leaves) this.#judge(row, 'suspect');
    core.schedule(core.suspicion.longestMs, () => {
      for (const [row, incarnation] of before) {
        if (core.members.get(row.id) === row && row.incarnation === incarnation && row.state === 'suspect') {
          this.#judge(row, 'dead');
        }
      }
    });
  }

  #judge(row: MemberRow, state: 'suspect' | 'dead'): void {
    this.core.members.mergeState(row, row.incarnation, state, this.core.self.id, true);
  }
}
