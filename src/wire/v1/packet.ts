/**
 * The packets of the Go library's wire, as data. How they look as bytes stands in `frame.ts` and `message.ts`; what they
 * mean stands in `core/v1`.
 */
import type { MemberId } from '../../core/member-id.js';
import type { Metadata } from '../../core/metadata.js';

/** Message types with a meaning of their own; 6–63 are reserved, 64–127 the library's, from 128 the application's. */
export const V1_TYPE = {
  reply: 0,
  join: 1,
  leave: 2,
  pushPull: 3,
  metadata: 4,
  ping: 5,
  /** The first type whose payload is opaque to us. */
  dataMin: 64,
  max: 0xffff,
} as const;

/** A member's state; its index in {@link V1_STATES} is its number on the wire. `removed` (5) is never sent. */
export type V1State = 'unknown' | 'alive' | 'suspect' | 'dead' | 'leaving';

/** The states by their number on the wire. */
export const V1_STATES: readonly V1State[] = ['unknown', 'alive', 'suspect', 'dead', 'leaving'];

/** One known member in a join reply. */
interface V1Node {
  id: MemberId;
  address: string;
  tags: readonly string[];
  /** Present when that member speaks our native wire: its protocol version. */
  iso?: number;
}

/** One member's state in a push/pull exchange. */
export interface V1StateEntry {
  id: MemberId;
  address: string;
  state: V1State;
  /** HLC time of the last change of `state`, as its teller knows it. */
  stateTime: bigint;
  iso?: number;
}

/** What a packet says. `iso` is our own key, which Go peers ignore: the sender speaks the native wire, in this version. */
export type V1Message =
  | {
      kind: 'join';
      id: MemberId;
      address: string;
      protocolVersion: number;
      applicationVersion: string;
      state: V1State;
      tags: readonly string[];
      metadataTime: bigint;
      metadata: Metadata;
      iso?: number;
    }
  | {
      kind: 'join-reply';
      accepted: boolean;
      /** Why not, when not accepted; else empty. */
      reason: string;
      id: MemberId;
      address: string;
      tags: readonly string[];
      metadataTime: bigint;
      metadata: Metadata;
      nodes: readonly V1Node[];
      iso?: number;
    }
  | { kind: 'push-pull'; entries: readonly V1StateEntry[] }
  | { kind: 'metadata'; metadataTime: bigint; metadata: Metadata; state: V1State }
  | { kind: 'ping'; id: MemberId; address: string }
  | { kind: 'pong'; id: MemberId; address: string; metadataTime: bigint; metadata: Metadata; state: V1State }
  | { kind: 'leave' }
  /** Every other type, and replies to it: the codec's bytes, untouched. */
  | { kind: 'data'; payload: Uint8Array };

/** One packet: header and message. */
export interface V1Packet {
  dialect: 'v1';
  /** 0–65,535; 0 is a reply, see {@link V1_TYPE}. */
  type: number;
  senderId: MemberId;
  /** Whom it is for; absent for everyone, `NOBODY` in a join. */
  targetId?: MemberId;
  /** Only members with this tag handle and forward it. */
  tag?: string;
  /** HLC time; with `senderId` the identity of a packet. */
  messageId: bigint;
  /** How many more times it may be forwarded, 0–255. */
  ttl: number;
  /** The sender waits for a packet of type 0 on the same connection. */
  replyExpected: boolean;
  message: V1Message;
}
