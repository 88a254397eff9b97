/**
 * A member in a process of its own for `locks.test.ts`: joins, takes a lock, says `got TOKEN`, writes `write TOKEN` again and again to
 * what the lock protects, its standard output, and says `lost` when it knows that it has lost it.
 */
import { createCluster } from '../../src/index.js';
import { createLocks } from '../../src/lock/index.js';
import { socketTransport } from '../../src/transport/node/socket.js';

const [bind = '', voters = '', ttlMs = '', leaseMs = ''] = process.argv.slice(2);
const list = voters.split(',');
const cluster = await createCluster({ transport: socketTransport({ bind }), preset: 'local' });
await cluster.join(list.filter((address) => address !== bind));
const locks = await createLocks(cluster, { voters: list, sessionTtlMs: Number(ttlMs), leaseMs: Number(leaseMs) });
const lock = await locks.acquire('a');
process.stdout.write(`got ${lock.token}\n`);
lock.signal.addEventListener('abort', () => process.stdout.write('lost\n'));
// It is as careless as can be: it looks at its signal alone.
setInterval(() => {
  if (!lock.signal.aborted) process.stdout.write(`write ${lock.token}\n`);
}, 20);
