/**
 * Many sockets over one: what a channel is to its user, what it may hold, and what the two ends refuse.
 */
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { acceptMux, createMux, MUX_HEADER_BYTES_MAX, MUX_PROTOCOL } from '../../src/transport/mux.js';
import { KIND, MuxSocket } from '../../src/transport/mux-socket.js';
import type { WebSocketLike } from '../../src/transport/websocket.js';
import { messagesOf, next, type PairSocket, socketPair } from './socket-pair.js';

const LIMITS = { frameBytesMax: 1_000_000, sendQueueBytesMax: 2_000_000 };
const SMALL_LIMITS = { ...LIMITS, sendQueueBytesMax: 100_000 };
const WINDOW_BYTES = 256 * 1024;

afterEach(() => {
  vi.useRealTimers();
});

/** Whatever is under way in memory has arrived; nothing there takes time. */
const settled = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

function counter() {
  const counts = new Map<string, number>();
  return { counts, count: (name: string) => void counts.set(name, (counts.get(name) ?? 0) + 1) };
}

/** Both ends over a pair: `dial` makes a channel, `accepted` are the sockets the other end was given. */
function ends(onSocket: (socket: WebSocketLike) => void = () => {}, limits = LIMITS) {
  const [left, right] = socketPair(MUX_PROTOCOL);
  const [dialler, acceptor] = [counter(), counter()];
  const accepted: WebSocketLike[] = [];
  acceptMux(
    right,
    (socket) => {
      accepted.push(socket);
      onSocket(socket);
    },
    { limits, count: acceptor.count },
  );
  const mux = createMux(left, { limits, count: dialler.count });
  const dial = () => {
    const post = mux.open((kind, payload) => socket.receive(kind, payload));
    const socket = new MuxSocket(post ?? (() => {}), { limits, count: dialler.count });
    return { socket, refused: post === undefined };
  };
  return { left, right, mux, dial, accepted, dialled: dialler.counts, counts: acceptor.counts };
}

const echo = (socket: WebSocketLike) =>
  socket.addEventListener('message', ({ data }) => {
    socket.send(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer));
  });

/** A channel, opened. */
async function channel(dial: ReturnType<typeof ends>['dial']) {
  const { socket } = dial();
  await next(socket, 'open');
  return socket;
}

test('text and bytes go both ways, in order, each on its own channel', async () => {
  const { dial, accepted } = ends(echo);
  const sockets = await Promise.all([channel(dial), channel(dial), channel(dial)]);
  const heard = sockets.map(messagesOf);
  for (let i = 0; i < 3; i++) {
    for (const [at, socket] of sockets.entries()) {
      socket.send(`${at}.${i} ü`);
      socket.send(Uint8Array.of(at, i));
    }
  }
  await settled();
  for (const [at, messages] of heard.entries()) {
    expect(messages).toEqual([0, 1, 2].flatMap((i) => [`${at}.${i} ü`, Uint8Array.of(at, i)]));
  }
  expect(accepted).toHaveLength(3);
  expect(accepted.map(({ readyState }) => readyState)).toEqual([1, 1, 1]);
});

test('what is sent is a copy', async () => {
  const { dial, accepted } = ends();
  const socket = await channel(dial);
  const heard = messagesOf(accepted[0] as WebSocketLike);
  const bytes = Uint8Array.of(1);
  socket.send(bytes);
  bytes[0] = 2;
  await settled();
  expect(heard).toEqual([Uint8Array.of(1)]);
  // Also of what waits until there is room.
  socket.send(new Uint8Array(WINDOW_BYTES));
  socket.send(bytes);
  bytes[0] = 3;
  await settled();
  expect(heard[2]).toEqual(Uint8Array.of(2));
});

test('a close comes after what was sent, with its code and reason, and leaves the others alone', async () => {
  const { dial, accepted, left } = ends();
  const [first, second] = [await channel(dial), await channel(dial)];
  const theirs = accepted[0] as WebSocketLike;
  const heard = messagesOf(theirs);
  const [here, there] = [next(first, 'close'), next(theirs, 'close')];
  first.send('last');
  first.close(4009, 'too large ü');
  expect(first.readyState).toBeGreaterThan(1);
  expect(await there).toMatchObject({ code: 4009, reason: 'too large ü' });
  expect(await here).toMatchObject({ code: 4009 });
  expect(heard).toEqual(['last']);
  expect([second.readyState, accepted[1]?.readyState, left.readyState]).toEqual([1, 1, 1]);
});

test('the accepting end closes likewise', async () => {
  const { dial, accepted } = ends();
  const socket = await channel(dial);
  const closed = next(socket, 'close');
  accepted[0]?.close(4000, 'idle');
  expect(await closed).toMatchObject({ code: 4000, reason: 'idle' });
  socket.send('dropped');
  expect(socket.bufferedAmount).toBe(0);
});

test('a reason is cut to what a close may carry; a close without a code has 1005', async () => {
  const { dial, accepted } = ends();
  const [one, other] = [await channel(dial), await channel(dial)];
  const [long, bare] = accepted.map((socket) => next(socket, 'close'));
  one.close(4000, 'x'.repeat(500));
  other.close();
  expect((await long)?.reason).toBe('x'.repeat(123));
  expect((await bare)?.code).toBe(1005);
});

test('the last channel takes the connection with it, and a connection its channels', async () => {
  const { dial, left, accepted } = ends();
  const socket = await channel(dial);
  socket.close(1000);
  await settled();
  expect([left.readyState, accepted[0]?.readyState]).toEqual([3, 3]);
  expect(dial().refused).toBe(true);

  // Whoever closes it.
  const theirs = ends();
  await channel(theirs.dial);
  theirs.accepted[0]?.close(1000);
  await settled();
  expect([theirs.left.readyState, theirs.counts.size]).toEqual([3, 0]);

  const other = ends();
  const [one, two] = [await channel(other.dial), await channel(other.dial)];
  const closes = [one, two, ...other.accepted].map((each) => next(each, 'close'));
  other.left.terminate();
  for (const { code, reason } of await Promise.all(closes)) {
    expect(code).toBe(1006);
    expect(reason).toContain('the shared connection ended');
  }
});

test('a channel that is closed before it is open was never there', async () => {
  const { dial, accepted, left } = ends();
  const keep = await channel(dial);
  const { socket } = dial();
  expect(() => socket.send('early')).toThrow('not open');
  const closed = next(socket, 'close');
  socket.close(1000);
  expect(await closed).toMatchObject({ code: 1006 });
  await settled();
  expect(accepted).toHaveLength(1);
  expect([keep.readyState, left.readyState]).toEqual([1, 1]);
});

test('a server that has chosen another protocol is told from one that shares', async () => {
  const [left, right] = socketPair('chat');
  const { counts, count } = counter();
  const closed = next(right, 'close');
  createMux(left, { limits: LIMITS, count });
  expect(await closed).toMatchObject({ code: 4002 });
  expect(counts.get('badHellos')).toBe(1);
});

test('a slow channel fills its own queue and not the connection, and the others go on', async () => {
  let stopped: WebSocketLike | undefined;
  const { dial, accepted } = ends((socket) => {
    if (stopped) echo(socket);
    stopped ??= socket;
  });
  const slow = await channel(dial);
  const quick = await channel(dial);
  // Its user hears, but what it would say about that is lost: as if its page did not run.
  vi.spyOn(stopped as MuxSocket, 'receive').mockImplementation(() => {});
  for (let i = 0; i < 10; i++) slow.send(new Uint8Array(100_000));
  expect(slow.bufferedAmount).toBeGreaterThan(1_000_000 - WINDOW_BYTES - 100_000);
  const heard = next(quick, 'message');
  quick.send('still here');
  expect((await heard).data).toBe('still here');

  const closed = next(slow, 'close');
  for (let i = 0; i < 20; i++) slow.send(new Uint8Array(100_000));
  expect(await closed).toMatchObject({ code: 4008 });
  expect(slow.bufferedAmount).toBe(0);
  expect([quick.readyState, accepted[1]?.readyState]).toEqual([1, 1]);
});

test('empty messages are bounded too', async () => {
  const { dial, accepted } = ends(() => {}, SMALL_LIMITS);
  const socket = await channel(dial);
  vi.spyOn(accepted[0] as MuxSocket, 'receive').mockImplementation(() => {});
  const closed = next(socket, 'close');
  for (let i = 0; i < 30_000; i++) socket.send('');
  expect(await closed).toMatchObject({ code: 4008 });
});

test('a queue drains as the other end takes, whatever the sizes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 600_000 }), { maxLength: 12 }), async (sizes) => {
      const { dial, accepted } = ends(() => {}, { ...LIMITS, sendQueueBytesMax: 100_000_000 });
      const socket = await channel(dial);
      const heard = messagesOf(accepted[0] as WebSocketLike);
      for (const size of sizes) socket.send(new Uint8Array(size));
      const closed = next(accepted[0] as WebSocketLike, 'close');
      socket.close(1000, 'done');
      expect(await closed).toMatchObject({ code: 1000 });
      expect(heard.map((message) => (message as Uint8Array).length)).toEqual(sizes);
    }),
    { numRuns: 30 },
  );
});

test('a message above the limit closes its channel and nothing else', async () => {
  const { dial, accepted, counts } = ends();
  const [large, other] = [await channel(dial), await channel(dial)];
  const heard = messagesOf(accepted[0] as WebSocketLike);
  const closed = next(large, 'close');
  large.send(new Uint8Array(LIMITS.frameBytesMax));
  large.send(new Uint8Array(LIMITS.frameBytesMax + 1));
  expect(await closed).toMatchObject({ code: 4009 });
  expect(heard).toHaveLength(1);
  expect(counts.get('oversizedFrames')).toBe(1);
  expect(other.readyState).toBe(1);
});

test('text that is not UTF-8 closes its channel', async () => {
  const { dial, left, counts } = ends();
  const socket = await channel(dial);
  const closed = next(socket, 'close');
  left.send(Uint8Array.of(1, KIND.text, 0xff));
  expect(await closed).toMatchObject({ code: 4002 });
  expect(counts.get('badFrames')).toBe(1);
});

test('channels have a limit at both ends', async () => {
  const { dial, accepted, left, counts } = ends();
  const sockets = await Promise.all(Array.from({ length: 64 }, () => channel(dial)));
  expect(dial().refused).toBe(true);
  // A dialling end that does not care.
  left.send(Uint8Array.of(100, KIND.open));
  const refusal = next(left, 'message');
  expect(new Uint8Array((await refusal).data as ArrayBuffer).subarray(0, 2)).toEqual(Uint8Array.of(100, KIND.close));
  expect(accepted).toHaveLength(64);
  expect(counts.get('refusedConnections')).toBe(1);
  expect(sockets.every(({ readyState }) => readyState === 1)).toBe(true);
});

test('an accepted connection that never opens a channel ends after 10 s', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { left, counts, dial } = ends();
  const busy = ends();
  const socket = await channel(busy.dial);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(counts.get('slowConnections')).toBe(1);
  expect([left.readyState, busy.left.readyState, socket.readyState]).toEqual([3, 1, 1]);
  expect(dial().refused).toBe(true);
});

test('a connection that takes nothing ends when what waits is above the limit', async () => {
  const { left, right, counts } = ends(() => {}, SMALL_LIMITS);
  right.hold();
  // Each refused channel is answered: a peer that asks and does not listen.
  for (let i = 0; i < 64; i++) left.send(Uint8Array.of(i + 1, KIND.open));
  let channels = 64;
  while (right.terminated === 0 && channels < 100_000) {
    for (let i = 0; i < 1_000; i++) {
      channels++;
      left.send(Uint8Array.of((channels & 127) | 128, ((channels >> 7) & 127) | 128, channels >> 14, KIND.open));
    }
    await settled();
  }
  expect(right.bufferedAmount).toBeLessThan(2 * SMALL_LIMITS.sendQueueBytesMax + 1_000);
  expect(right.terminated).toBe(1);
  expect(counts.get('stalledConnections')).toBe(1);
});

test.each(['dialling', 'accepting'])('arbitrary bytes never throw at the %s end, and nothing grows', async (side) => {
  const frame = fc.tuple(fc.nat(4), fc.nat(6), fc.uint8Array({ maxLength: 140 }));
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    frame.map(([channel, kind, payload]) => Uint8Array.of(channel, kind, ...payload)),
    fc.string(),
    fc.constant(null),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 30 }), async (messages) => {
      const { dial, left, right, accepted } = ends(echo);
      const sockets = [await channel(dial), await channel(dial)];
      const victim: PairSocket = side === 'dialling' ? left : right;
      for (const one of messages)
        victim.tell('message', { data: one instanceof Uint8Array ? one.slice().buffer : one });
      await settled();
      expect(accepted.length).toBeLessThanOrEqual(2 + messages.length);
      for (const one of [...sockets, ...accepted]) expect(one.bufferedAmount).toBe(0);
      // What is wrong ends the connection or its channel, and never half of it.
      left.close(1000);
      await settled();
      for (const one of [...sockets, ...accepted]) expect(one.readyState).toBe(3);
    }),
  );
});

test('the header of a frame is as small as it can be', async () => {
  const { dial, right } = ends();
  const sent: ArrayBuffer[] = [];
  right.addEventListener('message', (event) => sent.push((event as MessageEvent).data as ArrayBuffer));
  const socket = await channel(dial);
  socket.send(Uint8Array.of(7));
  await settled();
  expect(sent.map((data) => [...new Uint8Array(data)])).toEqual([
    [1, KIND.open],
    [1, KIND.binary, 7],
  ]);
  expect(MUX_HEADER_BYTES_MAX).toBe(6);
});
