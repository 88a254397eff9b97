/**
 * What only a stream carrier can get wrong: peers that stall, promise too much or vanish, and connections that are
 * opened, kept and closed by rules.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, assert, test } from 'vitest';
import type { Limits } from '../../src/limits.js';
import type { ListenFunction } from '../../src/transport/node/dial.js';
import { withLength } from '../../src/transport/node/framing.js';
import { dialableHost } from '../../src/transport/node/interfaces.js';
import { type SocketTransportOptions, socketTransport } from '../../src/transport/node/socket.js';
import { createFakeHost } from '../contract/fake-host.js';

const SHARED = { reliable: true, connection: 'shared' } as const;
const SINGLE = { reliable: true, connection: 'single' } as const;
const BEST_EFFORT = { reliable: false, connection: 'shared' } as const;

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A started transport with a host of its own. */
async function member(options: Partial<SocketTransportOptions> = {}, limits: Partial<Limits> = {}) {
  const transport = socketTransport({ bind: '127.0.0.1:0', ...options });
  const host = createFakeHost(limits);
  cleanups.push(() => transport.close());
  const address = await transport.start(host);
  return { transport, host, address, port: Number(/\d+$/.exec(address)?.[0]) };
}

/** A plain TCP client; `closed` settles when the other side has closed it. */
async function client(port: number) {
  const socket = connect({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  cleanups.push(() => socket.destroy());
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return { socket, closed, received: () => Buffer.concat(chunks) };
}

/** A plain TCP server that keeps its connections. */
async function server(onConnection: (socket: Socket) => void = () => {}, port = 0) {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const listening: Server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      listening.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  cleanups.push(close);
  const bound = (listening.address() as { port: number }).port;
  return { port: bound, address: `127.0.0.1:${bound}`, sockets, close, accepted: () => accepted };
}

async function within<T>(work: Promise<T>, what: string, deadlineMs = 5_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${deadlineMs} ms`)), deadlineMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const code = (work: Promise<unknown>) => work.then(() => 'resolved').catch((error) => error.code);

test('a connection that begins a frame and does not end it is closed and counted', async () => {
  const { host, port } = await member({ timeoutMs: 100 });
  const slow = await client(port);
  slow.socket.write(withLength(new Uint8Array(50)).subarray(0, 20));
  await within(slow.closed, 'the slow connection is closed');
  assert.equal(host.counts.get('slowConnections'), 1);
  assert.equal(host.received.length, 0);
});

test('a drop of bytes now and then does not keep an unfinished frame alive', async () => {
  const { host, port } = await member({ timeoutMs: 150 });
  const slow = await client(port);
  const frame = withLength(new Uint8Array(10_000));
  let at = 0;
  const drip = setInterval(() => slow.socket.write(frame.subarray(at, ++at)), 20);
  cleanups.push(() => clearInterval(drip));
  await within(slow.closed, 'the dripping connection is closed');
  assert.equal(host.counts.get('slowConnections'), 1);
});

test('a connection that says nothing at all is closed and counted', async () => {
  const { host, port } = await member({ timeoutMs: 100 });
  const silent = await client(port);
  await within(silent.closed, 'the silent connection is closed');
  assert.equal(host.counts.get('slowConnections'), 1);
});

test('a connection that falls silent after its first frame is closed after twice the idle time', async () => {
  const { host, port } = await member({ timeoutMs: 60_000, idleTimeoutMs: 60 });
  const silent = await client(port);
  silent.socket.write(withLength(new Uint8Array([1, 2])));
  await host.frames(1);
  await within(silent.closed, 'the silent connection is closed');
  assert.equal(host.counts.get('slowConnections'), 1);
});

test('a connection may rest between frames longer than a frame may take', async () => {
  const { host, port } = await member({ timeoutMs: 60, idleTimeoutMs: 60_000 });
  const { socket } = await client(port);
  socket.write(withLength(new Uint8Array([1, 2])));
  await host.frames(1);
  // Another connection shows that the deadline has passed for those it applies to.
  await within((await client(port)).closed, 'the deadline passes');
  socket.write(withLength(new Uint8Array([3, 4])));
  await host.frames(2);
});

test('a length prefix of 4 GiB closes the connection and is counted', async () => {
  const { host, port } = await member();
  const liar = await client(port);
  liar.socket.write(new Uint8Array([0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
  await within(liar.closed, 'the liar is closed');
  assert.equal(host.counts.get('oversizedFrames'), 1);
  assert.equal(host.received.length, 0);
});

test('a flood of connections is refused beyond the limit, and we can still dial', async () => {
  const { transport, host, port } = await member({}, { connectionsMax: 20 });
  const flood = await Promise.all(Array.from({ length: 40 }, () => client(port)));
  let refused = 0;
  await within(
    new Promise<void>((resolve) => {
      for (const { closed } of flood) void closed.then(() => ++refused === 25 && resolve());
    }),
    '25 connections are closed',
  );
  assert.equal(host.counts.get('refusedConnections'), 25);
  const other = await member();
  await transport.send(other.address, new Uint8Array(5), SHARED);
  await other.host.frames(1);
  // A place that becomes free can be taken again.
  for (const { socket } of flood) socket.destroy();
  while (host.received.length === 0) {
    const late = await client(port);
    late.socket.write(withLength(new Uint8Array([7, 7])));
    await Promise.race([late.closed, host.frames(1)]);
  }
  assert.equal(refused, 40);
});

test('shared connections above the limit displace the one unused the longest', async () => {
  const a = await member({}, { connectionsMax: 4 });
  const peers = await Promise.all(Array.from({ length: 6 }, () => server()));
  for (const peer of peers) await a.transport.send(peer.address, new Uint8Array(5), SHARED);
  assert.deepEqual(
    peers.map((peer) => peer.accepted()),
    [1, 1, 1, 1, 1, 1],
  );
  // The last ones are still there; the first has to be dialled again.
  await a.transport.send(peers[5]?.address ?? '', new Uint8Array(5), SHARED);
  assert.equal(peers[5]?.accepted(), 1);
  assert.deepEqual(a.host.disconnections, []);
});

test('many frames to one peer share one connection, also while it is being dialled', async () => {
  const peer = await server((socket) => socket.resume());
  const a = await member();
  await Promise.all(Array.from({ length: 100 }, () => a.transport.send(peer.address, new Uint8Array(50), SHARED)));
  for (let i = 0; i < 100; i++) await a.transport.send(peer.address, new Uint8Array(50), SHARED);
  assert.equal(peer.accepted(), 1);
});

test('a single frame goes as Go expects it: its own connection, one frame, then the end', async () => {
  const streams: Promise<Buffer>[] = [];
  const peer = await server((socket) => {
    streams.push(
      new Promise((resolve) => {
        const chunks: Buffer[] = [];
        socket.on('data', (chunk) => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks)));
      }),
    );
  });
  const a = await member();
  for (const fill of [1, 2]) await a.transport.send(peer.address, new Uint8Array(3).fill(fill), SINGLE);
  const got = await within(Promise.all(streams), 'both connections end');
  assert.deepEqual(
    got.map((bytes) => bytes.toString('hex')),
    ['03000000010101', '03000000020202'],
  );
  assert.deepEqual(a.host.disconnections, []);
});

test('a request keeps its side open until the answer, and takes the first frame only', async () => {
  let ended = false;
  const peer = await server((socket) => {
    socket.once('end', () => {
      ended = true;
    });
    socket.once('data', () => {
      assert.equal(ended, false);
      socket.write(Buffer.concat([withLength(new Uint8Array([9])), withLength(new Uint8Array([8]))]));
    });
  });
  const a = await member();
  const answer = await a.transport.request(peer.address, new Uint8Array([1, 2]), { timeoutMs: 5_000 });
  assert.deepEqual(answer, new Uint8Array([9]));
});

test('a request says how it failed', async () => {
  const ends = await server((socket) => socket.end());
  const resets = await server((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const lies = await server((socket) => socket.write(new Uint8Array([255, 255, 255, 255])));
  const a = await member();
  const ask = (address: string) => code(a.transport.request(address, new Uint8Array(5), { timeoutMs: 3_000 }));
  assert.equal(await ask(ends.address), 'ERR_TIMEOUT');
  assert.equal(await ask(resets.address), 'ERR_UNREACHABLE');
  assert.equal(await ask(lies.address), 'ERR_TOO_LARGE');
  assert.equal(a.host.counts.get('oversizedFrames'), 1);
});

test('an answer reaches a peer that has ended its own side', async () => {
  const { host, port } = await member();
  host.answer = async (frame) => frame;
  const half = await client(port);
  half.socket.end(withLength(new Uint8Array([5, 6])));
  await within(half.closed, 'the connection ends');
  assert.equal(half.received().toString('hex'), '020000000506');
});

test('an unused shared connection is closed and opened again, and nobody is thought dead', async () => {
  const a = await member({ idleTimeoutMs: 50 });
  let ends = 0;
  let onEnd = () => {};
  const peer = await server((socket) => {
    socket.resume().once('end', () => {
      ends++;
      onEnd();
    });
  });
  await a.transport.send(peer.address, new Uint8Array(5), SHARED);
  await within(
    new Promise<void>((resolve) => {
      onEnd = resolve;
      if (ends > 0) resolve();
    }),
    'the idle connection ends',
  );
  await a.transport.send(peer.address, new Uint8Array(5), SHARED);
  assert.equal(peer.accepted(), 2);
  assert.deepEqual(a.host.disconnections, []);
});

test('a peer that dies is told by the address it was sent to, once, and is dialled again', async () => {
  const peer = await server((socket) => socket.resume());
  const a = await member();
  const address = `localhost:${peer.port}`;
  await a.transport.send(address, new Uint8Array(5), SHARED);
  await peer.close();
  await a.host.until(() => a.host.disconnections.length > 0, 'a disconnection');
  assert.deepEqual(a.host.disconnections, [address]);
  assert.equal(await code(a.transport.send(address, new Uint8Array(5), SHARED)), 'ERR_UNREACHABLE');
  const reborn = await server((socket) => socket.resume(), peer.port);
  await a.transport.send(address, new Uint8Array(5), SHARED);
  assert.equal(reborn.accepted(), 1);
  assert.deepEqual(a.host.disconnections, [address]);
});

test('a reset is told as well', async () => {
  const peer = await server((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const a = await member();
  await a.transport.send(peer.address, new Uint8Array(5), SHARED);
  await a.host.until(() => a.host.disconnections.length > 0, 'a disconnection');
  assert.deepEqual(a.host.disconnections, [peer.address]);
});

test('one failed dial fails every send that waits for it', async () => {
  const peer = await server();
  await peer.close();
  const a = await member();
  const sends = Array.from({ length: 10 }, () => a.transport.send(peer.address, new Uint8Array(5), SHARED));
  for (const send of sends) {
    const error = await send.catch((reason) => reason);
    assert.equal(error.code, 'ERR_UNREACHABLE');
    assert.equal(error.cause.code, 'ECONNREFUSED');
  }
});

test('bytes queued for a peer that does not read are limited, and the peer is given up', async () => {
  const peer = await server((socket) => socket.pause());
  const a = await member({ timeoutMs: 300 }, { sendQueueBytesMax: 20_000_000 });
  const outcomes: Promise<string>[] = [];
  for (let i = 0; i < 12; i++) outcomes.push(code(a.transport.send(peer.address, new Uint8Array(2_000_000), SHARED)));
  const codes = await within(Promise.all(outcomes), 'every send settles');
  assert.equal(codes.filter((one) => one === 'ERR_OVERLOADED').length, 2);
  assert.ok(codes.includes('ERR_UNREACHABLE'), codes.join());
  assert.equal(a.host.counts.get('sendQueueFull'), 2);
  assert.equal(a.host.counts.get('stalledConnections'), 1);
  await a.host.until(() => a.host.disconnections.length === 1, 'a disconnection');
  assert.deepEqual(a.host.disconnections, [peer.address]);
  // Nothing is left over: as much as before can be queued again.
  const again = await server((socket) => socket.resume());
  await a.transport.send(again.address, new Uint8Array(2_000_000), SHARED);
});

test('a peer that asks faster than it is answered is not read any further', async () => {
  const { host, port } = await member();
  const open: (() => void)[] = [];
  host.answer = (frame) => new Promise((resolve) => open.push(() => resolve(frame)));
  const eager = await client(port);
  for (let i = 0; i < 500; i++) eager.socket.write(withLength(new Uint8Array([i & 255, i >> 8])));
  await host.frames(64);
  // A round trip on another connection: whatever was to be read has been read.
  const other = await client(port);
  other.socket.write(withLength(new Uint8Array([1])));
  await host.frames(65);
  assert.equal(host.received.length, 65);
  host.answer = async (frame) => frame;
  for (const release of open) release();
  await host.frames(501);
  await within(
    new Promise<void>((resolve) => {
      const look = () => eager.received().length === 500 * 6 && resolve();
      eager.socket.on('data', look);
      look();
    }),
    'all 500 answers',
  );
  const answers = host.received.filter(({ frame }) => frame.length === 2).map(({ frame }) => frame[0]);
  assert.deepEqual(
    answers,
    Array.from({ length: 500 }, (_, i) => i & 255),
  );
});

test('a peer that does not read its answers is not read any further, and given up', async () => {
  const { host, port } = await member({ timeoutMs: 200 });
  host.answer = async () => new Uint8Array(1_000_000);
  const deaf = await client(port);
  deaf.socket.pause();
  for (let i = 0; i < 200; i++) deaf.socket.write(withLength(new Uint8Array([1, 2])));
  await host.until(() => host.counts.get('stalledConnections') === 1, 'the deaf peer is given up');
  assert.isAtMost(host.received.length, 128);
});

test('a peer that answers an open port with silence does not hold others up', async () => {
  // 192.0.2.0/24 is for documentation; the dialler plays a network that swallows packets.
  const a = await member({
    timeoutMs: 400,
    resolver: { lookupIp: async () => ['192.0.2.1', '127.0.0.1'], lookupSrv: async () => [] },
    dial: (endpoint, signal) =>
      endpoint.host === '192.0.2.1'
        ? new Promise(() => {})
        : new Promise((resolve, reject) => {
            const socket = connect(endpoint.port, endpoint.host, () => resolve(socket));
            signal.addEventListener('abort', () => socket.destroy());
            socket.on('error', reject);
          }),
  });
  const b = await member();
  await a.transport.send(`name.test:${b.port}`, new Uint8Array([1]), SHARED);
  await b.host.frames(1);
  assert.equal(await code(a.transport.send('192.0.2.1:80', new Uint8Array([1]), SHARED)), 'ERR_UNREACHABLE');
});

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
