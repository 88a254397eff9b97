// A member of ours with default options, as memory.mjs measures it: its application listens for nothing.
import { createCluster } from '../dist/index.js';
import { socketTransport } from '../dist/transport/node/socket.js';
import { ports, serve } from './contract.mjs';

const [port, join] = ports;
const cluster = await createCluster({ transport: socketTransport({ bind: `127.0.0.1:${port}` }) });
await cluster.join(`127.0.0.1:${join}`);
await serve(cluster.id, {
  look: () => cluster.members(),
  facts: () => {
    const { membersAlive, members, newsWaiting } = cluster.stats();
    return { well: membersAlive === members && newsWaiting === 0, members };
  },
});
