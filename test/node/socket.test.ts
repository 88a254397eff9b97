import { assert, test } from 'vitest';
import { socketTransport } from '../../src/transport/node/socket.js';
import { transportContract } from '../contract/transport.js';

transportContract(
  { test, assert },
  {
    name: 'socket',
    create: () => socketTransport({ bind: '127.0.0.1:0' }),
    // Port 1 (tcpmux) is bound nowhere.
    nobody: '127.0.0.1:1',
    unreadable: 'no port here',
    datagrams: true,
    lasting: true,
  },
);

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
