/**
 * A gateway with its leaves, in a process of its own whose memory and processor time are measured. Takes commands from its
 * parent and answers each with one line of JSON.
 */
import { createInterface } from 'node:readline';
import { createGateway } from '../src/gateway.js';
import { createCluster } from '../src/index.js';
import { socketTransport } from '../src/transport/node/socket.js';
import { webSocketListener } from '../src/transport/node/websocket-listener.js';

const cluster = await createCluster({ transport: socketTransport({ bind: '127.0.0.1:0' }), metadata: { n: 0 } });
const gateway = await createGateway(cluster, { listen: webSocketListener({ bind: '127.0.0.1:0' }) });

function measure() {
  (globalThis as { gc?: () => void }).gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heapUsed, cpuMs: (user + system) / 1000, leaves: gateway.leaves, members: cluster.members().length };
}

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
say({ url: gateway.url });
createInterface({ input: process.stdin })
  .on('line', (command) => {
    if (command === 'change') cluster.setMetadata({ n: Math.random() });
    say(measure());
  })
  .on('close', () => cluster.close().then(() => process.exit(0)));
