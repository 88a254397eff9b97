/**
 * The reliable half of the socket transport: accepted connections, shared ones to peers we write to often, and single
 * ones for peers that expect one packet a connection. It counts them all against one limit.
 */
import type { Duplex } from 'node:stream';
import { GossipError } from '../../errors.js';
import { parseAddress } from '../address.js';
import { createDeadline, type Deadline } from '../deadline.js';
import type { Lookup } from '../resolver.js';
import type { RequestOptions, TransportHost } from '../transport.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { type DialFunction, dialFirst, type Listening } from './dial.js';

// The share of `connectionsMax` kept free for connections of our own, so that a flood cannot silence us. Source: guess.
const OUTGOING_SHARE = 0.25;
// An accepting side waits this much longer in silence, so that the side that dialled always closes first and a closed
// connection means something. Source: guess.
const ACCEPTED_PATIENCE = 2;
// How long close() waits for what is still being written. Source: the Transport contract.
const FLUSH_MS = 1_000;

/** What {@link createTcp} needs. */
export interface TcpOptions {
  host: TransportHost;
  lookup: Lookup;
  dial: DialFunction;
  defaultPort: number | undefined;
  idleTimeoutMs: number;
  timeoutMs: number;
  /** There are datagrams beside it, for what must not wait. */
  datagrams: boolean;
}

/** The reliable carrier. */
export interface Tcp {
  /** Takes over a connection that a listener accepted, or refuses it. */
  accept(stream: Duplex): void;
  /** As `Transport.send` with `connection: 'shared'`. */
  sendShared(address: string, frame: Uint8Array): Promise<void>;
  /** As `Transport.send` with `connection: 'single'`. */
  sendSingle(address: string, frame: Uint8Array): Promise<void>;
  /** As `Transport.request`. */
  request(address: string, frame: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  /** Flushes, then closes everything, within a second. */
  close(listening: Listening | undefined): Promise<void>;
}

/** A shared connection, or the dialling of one. */
interface Shared {
  ready: Promise<Connection>;
  connection?: Connection;
}

/** Makes the carrier; it opens nothing by itself. */
export function createTcp({ host, lookup, dial, defaultPort, idleTimeoutMs, timeoutMs, datagrams }: TcpOptions): Tcp {
  const { limits } = host;
  const source = { reliable: true, mayWait: datagrams };
  const incoming = new Set<Connection>();
  const outgoing = new Set<Connection>();
  const shared = new Map<string, Shared>();
  const queuedBytes = new Map<string, number>();
  const sends = new Set<Deadline>();
  const requests = new Set<Deadline>();
  const sending = new Set<Promise<void>>();
  let dialling = 0;
  let closed = false;
  let onEmpty = () => {};
  /** Ticks only while there are connections, so that who is idle sleeps. */
  let tick: NodeJS.Timeout | undefined;

  const check = () => {
    const nowMs = performance.now();
    for (const connection of [...incoming, ...outgoing]) connection.check(nowMs);
  };

  const closedError = () => new GossipError('ERR_CLOSED', 'the socket transport was closed');
  const total = () => incoming.size + outgoing.size + dialling;

  const adopt = (
    into: Set<Connection>,
    stream: Duplex,
    options: Pick<ConnectionOptions, 'role' | 'idleTimeoutMs' | 'onFrame' | 'onClose'>,
  ): Connection => {
    const connection = new Connection(stream, {
      ...options,
      limits,
      timeoutMs,
      count: host.count,
      onClose(by, error) {
        into.delete(connection);
        options.onClose(by, error);
        if (incoming.size + outgoing.size > 0) return;
        clearInterval(tick);
        tick = undefined;
        onEmpty();
      },
    });
    into.add(connection);
    tick ??= setInterval(check, Math.max(10, Math.min(timeoutMs, idleTimeoutMs) / 4)).unref();
    return connection;
  };

  const withDeadline = async <T>(
    among: Set<Deadline>,
    ms: number,
    what: string,
    signal: AbortSignal | undefined,
    work: (deadline: Deadline) => Promise<T>,
  ): Promise<T> => {
    if (closed) throw closedError();
    const deadline = createDeadline(ms, what, signal);
    among.add(deadline);
    try {
      return await work(deadline);
    } finally {
      among.delete(deadline);
      deadline.done();
    }
  };

  /** Closes the shared connection that has been unused the longest, to make room. */
  const evict = () => {
    for (const [address, { connection }] of shared) {
      if (connection?.quiet && !queuedBytes.has(address)) {
        shared.delete(address);
        connection.end();
        return;
      }
    }
    host.count('connectionsFull');
    throw new GossipError('ERR_OVERLOADED', `connectionsMax, ${limits.connectionsMax}, connections are open and busy`);
  };

  const open = async (address: string, deadline: Deadline): Promise<Duplex> => {
    const parsed = parseAddress(address, { defaultPort, stringBytesMax: limits.stringBytesMax });
    if (total() >= limits.connectionsMax) evict();
    dialling++;
    try {
      const endpoints = await deadline.race(lookup.endpoints(address, parsed));
      const { stream, endpoint } = await dialFirst(dial, address, endpoints, deadline);
      lookup.worked(address, endpoint);
      return stream;
    } catch (error) {
      lookup.failed(address);
      throw error;
    } finally {
      dialling--;
    }
  };

  const connectShared = (address: string): Shared => {
    const entry: Shared = {
      ready: withDeadline(sends, timeoutMs, `no connection to ${address}`, undefined, async (deadline) => {
        const forget = () => {
          if (shared.get(address) === entry) shared.delete(address);
        };
        try {
          const stream = await open(address, deadline);
          entry.connection = adopt(outgoing, stream, {
            role: 'dialled',
            idleTimeoutMs,
            onFrame: (frame) => host.receive(frame, { ...source, address }),
            onClose(by) {
              forget();
              if (by === 'peer' && !closed) host.disconnected(address);
            },
          });
          return entry.connection;
        } catch (error) {
          forget();
          throw error;
        }
      }),
    };
    return entry;
  };

  /** Keeps the bytes queued toward one address within the limit while `work` is under way. */
  const queued = async (address: string, frame: Uint8Array, work: () => Promise<void>): Promise<void> => {
    const before = queuedBytes.get(address) ?? 0;
    if (before + frame.length > limits.sendQueueBytesMax) {
      host.count('sendQueueFull', address);
      throw new GossipError(
        'ERR_OVERLOADED',
        `${before} bytes are queued for ${address}; the limit is sendQueueBytesMax`,
      );
    }
    queuedBytes.set(address, before + frame.length);
    const sent = work();
    sending.add(sent);
    try {
      await sent;
    } finally {
      sending.delete(sent);
      const left = (queuedBytes.get(address) ?? 0) - frame.length;
      if (left > 0) queuedBytes.set(address, left);
      else queuedBytes.delete(address);
    }
  };

  return {
    accept(stream) {
      const most = Math.max(1, Math.floor(limits.connectionsMax * (1 - OUTGOING_SHARE)));
      if (closed || incoming.size >= most || total() >= limits.connectionsMax) {
        stream.on('error', () => {});
        stream.destroy();
        host.count('refusedConnections');
        return;
      }
      adopt(incoming, stream, {
        role: 'accepted',
        idleTimeoutMs: idleTimeoutMs * ACCEPTED_PATIENCE,
        onFrame: (frame) => host.receive(frame, source),
        onClose: () => {},
      });
    },

    sendShared: (address, frame) =>
      queued(address, frame, async () => {
        let entry = shared.get(address);
        if (!entry || (entry.connection && !entry.connection.usable)) entry = connectShared(address);
        // Last in the map is the one used last.
        shared.delete(address);
        shared.set(address, entry);
        // Always awaited: what was queued while dialling goes before what comes now.
        const connection = await entry.ready;
        await connection.write(frame);
      }),

    sendSingle: (address, frame) =>
      queued(address, frame, () =>
        withDeadline(sends, timeoutMs, `${address} took nothing`, undefined, async (deadline) => {
          const stream = await open(address, deadline);
          const connection = adopt(outgoing, stream, {
            role: 'dialled',
            idleTimeoutMs,
            onFrame: () => undefined,
            onClose: () => {},
          });
          await connection.write(frame);
          connection.end();
        }),
      ),

    request: (address, frame, { timeoutMs: answerMs, signal }) =>
      withDeadline(requests, answerMs, `no answer from ${address}`, signal, async (deadline) => {
        const stream = await open(address, deadline);
        let connection: Connection | undefined;
        const answer = new Promise<Uint8Array>((resolve, reject) => {
          connection = adopt(outgoing, stream, {
            role: 'dialled',
            idleTimeoutMs: Number.POSITIVE_INFINITY,
            onFrame: (reply) => {
              resolve(reply);
              return undefined;
            },
            onClose: (_by, error) => reject(withoutAnswer(address, error)),
          });
          connection.write(frame).catch(reject);
        });
        try {
          return await deadline.race(answer);
        } finally {
          answer.catch(() => {});
          connection?.destroy();
        }
      }),

    async close(listening) {
      closed = true;
      for (const deadline of requests) deadline.cancel(closedError());
      const released = Promise.resolve(listening?.close()).catch(() => {});
      const limit = createDeadline(FLUSH_MS, 'not flushed');
      try {
        await limit.race(Promise.allSettled([...sending]));
        const empty = new Promise<void>((resolve) => {
          onEmpty = resolve;
          if (incoming.size + outgoing.size === 0) resolve();
        });
        for (const connection of [...incoming, ...outgoing]) connection.end();
        await limit.race(Promise.all([empty, released]));
      } catch {
        // Whoever does not take its bytes in time does not get them.
      } finally {
        limit.done();
      }
      for (const deadline of sends) deadline.cancel(closedError());
      for (const connection of [...incoming, ...outgoing]) connection.destroy();
      clearInterval(tick);
    },
  };
}

function withoutAnswer(address: string, error: Error | undefined): GossipError {
  if (error instanceof GossipError) return error;
  return error
    ? new GossipError('ERR_UNREACHABLE', `the connection to ${address} broke: ${error.message}`, { cause: error })
    : new GossipError('ERR_TIMEOUT', `${address} closed the connection without an answer`);
}
