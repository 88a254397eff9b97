// One process: a member that is a gateway, and the web server of both pages. Ctrl-C ends it.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { createCluster, defineRequest } from 'isogossip';
import { createGateway } from 'isogossip/gateway';
import { socketTransport } from 'isogossip/transport/socket';
import { webSocketListener } from 'isogossip/transport/websocket-listener';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { outputFiles } = await build({
  entryPoints: [here('bundled/app.ts')],
  bundle: true,
  minify: true,
  format: 'esm',
  write: false,
  logLevel: 'error',
});
const files = {
  '/plain/': ['text/html', () => readFile(here('plain/index.html'))],
  '/plain/chat.js': ['text/javascript', () => readFile(here('plain/chat.js'))],
  '/plain/isogossip.js': ['text/javascript', () => readFile(here('../../dist/isogossip.browser.js'))],
  '/bundled/': ['text/html', () => readFile(here('bundled/index.html'))],
  '/bundled/app.js': ['text/javascript', () => outputFiles[0].contents],
};
const server = createServer(async ({ url }, response) => {
  const [type, read] = files[url] ?? [];
  response.writeHead(read ? 200 : 404, { 'content-type': type ?? 'text/plain' });
  response.end(read ? await read() : 'not here: try /plain/ or /bundled/\n');
});
await new Promise((resolve) => server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', resolve));

const cluster = await createCluster({
  transport: socketTransport({ bind: '127.0.0.1:0' }),
  metadata: { name: 'server' },
});
await createGateway(cluster, { listen: webSocketListener({ server, path: '/gossip' }) });
cluster.on('joined', ({ member }) => console.log(`${member.metadata.name} is here`));
cluster.on('left', ({ member }) => console.log(`${member.metadata.name} has left`));
cluster.handle(defineRequest(130), () => 'the server');

const { port } = server.address();
console.log(`http://127.0.0.1:${port}/plain/\nhttp://127.0.0.1:${port}/bundled/`);
process.once('SIGINT', async () => {
  await cluster.leave();
  server.close();
});
