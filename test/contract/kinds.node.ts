/** The implementations that need `node:` modules; Node, Deno and Bun have them. */
import { aesGcm } from '../../src/cipher/aes-gcm.node.js';
import { httpTransport } from '../../src/transport/http.js';
import { httpListener } from '../../src/transport/node/http-listener.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import type { CipherKind } from './cipher.js';
import type { ClusterKind } from './cluster.js';
import type { TransportKind } from './transport.js';

/** The ciphers. */
export const nodeCipherKinds: readonly CipherKind[] = [
  { name: 'aes-gcm on node:crypto', create: aesGcm, keyBytes: [16, 24, 32] },
];

/** UDP and TCP. Port 1 (tcpmux) is bound nowhere. */
export const socketKind: TransportKind = {
  name: 'socket',
  create: () => socketTransport({ bind: '127.0.0.1:0' }),
  nobody: '127.0.0.1:1',
  unreadable: 'no port here',
  datagrams: true,
  lasting: true,
};

/** HTTP. Port 2 is bound nowhere, and fetch does not forbid it as it does 1. */
export const httpKind: TransportKind & ClusterKind = {
  name: 'http',
  create: () =>
    httpTransport({ listen: httpListener({ bind: '127.0.0.1:0' }), path: '/gossip', bearerToken: 'secret' }),
  nobody: 'http://127.0.0.1:2/gossip',
  unreadable: '127.0.0.1:2',
  datagrams: false,
  losesNothing: true,
  lasting: false,
};

/** WebSocket, dialled with the runtime's own client or, where there is none, `ws`; accepted by `ws`. */
export const webSocketKind: TransportKind & ClusterKind = {
  name: 'websocket',
  create: () => webSocketTransport({ listen: webSocketListener({ bind: '127.0.0.1:0' }) }),
  nobody: 'ws://127.0.0.1:1/',
  unreadable: '127.0.0.1:1',
  datagrams: false,
  losesNothing: true,
  lasting: true,
  twoWay: true,
  exchanges: false,
};
