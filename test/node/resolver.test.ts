import { assert, test } from 'vitest';
import { GossipError } from '../../src/errors.js';
import { parseAddress } from '../../src/transport/address.js';
import { systemResolver } from '../../src/transport/node/resolver.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { createLookup } from '../../src/transport/resolver.js';
import { createFakeHost } from '../contract/fake-host.js';
import { freePort } from '../free-port.js';
import { startDnsServer } from './dns-server.js';

const SHARED = { reliable: true, connection: 'shared' } as const;
const BEST_EFFORT = { reliable: false, connection: 'shared' } as const;

test('A, AAAA and SRV are read from a DNS server', async () => {
  const dns = await startDnsServer([
    { type: 'A', name: 'a.test', data: '10.0.0.1' },
    { type: 'A', name: 'a.test', data: '10.0.0.2' },
    { type: 'AAAA', name: 'a.test', data: 'fd00::1' },
    { type: 'AAAA', name: 'six.test', data: 'fd00::6' },
    { type: 'SRV', name: '_g._tcp.test', data: { target: 'a.test', port: 81, priority: 1, weight: 2 } },
  ]);
  try {
    const resolver = systemResolver({ servers: [dns.address] });
    assert.sameMembers(await resolver.lookupIp('a.test'), ['10.0.0.1', '10.0.0.2', 'fd00::1']);
    assert.deepEqual(await resolver.lookupIp('six.test'), ['fd00::6']);
    const [srv, ...more] = await resolver.lookupSrv('_g._tcp.test');
    assert.deepEqual(more, []);
    assert.deepInclude(srv, { host: 'a.test', port: 81, priority: 1, weight: 2 });
    const failed = await resolver.lookupSrv('none.test').catch((error) => error.code);
    assert.equal(failed, 'ENOTFOUND');
  } finally {
    await dns.close();
  }
});

test('localhost is found though DNS does not know it, with and without own servers', async () => {
  const dns = await startDnsServer([]);
  try {
    for (const resolver of [systemResolver(), systemResolver({ servers: [dns.address] })]) {
      const ips = await resolver.lookupIp('localhost');
      assert.ok(ips.includes('127.0.0.1') || ips.includes('::1'), ips.join());
    }
  } finally {
    await dns.close();
  }
});

test('a server that is no IP address is refused', () => {
  assert.throws(() => systemResolver({ servers: ['dns.example'] }), GossipError, /dns\.example/);
});

test('the answer is remembered for a moment, a failure is not', async () => {
  const dns = await startDnsServer([]);
  try {
    const lookup = createLookup({ resolver: systemResolver({ servers: [dns.address] }) });
    const find = () => lookup.endpoints('srv+_g._tcp.test', parseAddress('srv+_g._tcp.test'));
    assert.equal(await find().catch((error) => error.code), 'ERR_RESOLVE');
    dns.zone = [
      { type: 'SRV', name: '_g._tcp.test', data: { target: 'a.test', port: 81 } },
      { type: 'A', name: 'a.test', data: '10.0.0.1' },
    ];
    assert.deepEqual(await find(), [{ host: '10.0.0.1', port: 81 }]);
    const questions = dns.questions.length;
    assert.deepEqual(await find(), [{ host: '10.0.0.1', port: 81 }]);
    assert.equal(dns.questions.length, questions);
  } finally {
    await dns.close();
  }
});

test('members find each other by SRV: the first target refuses, the second answers', async () => {
  const host = createFakeHost();
  host.answer = async (frame) => frame;
  const b = socketTransport({ bind: '127.0.0.1:0' });
  const port = Number((await b.start(host)).split(':')[1]);
  const dns = await startDnsServer([
    { type: 'SRV', name: '_g._tcp.test', data: { target: 'down.test', port: await freePort(), priority: 1 } },
    { type: 'SRV', name: '_g._tcp.test', data: { target: 'up.test', port, priority: 2 } },
    { type: 'A', name: 'down.test', data: '127.0.0.1' },
    { type: 'A', name: 'up.test', data: '127.0.0.1' },
  ]);
  const a = socketTransport({ bind: '127.0.0.1:0', resolver: systemResolver({ servers: [dns.address] }) });
  await a.start(createFakeHost());
  try {
    const address = 'srv+_g._tcp.test';
    const answer = await a.request(address, new Uint8Array([1, 2, 3]), { timeoutMs: 5_000 });
    assert.deepEqual(answer, new Uint8Array([1, 2, 3]));
    await a.send(address, new Uint8Array([4, 4]), SHARED);
    // The endpoint that worked is remembered, so the datagram takes it too.
    await a.send(address, new Uint8Array([5, 5]), BEST_EFFORT);
    await host.frames(3);
    const datagram = host.received.find(({ frame }) => frame[0] === 5);
    assert.equal(datagram?.source.reliable, false);
    const missing = await a.send('srv+_none._tcp.test', new Uint8Array(2), SHARED).catch((error) => error.code);
    assert.equal(missing, 'ERR_RESOLVE');
  } finally {
    await a.close();
    await b.close();
    await dns.close();
  }
});

test('a name with several A records is tried in turn until one answers', async () => {
  const host = createFakeHost();
  // Every 127.x.y.z is this machine; only 127.0.0.1 listens.
  const b = socketTransport({ bind: '127.0.0.1:0' });
  const port = Number((await b.start(host)).split(':')[1]);
  const dns = await startDnsServer([
    { type: 'A', name: 'many.test', data: '127.0.0.9' },
    { type: 'A', name: 'many.test', data: '127.0.0.8' },
    { type: 'A', name: 'many.test', data: '127.0.0.1' },
    { type: 'A', name: 'down.test', data: '127.0.0.9' },
    { type: 'A', name: 'down.test', data: '127.0.0.8' },
  ]);
  const a = socketTransport({
    bind: '127.0.0.1:0',
    defaultPort: port,
    resolver: systemResolver({ servers: [dns.address] }),
  });
  await a.start(createFakeHost());
  try {
    await a.send(`many.test:${port}`, new Uint8Array([1, 1]), SHARED);
    await a.send('many.test', new Uint8Array([2, 2]), { reliable: true, connection: 'single' });
    await host.frames(2);
    const error = await a.send('down.test', new Uint8Array([3, 3]), SHARED).catch((reason) => reason);
    assert.equal(error.code, 'ERR_UNREACHABLE');
    assert.match(error.message, /127\.0\.0\.9:\d+: .*ECONNREFUSED.*127\.0\.0\.8/);
    assert.equal(error.cause.code, 'ECONNREFUSED');
  } finally {
    await a.close();
    await b.close();
    await dns.close();
  }
});
