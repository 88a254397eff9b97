/**
 * The best-effort half of the socket transport: one UDP socket, one frame a datagram.
 */
import { createSocket, type Socket } from 'node:dgram';
import { errorMessage, GossipError } from '../../errors.js';
import { formatHostPort, isIpv6 } from '../address.js';
import type { Endpoint } from '../resolver.js';
import type { TransportHost } from '../transport.js';

// Asked of the kernel, which may give less. Source: guess; a burst of 700 full datagrams waits rather than being lost.
const RECEIVE_BUFFER_BYTES = 1024 * 1024;
const MAPPED = '::ffff:';

/** The best-effort carrier. */
export interface Udp {
  /** The endpoint as this socket can send to it, or `undefined` when it is of the other IP family. */
  reachable(endpoint: Endpoint): Endpoint | undefined;
  /** Hands one frame to the kernel. @throws {GossipError} `ERR_UNREACHABLE`, `ERR_OVERLOADED`, `ERR_TOO_LARGE` */
  send(endpoint: Endpoint, frame: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Binds a UDP socket and gives what it receives to `host`. Rejects with the system's error when it cannot bind.
 * @param bindHost - a literal IP address; `::` takes IPv4 too.
 */
export function bindUdp(host: TransportHost, bindHost: string, port: number): Promise<Udp> {
  const v6 = isIpv6(bindHost);
  const socket = createSocket({
    type: v6 ? 'udp6' : 'udp4',
    // Only literal addresses come here; Node would ask its resolver for each datagram all the same.
    lookup: (name, _options, callback) => callback(null, name, isIpv6(name) ? 6 : 4),
  });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: bindHost, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      socket.on('error', (error) => host.count('socketErrors', errorMessage(error)));
      try {
        socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
      } catch {
        // The kernel's default will do.
      }
      receive(host, socket);
      resolve(createUdp(host, socket, v6, bindHost === '::'));
    });
  });
}

function receive(host: TransportHost, socket: Socket): void {
  let open = 0;
  socket.on('message', (message, { address, port }) => {
    if (message.length > host.limits.frameBytesMax) {
      host.count('oversizedFrames');
      return;
    }
    if (open >= host.limits.incomingRequestsMax) {
      host.count('busyDatagrams');
      return;
    }
    const from = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
    const taken = host.receive(new Uint8Array(message), { address: formatHostPort(from, port), reliable: false });
    if (!taken) return;
    open++;
    taken.catch(() => {}).finally(() => open--);
  });
}

function createUdp(host: TransportHost, socket: Socket, v6: boolean, dualStack: boolean): Udp {
  let closing: Promise<void> | undefined;
  // Counted here: Deno's socket cannot be asked.
  let queuedBytes = 0;
  return {
    reachable(endpoint) {
      if (isIpv6(endpoint.host) === v6) return endpoint;
      return dualStack ? { ...endpoint, host: MAPPED + endpoint.host } : undefined;
    },
    send({ host: to, port }, frame) {
      return new Promise((resolve, reject) => {
        if (closing) {
          reject(new GossipError('ERR_CLOSED', 'the socket transport was closed'));
          return;
        }
        if (queuedBytes + frame.length > host.limits.sendQueueBytesMax) {
          host.count('sendQueueFull');
          reject(
            new GossipError('ERR_OVERLOADED', 'the datagrams the kernel has not taken yet fill sendQueueBytesMax'),
          );
          return;
        }
        queuedBytes += frame.length;
        socket.send(frame, port, to, (error) => {
          queuedBytes -= frame.length;
          if (!error) {
            resolve();
            return;
          }
          const code = (error as NodeJS.ErrnoException).code === 'EMSGSIZE' ? 'ERR_TOO_LARGE' : 'ERR_UNREACHABLE';
          if (code === 'ERR_TOO_LARGE') host.count('oversizedDatagrams');
          const message = `cannot send to ${formatHostPort(to, port)} by UDP: ${errorMessage(error)}`;
          reject(new GossipError(code, message, { cause: error }));
        });
      });
    },
    close() {
      closing ??= new Promise((resolve) => socket.close(() => resolve()));
      return closing;
    },
  };
}
