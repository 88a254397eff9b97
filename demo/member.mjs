/**
 * One member of the demo, a process of its own: the public API and a few lines. Two of the three are gateways besides, by
 * which browser tabs take part. It tells the demo what it sees and hears, and is told what to do; a member of a real
 * cluster would do without that.
 */
import { createCluster } from 'isogossip';
import { aesGcm } from 'isogossip/cipher/aes-gcm';
import { snappy } from 'isogossip/compressor/snappy';
import { createGateway } from 'isogossip/gateway';
import { socketTransport } from 'isogossip/transport/socket';
import { webSocketListener } from 'isogossip/transport/websocket-listener';
import { chat, howAreYou, textOf } from './messages.mjs';

/** Of a tab that is closed the picture is rid soon, and one that crashed is noticed soon. */
const LEAVING_MS = 5000;
const LEAF_PING_MS = 2000;

const startedMs = performance.now();
const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => stopping.abort());
// The demo is gone.
process.once('disconnect', () => stopping.abort());

const about = ({ id, state, via, metadata: { name, mood } }) => ({
  id,
  state,
  via,
  name: textOf(name, 'somebody'),
  mood: textOf(mood),
});
const tell = (event) => process.connected && process.send(event, () => {});

/** @param settings - `id`, `key` and `metadata`; `gateway`, for gateways: where to listen, and for whom. */
async function start({ id, key, metadata, gateway }) {
  const cluster = await createCluster({
    transport: socketTransport({ bind: '127.0.0.1:0' }),
    cipher: aesGcm([key]),
    compressor: snappy(),
    preset: 'local',
    timing: { leavingTimeoutMs: LEAVING_MS },
    id,
    metadata,
  });
  const { url } = gateway
    ? await createGateway(cluster, {
        listen: webSocketListener({ bind: gateway.bind }),
        origins: [gateway.origin],
        authorize: ({ ticket }) => ticket === gateway.ticket,
        pingIntervalMs: LEAF_PING_MS,
      })
    : {};
  tell({ event: 'started', address: cluster.address, url });

  for (const event of ['joined', 'state', 'left', 'removed']) {
    cluster.on(event, ({ member, previous }) => tell({ event: 'member', member: about(member), previous }));
  }
  cluster.on('metadata', ({ member }) => tell({ event: 'metadata', member: about(member) }));

  const say = (to, text) =>
    cluster.send(to, chat, { text }).catch((error) => tell({ event: 'error', text: error.message }));
  const name = () => cluster.self.metadata.name;
  cluster.on(chat, ({ data, from, direct }) => {
    tell({ event: 'message', member: about(from), text: textOf(data?.text), direct });
    if (direct) say(from, `Thank you, ${about(from).name}. Only you and I know of this.`);
  });
  cluster.on('joined', ({ member }) => {
    if (member.via === cluster.id) say(member, `Welcome, ${about(member).name}! I am ${name()}, your gateway.`);
  });
  cluster.handle(howAreYou, ({ from }) => {
    tell({ event: 'asked', member: about(from) });
    const upS = Math.round((performance.now() - startedMs) / 1000);
    const alive = cluster.members().filter(({ state }) => state === 'alive').length;
    return { text: `${cluster.self.metadata.mood}; process ${process.pid}, up for ${upS} s, ${alive} members alive` };
  });

  process.on('message', ({ cmd, addresses, text, mood }) => {
    if (cmd === 'join') cluster.join(addresses).catch((error) => tell({ event: 'error', text: error.message }));
    else if (cmd === 'say') cluster.broadcast(chat, { text });
    else if (cmd === 'mood') cluster.setMetadata({ mood });
    else if (cmd === 'leave') stopping.abort();
  });
  return cluster;
}

const leave = async (cluster) => {
  await cluster.leave();
  process.exit(0);
};

process.once('message', async (settings) => {
  try {
    const cluster = await start(settings);
    if (stopping.signal.aborted) await leave(cluster);
    else stopping.signal.addEventListener('abort', () => leave(cluster));
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
});
