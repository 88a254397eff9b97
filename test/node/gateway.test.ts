/** Leaves in Node under the contract of gateways: their WebSockets are real, and dialled with the client of this Node. */
import { afterAll, assert, test } from 'vitest';
import { createCluster } from '../../src/index.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { gatewayContract } from '../contract/gateway.js';
import { startNodeStage } from '../contract/gateway-stage.node.js';

const stage = await startNodeStage();
afterAll(() => stage.close());

gatewayContract(
  { test, assert },
  {
    name: 'websocket',
    gateways: stage.gateways,
    start: (dial, options) => createCluster({ transport: webSocketTransport(dial), ...options }),
  },
);
