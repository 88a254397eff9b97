/**
 * A member in a process of its own for `evidence.test.ts`: says `ready`, binds when a line comes on standard input, joins,
 * says `joined`, and lives until it is killed.
 */
import { createInterface } from 'node:readline';
import { createCluster } from '../../src/index.js';
import { socketTransport } from '../../src/transport/node/socket.js';

const [bind = '', seed = '', id = ''] = process.argv.slice(2);
process.stdout.write('ready\n');
for await (const _ of createInterface({ input: process.stdin })) break;
const cluster = await createCluster({ transport: socketTransport({ bind }), preset: 'wan', id });
await cluster.join(seed);
process.stdout.write('joined\n');
setInterval(() => {}, 60_000);
