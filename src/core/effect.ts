/** Everything the core can ask of the world. Effects are carried out in order; none of them answers, answers are inputs. */
import type { GossipError } from '../errors.js';
import type { ByeWhy, MemberState, NativePacket } from '../wire/packet.js';
import type { Packet } from './input.js';
import type { KnownMember } from './machine.js';
import type { MemberId } from './member-id.js';

/** A member's state as the application sees it. */
export type VisibleState = MemberState | 'unknown' | 'removed';

/** Something the application may want to know about a member. The row is live; the shell copies what it shows. */
export type MembershipChange =
  | { kind: 'state'; row: KnownMember; state: VisibleState; previous: VisibleState }
  | { kind: 'metadata'; row: KnownMember };

export type Effect =
  /** Encode once, send to each. `ref`: tell the caller when the carrier has taken it. */
  | { type: 'send'; to: readonly string[]; packet: Packet; reliable: boolean; ref: number | undefined }
  /** Send and wait for the frame that answers on the same connection; ends in an `exchange-done` input. */
  | { type: 'exchange'; exchange: number; to: string; packet: Packet; timeoutMs: number }
  /** Answer the peer that waits on a connection; without a packet: let it go without an answer. */
  | { type: 'respond'; exchange: number; packet?: Packet }
  | { type: 'change'; change: MembershipChange }
  | {
      type: 'message';
      from: MemberId;
      messageType: number;
      payload: Uint8Array;
      tag: string;
      direct: boolean;
      /** Of a broadcast: how many links it came along. */
      hops: number;
    }
  | { type: 'incoming-request'; exchange: number; from: MemberId; messageType: number; payload: Uint8Array }
  /** A `join` or `request` of the application is over. */
  | { type: 'settled'; ref: number; payload?: Uint8Array; joined?: number; error?: GossipError }
  | { type: 'log'; level: 'debug' | 'info' | 'warn'; message: string; fields?: Record<string, unknown> }
  | LeafEffect;

/** What only gateways and leaves ask for. */
export type LeafEffect =
  /** For a gateway: to the leaves at the other ends of these connections, encoded once. */
  | { type: 'leaf-send'; sessions: readonly number[]; packet: NativePacket }
  | { type: 'leaf-close'; session: number; why: ByeWhy; reason: string }
  /** For a leaf: introduce us to a gateway, with whatever ticket the application has; and let go of a connection. */
  | { type: 'attach'; to: string; packet: Extract<NativePacket, { type: 'attach' }> }
  | { type: 'disconnect'; address: string }
  /** A leaf is attached again; what was broadcast in the meantime it has not heard. */
  | { type: 'resumed'; awayMs: number };
