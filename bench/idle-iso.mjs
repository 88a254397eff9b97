// One idle cluster of ours: N members in this process, on 127.0.0.1, with default options, through the built package.
// Speaks to idle.mjs as the Go peers do: a line when whole, a line when standard input has ended.
import { setTimeout as sleep } from 'node:timers/promises';
import { createCluster } from '../dist/index.js';
import { socketTransport } from '../dist/transport/node/socket.js';

const PORT_FIRST = 20000;
const WHOLE_WITHIN_MS = 30_000;

const members = Number(process.argv[2]);
const lifeMs = Number(process.argv[3]) * 1000;
const clusters = [];
let changes = 0;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const address = (i) => `127.0.0.1:${PORT_FIRST + i}`;
const alive = (cluster) => cluster.members().filter((member) => member.state === 'alive').length;
const isWhole = () => clusters.every((cluster) => alive(cluster) === members);

async function watch(cluster) {
  for await (const _ of cluster.events()) changes++;
}

for (let i = 0; i < members; i++) {
  const cluster = await createCluster({ transport: socketTransport({ bind: address(i) }) });
  clusters.push(cluster);
  if (i > 0) await cluster.join([address(0)]);
}
const startMs = performance.now();
while (!isWhole()) {
  if (performance.now() - startMs > WHOLE_WITHIN_MS) {
    throw new Error(`${members} members did not find each other within ${WHOLE_WITHIN_MS / 1000} s`);
  }
  await sleep(50);
}
for (const cluster of clusters) void watch(cluster);
say({ event: 'ready', members });

await new Promise((resolve) => {
  process.stdin.resume().once('end', resolve).once('error', resolve);
  setTimeout(resolve, lifeMs).unref();
});
say({ event: 'done', whole: isWhole(), changes });
await Promise.all(clusters.map((cluster) => cluster.leave()));
process.exit(0);
