/**
 * `node tools/peer-sizes.mjs`: what pages weigh that use other libraries to talk with each other, for the table of
 * `npm run size`. It installs them in a folder of its own, bundles for each the smallest page that joins and chats, in the
 * same way as ours, and writes `peer-sizes.json` beside this file. To be run again when one has a new version worth a look.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const run = promisify(execFile);

const peers = [
  {
    name: 'socket.io-client',
    does: 'messages through one server',
    packages: { 'socket.io-client': '4.8.4' },
    page: `
      import { io } from 'socket.io-client';
      const socket = io(location.origin);
      socket.on('chat', (text) => { document.title = text; });
      socket.emit('chat', 'hello');`,
  },
  {
    name: 'peerjs',
    does: 'WebRTC between two pages, through a broker',
    packages: { peerjs: '1.5.5' },
    page: `
      import { Peer } from 'peerjs';
      const peer = new Peer();
      peer.on('connection', (connection) => connection.on('data', (text) => { document.title = text; }));
      const connection = peer.connect(location.hash.slice(1));
      connection.on('open', () => connection.send('hello'));`,
  },
  {
    name: 'yjs + y-websocket',
    does: 'a shared document and who is there, through a server',
    packages: { yjs: '13.6.33', 'y-websocket': '3.1.0' },
    page: `
      import { Doc } from 'yjs';
      import { WebsocketProvider } from 'y-websocket';
      const doc = new Doc();
      const provider = new WebsocketProvider(location.origin, 'chat', doc);
      provider.awareness.on('change', () => { document.title = provider.awareness.getStates().size; });
      doc.getArray('chat').observe((event) => { document.title = event.changes.delta; });
      doc.getArray('chat').push(['hello']);`,
  },
  {
    name: 'libp2p + gossipsub',
    does: 'publish and subscribe among peers, over WebSocket',
    packages: {
      libp2p: '3.3.11',
      '@libp2p/websockets': '10.1.21',
      '@libp2p/gossipsub': '17.1.1',
      '@libp2p/identify': '4.1.14',
      '@chainsafe/libp2p-noise': '17.0.0',
      '@chainsafe/libp2p-yamux': '8.0.1',
    },
    page: `
      import { createLibp2p } from 'libp2p';
      import { webSockets } from '@libp2p/websockets';
      import { gossipsub } from '@libp2p/gossipsub';
      import { identify } from '@libp2p/identify';
      import { noise } from '@chainsafe/libp2p-noise';
      import { yamux } from '@chainsafe/libp2p-yamux';
      const node = await createLibp2p({
        transports: [webSockets()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: { identify: identify(), pubsub: gossipsub() },
      });
      node.services.pubsub.addEventListener('message', ({ detail }) => { document.title = detail.data; });
      node.services.pubsub.subscribe('chat');
      await node.services.pubsub.publish('chat', new TextEncoder().encode('hello'));`,
  },
  // Its transporters need Node.
  { name: 'moleculer', does: 'not for browsers', packages: { moleculer: '0.15.2' } },
];

const folder = await mkdtemp(join(tmpdir(), 'isogossip-peers-'));
try {
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const wanted = peers.flatMap(({ packages }) =>
    Object.entries(packages).map(([name, version]) => `${name}@${version}`),
  );
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...wanted], { cwd: folder });
  const rows = [];
  for (const { name, does, packages, page } of peers) {
    const row = { name, does, packages };
    if (page) {
      const { outputFiles } = await build({
        stdin: { contents: page, resolveDir: folder },
        bundle: true,
        minify: true,
        write: false,
        format: 'esm',
        target: 'es2022',
        platform: 'browser',
      });
      const [{ contents }] = outputFiles;
      row.minified = contents.byteLength;
      row.gzip = gzipSync(contents, { level: 9 }).byteLength;
    }
    rows.push(row);
  }
  const measured = { measured: new Date().toISOString().slice(0, 10), rows };
  await writeFile(new URL('peer-sizes.json', import.meta.url), `${JSON.stringify(measured, null, 2)}\n`);
  console.log(measured);
} finally {
  await rm(folder, { recursive: true, force: true });
}
