/**
 * Opens and accepts stream connections: the two functions an application can replace (a VPN library's own dialler, an
 * in-process pipe), their defaults on TCP, and the trying of several endpoints in turn.
 */
import { connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorMessage, GossipError } from '../../errors.js';
import { formatHostPort } from '../address.js';
import { createDeadline, type Deadline } from '../deadline.js';
import type { Endpoint } from '../resolver.js';

/** Opens a connection to an endpoint; rejects when it cannot. `signal` aborts when nobody waits any more. */
export type DialFunction = (endpoint: Endpoint, signal: AbortSignal) => Promise<Duplex>;

/** Something that accepts connections until it is closed. */
export interface Listening {
  /** The port really bound. */
  port: number;
  /** Accepts no more, at once; what it returns may wait for the connections accepted before, which the caller ends. */
  close(): Promise<void> | void;
}

/** Accepts connections on `host` and `port` (0: any) and hands over each; rejects when it cannot bind. */
export type ListenFunction = (host: string, port: number, onConnection: (stream: Duplex) => void) => Promise<Listening>;

/** The default {@link DialFunction}: TCP, without Nagle's delay. */
export const dialTcp: DialFunction = ({ host, port }, signal) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const onAbort = () => socket.destroy(signal.reason as Error);
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('connect', onConnect);
      socket.removeListener('error', onError);
    };
    const onConnect = () => {
      settle();
      resolve(socket);
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    socket.once('connect', onConnect);
    socket.once('error', onError);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });

/** The default {@link ListenFunction}: TCP, without Nagle's delay. */
export const listenTcp: ListenFunction = (host, port, onConnection) =>
  new Promise((resolve, reject) => {
    // Half-open, so that a peer may end its side and still get its answer.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.removeListener('error', reject);
      // Accepting can fail later (no descriptors left); the next one may work.
      server.on('error', () => {});
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address ? address.port : port,
        close: () => new Promise((closed) => server.close(() => closed())),
      });
    });
  });

/**
 * Dials endpoints in turn until one answers. Each gets an equal share of the time left, so that one that swallows
 * packets does not keep the others from being tried.
 * @throws {GossipError} the deadline's reason, or `ERR_UNREACHABLE` with the last failure as cause.
 */
export async function dialFirst(
  dial: DialFunction,
  address: string,
  endpoints: readonly Endpoint[],
  deadline: Deadline,
): Promise<{ stream: Duplex; endpoint: Endpoint }> {
  const failures: string[] = [];
  let cause: unknown;
  for (const [index, endpoint] of endpoints.entries()) {
    if (deadline.signal.aborted) break;
    const shareMs = deadline.leftMs() / (endpoints.length - index);
    const attempt = createDeadline(shareMs, 'no connection', deadline.signal);
    try {
      return { stream: await dialOne(dial, endpoint, attempt), endpoint };
    } catch (error) {
      cause = error;
      failures.push(`${formatHostPort(endpoint.host, endpoint.port)}: ${errorMessage(error)}`);
    } finally {
      attempt.done();
    }
  }
  const reason: unknown = deadline.signal.reason;
  if (reason instanceof GossipError && reason.code !== 'ERR_TIMEOUT') throw reason;
  const why = failures.join('; ') || errorMessage(reason);
  throw new GossipError('ERR_UNREACHABLE', `cannot connect to ${address} (${why})`, { cause: cause ?? reason });
}

async function dialOne(dial: DialFunction, endpoint: Endpoint, attempt: Deadline): Promise<Duplex> {
  const dialling = Promise.resolve(dial(endpoint, attempt.signal));
  try {
    return await attempt.race(dialling);
  } catch (error) {
    // A dialler that does not heed the signal may still succeed: nobody waits for that connection.
    dialling.then((stream) => stream.destroy()).catch(() => {});
    throw error;
  }
}
