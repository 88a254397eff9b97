import { assert, test } from 'vitest';
import { socketTransport } from '../../src/transport/node/socket.js';
import { socketKind } from '../contract/kinds.node.js';
import { transportContract } from '../contract/transport.js';

transportContract({ test, assert }, socketKind);

transportContract(
  { test, assert },
  {
    name: 'socket on IPv6',
    create: () => socketTransport({ bind: '[::1]:0' }),
    nobody: '[::1]:1',
    datagrams: true,
    lasting: true,
  },
);
