import { assert, test } from 'vitest';
import { httpTransport } from '../../src/transport/http.js';
import { httpListener } from '../../src/transport/node/http-listener.js';
import { transportContract } from '../contract/transport.js';

transportContract(
  { test, assert },
  {
    name: 'http',
    create: () =>
      httpTransport({ listen: httpListener({ bind: '127.0.0.1:0' }), path: '/gossip', bearerToken: 'secret' }),
    nobody: 'http://127.0.0.1:2/gossip',
    unreadable: '127.0.0.1:9',
    datagrams: false,
    lasting: false,
  },
);
