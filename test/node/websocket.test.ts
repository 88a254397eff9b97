/**
 * The WebSocket transport: the contract with `ws` and with a client that has the habits of other runtimes, and every
 * rule of its own.
 */
import { afterEach, assert, test } from 'vitest';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { transportContract } from '../contract/transport.js';
import { StrictWebSocket } from './strict-websocket.js';

const listen = () => webSocketListener({ bind: '127.0.0.1:0' });

for (const [name, client] of [
  ['websocket by ws', {}],
  ['websocket by a strict client', { WebSocket: StrictWebSocket }],
] as const) {
  transportContract(
    { test, assert },
    {
      name,
      create: () => webSocketTransport({ listen: listen(), ...client }),
      // Port 1 (tcpmux) is bound nowhere.
      nobody: 'ws://127.0.0.1:1/',
      unreadable: '127.0.0.1:1',
      datagrams: false,
      lasting: true,
      twoWay: true,
      exchanges: false,
    },
  );
}

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
