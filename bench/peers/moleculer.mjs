// A moleculer node on its own TCP transporter (gossip), as ../contract.mjs has it; everything else by default. Its
// messages are events, which each node's one listener hears.
import { ServiceBroker } from 'moleculer';
import { down, ports, serve, Tally, TEXT, up } from '../contract.mjs';

const [port, ...join] = ports;
const name = (at) => `m${at}`;
const tally = new Tally();
const broker = new ServiceBroker({
  nodeID: name(port),
  logger: false,
  transporter: {
    type: 'TCP',
    options: {
      port,
      udpDiscovery: false,
      urls: [port, ...join].map((at) => `127.0.0.1:${at}/${name(at)}`),
      useHostname: false,
    },
  },
});
broker.createService({
  name: 'listener',
  events: {
    message({ nodeID, params }) {
      if (nodeID !== broker.nodeID) tally.take(TEXT.read(params));
    },
    '$node.connected': ({ params }) => up(params.node.id),
    // Its own word for a node that is gone; `unexpected` is false for one that said goodbye.
    '$node.disconnected': ({ params }) => down(params.node.id),
  },
});
await broker.start();
await serve(broker.nodeID, { tally, form: TEXT, send: (data) => broker.broadcast('message', data) });
