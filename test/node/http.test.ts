/**
 * The HTTP transport: the contract over HTTP and HTTPS, and every status and rule of its own.
 */
import { readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { afterEach, assert, test } from 'vitest';
import type { Limits } from '../../src/limits.js';
import { type HttpTransportOptions, httpTransport } from '../../src/transport/http.js';
import { type HttpListenerOptions, httpListener } from '../../src/transport/node/http-listener.js';
import { systemResolver } from '../../src/transport/node/resolver.js';
import { createFakeHost } from '../contract/fake-host.js';
import { httpKind } from '../contract/kinds.node.js';
import { transportContract } from '../contract/transport.js';
import { startDnsServer } from './dns-server.js';

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
const tls = { key: fixture('test-key.pem'), cert: fixture('test-cert.pem') };
const SEND = { reliable: true, connection: 'shared' } as const;

/** A fetch that trusts the test's certificate, and finds `gossip.test` on loopback. */
const trustingFetch = async (request: Request): Promise<Response> => {
  const body = new Uint8Array(await request.arrayBuffer());
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      request.url,
      {
        method: request.method,
        headers: Object.fromEntries(request.headers),
        ca: tls.cert,
        agent: false,
        signal: request.signal,
        lookup: (_name, { all }, done) =>
          all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
        incoming.on('end', () => {
          const status = incoming.statusCode ?? 0;
          resolve(new Response(status === 204 ? null : Buffer.concat(chunks), { status }));
        });
      },
    );
    outgoing.on('error', (cause) => reject(new TypeError('fetch failed', { cause })));
    outgoing.end(body);
  });
};

transportContract({ test, assert }, httpKind);
// Port 3 is bound nowhere, as port 2, and fetch does not forbid it as it does 1.
transportContract(
  { test, assert },
  {
    name: 'https',
    create: () =>
      httpTransport({
        listen: httpListener({ bind: '127.0.0.1:0', tls }),
        bearerToken: 'secret',
        fetch: trustingFetch,
      }),
    nobody: 'https://127.0.0.1:3/',
    unreadable: 'wss://127.0.0.1:3/',
    datagrams: false,
    lasting: false,
  },
);

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function member(
  options: Partial<HttpTransportOptions> = {},
  limits: Partial<Limits> = {},
  listener: Partial<HttpListenerOptions> = {},
) {
  const transport = httpTransport({ listen: httpListener({ bind: '127.0.0.1:0', ...listener }), ...options });
  const host = createFakeHost(limits);
  cleanups.push(() => transport.close());
  const address = await transport.start(host);
  return { transport, host, address, port: Number(new URL(address).port) };
}

const outcome = (work: Promise<unknown>) =>
  work.then(() => ({ code: 'resolved', message: '' })).catch((error) => error);
const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  new Request('http://x/', { method: 'POST', body, headers });

test('the advertised URL is where it listens, with the path', async () => {
  assert.match((await member()).address, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  assert.match((await member({ path: '/g' })).address, /^http:\/\/127\.0\.0\.1:\d+\/g$/);
  assert.match((await member({ path: '/g' }, {}, { tls })).address, /^https:\/\/127\.0\.0\.1:\d+\/g$/);
  assert.match((await member({}, {}, { bind: '[::1]:0' })).address, /^http:\/\/\[::1\]:\d+\/$/);
  assert.equal((await member({ advertise: 'https://me.test', path: '/g' })).address, 'https://me.test/g');
  assert.equal((await member({ advertise: 'https://me.test/x', path: '/g' })).address, 'https://me.test/x');
  assert.equal((await member({ advertise: 'srv+https://me.test' })).address, 'srv+https://me.test');
});

test('options that cannot work are refused with their name', () => {
  const bad: [HttpTransportOptions, RegExp][] = [
    [{}, /advertise/],
    [{ advertise: 'me.test:80' }, /https:\/\//],
    [{ advertise: 'http://a/', path: 'g' }, /path/],
    [{ advertise: 'http://a/', bearerToken: '' }, /bearerToken/],
    [{ advertise: 'http://a/', bearerToken: 'a\nb' }, /bearerToken/],
    [{ advertise: 'http://a/', timeoutMs: 0 }, /timeoutMs/],
  ];
  for (const [options, says] of bad) assert.throws(() => httpTransport(options), says);
});

test('each refusal has its status', async () => {
  const { transport, host } = await member({ bearerToken: 'secret' }, { frameBytesMax: 100, incomingRequestsMax: 1 });
  const auth = { authorization: 'Bearer secret' };
  const status = async (request: Request) => (await transport.handler(request)).status;
  const frame = new Uint8Array(10);
  assert.equal(await status(post(frame)), 401);
  for (const wrong of [
    'Bearer',
    'Bearer ',
    'Bearer secre',
    'Bearer secret2',
    'Bearer Secret',
    'Basic secret',
    'secret',
  ]) {
    assert.equal(await status(post(frame, { authorization: wrong })), 401, wrong);
  }
  assert.equal(await status(new Request('http://x/')), 401);
  assert.equal(await status(new Request('http://x/', { headers: auth })), 405);
  assert.equal(await status(new Request('http://x/', { method: 'PUT', body: frame, headers: auth })), 405);
  assert.equal(await status(post(new Uint8Array(0), auth)), 400);
  assert.equal(await status(post(new Uint8Array(1), auth)), 400);
  assert.equal(await status(post(new Uint8Array(101), auth)), 413);
  assert.equal(await status(post(new Uint8Array(10), { ...auth, 'content-length': '101' })), 413);
  assert.equal(host.received.length, 0);
  assert.equal(await status(post(new Uint8Array(100), auth)), 204);
  assert.equal(await status(post(new Uint8Array(10), { authorization: 'bearer secret' })), 204);

  host.answer = async () => new Uint8Array([1, 2, 3]);
  const answered = await transport.handler(post(frame, auth));
  assert.equal(answered.status, 200);
  assert.equal(answered.headers.get('content-type'), 'application/octet-stream');
  assert.deepEqual(new Uint8Array(await answered.arrayBuffer()), new Uint8Array([1, 2, 3]));

  let release = () => {};
  host.answer = () =>
    new Promise((resolve) => {
      release = () => resolve(undefined);
    });
  const first = status(post(frame, auth));
  await host.frames(4);
  assert.equal(await status(post(frame, auth)), 503);
  assert.equal(host.counts.get('busy'), 1);
  release();
  assert.equal(await first, 204);
  await transport.close();
  assert.equal(await status(post(frame, auth)), 503);
});

test('a body without a length is read to the limit and no further', async () => {
  const { transport, host } = await member({}, { frameBytesMax: 1_000 });
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(100));
    },
  });
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', body: endless, duplex: 'half' };
  const response = await transport.handler(new Request('http://x/', init));
  assert.equal(response.status, 413);
  assert.isAtMost(pulled, 14);
  assert.equal(host.counts.get('oversizedFrames'), 1);
});

test('the bearer token is sent, and its refusal is explained', async () => {
  const a = await member({ bearerToken: 'one' });
  const b = await member({ bearerToken: 'two' });
  const error = await outcome(a.transport.send(b.address, new Uint8Array(5), SEND));
  assert.equal(error.code, 'ERR_UNREACHABLE');
  assert.match(error.message, /401.*bearerToken/);
  assert.equal(b.host.received.length, 0);
  assert.equal(b.host.counts.get('unauthorized'), 1);
});

test('a certificate nobody vouches for is refused, and the error says so', async () => {
  const a = await member();
  const b = await member({}, {}, { tls });
  const error = await outcome(a.transport.send(b.address, new Uint8Array(5), SEND));
  assert.equal(error.code, 'ERR_UNREACHABLE');
  assert.match(error.message, /self-signed certificate/);
});

test('the own path replaces that of every URL; without one each keeps its own', async () => {
  const paths: string[] = [];
  const fetch = async (request: Request) => {
    const { pathname, search } = new URL(request.url);
    paths.push(pathname + search);
    return new Response(null, { status: 204 });
  };
  const rewriting = await member({ fetch, path: '/own' });
  await rewriting.transport.send('https://h/theirs', new Uint8Array(5), SEND);
  await rewriting.transport.send('https://h', new Uint8Array(5), SEND);
  const keeping = await member({ fetch });
  await keeping.transport.send('https://h/theirs?x=1', new Uint8Array(5), SEND);
  await keeping.transport.send('https://h', new Uint8Array(5), SEND);
  assert.deepEqual(paths, ['/own', '/own', '/theirs?x=1', '/']);
});

test('srv+ looks the port up and keeps the host for TLS', async () => {
  const b = await member({ bearerToken: 'secret', path: '/g' }, {}, { tls });
  b.host.answer = async (frame) => frame;
  const dns = await startDnsServer([
    // Nobody listens at the preferred one.
    { type: 'SRV', name: 'gossip.test', data: { target: 'elsewhere.test', port: 3, priority: 1 } },
    { type: 'SRV', name: 'gossip.test', data: { target: 'elsewhere.test', port: b.port, priority: 2 } },
  ]);
  cleanups.push(() => dns.close());
  const resolver = systemResolver({ servers: [dns.address] });
  const a = await member({ bearerToken: 'secret', fetch: trustingFetch, resolver });
  const answer = await a.transport.request('srv+https://gossip.test/g', new Uint8Array([4, 2]), { timeoutMs: 5_000 });
  assert.deepEqual(answer, new Uint8Array([4, 2]));
  const unknown = await outcome(a.transport.send('srv+https://none.test/', new Uint8Array(5), SEND));
  assert.equal(unknown.code, 'ERR_RESOLVE');
  const without = await member({});
  const unable = await outcome(without.transport.send('srv+https://gossip.test/', new Uint8Array(5), SEND));
  assert.equal(unable.code, 'ERR_RESOLVE');
  assert.match(unable.message, /resolver/);
});

test('answers that are no answers', async () => {
  let respond: () => Response | Promise<Response> = () => new Response(null, { status: 204 });
  const a = await member({ fetch: async () => respond(), timeoutMs: 100 }, { frameBytesMax: 1_000 });
  const ask = () => outcome(a.transport.request('http://h/', new Uint8Array(5), { timeoutMs: 2_000 }));
  assert.equal((await ask()).code, 'ERR_TIMEOUT');
  respond = () => new Response(new Uint8Array(1_001));
  assert.equal((await ask()).code, 'ERR_TOO_LARGE');
  let cancelled = false;
  respond = () => {
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(100)),
      cancel() {
        cancelled = true;
      },
    });
    return new Response(endless);
  };
  assert.equal((await ask()).code, 'ERR_TOO_LARGE');
  assert.ok(cancelled);
  for (const status of [302, 400, 404, 500, 503]) {
    respond = () => new Response('no', { status });
    const error = await ask();
    assert.equal(error.code, 'ERR_UNREACHABLE');
    assert.include(error.message, String(status));
  }
  respond = () => new Promise(() => {});
  assert.equal((await outcome(a.transport.send('http://h/', new Uint8Array(5), SEND))).code, 'ERR_UNREACHABLE');
});

test('a redirect is not followed', async () => {
  const b = await member();
  const server = createServer((_request, response) => response.writeHead(307, { location: b.address }).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  const a = await member();
  const { port } = server.address() as { port: number };
  const error = await outcome(a.transport.send(`http://127.0.0.1:${port}/`, new Uint8Array(5), SEND));
  assert.equal(error.code, 'ERR_UNREACHABLE');
  assert.equal(b.host.received.length, 0);
});

test('what waits for one exchange goes together by the next, in order; what is for another peer does not wait', async () => {
  const types: (string | null)[] = [];
  const fetched = (request: Request) => {
    types.push(request.headers.get('content-type'));
    return fetch(request);
  };
  const [a, b, c] = [await member({ fetch: fetched }), await member(), await member()];
  const frames = Array.from({ length: 200 }, (_, i) => new Uint8Array(2 + i).fill(i));
  const sent = frames.map((frame) => a.transport.send(b.address, frame, SEND));
  await Promise.all([...sent, a.transport.send(c.address, new Uint8Array(3), SEND)]);
  assert.deepEqual(types, ['application/octet-stream', 'application/octet-stream', 'application/vnd.isogossip.frames']);
  assert.deepEqual(await b.host.frames(200), frames);
  assert.deepEqual(b.host.received.at(-1)?.source, { reliable: true, carriage: 'native' });
  await c.host.frames(1);
});

test('frames go together only up to a size that every peer takes, and those of v1 never', async () => {
  const sizes: number[] = [];
  const fetched = async (request: Request) => {
    sizes.push((await request.arrayBuffer()).byteLength);
    return new Response(null, { status: 204 });
  };
  const [a, b] = [await member({ fetch: fetched }), await member({ fetch: fetched }, { frameBytesMax: 1_000 })];
  const send = (from: typeof a, count: number, bytes: number, connection: 'shared' | 'single' = 'shared') =>
    Promise.all(
      Array.from({ length: count }, () =>
        from.transport.send('http://h/', new Uint8Array(bytes), { reliable: true, connection }),
      ),
    );
  await send(a, 2_050, 2);
  assert.deepEqual(sizes.splice(0), [2, 1_024 * 6, 1_024 * 6, 2]);
  await send(a, 4, 100_000);
  assert.deepEqual(sizes.splice(0), [100_000, 2 * 100_004, 100_000]);
  await send(a, 3, 300_000);
  assert.deepEqual(sizes.splice(0), [300_000, 300_000, 300_000]);
  await send(b, 4, 400);
  assert.deepEqual(sizes.splice(0), [400, 2 * 404, 400]);
  await send(a, 3, 50, 'single');
  assert.deepEqual(sizes.splice(0), [50, 50, 50]);
});

test('what goes together fails together, what waits goes on; more than may wait is refused', async () => {
  const answers: ((response: Response) => void)[] = [];
  const fetched = () => new Promise<Response>((resolve) => answers.push(resolve));
  const a = await member({ fetch: fetched }, { sendQueueBytesMax: 60_000 });
  const send = (bytes: number) => outcome(a.transport.send('http://h/', new Uint8Array(bytes), SEND));
  const answer = async (count: number, status: number) => {
    while (answers.length < count) await new Promise((resolve) => setImmediate(resolve));
    answers[count - 1]?.(new Response(null, { status }));
  };
  const sent = [10, 20, 30, 59_930].map(send);
  assert.equal((await send(11)).code, 'ERR_OVERLOADED');
  assert.equal(a.host.counts.get('sendQueueFull'), 1);
  await answer(1, 204);
  await answer(2, 503);
  await Promise.all(sent);
  const later = send(40);
  await answer(3, 204);
  const all = await Promise.all([...sent, later]);
  assert.deepEqual(
    all.map(({ code }) => code),
    ['resolved', 'ERR_UNREACHABLE', 'ERR_UNREACHABLE', 'ERR_UNREACHABLE', 'resolved'],
  );
});

test('a body that is not the frames it says it is has none', async () => {
  const { transport, host } = await member();
  const frames = (...bytes: number[]) =>
    post(new Uint8Array(bytes), { 'content-type': 'application/vnd.isogossip.frames' });
  const bad = [
    [0, 0],
    [3, 0, 0, 0, 7, 7],
    [2, 0, 0, 0, 7, 7, 1, 0, 0],
    [2, 0, 0, 0, 7, 7, 255, 255, 255, 255, 7],
    Array.from({ length: 1_025 * 4 }, () => 0),
  ];
  for (const bytes of bad) assert.equal((await transport.handler(frames(...bytes))).status, 400);
  assert.equal(host.counts.get('badFrames'), bad.length);
  assert.equal(host.received.length, 0);
  assert.equal((await transport.handler(frames(2, 0, 0, 0, 7, 8, 1, 0, 0, 0, 9))).status, 204);
  assert.deepEqual(await host.frames(2), [new Uint8Array([7, 8]), new Uint8Array([9])]);
});

test('more exchanges at a time than connections are allowed are refused', async () => {
  const a = await member({ fetch: () => new Promise(() => {}) }, { connectionsMax: 3 });
  const held = [1, 2, 3].map((n) => outcome(a.transport.send(`http://h${n}/`, new Uint8Array(5), SEND)));
  assert.equal((await outcome(a.transport.send('http://h/', new Uint8Array(5), SEND))).code, 'ERR_OVERLOADED');
  assert.equal(a.host.counts.get('connectionsFull'), 1);
  await a.transport.close();
  for (const error of await Promise.all(held)) assert.equal(error.code, 'ERR_CLOSED');
});

test('the listener ends requests that do not come to an end, and counts them', async () => {
  const { host, port } = await member({}, {}, { timeoutMs: 100 });
  for (const start of [
    '',
    'POST / HTTP/1.1\r\nHost: x\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc',
  ]) {
    const before = host.counts.get('slowConnections') ?? 0;
    const socket = connect(port, '127.0.0.1', () => socket.write(start));
    cleanups.push(() => socket.destroy());
    socket.on('error', () => {}).resume();
    await host.until(() => (host.counts.get('slowConnections') ?? 0) > before, `an end to ${JSON.stringify(start)}`);
  }
  assert.equal(host.received.length, 0);
});

test('the listener takes no more connections than allowed', async () => {
  const { host, port } = await member({}, { connectionsMax: 5 });
  for (let i = 0; i < 8; i++) {
    const socket = connect(port, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    socket.on('error', () => {});
  }
  await host.until(() => host.counts.get('refusedConnections') === 3, 'three refusals');
});

test('a body that is refused unread ends the connection instead of being read', async () => {
  const { port } = await member({ bearerToken: 'secret' });
  const response = await new Promise<{ status: number | undefined; connection: string | undefined }>(
    (resolve, reject) => {
      const outgoing = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers: { 'content-length': 1e9 } });
      outgoing.on('response', (incoming) => {
        incoming.resume();
        resolve({ status: incoming.statusCode, connection: incoming.headers.connection });
        outgoing.destroy();
      });
      outgoing.on('error', reject);
      outgoing.write(new Uint8Array(1_000));
    },
  );
  assert.deepEqual(response, { status: 401, connection: 'close' });
});

test('a port that is taken is named', async () => {
  const first = await member();
  const second = httpTransport({ listen: httpListener({ bind: `127.0.0.1:${first.port}` }) });
  const error = await outcome(second.start(createFakeHost()));
  assert.equal(error.code, 'ERR_ADDRESS_IN_USE');
  assert.include(error.message, String(first.port));
  await second.close();
});
