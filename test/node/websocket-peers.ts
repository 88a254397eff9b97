/**
 * What the tests of the WebSocket transport share: members, peers that are plain `ws` sockets, and the closing of both.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import Client, { WebSocketServer } from 'ws';
import type { Limits } from '../../src/limits.js';
import { type WebSocketListenerOptions, webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { type WebSocketTransportOptions, webSocketTransport } from '../../src/transport/websocket.js';
import { createFakeHost } from '../contract/fake-host.js';

export const SEND = { reliable: true, connection: 'shared' } as const;

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs after the test, the last first. */
export const after = (cleanup: () => Promise<unknown> | unknown) => void cleanups.push(cleanup);

export async function member(
  options: WebSocketTransportOptions = {},
  limits: Partial<Limits> = {},
  listener: WebSocketListenerOptions = { bind: '127.0.0.1:0' },
) {
  const transport = webSocketTransport({
    ...(options.advertise === undefined ? { listen: webSocketListener(listener) } : {}),
    ...options,
  });
  const host = createFakeHost(limits);
  after(() => transport.close());
  const address = await transport.start(host);
  return { transport, host, address };
}

/** A plain socket to a member; keeps what it hears. */
export async function rawClient(url: string, ...first: (string | Uint8Array)[]) {
  const socket = new Client(url);
  const closed = once(socket, 'close').then(([code, reason]) => ({ code: Number(code), reason: String(reason) }));
  const heard = listenTo(socket);
  after(() => socket.terminate());
  await once(socket, 'open');
  for (const message of first) socket.send(message);
  return { socket, closed, ...heard };
}

/** A plain server to dial; `onSocket` may make it as rude as a test needs. */
export async function rawServer(onSocket: (socket: Client) => void) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  server.on('connection', onSocket);
  await once(server, 'listening');
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

/** Keeps the messages of a socket and lets a test wait for them. */
export function listenTo(socket: Client) {
  const messages: (string | Uint8Array)[] = [];
  let wake = () => {};
  socket.on('message', (data, binary) => {
    messages.push(binary ? new Uint8Array(data as Buffer) : String(data));
    wake();
  });
  const message = async (index: number): Promise<string | Uint8Array> => {
    while (messages.length <= index) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`message ${index} did not come`)), 5_000);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return messages[index] as string | Uint8Array;
  };
  return { messages, message };
}

/** The code of a rejection, or `resolved`. */
export const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'resolved',
    (error: { code?: string }) => error.code ?? String(error),
  );
