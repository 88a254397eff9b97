/**
 * A real member that knows thousands of others, as one does that has been in a cluster for long: whoever joins it is told of
 * them. What the others are told by TCP is taken; their pings are answered by `memory-answers.ts`.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { msgpack } from '../src/codec/msgpack.js';
import type { Core } from '../src/core/core.js';
import { createCluster } from '../src/index.js';
import { socketTransport } from '../src/transport/node/socket.js';
import { OTHERS_PORT, recordOf } from './memory-others.js';

const [port = 0, count = 0, withMetadata = 0] = process.argv.slice(2).map(Number);
const listener = createServer((socket) => socket.on('error', () => {}).resume()).listen(OTHERS_PORT, '0.0.0.0');
await once(listener, 'listening');
const cluster = await createCluster({ transport: socketTransport({ bind: `127.0.0.1:${port}` }) });
const { members } = cluster.inside.core as Core;
const codec = msgpack();
const metadataOf = (n: number) => (withMetadata ? { name: `member-${10_000 + n}`, zone: `eu-${n % 3}` } : {});
const metadataBytes = withMetadata ? codec.encode(metadataOf(0)).length : 0;
for (let n = 0; n < count; n++) {
  // As if others had known them long since, so that it is no news.
  members.merge(recordOf(n, metadataOf(n), metadataBytes), cluster.id, true);
}
process.stdout.write(`${JSON.stringify({ event: 'started', metadataBytes })}\n`);
createInterface({ input: process.stdin }).on('close', () => process.exit(0));
