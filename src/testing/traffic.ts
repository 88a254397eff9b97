/**
 * What was sent and received, in bytes as they are on a network: so that figures of a simulation can stand beside those
 * that were measured.
 *
 * A datagram has 28 bytes of IPv4 and UDP headers. A reliable frame is 4 bytes longer than itself on its stream, travels
 * in segments of 1,460 bytes, each with 40 bytes of IPv4 and TCP headers, and every second segment, and the last, is
 * acknowledged by 40 bytes. A connection costs three packets of 40 bytes to open and four to close, all counted when it is
 * opened. What was lost and sent again is counted once; acknowledgements that travel with data going back are counted as if
 * they travelled alone.
 */

const DATAGRAM_HEADER_BYTES = 28;
const SEGMENT_BYTES = 1460;
const SEGMENT_HEADER_BYTES = 40;
/** Source: `transport/node/framing.ts`. */
const FRAME_PREFIX_BYTES = 4;
/** Packets without data that each side sends for one connection: SYN, ACK, FIN, ACK, and SYN-ACK, FIN, ACK. */
const DIALLER_PACKETS = 4;
const LISTENER_PACKETS = 3;

/** What was sent and received so far, by everyone or by one member. Bytes are those on the network, headers included. */
export interface Traffic {
  /** Datagrams handed to the network, those that were lost included. */
  datagrams: number;
  datagramBytes: number;
  /** Datagrams that arrived, each copy counted. */
  datagramsIn: number;
  datagramBytesIn: number;
  /** Frames handed to reliable connections. */
  reliable: number;
  /** Their bytes, and those of the acknowledgements and connections that they take. */
  reliableBytes: number;
  reliableIn: number;
  reliableBytesIn: number;
  /** Datagrams that never arrived: lost, cut off, or sent to nobody. */
  lost: number;
  /** Datagrams that arrived once more. */
  duplicated: number;
  /** Datagrams that arrived with flipped bits and were dropped. */
  corrupted: number;
  /** Datagrams dropped because too much waited for the uplink. */
  queueDropped: number;
  /** The most bytes that have waited for the uplink at a time. */
  queuedBytesMax: number;
}

/** Nothing sent yet. */
export function noTraffic(): Traffic {
  return {
    datagrams: 0,
    datagramBytes: 0,
    datagramsIn: 0,
    datagramBytesIn: 0,
    reliable: 0,
    reliableBytes: 0,
    reliableIn: 0,
    reliableBytesIn: 0,
    lost: 0,
    duplicated: 0,
    corrupted: 0,
    queueDropped: 0,
    queuedBytesMax: 0,
  };
}

/** That of several; of what waited, the most at any of them. */
export function sumOf(parts: readonly Traffic[]): Traffic {
  const sum = noTraffic();
  for (const part of parts) {
    const queuedBytesMax = Math.max(sum.queuedBytesMax, part.queuedBytesMax);
    for (const key of Object.keys(sum) as (keyof Traffic)[]) sum[key] += part[key];
    sum.queuedBytesMax = queuedBytesMax;
  }
  return sum;
}

/** Bytes of a datagram on the network. */
export function datagramBytes(frame: Uint8Array): number {
  return frame.length + DATAGRAM_HEADER_BYTES;
}

/** Bytes of a reliable frame on the network. */
export function reliableBytes(frame: Uint8Array): number {
  const bytes = frame.length + FRAME_PREFIX_BYTES;
  return bytes + Math.ceil(bytes / SEGMENT_BYTES) * SEGMENT_HEADER_BYTES;
}

/** Bytes of the acknowledgements that it takes. */
export function ackBytes(frame: Uint8Array): number {
  const segments = Math.ceil((frame.length + FRAME_PREFIX_BYTES) / SEGMENT_BYTES);
  return Math.ceil(segments / 2) * SEGMENT_HEADER_BYTES;
}

/** Counts the packets of one connection that carry no data. */
export function countConnection(dialler: Traffic, listener: Traffic): void {
  const out = DIALLER_PACKETS * SEGMENT_HEADER_BYTES;
  const back = LISTENER_PACKETS * SEGMENT_HEADER_BYTES;
  dialler.reliableBytes += out;
  dialler.reliableBytesIn += back;
  listener.reliableBytes += back;
  listener.reliableBytesIn += out;
}
