// A full member by UDP and TCP whose web server is a gateway for pages.
import { createCluster, defineRequest } from 'isogossip';
import { createGateway } from 'isogossip/gateway';
import { socketTransport } from 'isogossip/transport/socket';
import { bunWebSockets } from 'isogossip/transport/websocket-bun';

const cluster = await createCluster({
  transport: socketTransport({ bind: '127.0.0.1:0' }),
  metadata: { name: 'bun' },
  tags: ['service'],
});
const { upgrade, websocket } = bunWebSockets({ accept: (socket, info) => gateway.accept(socket, info) });
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  websocket,
  fetch: (request, self) =>
    new URL(request.url).pathname === '/gossip' ? upgrade(request, self) : new Response('your page\n'),
});
const gateway = await createGateway(cluster, { url: `ws://127.0.0.1:${server.port}/gossip` });

cluster.handle(defineRequest(130), ({ data }) => `Bun ${Bun.version} heard ${JSON.stringify(data)}`);
for (const address of Bun.argv.slice(2)) await cluster.join(address);
console.log(cluster.address, gateway.url);

process.once('SIGINT', async () => {
  await cluster.leave();
  await server.stop();
});
