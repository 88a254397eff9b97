/**
 * A member in Deno: `deno run members-deno.js ws|socket|both [JOIN]`. By WebSocket it accepts with `Deno.serve`, as the README's
 * snippet does; it prints its address, and ends when it has left.
 */
import process from 'node:process';
import { socketTransport } from '../../src/transport/node/socket.js';
import { several } from '../../src/transport/several.js';
import { type WebSocketLike, webSocketTransport } from '../../src/transport/websocket.js';
import { startMember } from './members-behaviour.js';

declare const Deno: {
  serve(
    options: { port: number; hostname: string; onListen(): void },
    handler: (request: Request) => Response,
  ): { readonly addr: { port: number }; shutdown(): Promise<void> };
  upgradeWebSocket(request: Request): { socket: WebSocketLike; response: Response };
};

const [how, join] = process.argv.slice(2);

let stop = async () => {};
function overWebSocket() {
  const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen() {} }, (request) => {
    if (request.headers.get('upgrade') !== 'websocket') return new Response('this is a WebSocket', { status: 426 });
    // Taken before the upgrade, after which Deno's request cannot be read any more.
    const info = { url: request.url, headers: new Headers(request.headers) };
    const { socket, response } = Deno.upgradeWebSocket(request);
    transport.accept(socket, info);
    return response;
  });
  stop = () => server.shutdown();
  const transport = webSocketTransport({ advertise: `ws://127.0.0.1:${server.addr.port}/gossip` });
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
