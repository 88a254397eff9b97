/**
 * A member in Bun: `bun members-bun.js ws|socket|both [JOIN]`. By WebSocket it accepts with `Bun.serve`; it prints its address,
 * and ends when it has left.
 */
import process from 'node:process';
import { socketTransport } from '../../src/transport/node/socket.js';
import { several } from '../../src/transport/several.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { type BunServer, type BunWebSocketHandlers, bunWebSockets } from '../../src/transport/websocket-bun.js';
import { startMember } from './members-behaviour.js';

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    fetch(request: Request, server: BunServer): Response | undefined;
    websocket: BunWebSocketHandlers;
  }): { readonly port: number; stop(): Promise<void> };
};

const [how, join] = process.argv.slice(2);

let stop = async () => {};
function overWebSocket() {
  const gossip = bunWebSockets({ accept: (socket, info) => transport.accept(socket, info) });
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: gossip.upgrade, websocket: gossip.websocket });
  stop = () => server.stop();
  const transport = webSocketTransport({ advertise: `ws://127.0.0.1:${server.port}/gossip` });
  return transport;
}

const overSockets = () => socketTransport({ bind: '127.0.0.1:0' });
const transport =
  how === 'ws' ? overWebSocket() : how === 'socket' ? overSockets() : several([overSockets(), overWebSocket()]);
const { cluster, left } = await startMember({ transport });
if (join) await cluster.join(join);
console.log(cluster.address);
await left;
await stop();
console.log('left');
