/**
 * What every transport must do, whatever it moves bytes by. Imports no test runner, so that it runs anywhere: pass the
 * runner's `test` and an `assert`, and how to make a transport.
 */
import { GossipError, type GossipErrorCode } from '../../src/errors.js';
import type { SendOptions, Transport } from '../../src/transport/transport.js';
import { createFakeHost, type FakeHost } from './fake-host.js';

/** The parts of a test runner that the suite uses. */
export interface TransportTestApi {
  test(name: string, body: () => Promise<void>): void;
  assert: {
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): void;
  };
}

/** One kind of transport and what it can do. */
export interface TransportKind {
  name: string;
  /** Makes a transport that is not started; those made in one test can reach each other. */
  create(): Transport;
  /** An address of the right form at which nobody listens. */
  nobody: string;
  /** An address this transport cannot read; absent when it reads any. */
  unreadable?: string;
  datagrams: boolean;
  /** Whether it holds lasting connections, which keep order and whose end is told. */
  lasting: boolean;
  /** Whether a connection serves both directions, so that its end is told on both sides. Default: `false`. */
  twoWay?: boolean;
  /** Whether a frame can be exchanged for a frame, as the Go library's wire needs. Default: `true`. */
  exchanges?: boolean;
}

interface Member {
  transport: Transport;
  host: FakeHost;
  address: string;
}

const SHARED: SendOptions = { reliable: true, connection: 'shared' };
const SINGLE: SendOptions = { reliable: true, connection: 'single' };
const BEST_EFFORT: SendOptions = { reliable: false, connection: 'shared' };

/** Defines the suite's tests for one kind. */
export function transportContract({ test, assert }: TransportTestApi, kind: TransportKind): void {
  const within = (name: string, body: (start: () => Promise<Member>) => Promise<void>) =>
    test(`${kind.name}: ${name}`, async () => {
      const members: Member[] = [];
      const start = async () => {
        const transport = kind.create();
        const host = createFakeHost();
        const member = { transport, host, address: await transport.start(host) };
        members.push(member);
        return member;
      };
      try {
        await body(start);
      } finally {
        await Promise.all(members.map(({ transport }) => transport.close()));
      }
    });

  const rejects = async (work: Promise<unknown>, code: GossipErrorCode) => {
    const outcome = await work.then(
      () => 'nothing thrown',
      (error: unknown) => (error instanceof GossipError ? error.code : `not a GossipError: ${error}`),
    );
    assert.equal(outcome, code);
  };

  within('moves a frame each way by each kind of send', async (start) => {
    const [a, b] = [await start(), await start()];
    let sent = 0;
    for (const options of [SHARED, SINGLE, BEST_EFFORT]) {
      sent++;
      await a.transport.send(b.address, bytes(100, sent), options);
      await b.transport.send(a.address, bytes(100, sent + 100), options);
      assert.deepEqual((await b.host.frames(sent))[sent - 1], bytes(100, sent));
      assert.deepEqual((await a.host.frames(sent))[sent - 1], bytes(100, sent + 100));
    }
  });

  within('moves frames of every size up to the limit', async (start) => {
    const [a, b] = [await start(), await start()];
    const sizes = [2, 1_399, 1_400, 1_401, 65_536, 300_000, a.host.limits.frameBytesMax];
    for (const [index, size] of sizes.entries()) {
      await a.transport.send(b.address, bytes(size, index), index % 2 === 0 ? SHARED : BEST_EFFORT);
      const got = (await b.host.frames(index + 1))[index] as Uint8Array;
      assert.equal(got.length, size);
      assert.ok(same(got, bytes(size, index)), `the ${size} bytes that arrived are not those that were sent`);
    }
  });

  within('keeps the order of what one peer sends another', async (start) => {
    const [a, b] = [await start(), await start()];
    const sends: Promise<void>[] = [];
    for (let i = 0; i < 300; i++) {
      const send = a.transport.send(b.address, bytes(10 + ((i * 97) % 5_000), i), SHARED);
      sends.push(send);
      if (!kind.lasting) await send;
    }
    await Promise.all(sends);
    const got = (await b.host.frames(300)).map((frame) => frame[0]);
    assert.deepEqual(
      got,
      Array.from({ length: 300 }, (_, i) => i & 255),
    );
  });

  within('leaves the sender its buffer and gives the receiver its own', async (start) => {
    const [a, b] = [await start(), await start()];
    for (const options of [SHARED, SINGLE, BEST_EFFORT]) {
      const frame = bytes(50, 7);
      await a.transport.send(b.address, frame, options);
      frame.fill(0);
    }
    for (const frame of await b.host.frames(3)) assert.deepEqual(frame, bytes(50, 7));
  });

  within('says which carrier brought a frame, and whom a datagram came from', async (start) => {
    const [a, b] = [await start(), await start()];
    await a.transport.send(b.address, bytes(10, 1), SINGLE);
    await b.host.frames(1);
    assert.equal(b.host.received[0]?.source.reliable, true);
    if (!kind.datagrams) {
      assert.equal(a.transport.datagramBytesMax, 0);
      return;
    }
    assert.ok(a.transport.datagramBytesMax > 1_000);
    await a.transport.send(b.address, bytes(10, 2), BEST_EFFORT);
    await b.host.frames(2);
    assert.deepEqual(b.host.received[1]?.source, { address: a.address, reliable: false });
  });

  const exchanges = kind.exchanges ?? true;
  const withinExchanges = exchanges ? within : () => {};

  withinExchanges('brings each request its own answer', async (start) => {
    const [a, b] = [await start(), await start()];
    // Answered in another order than asked.
    const held: (() => void)[] = [];
    b.host.answer = (frame) =>
      new Promise((resolve) => {
        held.push(() => resolve(bytes(20, (frame[0] ?? 0) + 1)));
        if (held.length === 40) for (const release of held.reverse()) release();
      });
    const asked = Array.from({ length: 40 }, (_, i) =>
      a.transport.request(b.address, bytes(20, i), { timeoutMs: 5_000 }),
    );
    const answers = await Promise.all(asked);
    answers.forEach((answer, i) => void assert.deepEqual(answer, bytes(20, i + 1)));
  });

  withinExchanges('brings a large answer', async (start) => {
    const [a, b] = [await start(), await start()];
    b.host.answer = async () => bytes(1_000_000, 3);
    const answer = await a.transport.request(b.address, bytes(2, 0), { timeoutMs: 5_000 });
    assert.ok(same(answer, bytes(1_000_000, 3)));
  });

  withinExchanges('gives up a request that is not answered in time', async (start) => {
    const [a, b] = [await start(), await start()];
    b.host.answer = () => new Promise(() => {});
    const startMs = performance.now();
    await rejects(a.transport.request(b.address, bytes(10, 0), { timeoutMs: 150 }), 'ERR_TIMEOUT');
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs >= 140 && tookMs < 3_000, `it took ${tookMs} ms`);
  });

  withinExchanges('gives up a request to which the peer has nothing to say', async (start) => {
    const [a, b] = [await start(), await start()];
    b.host.answer = async () => undefined;
    await rejects(a.transport.request(b.address, bytes(10, 0), { timeoutMs: 150 }), 'ERR_TIMEOUT');
  });

  withinExchanges('gives up a request when its signal fires, before and during', async (start) => {
    const [a, b] = [await start(), await start()];
    b.host.answer = () => new Promise(() => {});
    const abort = new AbortController();
    const asked = a.transport.request(b.address, bytes(10, 0), { timeoutMs: 60_000, signal: abort.signal });
    await b.host.frames(1);
    abort.abort();
    await rejects(asked, 'ERR_ABORTED');
    const again = a.transport.request(b.address, bytes(10, 0), { timeoutMs: 60_000, signal: abort.signal });
    await rejects(again, 'ERR_ABORTED');
  });

  within('rejects what goes to an address nobody has', async (start) => {
    const a = await start();
    await rejects(a.transport.send(kind.nobody, bytes(10, 0), SHARED), 'ERR_UNREACHABLE');
    await rejects(a.transport.send(kind.nobody, bytes(10, 0), SINGLE), 'ERR_UNREACHABLE');
    if (exchanges) {
      await rejects(a.transport.request(kind.nobody, bytes(10, 0), { timeoutMs: 5_000 }), 'ERR_UNREACHABLE');
    }
    if (kind.unreadable === undefined) return;
    for (const options of [SHARED, SINGLE, BEST_EFFORT]) {
      await rejects(a.transport.send(kind.unreadable, bytes(10, 0), options), 'ERR_ADDRESS');
    }
    await rejects(a.transport.request(kind.unreadable, bytes(10, 0), { timeoutMs: 5_000 }), 'ERR_ADDRESS');
  });

  within('sends nothing above the limit', async (start) => {
    const [a, b] = [await start(), await start()];
    const large = new Uint8Array(a.host.limits.frameBytesMax + 1);
    for (const options of [SHARED, SINGLE, BEST_EFFORT]) {
      await rejects(a.transport.send(b.address, large, options), 'ERR_TOO_LARGE');
    }
    if (exchanges) await rejects(a.transport.request(b.address, large, { timeoutMs: 5_000 }), 'ERR_TOO_LARGE');
    await a.transport.send(b.address, bytes(5, 5), SHARED);
    assert.deepEqual(await b.host.frames(1), [bytes(5, 5)]);
  });

  within('works before close only', async (start) => {
    const [a, b] = [await start(), await start()];
    const unused = kind.create();
    await rejects(unused.send(b.address, bytes(5, 0), SHARED), 'ERR_CLOSED');
    await unused.close();
    b.host.answer = () => new Promise(() => {});
    const asked = exchanges
      ? rejects(a.transport.request(b.address, bytes(5, 0), { timeoutMs: 60_000 }), 'ERR_CLOSED')
      : a.transport.send(b.address, bytes(5, 0), SHARED);
    await b.host.frames(1);
    await Promise.all([a.transport.close(), a.transport.close()]);
    await a.transport.close();
    await asked;
    await rejects(a.transport.send(b.address, bytes(5, 0), SHARED), 'ERR_CLOSED');
    await rejects(a.transport.send(b.address, bytes(5, 0), BEST_EFFORT), 'ERR_CLOSED');
    await rejects(a.transport.request(b.address, bytes(5, 0), { timeoutMs: 100 }), 'ERR_CLOSED');
    await rejects(b.transport.send(a.address, bytes(5, 0), SINGLE), 'ERR_UNREACHABLE');
  });

  test(`${kind.name}: leaves nothing open when it is closed while it starts`, async () => {
    const transport = kind.create();
    const started = transport.start(createFakeHost()).then(
      () => 'started',
      (error: GossipError) => error.code,
    );
    await transport.close();
    // A transport that starts at once has started; the others must say that they did not.
    assert.ok(['started', 'ERR_CLOSED'].includes(await started));
    await transport.close();
    await rejects(transport.send(kind.nobody, bytes(5, 0), SHARED), 'ERR_CLOSED');
  });

  within('flushes what it has accepted when it closes', async (start) => {
    const [a, b] = [await start(), await start()];
    const sends = Array.from({ length: 20 }, (_, i) => a.transport.send(b.address, bytes(50_000, i), SHARED));
    await a.transport.close();
    await Promise.all(sends);
    assert.equal((await b.host.frames(20)).length, 20);
  });

  if (!kind.lasting) return;

  within('tells when a peer it holds a connection to goes away, and not when it goes away itself', async (start) => {
    const [a, b, c] = [await start(), await start(), await start()];
    await a.transport.send(b.address, bytes(10, 0), SHARED);
    await a.transport.send(c.address, bytes(10, 0), SINGLE);
    await c.transport.send(a.address, bytes(10, 0), SHARED);
    await b.host.frames(1);
    await c.host.frames(1);
    await b.transport.close();
    await a.host.until(() => a.host.disconnections.length > 0, 'a disconnection');
    assert.deepEqual(a.host.disconnections, [b.address]);
    await c.transport.close();
    if (kind.twoWay) await a.host.until(() => a.host.disconnections.length > 1, 'another disconnection');
    await a.transport.close();
    assert.deepEqual(a.host.disconnections, kind.twoWay ? [b.address, c.address] : [b.address]);
    assert.deepEqual(b.host.disconnections, []);
    assert.deepEqual(c.host.disconnections, []);
  });
}

/** A frame that can be told from others: its first byte is `seed`, the rest follows from it. */
function bytes(length: number, seed: number): Uint8Array {
  const frame = new Uint8Array(length);
  for (let i = 0; i < length; i++) frame[i] = seed + i * 31;
  return frame;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
