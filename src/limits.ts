/**
 * Every limit in one place. Nothing that comes from the network or from a caller may grow anything beyond these; what
 * is refused because of one is counted in `cluster.stats()` under a name of its own.
 */

/** Upper bounds of one member. All sizes in bytes, all ages in milliseconds, everything else a count. */
export interface Limits {
  /** Largest frame on a reliable carrier. Source: TCPMaxPacketSize of the Go library. */
  frameBytesMax: number;
  /** Largest frame sent as a datagram; from this size on the reliable carrier is used. Source: UDPMaxPacketSize there. */
  datagramBytesMax: number;
  /** Largest payload after decompression. Source: as `frameBytesMax`, so that compression never admits more. */
  decompressedBytesMax: number;
  /** Deepest nesting of decoded values. Source: guess; application data above 64 levels is a mistake or an attack. */
  depthMax: number;
  /** Members in the table, ourselves and the dead included. Source: guess, four times the largest tested cluster. */
  membersMax: number;
  /** Unknown members being contacted at the same time before they are believed. Source: JoinQueueSize of the Go library × 2.5. */
  pendingContactsMax: number;
  /** Requests of ours without an answer yet. Source: guess. */
  pendingRequestsMax: number;
  /** Requests of others being worked on. Source: guess. */
  incomingRequestsMax: number;
  /** Encoded size of one member's own metadata. Source: guess; memberlist allows 512 B, we fetch what does not fit a datagram. */
  metadataBytesMax: number;
  /** Tags of one member. Source: guess. */
  tagsMax: number;
  /** UTF-8 bytes of one tag, of an address, of a version. Source: guess; a DNS name has 255. */
  stringBytesMax: number;
  /** Remembered message ids. Source: guess; 100,000 entries are about 10 MB. */
  historyMax: number;
  /** Age beyond which a message id is forgotten and an older message refused. Source: four times MsgHistoryMaxAge of the Go library. */
  historyAgeMs: number;
  /** Payload of broadcasts kept for members whom they have not reached. Source: guess, a second of 1,000 messages of 16 KiB. */
  broadcastCacheBytesMax: number;
  /** Payload of broadcasts, once for each neighbour, that carriers have not taken yet; what is above is refused. Source: as `sendQueueBytesMax`. */
  broadcastQueueBytesMax: number;
  /** Bytes queued towards one peer before new frames for it are dropped. Source: guess, four of the largest frames. */
  sendQueueBytesMax: number;
  /** Open connections of one carrier, both directions. Source: guess, below the usual descriptor limit of 1,024. */
  connectionsMax: number;
  /** Events an `events()` iterator may be behind before its oldest are dropped. Source: guess. */
  eventQueueMax: number;
}

/** The limits of a member that sets none; where each comes from stands at {@link Limits}. */
export const DEFAULT_LIMITS = {
  frameBytesMax: 4 * 1024 * 1024,
  datagramBytesMax: 1400,
  decompressedBytesMax: 4 * 1024 * 1024,
  depthMax: 64,
  membersMax: 40_000,
  pendingContactsMax: 256,
  pendingRequestsMax: 10_000,
  incomingRequestsMax: 1_000,
  metadataBytesMax: 64 * 1024,
  tagsMax: 64,
  stringBytesMax: 1024,
  historyMax: 100_000,
  historyAgeMs: 120_000,
  broadcastCacheBytesMax: 16 * 1024 * 1024,
  broadcastQueueBytesMax: 16 * 1024 * 1024,
  sendQueueBytesMax: 16 * 1024 * 1024,
  connectionsMax: 900,
  eventQueueMax: 10_000,
} as const satisfies Limits;
