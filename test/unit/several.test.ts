/**
 * Several transports as one: the contract, and which of them carries what.
 */
import { assert, test } from 'vitest';
import { httpTransport } from '../../src/transport/http.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { several } from '../../src/transport/several.js';
import type { Transport } from '../../src/transport/transport.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { createFakeHost } from '../contract/fake-host.js';
import { transportContract } from '../contract/transport.js';

const network = createMemoryNetwork();

transportContract(
  { test, assert },
  {
    name: 'several of one',
    create: () => several([network.transport()]),
    nobody: 'nobody',
    unreadable: 'https://nobody.test/',
    datagrams: true,
    lasting: true,
  },
);

const fetchNothing = async () => new Response(null, { status: 204 });
const http = () => httpTransport({ advertise: 'https://me.test/', fetch: fetchNothing });
const webSocket = () => webSocketTransport({ advertise: 'wss://me.test/' });

test('the address is the list of theirs, and each carries what is of its form', async () => {
  const all = several([network.transport({ address: 'here' }), http(), webSocket()]);
  const host = createFakeHost();
  assert.equal(await all.start(host), 'here https://me.test/ wss://me.test/');
  assert.equal(all.name, 'memory+http+websocket');
  assert.ok(all.datagramBytesMax > 1_000);
  assert.equal(all.carriage('there'), 'v1');
  assert.equal(all.carriage('https://there.test/'), 'v1-plain');
  assert.equal(all.carriage('ws://there.test/'), 'native');
  assert.equal(all.carriage('ftp://there.test/'), undefined);
  await all.send('https://there.test/', new Uint8Array(4), { reliable: true, connection: 'shared' });
  const outcome = await all
    .send('ftp://there.test/', new Uint8Array(4), { reliable: true, connection: 'shared' })
    .catch((error) => error);
  assert.equal(outcome.code, 'ERR_ADDRESS');
  assert.match(outcome.message, /memory nor http nor websocket/);
  await all.close();
});

test('when one cannot start, none stays open', async () => {
  const other = network.transport({ address: 'taken' });
  await other.start(createFakeHost());
  const first = network.transport({ address: 'first' });
  const both = several([first, network.transport({ address: 'taken' })]);
  assert.equal(await both.start(createFakeHost()).catch((error) => error.code), 'ERR_ADDRESS_IN_USE');
  const again = network.transport({ address: 'first' });
  assert.equal(await again.start(createFakeHost()), 'first');
  await again.close();
  await other.close();
});

test('a list that no peer would take is refused at the start', async () => {
  const long = () => network.transport({ address: 'x'.repeat(60) });
  const outcome = await several([long(), http()])
    .start(createFakeHost({ stringBytesMax: 64 }))
    .catch((error) => error.code);
  assert.equal(outcome, 'ERR_OPTION');
  assert.throws(() => several([]), /at least one/);
});

test('closed while it starts, it closes those that had started and starts no more', async () => {
  const started: string[] = [];
  const closed: string[] = [];
  const slow = (name: string): Transport => ({
    name,
    datagramBytesMax: 0,
    carriage: () => 'v1',
    async start() {
      started.push(name);
      return name;
    },
    send: async () => {},
    request: async () => new Uint8Array(),
    async close() {
      closed.push(name);
    },
  });
  const both = several([slow('one'), slow('two')]);
  const starting = both.start(createFakeHost()).catch((error) => error.code);
  await both.close();
  assert.equal(await starting, 'ERR_CLOSED');
  assert.deepEqual([started, closed], [['one'], ['one', 'two']]);
});
