/**
 * What the accepting side can get wrong: peers that stall, promise too much, do not read, or come in crowds.
 */
import { assert, test } from 'vitest';
import { withLength } from '../../src/transport/node/framing.js';
import { cleanups, client, member, SHARED, within } from './peers.js';

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

test('an answer reaches a peer that has ended its own side', async () => {
  const { host, port } = await member();
  let release = () => {};
  host.answer = (frame) =>
    new Promise((resolve) => {
      release = () => resolve(frame);
    });
  const half = await client(port);
  half.socket.end(withLength(new Uint8Array([5, 6])));
  await host.frames(1);
  // Another connection is dealt with: by then the end of the first has been seen too.
  host.answer = () => undefined;
  const other = await client(port);
  other.socket.write(withLength(new Uint8Array([1, 2])));
  await host.frames(2);
  release();
  await within(half.closed, 'the connection ends');
  assert.equal(half.received().toString('hex'), '020000000506');
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

test('a peer whose large frames are not done with is not read any further', async () => {
  const { host, port } = await member();
  const open: (() => void)[] = [];
  host.answer = () => new Promise((resolve) => open.push(() => resolve(undefined)));
  const eager = await client(port);
  for (let i = 0; i < 20; i++) eager.socket.write(withLength(new Uint8Array(65_536)));
  await host.frames(4);
  const other = await client(port);
  other.socket.write(withLength(new Uint8Array([1])));
  await host.frames(5);
  assert.equal(host.received.length, 5);
  host.answer = () => undefined;
  for (const release of open) release();
  await host.frames(21);
});

test('a peer that does not read its answers gets no more than its queue holds, and is given up', async () => {
  const { host, port } = await member({ timeoutMs: 200 }, { sendQueueBytesMax: 20_500_000 });
  host.answer = async () => new Uint8Array(1_000_000);
  const deaf = await client(port);
  deaf.socket.pause();
  for (let i = 0; i < 200; i++) deaf.socket.write(withLength(new Uint8Array([1, 2])));
  await host.until(() => host.counts.get('stalledConnections') === 1, 'the deaf peer is given up');
  // 20 answers fill the queue, a few more are in the kernel's buffers; the others were dropped and counted.
  const kept = host.received.length - (host.counts.get('sendQueueFull') ?? 0);
  assert.equal(host.received.length, 200);
  assert.isAtLeast(kept, 20);
  assert.isAtMost(kept, 40);
});
