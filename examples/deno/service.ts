// A service that is a full member by WebSocket and by UDP and TCP; it reaches each peer by the first that both have.
import { createCluster, defineRequest } from 'isogossip';
import { several } from 'isogossip/transport/several';
import { socketTransport } from 'isogossip/transport/socket';
import { webSocketTransport } from 'isogossip/transport/websocket';

const server = Deno.serve({ hostname: '127.0.0.1', port: 0, onListen() {} }, (request) => {
  if (request.headers.get('upgrade') !== 'websocket') return new Response('this is a WebSocket\n', { status: 426 });
  // Copied before the upgrade, after which Deno's request cannot be read any more.
  const info = { url: request.url, headers: new Headers(request.headers) };
  const { socket, response } = Deno.upgradeWebSocket(request);
  webSocket.accept(socket, info);
  return response;
});
const webSocket = webSocketTransport({ advertise: `ws://127.0.0.1:${server.addr.port}/` });

const cluster = await createCluster({
  transport: several([socketTransport({ bind: '127.0.0.1:0' }), webSocket]),
  metadata: { name: 'deno' },
  tags: ['service'],
});
cluster.handle(defineRequest(130), ({ data }) => `Deno ${Deno.version.deno} heard ${JSON.stringify(data)}`);
for (const address of Deno.args) await cluster.join(address);
console.log(cluster.address);

Deno.addSignalListener('SIGINT', async () => {
  await cluster.leave();
  await server.shutdown();
  Deno.exit();
});
