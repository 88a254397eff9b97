/**
 * A network inside one process: for tests, and for programs whose members all live in one place. It keeps the rules a
 * real one has (frames are copied, limits hold, an address may be unknown), but loses and delays nothing.
 */
import { GossipError } from '../errors.js';
import { DEFAULT_LIMITS } from '../limits.js';
import { createDeadline } from './deadline.js';
import type { FrameSource, Transport, TransportHost } from './transport.js';

/** Options of one member's transport on a memory network. */
export interface MemoryTransportOptions {
  /** Any text without spaces or `://` that no other transport of the network has. Default: `memory-1`, `memory-2`, … */
  address?: string;
  /** Largest frame that goes as a datagram; 0 for a network without datagrams. Default: as UDP. */
  datagramBytesMax?: number;
}

/** A network and the way onto it. */
export interface MemoryNetwork {
  /** Makes one member's transport. */
  transport(options?: MemoryTransportOptions): Transport;
}

interface Station {
  host: TransportHost;
  /** Addresses this station holds a shared connection to. */
  connected: Set<string>;
  /** Frames that `host.receive` is still at work on. */
  open: number;
  closed: boolean;
}

/** Makes a network of its own; nothing is shared with any other. */
export function createMemoryNetwork(): MemoryNetwork {
  const stations = new Map<string, Station>();
  let made = 0;
  return {
    transport({ address = `memory-${++made}`, datagramBytesMax = DEFAULT_LIMITS.datagramBytesMax - 1 } = {}) {
      return createMemoryTransport(stations, address, datagramBytesMax);
    },
  };
}

function createMemoryTransport(stations: Map<string, Station>, own: string, datagramBytesMax: number): Transport {
  let station: Station | undefined;
  const waiting = new Set<(error: GossipError) => void>();

  const target = (address: string, frame: Uint8Array): Station => {
    if (!station) throw new GossipError('ERR_CLOSED', `the memory transport ${own} is not running`);
    const { frameBytesMax } = station.host.limits;
    if (frame.length > frameBytesMax) {
      throw new GossipError(
        'ERR_TOO_LARGE',
        `a frame of ${frame.length} bytes is above frameBytesMax, ${frameBytesMax}`,
      );
    }
    const found = stations.get(address);
    if (!found) throw new GossipError('ERR_UNREACHABLE', `no memory transport has the address ${address}`);
    if (frame.length > found.host.limits.frameBytesMax) {
      found.host.count('oversizedFrames');
      throw new GossipError('ERR_TOO_LARGE', `a frame of ${frame.length} bytes is above what ${address} takes`);
    }
    return found;
  };

  const deliver = async (to: Station, frame: Uint8Array, source: FrameSource): Promise<Uint8Array | undefined> => {
    if (to.open >= to.host.limits.incomingRequestsMax) {
      to.host.count('busy');
      throw new GossipError('ERR_OVERLOADED', 'the peer is working on as many frames as it may');
    }
    const copy = frame.slice();
    to.open++;
    try {
      // Never inside the sender's call, as on a real network.
      await undefined;
      return to.closed ? undefined : await to.host.receive(copy, source);
    } finally {
      to.open--;
    }
  };

  return {
    name: 'memory',
    carriage: (address) => (address.includes('://') ? undefined : 'v1'),
    datagramBytesMax,
    async start(host) {
      if (stations.has(own)) throw new GossipError('ERR_ADDRESS_IN_USE', `the memory address ${own} is taken`);
      station = { host, connected: new Set(), open: 0, closed: false };
      stations.set(own, station);
      return own;
    },
    async send(address, frame, { reliable, connection }) {
      const to = target(address, frame);
      const datagram = !reliable && frame.length <= datagramBytesMax;
      if (!datagram && connection === 'shared') station?.connected.add(address);
      void deliver(to, frame, datagram ? { address: own, reliable: false } : { reliable: true }).catch(() => {});
      await undefined;
    },
    async request(address, frame, { timeoutMs, signal }) {
      const deadline = createDeadline(timeoutMs, `no answer from ${address}`, signal);
      waiting.add(deadline.cancel);
      try {
        const answer = await deadline.race(deliver(target(address, frame), frame, { reliable: true }));
        if (answer) return answer.slice();
        throw new GossipError('ERR_TIMEOUT', `${address} had no answer`);
      } finally {
        waiting.delete(deadline.cancel);
        deadline.done();
      }
    },
    async close() {
      if (!station) return;
      station.closed = true;
      station = undefined;
      stations.delete(own);
      for (const cancel of waiting) cancel(new GossipError('ERR_CLOSED', `the memory transport ${own} was closed`));
      for (const other of stations.values()) {
        if (other.connected.delete(own)) other.host.disconnected(own);
      }
    },
  };
}
