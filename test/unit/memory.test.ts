import { assert, test } from 'vitest';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { createFakeHost } from '../contract/fake-host.js';
import { memoryKind } from '../contract/kinds.js';
import { transportContract } from '../contract/transport.js';

const network = createMemoryNetwork();

transportContract({ test, assert }, memoryKind());

test('an address is taken until its owner closes', async () => {
  const first = network.transport({ address: 'one' });
  await first.start(createFakeHost());
  const second = network.transport({ address: 'one' });
  const refused = await second.start(createFakeHost()).catch((error) => error.code);
  assert.equal(refused, 'ERR_ADDRESS_IN_USE');
  await first.close();
  assert.equal(await second.start(createFakeHost()), 'one');
  await second.close();
});

test('two networks do not meet', async () => {
  const other = createMemoryNetwork();
  const here = network.transport({ address: 'here' });
  const there = other.transport({ address: 'there' });
  await here.start(createFakeHost());
  await there.start(createFakeHost());
  const outcome = await here
    .send('there', new Uint8Array(4), { reliable: true, connection: 'shared' })
    .catch((error) => error.code);
  assert.equal(outcome, 'ERR_UNREACHABLE');
  await here.close();
  await there.close();
});

test('without datagrams everything is reliable', async () => {
  const a = network.transport({ datagramBytesMax: 0 });
  const b = network.transport({ datagramBytesMax: 0 });
  const host = createFakeHost();
  await a.start(createFakeHost());
  await a.send(await b.start(host), new Uint8Array(4), { reliable: false, connection: 'shared' });
  await host.frames(1);
  assert.deepEqual(host.received[0]?.source, { reliable: true });
  await a.close();
  await b.close();
});

test('a member at its limit of frames in work takes no more, and counts them', async () => {
  const a = network.transport();
  const b = network.transport();
  const host = createFakeHost({ incomingRequestsMax: 2 });
  host.answer = () => new Promise(() => {});
  await a.start(createFakeHost());
  const address = await b.start(host);
  for (let i = 0; i < 5; i++) await a.send(address, new Uint8Array(4), { reliable: true, connection: 'shared' });
  const outcome = await a.request(address, new Uint8Array(4), { timeoutMs: 1_000 }).catch((error) => error.code);
  assert.equal(outcome, 'ERR_OVERLOADED');
  assert.equal(host.received.length, 2);
  assert.equal(host.counts.get('busy'), 4);
  await a.close();
  await b.close();
});
