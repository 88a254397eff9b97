/**
 * Where a socket transport listens, what it advertises, and what stands in place of the network.
 */
import { Duplex } from 'node:stream';
import { assert, test } from 'vitest';
import type { ListenFunction } from '../../src/transport/node/dial.js';
import { dialableHost } from '../../src/transport/node/interfaces.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { createFakeHost } from '../contract/fake-host.js';
import { BEST_EFFORT, code, member, SHARED, SINGLE } from './peers.js';

test('own dial and listen functions replace the network, and there are no datagrams', async () => {
  const listeners = new Map<number, (stream: Duplex) => void>();
  const listen: ListenFunction = async (_host, port, onConnection) => {
    const bound = port === 0 ? listeners.size + 1 : port;
    listeners.set(bound, onConnection);
    return { port: bound, close: () => void listeners.delete(bound) };
  };
  const dial = async ({ port }: { port: number }) => {
    const [here, there] = pipe();
    const accept = listeners.get(port);
    if (!accept) throw new Error('nobody listens');
    accept(there);
    return here;
  };
  const a = await member({ dial, listen });
  const b = await member({ dial, listen });
  assert.equal(a.transport.datagramBytesMax, 0);
  assert.equal(b.address, '127.0.0.1:2');
  b.host.answer = async (frame) => frame;
  for (const options of [SHARED, SINGLE, BEST_EFFORT])
    await a.transport.send(b.address, new Uint8Array([1, 1]), options);
  const answer = await a.transport.request(b.address, new Uint8Array([4, 2]), { timeoutMs: 5_000 });
  assert.deepEqual(answer, new Uint8Array([4, 2]));
  assert.ok(b.host.received.every(({ source }) => source.reliable));
  await b.transport.close();
  await a.host.until(() => a.host.disconnections.length === 1, 'a disconnection');
  assert.equal(listeners.size, 1);
  assert.equal(await code(a.transport.send(b.address, new Uint8Array([1]), SHARED)), 'ERR_UNREACHABLE');
});

test('a port that is taken is named, by TCP and by UDP', async () => {
  const first = await member();
  const second = socketTransport({ bind: first.address });
  const error = await second.start(createFakeHost()).catch((reason) => reason);
  assert.equal(error.code, 'ERR_ADDRESS_IN_USE');
  assert.include(error.message, first.address);
  await second.close();
  const nowhere = socketTransport({ bind: '192.0.2.77:0' });
  assert.equal(await code(nowhere.start(createFakeHost())), 'ERR_ADDRESS');
  await nowhere.close();
});

test('the advertised address is one that can be dialled', async () => {
  const loopback = await member();
  assert.match(loopback.address, /^127\.0\.0\.1:\d+$/);
  assert.match((await member({ bind: 'localhost:0' })).address, /^(127\.0\.0\.1|\[::1\]):\d+$/);
  assert.equal((await member({ advertise: 'me.test:7000' })).address, 'me.test:7000');
  assert.equal((await member({ advertise: 'srv+_me._tcp.test' })).address, 'srv+_me._tcp.test');
  const own = await member({ bind: ':0', advertise: '[::1]:0' });
  assert.match(own.address, /^\[::1\]:[1-9]\d*$/);
  assert.match((await member({ advertise: 'me.test' })).address, /^me\.test:[1-9]\d*$/);
  for (const advertise of ['0.0.0.0:1', '[::]:1', ':1', 'https://h/']) {
    assert.throws(() => socketTransport({ bind: ':0', advertise }), /advertise/);
  }
  for (const bad of [{ idleTimeoutMs: 0 }, { timeoutMs: -1 }, { defaultPort: 70_000 }]) {
    assert.throws(() => socketTransport({ bind: ':0', ...bad }), new RegExp(Object.keys(bad)[0] ?? ''));
  }
});

test('a wildcard is replaced by an address of an outside interface, or it is asked for one', () => {
  const face = (address: string, family: 'IPv4' | 'IPv6', internal = false) =>
    ({ address, family, internal, netmask: '', mac: '', cidr: null, scopeid: 0 }) as never;
  const faces = {
    lo: [face('127.0.0.1', 'IPv4', true), face('::1', 'IPv6', true)],
    eth0: [face('fe80::1', 'IPv6'), face('fd00::2', 'IPv6'), face('192.0.2.2', 'IPv4')],
  };
  assert.equal(dialableHost('0.0.0.0', false, faces), '192.0.2.2');
  assert.equal(dialableHost('::', false, faces), '192.0.2.2');
  assert.equal(dialableHost('::', true, faces), 'fd00::2');
  assert.equal(dialableHost('0.0.0.0', true, faces), '192.0.2.2');
  assert.equal(dialableHost('127.0.0.1', false, {}), '127.0.0.1');
  assert.throws(() => dialableHost('0.0.0.0', false, { lo: faces.lo }), /pass advertise/);
  assert.throws(() => dialableHost('0.0.0.0', false, { eth0: [face('fd00::2', 'IPv6')] }), /pass advertise/);
});

test('a member bound to every interface is reached by IPv4 and IPv6, by datagram too', async () => {
  const all = await member({ bind: '[::]:0', advertise: '127.0.0.1' });
  const v4 = await member();
  const v6 = await member({ bind: '[::1]:0' });
  await v4.transport.send(`127.0.0.1:${all.port}`, new Uint8Array([1, 1]), BEST_EFFORT);
  await all.host.frames(1);
  await v6.transport.send(`[::1]:${all.port}`, new Uint8Array([2, 2]), BEST_EFFORT);
  await all.host.frames(2);
  assert.deepEqual(
    all.host.received.map(({ source }) => source),
    [
      { address: v4.address, reliable: false },
      { address: v6.address, reliable: false },
    ],
  );
  await all.transport.send(v4.address, new Uint8Array([3, 3]), BEST_EFFORT);
  await v4.host.frames(1);
  assert.equal(v4.host.received[0]?.source.reliable, false);
  // A socket of the other family has no datagrams for it: the reliable carrier takes over.
  await v4.transport.send(v6.address, new Uint8Array([4, 4]), BEST_EFFORT);
  await v6.host.frames(1);
  assert.equal(v6.host.received[0]?.source.reliable, true);
});

/** Two ends of a pipe. */
function pipe(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const end = (other: () => Duplex | undefined) =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        other()?.push(chunk);
        done();
      },
      final(done) {
        other()?.push(null);
        done();
      },
      destroy(error, done) {
        if (!other()?.destroyed) other()?.push(null);
        done(error);
      },
    });
  ends.push(
    end(() => ends[1]),
    end(() => ends[0]),
  );
  return [ends[0] as Duplex, ends[1] as Duplex];
}
