/** Requests that are no frames, by HTTP: refused with the status that says why, counted, told once, and forgotten. */
import { request as httpRequest } from 'node:http';
import { afterEach, assert, describe, test } from 'vitest';
import { msgpack } from '../../src/codec/msgpack.js';
import { httpTransport } from '../../src/transport/http.js';
import { httpListener } from '../../src/transport/node/http-listener.js';
import { V1_TYPE } from '../../src/wire/v1/packet.js';
import {
  cleanUp,
  frameOf,
  heapBytes,
  inventedId,
  inventedRecord,
  later,
  memberIds,
  startVictim,
  stream,
  timeIn,
  type Victim,
  type VictimOptions,
  v1Join,
  v1Packet,
} from './attack.js';

afterEach(cleanUp);

const TOKEN = 'a-token-of-the-cluster';
const MIB = 1024 * 1024;

const transport = () =>
  httpTransport({ bearerToken: TOKEN, listen: httpListener({ bind: '127.0.0.1:0', timeoutMs: 500 }) });

const start = (options: VictimOptions = {}) => startVictim({ transport: transport(), ...options });

/** Sends one request. @returns the status; 0 when the connection was closed instead of an answer. */
function send(
  victim: Victim,
  body: Uint8Array | Iterable<Uint8Array>,
  {
    method = 'POST',
    token = TOKEN,
    headers = {},
  }: { method?: string; token?: string; headers?: Record<string, string> } = {},
): Promise<number> {
  return new Promise((resolve) => {
    const request = httpRequest(victim.cluster.address, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
    later(() => request.destroy());
    request.on('error', () => resolve(0));
    request.on('response', (response) => {
      response.on('error', () => {}).resume();
      resolve(response.statusCode ?? 0);
    });
    if (body instanceof Uint8Array) {
      request.end(body);
      return;
    }
    const chunks = body[Symbol.iterator]();
    const next = () => {
      for (;;) {
        const { done, value } = chunks.next();
        if (done) return void request.end();
        if (request.destroyed || !request.write(value)) return void request.once('drain', next);
      }
    };
    next();
  });
}

function* endless(): Generator<Uint8Array> {
  for (let sent = 0; sent < 64; sent++) yield new Uint8Array(MIB);
}

describe.each([
  { sealed: false, v1: false },
  { sealed: true, v1: true },
])('sealed: $sealed, v1: $v1', (kind) => {
  test('requests that are no frames', async () => {
    const victim = await start(kind);
    const before = memberIds(victim);
    const heap = heapBytes();
    const good = frameOf(victim, { type: 'ping', seq: 1, from: inventedId(1), news: [] });

    for (const method of ['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH']) {
      assert.equal(await send(victim, new Uint8Array(0), { method }), 405, method);
    }
    for (const token of ['wrong', '', `${TOKEN}x`, TOKEN.slice(0, -1)])
      assert.equal(await send(victim, good, { token }), 401);
    // The connection of a body that is not read is closed; whoever is still writing may not see why.
    assert.equal(await send(victim, good, { headers: { 'content-length': String(2 ** 40) } }), 413);
    assert.oneOf(await send(victim, new Uint8Array(5 * MIB)), [413, 0]);
    assert.oneOf(await send(victim, endless()), [413, 0]);
    await victim.counted('transport.oversizedFrames', 3);
    assert.equal(await send(victim, Uint8Array.of(1)), 400);
    assert.equal(await send(victim, new Uint8Array(0)), 400);
    // What cannot be read is taken like any other frame: the sender learns nothing from the answer.
    assert.equal(await send(victim, new Uint8Array(40)), 204);
    assert.equal(await send(victim, Uint8Array.of(1, 0, 200, 1)), 204);
    assert.equal(await send(victim, new TextEncoder().encode('{"hello":"world","this":"is not a frame at all"}')), 204);
    assert.equal(await send(victim, new Uint8Array(60).fill(0xc1).fill(40, 0, 1).fill(0, 1, 2)), 204);
    // A request that never ends, and something that is no HTTP.
    const slow = await stream(victim.port);
    slow.socket.write(`POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-length: 100\r\n\r\nabc`);
    const noise = await stream(victim.port);
    noise.socket.write(new Uint8Array(100).fill(0x16));
    await Promise.all([slow.closed, noise.closed]);

    const names = [
      'transport.wrongMethod',
      'transport.unauthorized',
      'transport.oversizedFrames',
      'transport.badFrames',
      'transport.slowConnections',
      'transport.brokenRequests',
      'framesMalformed',
      kind.sealed ? 'framesNotOpened' : 'packetsMalformed',
      // By HTTP a v1 frame is never sealed.
      ...(kind.v1 ? ['packetsNotDecoded'] : ['v1FramesRefused']),
    ];
    for (const name of names) await victim.counted(name);
    assert.deepEqual([...victim.told].sort(), names.sort());
    assert.deepEqual(memberIds(victim), before);
    assert.equal(victim.stat('packetsFailed'), 0);
    assert.isBelow(heapBytes() - heap, 16 * MIB);
    const peer = await start(kind);
    assert.equal(await peer.cluster.join(victim.cluster.address), 1);
  });
});

test('replies nobody asked for, strangers and invented members', async () => {
  const victim = await start({ v1: true, timing: { joinTimeoutMs: 500 } });
  const before = memberIds(victim);
  const from = inventedId(1);
  const payload = msgpack().encode('hello');
  const post = async (frame: Uint8Array) => assert.oneOf(await send(victim, frame), [200, 204]);
  await post(frameOf(victim, v1Packet(from, V1_TYPE.reply, { kind: 'data', payload }), true));
  await post(
    frameOf(victim, { type: 'reply', from, to: victim.cluster.id, messageId: timeIn(), status: 'ok', payload }),
  );
  for (let n = 0; n < 600; n += 20) {
    const some = Array.from({ length: 20 }, (_, i) => n + i);
    await Promise.all(
      some.map((one) => {
        const address = `http://127.9.0.1:1/${one}`;
        const record = inventedRecord(one, { address });
        const native = frameOf(victim, { type: 'join', seq: one, from: record.id, record });
        return post(one % 2 ? native : frameOf(victim, v1Join(one, { address }), true));
      }),
    );
    assert.isAtMost(victim.stat('contactsPending'), 256);
  }
  await victim.until(() => victim.stat('contactsPending') === 0, 'the invented ones are given up');
  for (const name of ['repliesNobodyAskedFor', 'unknownSenders', 'joinersUnreachable']) await victim.counted(name);
  assert.deepEqual(memberIds(victim), before);
});
