/**
 * A program of its own for `store-file.test.ts`, to be killed: it writes into a store kept in a file as fast as it can, and prints
 * each number when it is safe.
 */
import { createCluster } from '../../src/index.js';
import { fileStorage } from '../../src/store/file.node.js';
import { createStore } from '../../src/store/store.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';

const [path = '', from = '0'] = process.argv.slice(2);
const cluster = await createCluster({ transport: createMemoryNetwork().transport() });
const limits = { writesPerSecond: 1_000_000 };
const store = await createStore(cluster, { persistence: fileStorage({ path }), limits });
for (let n = Number(from); ; n++) {
  store.set('latest', n);
  store.set(`filling/${n % 50}`, 'x'.repeat(20_000));
  store.setOf<number>('even').add(n % 2 === 0 ? n : 0);
  store.counter('writes').increment();
  await store.flush();
  process.stdout.write(`${n}\n`);
}
