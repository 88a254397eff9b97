// A member of ours with default options, through the built package, as contract.mjs has it.
import { createCluster, defineMessage } from '../dist/index.js';
import { socketTransport } from '../dist/transport/node/socket.js';
import { BYTES, down, ports, serve, Tally, up } from './contract.mjs';

const [port, ...join] = ports;
const tally = new Tally();
const message = defineMessage(129);
const cluster = await createCluster({ transport: socketTransport({ bind: `127.0.0.1:${port}` }) });
cluster.on('joined', ({ member }) => up(member.id));
cluster.on('state', ({ member, previous }) => {
  if (member.state === 'dead') down(member.id);
  else if (previous === 'dead') up(member.id);
});
cluster.on(message, ({ data }) => tally.take(BYTES.read(data)));
if (join.length > 0) await cluster.join(join.map((other) => `127.0.0.1:${other}`));
await serve(cluster.id, {
  tally,
  send: (data, reliable) => cluster.broadcast(message, data, { reliable }),
});
