/**
 * The WebSocket transport as the side that dials: the contract with `ws` and with a client that has the habits of other
 * runtimes, sharing, pauses after failures, backpressure, and what it does with a server that is none of ours.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { assert, test, vi } from 'vitest';
import type Client from 'ws';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import {
  type WebSocketListenFunction,
  type WebSocketTransportOptions,
  webSocketTransport,
} from '../../src/transport/websocket.js';
import { webSocketKind } from '../contract/kinds.node.js';
import { transportContract } from '../contract/transport.js';
import { StrictWebSocket } from './strict-websocket.js';
import { after, listenTo, member, outcome, rawServer, SEND } from './websocket-peers.js';

const byWs = webSocketListener({ bind: '127.0.0.1:0' });
/** Its sockets have the habits of workerd's. */
const strictly: WebSocketListenFunction = (context) =>
  byWs({ ...context, accept: (socket, info) => context.accept(new StrictWebSocket(socket as Client), info) });

for (const [name, options] of [
  ['websocket by ws', { listen: byWs }],
  ['websocket by a strict client', { listen: byWs, WebSocket: StrictWebSocket }],
  ['websocket strict on both sides', { listen: strictly, WebSocket: StrictWebSocket }],
] as const) {
  transportContract({ test, assert }, { ...webSocketKind, name, create: () => webSocketTransport(options) });
}

const hello = (socket: Client, address = '-') => socket.send(`isogossip 1 ${address}`);

test('options that cannot work are refused with their name', () => {
  const bad: [WebSocketTransportOptions, RegExp][] = [
    [{}, /advertise/],
    [{ advertise: 'https://me.test/' }, /wss:\/\//],
    [{ advertise: 'ws://me.test/#leaf' }, /wss:\/\//],
    [{ advertise: 'ws://a/', timeoutMs: 0 }, /timeoutMs/],
    [{ advertise: 'ws://a/', idleTimeoutMs: -1 }, /idleTimeoutMs/],
  ];
  for (const [options, says] of bad) assert.throws(() => webSocketTransport(options), says);
});

test('what it can dial, and that the Go library cannot be met there', async () => {
  const { transport } = await member();
  assert.equal(transport.carriage('ws://a/'), 'native');
  assert.equal(transport.carriage('WSS://a/b'), 'native');
  for (const other of ['a:1', 'http://a/', 'srv+ws://a/', 'wss://a/#leaf']) {
    assert.equal(transport.carriage(other), undefined);
    assert.equal(await outcome(transport.send(other, new Uint8Array(4), SEND)), 'ERR_ADDRESS');
  }
  assert.equal(await outcome(transport.request('ws://a/', new Uint8Array(4), { timeoutMs: 1 })), 'ERR_ADDRESS');
});

test('the global client is used where there is one', async () => {
  const urls: string[] = [];
  vi.stubGlobal(
    'WebSocket',
    class extends StrictWebSocket {
      constructor(url: string, protocols: string[] = []) {
        super(url, protocols);
        urls.push(`${url} ${protocols}`);
      }
    },
  );
  after(() => vi.unstubAllGlobals());
  const [a, b] = [await member({ protocols: ['gossip'] }), await member()];
  await a.transport.send(b.address, new Uint8Array(4), SEND);
  await b.host.frames(1);
  assert.deepEqual(urls, [`${b.address} gossip`]);
});

test('says hello with its address, and sends nothing before the server has said it too', async () => {
  let accepted = (_socket: Client) => {};
  const arrived = new Promise<Client>((resolve) => {
    accepted = resolve;
  });
  const heard = arrived.then(listenTo);
  const { url } = await rawServer(accepted);
  const { transport, address } = await member();
  const sent = transport.send(url, Uint8Array.of(1, 2, 3), SEND);
  const { message, messages } = await heard;
  assert.equal(await message(0), `isogossip 1 ${address}`);
  assert.equal(messages.length, 1);
  hello(await arrived);
  await sent;
  assert.deepEqual(await message(1), Uint8Array.of(1, 2, 3));
});

test('many sends at once share one dial, and both directions one connection', async () => {
  const [a, b] = [await member(), await member()];
  let dials = 0;
  const { url } = await rawServer((socket) => {
    dials++;
    hello(socket);
  });
  await Promise.all(Array.from({ length: 20 }, () => a.transport.send(url, new Uint8Array(9), SEND)));
  assert.equal(dials, 1);

  await a.transport.send(b.address, new Uint8Array(4), SEND);
  await b.host.frames(1);
  assert.deepEqual(b.host.received[0]?.source, { reliable: true, carriage: 'native', address: a.address });
  await b.transport.send(a.address, new Uint8Array(4), SEND);
  await a.host.frames(1);
  assert.deepEqual(a.host.received[0]?.source, { reliable: true, carriage: 'native', address: b.address });
});

test('a connection that breaks is told on both sides, and made anew by the next send', async () => {
  const [a, b] = [await member({ WebSocket: kill() }), await member()];
  await a.transport.send(b.address, Uint8Array.of(1, 1), SEND);
  await b.host.frames(1);
  killAll();
  await a.host.until(() => a.host.disconnections.length > 0, 'a disconnection');
  await b.host.until(() => b.host.disconnections.length > 0, 'a disconnection');
  assert.deepEqual([a.host.disconnections, b.host.disconnections], [[b.address], [a.address]]);
  await a.transport.send(b.address, Uint8Array.of(2, 2), SEND);
  assert.deepEqual((await b.host.frames(2))[1], Uint8Array.of(2, 2));
});

/** A client whose connections `killAll` resets. */
const alive = new Set<Client>();
function kill(): NonNullable<WebSocketTransportOptions['WebSocket']> {
  return class extends StrictWebSocket {
    constructor(url: string, protocols: string[] = []) {
      super(url, protocols);
      alive.add(this.client);
    }
  };
}
function killAll(): void {
  for (const client of alive) client.terminate();
  alive.clear();
}

test('after a failure an address is not dialled before a random pause has passed', async () => {
  let random = 0.999;
  const a = await member({ random: () => random });
  const b = await member();
  await b.transport.close();
  const send = () => a.transport.send(b.address, new Uint8Array(4), SEND);
  const failure = async () => (await send().catch((error) => error)) as Error;
  assert.match((await failure()).message, /cannot connect/);
  const paused = await failure();
  assert.match(paused.message, /a moment ago/);
  assert.equal((paused as { code?: string }).code, 'ERR_UNREACHABLE');

  // A pause of nothing: each send dials again.
  random = 0;
  const c = await member({ random: () => 0 });
  const other = () => c.transport.send(b.address, new Uint8Array(4), SEND).catch((error) => error.message);
  assert.match(await other(), /cannot connect/);
  assert.match(await other(), /cannot connect/);
});

test('a dial that workerd makes on a connection that is gone is made again, and not for ever', async () => {
  let fail = 3;
  let dials = 0;
  class Kept extends StrictWebSocket {
    readonly lost: boolean;
    constructor(url: string) {
      const lost = fail-- > 0;
      super(lost ? 'ws://127.0.0.1:1/' : url);
      this.lost = lost;
      dials++;
    }
    override addEventListener(...[type, listener]: Parameters<StrictWebSocket['addEventListener']>): void {
      const named: typeof listener = (event) => listener({ ...event, message: 'Network connection lost.' });
      super.addEventListener(type, type === 'error' && this.lost ? named : listener);
    }
  }
  const [a, b] = [await member({ WebSocket: Kept, random: () => 0 }), await member()];
  const sends = [1, 2].map((n) => a.transport.send(b.address, Uint8Array.of(n), SEND));
  await Promise.all(sends);
  assert.deepEqual(await b.host.frames(2), [Uint8Array.of(1), Uint8Array.of(2)]);
  assert.equal(dials, 4);
  fail = Number.POSITIVE_INFINITY;
  dials = 0;
  const { url } = await rawServer(hello);
  assert.equal(await outcome(a.transport.send(url, Uint8Array.of(3), SEND)), 'ERR_UNREACHABLE');
  assert.equal(dials, 11);
});

test('a server that accepts and says nothing, says something else, or goes away is unreachable, in time', async () => {
  const a = await member({ timeoutMs: 200 });
  const rude: [string, (socket: Client) => void, string][] = [
    ['nothing', () => {}, ''],
    ['binary first', (socket) => socket.send(new Uint8Array(4)), 'badHellos'],
    ['another text', (socket) => socket.send('welcome'), 'badHellos'],
    ['another version', (socket) => socket.send('isogossip 2 -'), 'badHellos'],
    ['a hello without end', (socket) => socket.send(`isogossip 1 ${'x'.repeat(5_000)}`), 'badHellos'],
    ['goodbye', (socket) => socket.close(), ''],
  ];
  for (const [what, onSocket, counted] of rude) {
    const before = a.host.counts.get(counted) ?? 0;
    const { url } = await rawServer(onSocket);
    assert.equal(await outcome(a.transport.send(url, new Uint8Array(4), SEND)), 'ERR_UNREACHABLE', what);
    if (counted) assert.equal(a.host.counts.get(counted), before + 1, what);
  }
  const mute = createServer(() => {}).listen(0, '127.0.0.1');
  after(() => mute.close());
  await new Promise((resolve) => mute.once('listening', resolve));
  const startMs = performance.now();
  const url = `ws://127.0.0.1:${(mute.address() as AddressInfo).port}/`;
  assert.equal(await outcome(a.transport.send(url, new Uint8Array(4), SEND)), 'ERR_UNREACHABLE');
  assert.ok(performance.now() - startMs < 2_000);
  assert.deepEqual(a.host.disconnections, []);
});

test('what was sent before a connection is let go still goes, and then it is closed without alarm', async () => {
  const a = await member();
  const b = await member();
  await a.transport.send(b.address, new Uint8Array([1]), SEND);
  const last = a.transport.send(b.address, new Uint8Array([2]), SEND);
  a.transport.disconnect?.(b.address);
  // What comes after it has a connection of its own.
  const after = a.transport.send(b.address, new Uint8Array([3]), SEND);
  await Promise.all([last, after]);
  await b.host.until(() => b.host.received.length === 3, 'three frames');
  assert.deepEqual(b.host.received.map(({ frame }) => frame[0]).sort(), [1, 2, 3]);
  assert.deepEqual(a.host.disconnections, []);
});

test('an idle connection is closed by the side that dialled, without alarm', async () => {
  const a = await member({ idleTimeoutMs: 80 });
  let closedWith = 0;
  const { url } = await rawServer((socket) => {
    hello(socket);
    socket.on('close', (code) => {
      closedWith = code;
      a.host.count('seen');
    });
  });
  await a.transport.send(url, new Uint8Array(4), SEND);
  await a.host.until(() => closedWith !== 0, 'the idle close');
  assert.equal(closedWith, 4000);
  assert.deepEqual(a.host.disconnections, []);
});

for (const [name, client] of [
  ['ws', {}],
  ['a client that does not tell what it has queued', { WebSocket: StrictWebSocket }],
] as const) {
  test(`what a peer does not take is bounded, and a peer that takes nothing is given up, by ${name}`, async () => {
    const a = await member({ timeoutMs: 1500, ...client }, { sendQueueBytesMax: 6_000_000 });
    const { url } = await rawServer((socket) => {
      hello(socket);
      socket.pause();
    });
    const frame = new Uint8Array(1_000_000);
    const sends = Array.from({ length: 20 }, () => outcome(a.transport.send(url, frame, SEND)));
    const outcomes = await Promise.all(sends);
    const overloaded = outcomes.filter((code) => code === 'ERR_OVERLOADED').length;
    assert.ok(overloaded >= 10 && overloaded <= 17, `${overloaded} of 20 were refused`);
    assert.ok(outcomes.includes('ERR_UNREACHABLE'), `${outcomes}`);
    assert.ok((a.host.counts.get('sendQueueFull') ?? 0) >= overloaded);
    assert.equal(a.host.counts.get('stalledConnections'), 1);
    assert.deepEqual(a.host.disconnections, [url]);
  });
}

test('a socket that does not tell what it has queued asks for the count of what came, and waits for it', async () => {
  const a = await member({ WebSocket: StrictWebSocket });
  let greet = (_socket: Client) => {};
  const arrived = new Promise<Client>((resolve) => {
    greet = resolve;
  });
  const { url } = await rawServer((socket) => {
    hello(socket);
    greet(socket);
  });
  const sent: number[] = [];
  const send = (bytes: number) =>
    a.transport.send(url, new Uint8Array(bytes), SEND).then(() => {
      sent.push(bytes);
      a.host.count('sent');
    });
  // What the peer may keep to itself, and what may be under way: with one byte more it waits.
  const window = 64 * 1024 + 1024 * 1024;
  await send(window);
  const waits = send(1);
  const socket = await arrived;
  const { message } = listenTo(socket);
  assert.equal(await message(0), `isogossip 1 ${a.address} window`);
  await message(2);
  assert.deepEqual(sent, [window]);
  socket.send('got 1');
  await waits;
  socket.send(`got ${window + 1}`);
  await send(window);
  assert.deepEqual(sent, [window, 1, window]);
});

test('counts have their part in what is counted, so that they are bounded too', async () => {
  const a = await member({ WebSocket: StrictWebSocket });
  let greet = (_socket: Client) => {};
  const arrived = new Promise<Client>((resolve) => {
    greet = resolve;
  });
  const { url } = await rawServer((socket) => {
    socket.send('isogossip 1 - window');
    greet(socket);
  });
  const sent = a.transport.send(url, new Uint8Array(8), SEND);
  const socket = await arrived;
  const { message } = listenTo(socket);
  await sent;
  socket.send(new Uint8Array(65_536));
  assert.equal(await message(2), 'got 65536');
  const [told, next] = ['got 17', 'got 131072'];
  assert.equal(8 + 'got 65536'.length, 17);
  socket.send(told);
  socket.send(new Uint8Array(65_536 - told.length));
  assert.equal(await message(3), next);
});

test('a count that cannot be true ends the connection', async () => {
  const a = await member({ WebSocket: StrictWebSocket });
  const lies = [
    ['got 9'],
    ['got 5', 'got 5'],
    ['got 5', 'got 4'],
    ['got 0'],
    ['got -1'],
    ['got 1e0'],
    ['got'],
    ['hello'],
  ];
  for (const [i, texts] of lies.entries()) {
    const closed = new Promise<number>((resolve) => {
      void rawServer((socket) => {
        hello(socket);
        socket.on('close', resolve).once('message', () =>
          socket.once('message', () => {
            for (const text of texts) socket.send(text);
          }),
        );
      }).then(({ url }) => a.transport.send(url, new Uint8Array(8), SEND));
    });
    assert.equal(await closed, 4002, `${texts}`);
    assert.deepEqual([...a.host.counts], [['badWindows', i + 1]], `${texts}`);
  }
});

test('with a full table it closes the connection of its own that was unused the longest', async () => {
  const a = await member({}, { connectionsMax: 2 });
  const closed: string[] = [];
  const urls: string[] = [];
  for (const name of ['one', 'two', 'three']) {
    const { url } = await rawServer((socket) => {
      hello(socket);
      socket.on('close', () => {
        closed.push(name);
        a.host.count('seen');
      });
    });
    urls.push(url);
  }
  const [one, two, three] = urls as [string, string, string];
  await a.transport.send(one, new Uint8Array(4), SEND);
  await a.transport.send(two, new Uint8Array(4), SEND);
  await a.transport.send(one, new Uint8Array(4), SEND);
  await a.transport.send(three, new Uint8Array(4), SEND);
  await a.host.until(() => closed.length > 0, 'an eviction');
  assert.deepEqual(closed, ['two']);
  assert.deepEqual(a.host.disconnections, []);
});

test('a peer that closes and keeps its end open is gone in time', async () => {
  const a = await member();
  let raw = (_stream: Duplex) => {};
  const arrived = new Promise<Duplex>((resolve) => {
    raw = resolve;
  });
  // Says hello and goodbye as bytes, and then does nothing: `ws` as a server would end the connection.
  const server = createHttpServer().on('upgrade', (request: IncomingMessage, stream: Duplex) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    stream.write(
      `HTTP/1.1 101 Hello\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    const hello = 'isogossip 1 -';
    stream.write(Buffer.concat([Buffer.of(0x81, hello.length), Buffer.from(hello)]));
    stream.on('error', () => {});
    raw(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await a.transport.send(url, new Uint8Array(4), SEND);
  const stream = await arrived;
  after(() => {
    stream.destroy();
    server.close();
  });
  stream.write(Buffer.of(0x88, 2, 0x0f, 0xa9));
  await a.host.until(() => a.host.disconnections.length > 0, 'a disconnection');
});

test('close ends in time although a peer does not answer', async () => {
  const a = await member();
  const { url } = await rawServer((socket) => {
    hello(socket);
    socket.pause();
  });
  await a.transport.send(url, new Uint8Array(4), SEND);
  const startMs = performance.now();
  await a.transport.close();
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 2_000, `it took ${tookMs} ms`);
});
