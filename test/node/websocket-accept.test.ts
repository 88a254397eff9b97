/**
 * The WebSocket transport as the side that is dialled: hellos, whom it then sends to over an accepted connection, what
 * it refuses, and the listener on Node.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { assert, test, vi } from 'vitest';
import Client, { WebSocketServer } from 'ws';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { type AcceptedInfo, type WebSocketListenContext, webSocketTransport } from '../../src/transport/websocket.js';
import { createFakeHost } from '../contract/fake-host.js';
import { after, member, outcome, rawClient, rawServer, SEND } from './websocket-peers.js';

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
const tls = { key: fixture('test-key.pem'), cert: fixture('test-cert.pem') };
const frame = Uint8Array.of(1, 0, 7);

test('a peer that names its address is sent to over the connection it opened', async () => {
  const a = await member();
  const at = 'ws://127.0.0.1:1/peer';
  const peer = await rawClient(a.address, `isogossip 1 ${at}`, frame);
  assert.equal(await peer.message(0), `isogossip 1 ${a.address}`);
  await a.host.frames(1);
  assert.deepEqual(a.host.received[0]?.source, { reliable: true, carriage: 'native', address: at });
  await a.transport.send(at, Uint8Array.of(9, 9), SEND);
  assert.deepEqual(await peer.message(1), Uint8Array.of(9, 9));
  peer.socket.terminate();
  await a.host.until(() => a.host.disconnections.length > 0, 'a disconnection');
  assert.deepEqual(a.host.disconnections, [at]);
});

test('a peer that closes because it is idle is no news, one that closes for any other reason is', async () => {
  const a = await member({ random: () => 0 });
  const at = 'ws://127.0.0.1:1/peer';
  const closes: [number, string[]][] = [
    [4000, []],
    [1000, [at]],
  ];
  for (const [code, told] of closes) {
    const peer = await rawClient(a.address, `isogossip 1 ${at}`, frame);
    await a.host.until(() => a.host.received.at(-1)?.source.address === at, 'the hello');
    peer.socket.close(code);
    await peer.closed;
    // Until the connection is gone on this side too, when its address has to be dialled.
    await vi.waitFor(async () => assert.equal(await outcome(a.transport.send(at, frame, SEND)), 'ERR_UNREACHABLE'));
    assert.deepEqual(a.host.disconnections, told);
  }
});

test('a peer that names none is heard and not sent to, and its going is told to nobody', async () => {
  const a = await member();
  const peer = await rawClient(a.address, 'isogossip 1 -', frame);
  await a.host.frames(1);
  assert.deepEqual(a.host.received[0]?.source, { reliable: true, carriage: 'native' });
  peer.socket.close();
  await peer.closed;
  await a.transport.close();
  assert.deepEqual(a.host.disconnections, []);
});

test('the word of a stranger does not take the place of a connection of our own', async () => {
  const [a, b] = [await member(), await member()];
  await a.transport.send(b.address, frame, SEND);
  await b.host.frames(1);
  const liar = await rawClient(a.address, `isogossip 1 ${b.address}`);
  await liar.message(0);
  await a.transport.send(b.address, frame, SEND);
  await b.host.frames(2);
  assert.equal(liar.messages.length, 1);
  // And going away, it does not look as if b had.
  liar.socket.terminate();
  await liar.closed;
  await a.transport.send(b.address, frame, SEND);
  await b.host.frames(3);
  assert.deepEqual(a.host.disconnections, []);
});

test('our own address, and addresses that are none of a WebSocket, are not believed', async () => {
  const a = await member();
  for (const address of [a.address, '127.0.0.1:1', 'http://127.0.0.1:1/']) {
    const peer = await rawClient(a.address, `isogossip 1 ${address}`, frame);
    await peer.message(0);
    peer.socket.close();
    await peer.closed;
  }
  await a.host.frames(3);
  assert.deepEqual(
    a.host.received.map(({ source }) => source.address),
    [undefined, undefined, undefined],
  );
});

test('each way of not keeping to the protocol is counted and closed', async () => {
  const a = await member({ timeoutMs: 300 }, { frameBytesMax: 1_000, datagramBytesMax: 900 });
  const hello = 'isogossip 1 -';
  const rude: [string, (string | Uint8Array)[], number, string][] = [
    ['binary first', [frame], 4002, 'badHellos'],
    ['no hello', ['GET /'], 4002, 'badHellos'],
    ['two words', ['isogossip 1 a b'], 4002, 'badHellos'],
    ['text after it', [hello, 'hello?'], 4002, 'textMessages'],
    ['a large frame', [hello, new Uint8Array(1_001)], 4009, 'oversizedFrames'],
    ['nothing at all', [], 4002, 'slowConnections'],
  ];
  const expected = new Map<string, number>();
  for (const [what, messages, code, counted] of rude) {
    const peer = await rawClient(a.address, ...messages);
    assert.equal((await peer.closed).code, code, what);
    expected.set(counted, (expected.get(counted) ?? 0) + 1);
    assert.deepEqual(a.host.counts, expected, what);
  }
  assert.equal(a.host.received.length, 0);
});

test('a peer that asks for it is told what came, every 64 KiB and not more often', async () => {
  const a = await member();
  const half = new Uint8Array(32 * 1024);
  const peer = await rawClient(a.address, 'isogossip 1 - window', half, half, half, new Uint8Array(300_000), half);
  assert.equal(await peer.message(1), 'got 65536');
  assert.equal(await peer.message(2), 'got 398304');
  const silent = await rawClient(a.address, 'isogossip 1 -', half, half, half);
  await a.host.frames(8);
  silent.socket.close();
  await silent.closed;
  assert.deepEqual([peer.messages.length, silent.messages.length], [3, 1]);
});

test('a peer that asks for it, sends, and does not read is let go', async () => {
  // So small that what the machine keeps for a socket is above it.
  const a = await member({}, { frameBytesMax: 65_536, sendQueueBytesMax: 65_536 });
  const peer = await rawClient(a.address, 'isogossip 1 ws://127.0.0.1:1/peer window');
  await peer.message(0);
  peer.socket.pause();
  const frame = new Uint8Array(65_536);
  const at = 'ws://127.0.0.1:1/peer';
  // Fills what the machine keeps, and then our own queue.
  let full = false;
  while (!full) full = (await outcome(a.transport.send(at, frame, SEND))) === 'ERR_OVERLOADED';
  for (let i = 0; i < 200; i++) peer.socket.send(frame);
  await a.host.until(() => a.host.counts.has('stalledConnections'), 'the end');
});

test('accepted connections fill three quarters of the table and no more', async () => {
  const a = await member({}, { connectionsMax: 4 });
  for (let i = 0; i < 3; i++) await (await rawClient(a.address, 'isogossip 1 -')).message(0);
  const fourth = await rawClient(a.address, 'isogossip 1 -');
  assert.deepEqual(await fourth.closed, { code: 4013, reason: 'no room' });
  assert.equal(a.host.counts.get('refusedConnections'), 1);
});

test('a socket of any server can be accepted, open or not, and is closed when the member is not running', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  after(() => server.close());
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const transport = webSocketTransport({ advertise: url });
  server.on('connection', (socket) => transport.accept(socket));
  const early = await rawClient(url, 'isogossip 1 -');
  assert.equal((await early.closed).code, 4013);

  const host = createFakeHost();
  after(() => transport.close());
  assert.equal(await transport.start(host), url);
  await rawClient(url, 'isogossip 1 -', frame);
  await host.frames(1);

  // Open, and lost before the hello.
  const lost = {
    ...{ binaryType: '', readyState: 1, bufferedAmount: 0, addEventListener() {}, close() {} },
    send() {
      throw new Error('the socket is gone');
    },
  };
  for (let i = 0; i < host.limits.connectionsMax; i++) {
    transport.accept(lost as never);
    await undefined;
  }
  assert.deepEqual([...host.counts], []);

  // Not open yet: as Deno's are when its server hands them over.
  const other = await member();
  transport.accept(new Client(other.address));
  await other.host.until(() => true, 'nothing');
  await outcome(other.transport.send(url, frame, SEND));
  await host.frames(2);
});

test('where it listens is where it can be dialled', async () => {
  assert.match((await member()).address, /^ws:\/\/127\.0\.0\.1:\d+\/$/);
  assert.match((await member({}, {}, { bind: '[::1]:0', path: '/g' })).address, /^ws:\/\/\[::1\]:\d+\/g$/);
  assert.notMatch((await member({}, {}, { bind: ':0' })).address, /0\.0\.0\.0/);
  assert.equal((await member({ advertise: 'wss://me.test/x' })).address, 'wss://me.test/x');
  assert.throws(() => webSocketListener({ bind: '127.0.0.1:0', path: 'g' }), /path/);
  assert.throws(() => webSocketListener({ bind: 'http://a' }), /bind/);
  const { address } = await member();
  const taken = webSocketTransport({ listen: webSocketListener({ bind: new URL(address).host }) });
  assert.equal(await outcome(taken.start(createFakeHost())), 'ERR_ADDRESS_IN_USE');
  await taken.close();
});

test('wss, with a client that trusts the certificate', async () => {
  class Trusting extends Client {
    constructor(url: string, protocols: string[] = []) {
      super(url, protocols, {
        ca: tls.cert,
        checkServerIdentity: (() => undefined) as never,
        perMessageDeflate: false,
      });
    }
  }
  const a = await member({ WebSocket: Trusting });
  const b = await member({}, {}, { bind: '127.0.0.1:0', tls });
  assert.match(b.address, /^wss:/);
  await a.transport.send(b.address, frame, SEND);
  await b.host.frames(1);
  const plain = await member();
  assert.equal(await outcome(plain.transport.send(b.address, frame, SEND)), 'ERR_UNREACHABLE');
});

test('the listener says no in HTTP: other paths, other requests, other sites', async () => {
  const a = await member({}, {}, { bind: '127.0.0.1:0', path: '/gossip' });
  const { port } = new URL(a.address);
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  const valid = { ...upgrade, 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  const status = async (path: string, headers: Record<string, string>) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }).end();
    const answered = await Promise.race([once(asked, 'response'), once(asked, 'upgrade')]);
    asked.destroy();
    answered[1]?.destroy();
    return (answered[0] as IncomingMessage).statusCode;
  };
  assert.equal(await status('/gossip', {}), 426);
  assert.equal(await status('/other', valid), 404);
  assert.equal(await status('/gossip', upgrade), 400);
  assert.equal(await status('/gossip', { ...valid, origin: 'https://evil.test' }), 403);
  assert.equal(await status('/gossip', { ...valid, origin: 'null' }), 403);
  assert.equal(await status('/gossip?x=1', { ...valid, origin: `http://127.0.0.1:${port}` }), 101);
  assert.equal(await status('/gossip', valid), 101);
  assert.equal(a.host.counts.get('foreignOrigins'), 2);
});

test('whoever listens learns what was asked for, and decides on pages and subprotocols', async () => {
  const host = createFakeHost();
  const accepted: AcceptedInfo[] = [];
  const context: WebSocketListenContext = {
    limits: host.limits,
    count: host.count,
    allowsOrigin: (origin, to) => origin === 'https://page.test' && to === new URL(listening.url).host,
    protocol: (offered) => offered.find((one) => one === 'b'),
    accept(socket, info = {}) {
      accepted.push(info);
      socket.close();
    },
  };
  const listening = await webSocketListener({ bind: '127.0.0.1:0', path: '/g' })(context);
  after(() => listening.close());
  const dial = async (protocols: string[], origin: string) => {
    const client = new Client(`${listening.url}?leaf=1`, protocols, { origin, headers: { 'x-token': 'abc' } });
    const [event] = await Promise.race([once(client, 'open').then(() => ['open']), once(client, 'error')]);
    return event instanceof Error ? event.message : `speaks ${client.protocol || 'nothing'}`;
  };
  assert.equal(await dial(['a', 'b'], 'https://page.test'), 'speaks b');
  assert.equal(await dial([], 'https://page.test'), 'speaks nothing');
  assert.match(await dial(['a', 'c'], 'https://page.test'), /no subprotocol/);
  assert.match(await dial(['b'], listening.url.replace('ws', 'http')), /403/);
  const [info] = accepted;
  assert.equal(info?.url, `${listening.url.replace('ws', 'http')}?leaf=1`);
  assert.equal(info?.headers?.get('x-token'), 'abc');
  assert.equal(info?.headers?.get('sec-websocket-protocol'), 'a,b');
  assert.equal(info?.remoteAddress, '127.0.0.1');
});

test('a page of another site is closed out where the server lets it in and passes the request', async () => {
  const transport = webSocketTransport({ advertise: 'ws://me.test/' });
  const host = createFakeHost();
  after(() => transport.close());
  await transport.start(host);
  let headers: Record<string, string> = {};
  const { url } = await rawServer((socket) => transport.accept(socket, new Request('http://a/', { headers })));
  const own = { origin: 'http://me.test', host: 'me.test' };
  for (const [sent, welcome] of [
    [{}, true],
    [own, true],
    [{ ...own, origin: 'http://me.test:81' }, false],
    [{ ...own, origin: 'null' }, false],
    [{ origin: own.origin }, false],
  ] as const) {
    headers = sent;
    const peer = await rawClient(url, 'isogossip 1 -');
    if (welcome) assert.equal(await peer.message(0), 'isogossip 1 ws://me.test/');
    else assert.deepEqual(await peer.closed, { code: 4003, reason: 'origin not allowed' });
  }
  assert.deepEqual([...host.counts], [['foreignOrigins', 3]]);
});

for (const [scheme, make] of [
  ['ws', () => createServer((_request, response) => void response.end('mine'))],
  ['wss', () => createTlsServer(tls, (_request, response) => void response.end('mine'))],
] as [string, () => Server][]) {
  test(`it shares a server of the application and leaves it running, ${scheme}`, async () => {
    const server = make();
    const unstarted = webSocketTransport({ listen: webSocketListener({ server }) });
    assert.equal(await outcome(unstarted.start(createFakeHost())), 'ERR_OPTION');
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    after(() => server.close());
    const a = await member({}, {}, { server, path: '/gossip' });
    const { port } = server.address() as AddressInfo;
    assert.equal(a.address, `${scheme}://127.0.0.1:${port}/gossip`);
    const socket = new Client(a.address, { rejectUnauthorized: false });
    after(() => socket.terminate());
    const ended = once(socket, 'close');
    await once(socket, 'open');
    const elsewhere = new Client(a.address.replace('gossip', 'else'), { rejectUnauthorized: false });
    assert.match(String((await once(elsewhere, 'error'))[0]), /404/);
    await a.transport.close();
    await ended;
    assert.ok(server.listening);
    assert.equal(server.listenerCount('upgrade'), 0);
  });
}
