/** Everything that can come into the core. */
import type { GossipError } from '../errors.js';
import type { NativePacket, ReplyStatus } from '../wire/packet.js';
import type { V1Packet } from '../wire/v1/packet.js';
import type { LeafEvent } from './leaves.js';
import type { MemberId } from './member-id.js';
import type { Metadata } from './metadata.js';

/** A packet of either dialect. */
export type Packet = ({ dialect?: undefined } & NativePacket) | V1Packet;

/** How a packet arrived. */
export interface PacketSource {
  /** The sender's transport address, when it can be sent to. */
  address?: string;
  reliable: boolean;
  /** Whoever sent it can be made to wait; by the carrier's word. */
  mayWait?: boolean;
  /** Present when the peer waits for an answer on the same connection; handed back in a `respond` effect. */
  exchange?: number;
}

/** One application message on its way out; `payload` is already encoded by the cluster's codec. */
export interface Outgoing {
  messageType: number;
  payload: Uint8Array;
}

export type Input =
  /** Time has passed. */
  | { type: 'tick' }
  /** A frame arrived and was opened. */
  | { type: 'packet'; packet: Packet; source: PacketSource }
  /** An `exchange` effect is over. */
  | { type: 'exchange-done'; exchange: number; packet?: Packet; error?: GossipError }
  /** A `send` effect could not be carried out. */
  | { type: 'send-failed'; address: string; reliable: boolean; error: GossipError }
  /** A shared connection ended without being asked to. */
  | { type: 'disconnected'; address: string }
  /** The application's wishes. `ref` comes back in a `settled` effect. */
  | { type: 'join'; addresses: readonly string[]; ref: number }
  | { type: 'leave' }
  | ({ type: 'broadcast'; tag: string; reliable: boolean } & Outgoing)
  | ({ type: 'send'; to: MemberId; reliable: boolean; ref: number } & Outgoing)
  | ({ type: 'request'; to: MemberId; timeoutMs: number; ref: number } & Outgoing)
  /** The caller of a request lost interest. */
  | { type: 'cancel'; ref: number }
  /** The application's answer to an `incoming-request` effect. */
  | { type: 'reply'; exchange: number; status: ReplyStatus; payload: Uint8Array }
  /** `keys`: only these may have changed. */
  | { type: 'set-metadata'; metadata: Metadata; metadataBytes: number; keys?: readonly string[] }
  | { type: 'forget'; id: MemberId }
  /** Something happened at a gateway's end of a leaf's connection. */
  | { type: 'leaf'; event: LeafEvent }
  /**
   * A leaf's page was hidden or shown; `look`: it may have stood still, or been without a network, and its gateway must show
   * that it is there, as also to one that is shown; `asleep`: it will not run at all.
   */
  | { type: 'page'; hidden: boolean; look?: boolean; asleep?: boolean };

/** How an exchange ended. */
export type ExchangeDone = Extract<Input, { type: 'exchange-done' }>;
