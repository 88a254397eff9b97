/**
 * The packets members of our own kind exchange, as data. How they look as bytes stands in `native/` and, as a table, in
 * `docs/protocol.md`; what they mean stands in `core/`.
 */
import type { MemberId } from '../core/member-id.js';
import type { Metadata } from '../core/metadata.js';

/** The states that travel. `removed` and `unknown` are local. Ordered: of the same incarnation the later one wins. */
export type MemberState = 'alive' | 'suspect' | 'leaving' | 'dead';

/** Which wire a member speaks. */
export type Dialect = 'native' | 'v1';

/**
 * Everything members tell each other about one of them: its state, by incarnation, and what it says about itself, by
 * version. The two are merged apart.
 */
export interface MemberRecord {
  id: MemberId;
  /** HLC time of the member's start or latest refutation; for a v1 member minted by whoever has heard from it. */
  incarnation: bigint;
  state: MemberState;
  dialect: Dialect;
  /** A native member that speaks v1 too, so that v1 peers can be told of it and it can serve them. */
  bilingual: boolean;
  /** Its gateway, when it cannot be dialled itself: it is a leaf, and only its gateway watches it. */
  via?: MemberId | undefined;
  /** HLC time at which the member last changed anything below. */
  version: bigint;
  address: string;
  tags: readonly string[];
  protocolVersion: number;
  applicationVersion: string;
  /** Absent when it was left out for its size; whoever needs it pulls it. */
  metadata?: Metadata | undefined;
  /** Encoded size of the metadata, present or not. */
  metadataBytes: number;
}

/** What two members' tables are compared by. */
export type MemberSummary = Pick<MemberRecord, 'id' | 'incarnation' | 'state' | 'version'>;

/** One piece of membership news: a whole record, or only a change of a member the receiver should know. */
export type News =
  | { kind: 'record'; record: MemberRecord }
  | { kind: 'state'; id: MemberId; incarnation: bigint; state: MemberState; by: MemberId }
  | MetadataChange;

/** What makes of a member's metadata of one version, or of any between, that of another one. */
export interface MetadataChange {
  kind: 'change';
  id: MemberId;
  from: bigint;
  version: bigint;
  set: Metadata;
  deleted: readonly string[];
}

/** How a request ended at the peer. */
export type ReplyStatus = 'ok' | 'no-handler' | 'failed' | 'unreachable' | 'refused';

/**
 * Why a leaf and its gateway part. The gateway says `refused` (not admitted, or its version is not welcome), `moved` (the
 * leaf is at another gateway or on another connection), `closing` (the gateway goes, another will do), `slow` (it did not
 * take what was for it), `abusive` (it sent what it may not, again and again). The leaf says `left`.
 */
export type ByeWhy = 'refused' | 'moved' | 'closing' | 'slow' | 'abusive' | 'left';

/** What a message is known by. */
export interface MessageName {
  readonly origin: MemberId;
  readonly messageId: bigint;
}

/** A broadcast on its way. */
export interface BroadcastMessage extends MessageName {
  readonly messageType: number;
  /** How many links it has come along. */
  readonly hops: number;
  readonly reliable: boolean;
  /** Empty: for all. Otherwise only members with this tag deliver it. */
  readonly tag: string;
  readonly payload: Uint8Array;
}

/** A packet of the native dialect. `from` is the member that sent this packet, not necessarily its origin. */
export type NativePacket =
  | { type: 'ping'; seq: number; from: MemberId; news: readonly News[] }
  | { type: 'ack'; seq: number; from: MemberId; news: readonly News[] }
  | { type: 'ping-req'; seq: number; from: MemberId; target: MemberId; dial: boolean }
  | { type: 'nack'; seq: number; from: MemberId; refused: boolean }
  | { type: 'news'; from: MemberId; news: readonly News[] }
  | { type: 'join'; seq: number; from: MemberId; record: MemberRecord }
  | {
      type: 'join-reply';
      seq: number;
      from: MemberId;
      accepted: boolean;
      reason: string;
      /** The joiner proves that it is reachable at its address by an ack with this sequence number. */
      verify: number;
      record: MemberRecord;
    }
  | {
      type: 'digest';
      from: MemberId;
      /** Of equal parts of the table, a power of two of them; of one alone: of the whole. */
      fingerprints: readonly number[];
    }
  | {
      type: 'summary';
      from: MemberId;
      /** Into how many parts the table was divided, and which of them this is of: whom it leaves out the sender does not know. */
      parts: number;
      of: readonly number[];
      members: readonly MemberSummary[];
      /** More parts than these differ. */
      more: boolean;
    }
  /** `whole`: up to the last of these packets they are all that the sender knows. */
  | { type: 'state'; from: MemberId; records: readonly MemberRecord[]; last: boolean; whole: boolean }
  | { type: 'pull'; from: MemberId; ids: readonly MemberId[] }
  /** Broadcasts, pushed along the tree. Their own `from`, who had pushed each to us, does not travel. */
  | { type: 'gossip'; from: MemberId; messages: readonly (BroadcastMessage & { from?: MemberId | undefined })[] }
  | { type: 'message'; from: MemberId; to: MemberId; messageId: bigint; messageType: number; payload: Uint8Array }
  | { type: 'request'; from: MemberId; to: MemberId; messageId: bigint; messageType: number; payload: Uint8Array }
  | { type: 'reply'; from: MemberId; to: MemberId; messageId: bigint; status: ReplyStatus; payload: Uint8Array }
  | { type: 'native-only'; from: MemberId }
  /** We are neighbours, or no longer. */
  | { type: 'neighbour'; from: MemberId; on: boolean }
  /** Broadcasts that we have. */
  | { type: 'ihave'; from: MemberId; messages: readonly (MessageName & { readonly hops: number })[] }
  /** Push to us, and send us these. */
  | { type: 'graft'; from: MemberId; messages: readonly MessageName[] }
  /** Do not push to us. */
  | { type: 'prune'; from: MemberId }
  | {
      /** A leaf asks to be admitted. */
      type: 'attach';
      from: MemberId;
      record: MemberRecord;
      hidden: boolean;
      /** Of the leaf's view, so that one that is still right need not be sent again. */
      fingerprint: number;
      members: number;
      /** What only the owner of the id can know. */
      proof: Uint8Array;
      /** What the application's `authorize` may want to see. */
      ticket: string;
    }
  /** It is a member now, under this record. */
  | { type: 'welcome'; from: MemberId; pingIntervalMs: number; record: MemberRecord }
  | { type: 'bye'; from: MemberId; why: ByeWhy; reason: string }
  /** The leaf's page is hidden, or no longer: its silence means less. */
  | { type: 'hidden'; from: MemberId; hidden: boolean }
  /** Members that are no more. */
  | { type: 'forgotten'; from: MemberId; ids: readonly MemberId[] }
  /** One broadcast, from a leaf or to it. */
  | ({ type: 'broadcast'; from: MemberId } & BroadcastMessage);

/** What only a gateway and its leaves say to each other. */
export type LeafPacket = Extract<
  NativePacket,
  { type: 'attach' | 'welcome' | 'bye' | 'hidden' | 'forgotten' | 'broadcast' }
>;

/** What full members, gateways and leaves all say. */
export type SharedPacket = Extract<
  NativePacket,
  { type: 'ping' | 'ack' | 'news' | 'state' | 'pull' | 'message' | 'request' | 'reply' }
>;

/** What is addressed to one member, and may have to pass its gateway. */
export type AddressedPacket = Extract<NativePacket, { to: MemberId }>;

/** Pieces of news, records and ids in one packet; more is a broken or hostile sender. Source: guess. */
export const NEWS_MAX = 256;
export const RECORDS_MAX = 2048;
export const IDS_MAX = 2048;
/** Broadcasts, and names of broadcasts, in one packet. */
export const MESSAGES_MAX = 1024;
export const NAMES_MAX = 2048;
/** Parts into which a table is divided to be compared, at most; a power of two. Source: what fits a datagram. */
export const PARTS_MAX = 256;
/** Bytes of the smallest record and the smallest piece of news. */
export const RECORD_BYTES_MIN = 38;
export const NEWS_BYTES_MIN = 35;
/** Bits of a record's first byte, above the two of its state. */
export const DIALECT_V1 = 4;
export const HAS_METADATA = 8;
export const BILINGUAL = 16;
export const LEAF = 32;

/** Version of the native frame. The Go library's headers are never below 30 bytes, so 1–15 in their place mark ours. */
export const FRAME_VERSION = 1;
/** In a frame's second byte; the other bits of it are 0. */
export const COMPRESSED = 0x80;

/**
 * Bytes of a list of members: thousands of them as they usually are, hundreds with the longest addresses. A Go peer sends
 * 25 at most. Source: guess.
 */
export const LIST_BYTES_MAX = 262_144;
