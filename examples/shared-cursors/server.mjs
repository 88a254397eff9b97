// One process: a member that is a gateway, and the web server of the page. Ctrl-C ends it.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { createCluster } from 'isogossip';
import { createGateway } from 'isogossip/gateway';
import { socketTransport } from 'isogossip/transport/socket';
import { webSocketListener } from 'isogossip/transport/websocket-listener';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { outputFiles } = await build({
  entryPoints: [here('page.ts')],
  bundle: true,
  minify: true,
  format: 'esm',
  write: false,
  logLevel: 'error',
});
const server = createServer(async ({ url }, response) => {
  const script = url === '/page.js';
  response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
  response.end(script ? outputFiles[0].contents : await readFile(here('index.html')));
});
await new Promise((resolve) => server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', resolve));

const cluster = await createCluster({ transport: socketTransport({ bind: '127.0.0.1:0' }) });
await createGateway(cluster, { listen: webSocketListener({ server, path: '/gossip' }) });
console.log(`http://127.0.0.1:${server.address().port}/`);
process.once('SIGINT', async () => {
  await cluster.leave();
  server.close();
});
