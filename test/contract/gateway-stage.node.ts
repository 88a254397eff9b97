/** The stage of the gateways' contract in Node: both gateways at one server on loopback. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { type GatewayStage, startGatewayStage } from './gateway-stage.js';

/** Sets it up. */
export async function startNodeStage(): Promise<GatewayStage> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stage = await startGatewayStage((name) => webSocketListener({ server, path: `/${name}` }));
  return {
    ...stage,
    async close() {
      await stage.close();
      server.close();
      await once(server, 'close');
    },
  };
}
