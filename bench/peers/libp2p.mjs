// A js-libp2p node with gossipsub on TCP, noise and yamux, as ../contract.mjs has it; everything else by default: messages
// are signed, and a peer is gone when the last connection to it is.
import { noise } from '@chainsafe/libp2p-noise';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { BYTES, down, ports, serve, Tally, up } from '../contract.mjs';

// They use it, Node has it from 22 on, and all that are compared are to run on the same Node.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const TOPIC = 'bench';
const [port, ...join] = ports;
const tally = new Tally();
const node = await createLibp2p({
  addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping(), pubsub: gossipsub() },
});
node.addEventListener('peer:connect', ({ detail }) => up(detail.toString()));
node.addEventListener('peer:disconnect', ({ detail }) => down(detail.toString()));
const { pubsub } = node.services;
pubsub.addEventListener('message', ({ detail }) => tally.take(BYTES.read(detail.data)));
pubsub.subscribe(TOPIC);
for (const other of join) await node.dial(multiaddr(`/ip4/127.0.0.1/tcp/${other}`));
await serve(node.peerId.toString(), { tally, send: (data) => pubsub.publish(TOPIC, data) });
