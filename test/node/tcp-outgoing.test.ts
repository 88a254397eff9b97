/**
 * What the dialling side can get wrong: which connections are opened, shared, closed and told of, and peers that vanish.
 */

import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { assert, test } from 'vitest';
import { withLength } from '../../src/transport/node/framing.js';
import { code, member, SHARED, SINGLE, server, within } from './peers.js';

test('shared connections above the limit displace the one unused the longest', async () => {
  const a = await member({}, { connectionsMax: 4 });
  let open = 0;
  let onClose = () => {};
  const count = (socket: Socket) => {
    open++;
    socket.resume().once('close', () => {
      open--;
      onClose();
    });
  };
  const peers = await Promise.all(Array.from({ length: 6 }, () => server(count)));
  for (const peer of peers) await a.transport.send(peer.address, new Uint8Array(5), SHARED);
  await within(
    new Promise<void>((resolve) => {
      onClose = () => open <= 4 && resolve();
      onClose();
    }),
    'two of six connections are closed',
  );
  assert.deepEqual(
    peers.map((peer) => peer.sockets.size),
    [0, 0, 1, 1, 1, 1],
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
  const a = await member({ timeoutMs: 600 }, { sendQueueBytesMax: 20_000_000 });
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
