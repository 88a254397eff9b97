/**
 * Members, plain clients and plain servers on loopback for the socket tests; all are closed after each test.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import type { Limits } from '../../src/limits.js';
import { type SocketTransportOptions, socketTransport } from '../../src/transport/node/socket.js';
import { createFakeHost } from '../contract/fake-host.js';

export const SHARED = { reliable: true, connection: 'shared' } as const;
export const SINGLE = { reliable: true, connection: 'single' } as const;
export const BEST_EFFORT = { reliable: false, connection: 'shared' } as const;

/** Run after each test, the last first. */
export const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A started transport with a host of its own. */
export async function member(options: Partial<SocketTransportOptions> = {}, limits: Partial<Limits> = {}) {
  const transport = socketTransport({ bind: '127.0.0.1:0', ...options });
  const host = createFakeHost(limits);
  cleanups.push(() => transport.close());
  const address = await transport.start(host);
  return { transport, host, address, port: Number(/\d+$/.exec(address)?.[0]) };
}

/** A plain TCP client; `closed` settles when the other side has closed it. */
export async function client(port: number) {
  const socket = connect({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  cleanups.push(() => socket.destroy());
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return { socket, closed, received: () => Buffer.concat(chunks) };
}

/** A plain TCP server that keeps its connections. */
export async function server(onConnection: (socket: Socket) => void = () => {}, port = 0) {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const listening: Server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      listening.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  cleanups.push(close);
  const bound = (listening.address() as { port: number }).port;
  return { port: bound, address: `127.0.0.1:${bound}`, sockets, close, accepted: () => accepted };
}

/** Settles as `work` does, or fails after a deadline. */
export async function within<T>(work: Promise<T>, what: string, deadlineMs = 5_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${deadlineMs} ms`)), deadlineMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** The code a work is rejected with, or `resolved`. */
export const code = (work: Promise<unknown>) => work.then(() => 'resolved').catch((error) => error.code);
