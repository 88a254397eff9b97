/** Messages and requests as an application sends and hears them: types, schemas, handlers that fail, answers that are late. */
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import {
  type Cluster,
  defineMessage,
  defineRequest,
  type Member,
  type Message,
  type MessageType,
  type Schema,
} from '../../src/index.js';
import type { Transport } from '../../src/transport/transport.js';
import { Harness, recorder, settled } from './cluster-harness.js';

const chat = defineMessage<{ text: string }>(129);
const add = defineRequest<{ a: number; b: number }, number>(130);

/** A Standard Schema written by hand: numbers only, told at once or later. */
function numbers(delay?: () => Promise<void>): Schema<number> {
  const check = (value: unknown) =>
    typeof value === 'number' ? { value: value * 10 } : { issues: [{ message: `${typeof value} is no number` }] };
  const validate = delay ? async (value: unknown) => delay().then(() => check(value)) : check;
  return { '~standard': { version: 1, vendor: 'by hand', validate } };
}

const broken: Schema<number> = {
  '~standard': {
    version: 1,
    vendor: 'by hand',
    validate: () => {
      throw new Error('the schema is broken');
    },
  },
};

function heardBy(member: Cluster, type: MessageType<unknown> | 'message' = 'message'): unknown[] {
  const heard: unknown[] = [];
  member.on(type as 'message', ({ data }) => heard.push(data));
  return heard;
}

/** Where a handler threw. */
const HERE = expect.stringContaining('cluster-messages.test.ts');

const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe('broadcast', () => {
  test('reaches every other member once, with its sender', async () => {
    const h = new Harness();
    const members = await h.members(5);
    const heard: string[] = [];
    for (const member of members) {
      member.on(chat, ({ data, from, type, tag, direct }) => {
        expect([type, tag, direct]).toEqual([129, '', false]);
        heard.push(`${data.text} from ${from.address} at ${member.address}`);
      });
    }
    members[0]?.broadcast(chat, { text: 'hello' });
    members[3]?.broadcast(chat, { text: 'reliably' }, { reliable: true });
    await h.clock.advance(2000);
    expect(heard.sort()).toEqual(
      [
        ...['m1', 'm2', 'm3', 'm4'].map((at) => `hello from m0 at ${at}`),
        ...['m0', 'm1', 'm2', 'm4'].map((at) => `reliably from m3 at ${at}`),
      ].sort(),
    );
  });

  test('with a tag reaches only those that have it', async () => {
    const h = new Harness();
    const members = await h.members(4, (i) => (i % 2 ? { tags: ['odd', 'all'] } : { tags: ['all'] }));
    const heard: string[] = [];
    for (const member of members)
      member.on(chat, ({ data, tag }) => heard.push(`${member.address} ${data.text} ${tag}`));
    members[0]?.broadcast(chat, { text: 'to odd' }, { tag: 'odd' });
    members[1]?.broadcast(chat, { text: 'to all' }, { tag: 'all', reliable: true });
    members[1]?.broadcast(chat, { text: 'to nobody' }, { tag: 'even' });
    await h.clock.advance(2000);
    expect(heard.sort()).toEqual(['m0 to all all', 'm1 to odd odd', 'm2 to all all', 'm3 to all all', 'm3 to odd odd']);
  });

  test('all leave by the reliable carrier, which neighbours have open anyway', async () => {
    const h = new Harness();
    const transport = h.network.transport({ address: 'watched' });
    const sent: boolean[] = [];
    const a = await h.member({
      transport: {
        ...transport,
        send: (address, frame, options) => {
          if (frame.length > 100) sent.push(options.reliable);
          return transport.send(address, frame, options);
        },
      },
    });
    const b = await h.member();
    await h.within(b.join('watched'), 5000);
    await h.clock.advance(1000);
    const heard = heardBy(b);
    sent.length = 0;
    const text = 'x'.repeat(200);
    a.broadcast(chat, { text });
    a.broadcast(chat, { text }, { reliable: true });
    a.broadcast(chat, { text: 'y'.repeat(100_000) });
    await h.clock.advance(2);
    await h.clock.advance(10);
    expect(sent.every((reliable) => reliable)).toBe(true);
    expect(heard).toHaveLength(3);
  });

  test('a sender that is faster than its carrier waits, or is refused, and nothing is lost in silence', async () => {
    const h = new Harness();
    const transport = h.network.transport({ address: 'watched' });
    let stalled = false;
    let frames = 0;
    const held: (() => void)[] = [];
    const a = await h.member({
      limits: { broadcastQueueBytesMax: 400_000 },
      transport: {
        ...transport,
        send: async (address, frame, options) => {
          if (stalled && frame.length > 100) {
            frames++;
            await new Promise<void>((resolve) => held.push(resolve));
          }
          return transport.send(address, frame, options);
        },
      },
    });
    const b = await h.member();
    await h.within(b.join('watched'), 5000);
    await h.clock.advance(1000);
    const heard = heardBy(b);
    const text = 'x'.repeat(70_000);
    let waiting = 0;
    const send = async () => {
      waiting++;
      await a.broadcast(chat, { text });
      waiting--;
    };
    await send();
    expect(waiting).toBe(0);
    await h.clock.advance(2);
    stalled = true;
    const sent = [send(), send(), send(), send(), send()];
    await h.clock.advance(2);
    // The first went out below a quarter of the limit, and the others wait.
    expect([frames, waiting]).toEqual([5, 4]);
    await expect(a.broadcast(chat, { text })).rejects.toEqual(code('ERR_OVERLOADED'));
    // Nobody looks at this one.
    a.broadcast(chat, { text });
    expect(a.stats()).toMatchObject({ broadcastsSent: 6, broadcastsRefused: 2, broadcastsUnsentBytes: 5 * 70_011 });
    for (const release of held) release();
    await Promise.all(sent);
    expect(heard).toHaveLength(6);
    stalled = false;
    await a.broadcast(chat, { text });
    await h.clock.advance(2);
    expect(heard).toHaveLength(7);
    expect(a.stats().broadcastsUnsentBytes).toBe(0);
  });

  test('data of every kind arrives as it was; nothing arrives as null', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const heard = heardBy(b);
    const any = defineMessage(200);
    const kinds = [true, -1.5, 'ü', 2n ** 63n, new Uint8Array([1, 2]), new Date(7), [null, [1]], { a: { b: 1 } }, null];
    for (const data of [...kinds, undefined]) a.broadcast(any, data);
    await h.clock.advance(10);
    expect(heard).toEqual([...kinds, null]);
  });

  test.each([{ frameBytesMax: 10_000 }, { decompressedBytesMax: 10_000 }])(
    'what cannot be sent is refused at the caller, by name, and nothing is sent: %o',
    async (limits) => {
      const h = new Harness();
      const [a, b] = await h.pair({ limits });
      const before = a.stats().framesSent;
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      const any = defineMessage(200);
      for (const data of [() => {}, Symbol('s'), new Map(), cycle, 2n ** 64n]) {
        expect(() => a.broadcast(any, data)).toThrow(code('ERR_CODEC'));
        await expect(a.send(b.id, any, data)).rejects.toEqual(code('ERR_CODEC'));
      }
      const large = new Uint8Array(8000);
      const tooLarge = expect.objectContaining({
        code: 'ERR_TOO_LARGE',
        message: expect.stringMatching(/limits.frameBytesMax or decompressedBytesMax/),
      });
      expect(() => a.broadcast(any, large)).toThrow(tooLarge);
      await expect(a.send(b.id, any, large)).rejects.toEqual(tooLarge);
      await expect(a.request(b.id, defineRequest(201), large)).rejects.toEqual(tooLarge);
      expect(() => a.broadcast(any, 1, { tag: 'x'.repeat(2000) })).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringContaining('limits.stringBytesMax') }),
      );
      expect(a.stats().framesSent).toBe(before);
      const heard = heardBy(b);
      a.broadcast(any, new Uint8Array(7900));
      await h.clock.advance(2);
      expect(heard).toEqual([new Uint8Array(7900)]);
    },
  );

  test('a codec that throws something of its own is reported as the codec', async () => {
    const h = new Harness();
    const encode = (value: unknown) => {
      if (value === 'bad') throw new TypeError('what is this');
      return new TextEncoder().encode(JSON.stringify(value));
    };
    const decode = (bytes: Uint8Array) => {
      const text = new TextDecoder().decode(bytes);
      if (text === '"poison"') throw new TypeError('cannot read this');
      return JSON.parse(text);
    };
    const [a, b] = await h.pair({ codec: { name: 'mine', encode, decode } });
    const any = defineMessage(200);
    const ask = defineRequest<unknown, unknown>(201);
    const refused = expect.objectContaining({ code: 'ERR_CODEC', message: 'mine: what is this' });
    expect(() => a.broadcast(any, 'bad')).toThrow(refused);
    expect(() => a.setMetadata({ toJSON: () => 'poison' })).toThrow(code('ERR_CODEC'));
    const heard = heardBy(b);
    a.broadcast(any, 'poison');
    a.broadcast(any, 'good');
    a.broadcast(any, undefined);
    await h.clock.advance(2);
    expect(heard).toEqual(['good', null]);
    expect(b.stats().payloadsNotDecoded).toBe(1);
    b.handle(ask, ({ data }) => data);
    await expect(a.request(b.id, ask, 'poison')).rejects.toEqual(code('ERR_HANDLER'));
    expect(b.stats().payloadsNotDecoded).toBe(2);
    b.handle(defineRequest(202), () => 'poison');
    await expect(a.request(b.id, defineRequest(202), 1)).rejects.toEqual(code('ERR_CODEC'));
  });
});

describe('send', () => {
  test('reaches one member, by object or id, with or without a reliable carrier', async () => {
    const h = new Harness();
    const [a, b, c] = (await h.members(3)) as [Cluster, Cluster, Cluster];
    const [atB, atC] = [heardBy(b, chat), heardBy(c)];
    const seen: Message<unknown>[] = [];
    b.on('message', (message) => seen.push(message));
    await a.send(b.self, chat, { text: '1' });
    await a.send(b.id, chat, { text: '2' }, { reliable: true });
    await a.send(b.id.toUpperCase(), chat, { text: '3' });
    await h.clock.advance(2);
    expect(atB).toEqual([{ text: '1' }, { text: '2' }, { text: '3' }]);
    expect(atC).toEqual([]);
    expect(seen[0]).toEqual({ type: 129, data: { text: '1' }, from: b.member(a.id), tag: '', direct: true });
  });

  test('and request refuse whom they cannot reach: strangers, ourselves, the dead, and what is no id', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const id = b.id;
    await b.close();
    await h.until(() => a.member(id)?.state === 'dead', 60_000);
    const before = a.stats().framesSent;
    for (const to of ['01900000-0000-7000-8000-00000000000f', a.id, id, 'm1', '']) {
      await expect(a.send(to, chat, { text: '' })).rejects.toEqual(code('ERR_UNKNOWN_MEMBER'));
      await expect(a.request(to, add, { a: 1, b: 1 })).rejects.toEqual(code('ERR_UNKNOWN_MEMBER'));
    }
    expect(a.stats()).toMatchObject({ framesSent: before, requestsPending: 0 });
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('no route'))],
    [
      'throws',
      () => {
        throw new Error('no route');
      },
    ],
  ])('rejects when the carrier %s, and nothing else is harmed', async (_, fail) => {
    const h = new Harness();
    const transport = h.network.transport({ address: 'm0' });
    let failing = false;
    const wrapped: Transport = { ...transport, send: (...args) => (failing ? fail() : transport.send(...args)) };
    const [a, b] = (await h.members(2, (i) => (i === 0 ? { transport: wrapped } : {}))) as [Cluster, Cluster];
    failing = true;
    await expect(a.send(b.id, chat, { text: '' })).rejects.toMatchObject({
      code: 'ERR_UNREACHABLE',
      message: 'no route',
    });
    await expect(a.request(b.id, add, { a: 1, b: 1 })).rejects.toEqual(code('ERR_UNREACHABLE'));
    a.broadcast(chat, { text: '' });
    await h.clock.advance(2);
    expect(a.stats().sendsFailed).toBeGreaterThanOrEqual(3);
    failing = false;
    const heard = heardBy(b);
    await a.send(b.id, chat, { text: 'again' });
    await h.clock.advance(2);
    expect(heard).toEqual([{ text: 'again' }]);
  });
});

describe('schemas', () => {
  test.each([
    ['at once', undefined],
    ['later', () => settled()],
  ])(
    'that answer %s give the handler what they made of the data; the rest is dropped and counted',
    async (_, delay) => {
      const h = new Harness();
      const [a, b] = await h.pair();
      const logger = recorder();
      const c = await h.member({ logger });
      await h.within(c.join('m0'), 5000);
      await h.clock.advance(1000);
      const checked = defineMessage(300, numbers(delay));
      const raw = defineMessage(300);
      const [atB, atC, unchecked] = [heardBy(b, checked), heardBy(c, checked), heardBy(c)];
      for (const data of ['text', 1, null, 2]) a.broadcast(raw, data);
      await h.clock.advance(2);
      await h.clock.advance(2);
      await h.clock.advance(2);
      expect([atB, atC]).toEqual([
        [10, 20],
        [10, 20],
      ]);
      expect(unchecked).toEqual(['text', 1, null, 2]);
      expect(c.stats().messagesInvalid).toBe(2);
      const told = logger.lines.filter((line) => line.includes('messagesInvalid'));
      expect(told).toEqual(['warn: isogossip: dropped: messagesInvalid (told once, counted in stats)']);
      expect(logger.fields[logger.lines.indexOf(told[0] as string)]).toEqual({
        detail: 'type 300: string is no number',
      });
    },
  );

  test('that throw or reject refuse', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const later = numbers(() => Promise.reject(new Error('no database')));
    const heard = [heardBy(b, defineMessage(300, broken)), heardBy(b, defineMessage(300, later))];
    a.broadcast(defineMessage(300), 1);
    await h.clock.advance(2);
    expect(heard).toEqual([[], []]);
    expect(b.stats()).toMatchObject({ messagesInvalid: 2 });
    expect(b.stats().handlersFailed ?? 0).toBe(0);
  });

  test('check the question where it is answered and the answer where it was asked', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const checked = defineRequest(301, { request: numbers(), response: numbers(() => settled()) });
    const raw = defineRequest(301);
    const asked: unknown[] = [];
    let answer: unknown = 1;
    b.handle(checked, ({ data }) => {
      asked.push(data);
      return answer as number;
    });
    expect(await a.request(b.id, checked, 7)).toBe(10);
    await expect(a.request(b.id, raw, 'seven')).rejects.toEqual(code('ERR_HANDLER'));
    expect(asked).toEqual([70]);
    expect(b.stats()).toMatchObject({ requestsInvalid: 1 });
    expect(b.stats().handlersFailed ?? 0).toBe(0);
    answer = 'one';
    expect(await a.request(b.id, raw, 7)).toBe('one');
    await expect(a.request(b.id, checked, 7)).rejects.toMatchObject({
      code: 'ERR_INVALID_DATA',
      message: 'string is no number',
    });
    const mine = defineRequest(301, { response: broken });
    await expect(a.request(b.id, mine, 7)).rejects.toMatchObject({
      code: 'ERR_INVALID_DATA',
      message: 'the schema is broken',
    });
  });
});

describe('handlers', () => {
  test('that throw or reject, whatever they throw, are reported and harm nobody', async () => {
    const h = new Harness();
    const logger = recorder();
    const [a, b] = await h.pair({}, { logger });
    const poison = Object.create(null);
    const thrown: unknown[] = [new Error('one'), 'two', undefined, poison];
    for (const error of thrown) {
      b.on(chat, () => {
        throw error;
      });
      b.on(chat, () => Promise.reject(error));
    }
    b.on('message', () => {
      throw new Error('by name');
    });
    b.on('metadata', async () => {
      throw new Error('metadata');
    });
    const heard = heardBy(b, chat);
    const byName = heardBy(b);
    a.broadcast(chat, { text: 'x' });
    a.setMetadata({ x: 1 });
    await h.clock.advance(1000);
    expect(heard).toEqual([{ text: 'x' }]);
    expect(byName).toEqual([{ text: 'x' }]);
    expect(b.stats().handlersFailed).toBe(10);
    const errors = logger.lines.flatMap((line, i) => (line.startsWith('error') ? [logger.fields[i]] : []));
    expect(errors).toHaveLength(10);
    expect(errors).toContainEqual({ handler: 129, error: 'one', stack: HERE });
    expect(errors).toContainEqual({ handler: 129, error: 'two' });
    expect(errors).toContainEqual({ handler: 'message', error: 'by name', stack: HERE });
    expect(errors).toContainEqual({ handler: 'metadata', error: 'metadata', stack: HERE });
    expect(a.member(b.id)?.state).toBe('alive');
  });

  test('are called in the order they were added, each as often, until it is removed', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const heard: string[] = [];
    const twice = () => heard.push('twice');
    const stopFirst = b.on(chat, twice);
    b.on(chat, () => {
      heard.push('stops the last');
      stopLast();
    });
    b.on(chat, twice);
    const stopLast = b.on(chat, () => heard.push('last'));
    a.broadcast(chat, { text: '' });
    await h.clock.advance(2);
    expect(heard).toEqual(['twice', 'stops the last', 'twice']);
    heard.length = 0;
    stopFirst();
    stopFirst();
    a.broadcast(chat, { text: '' });
    await h.clock.advance(2);
    expect(heard).toEqual(['stops the last', 'twice']);
  });

  test('hear nothing after leaving', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const heard = heardBy(b);
    const leaving = b.leave();
    a.broadcast(chat, { text: 'late' });
    await leaving;
    await h.clock.advance(2);
    expect(heard).toEqual([]);
  });

  test('may ask back from inside a message', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    b.handle(add, ({ data }) => data.a + data.b);
    const sums: number[] = [];
    a.on(chat, async ({ from }) => {
      sums.push(await a.request(from, add, { a: 2, b: 3 }));
    });
    b.broadcast(chat, { text: 'ask me' });
    await h.clock.advance(2);
    expect(sums).toEqual([5]);
  });
});

describe('requests', () => {
  test('are answered at once or later, with whoever asked', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const askers: Member[] = [];
    const stop = b.handle(add, ({ data, from, signal }) => {
      askers.push(from);
      expect(signal.aborted).toBe(false);
      return data.a + data.b;
    });
    expect(await a.request(b.id, add, { a: 1, b: 2 })).toBe(3);
    expect(askers).toEqual([b.member(a.id)]);
    stop();
    b.handle(add, async ({ data }) => {
      await h.clock.advance(2);
      return data.a * 100 + data.b;
    });
    expect(await a.request(b.self, add, { a: 2, b: 2 })).toBe(202);
    expect(await Promise.all([1, 2, 3].map((n) => a.request(b.id, add, { a: n, b: n })))).toEqual([101, 202, 303]);
    expect(a.stats().requestsPending).toBe(0);
    expect(b.stats().requestsIncoming).toBe(0);
  });

  test('an undefined answer arrives as null', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    b.handle(defineRequest(301), () => undefined);
    expect(await a.request(b.id, defineRequest(301), undefined)).toBe(null);
  });

  test('have one handler a type; its stop() removes it and never its successor', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const stop = b.handle(add, () => 1);
    expect(() => b.handle(add, () => 2)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', message: 'requests of type 130 have a handler already' }),
    );
    stop();
    await expect(a.request(b.id, add, { a: 1, b: 1 })).rejects.toEqual(code('ERR_NO_HANDLER'));
    expect(b.stats().requestsWithoutHandler).toBe(1);
    b.handle(add, () => 3);
    stop();
    expect(await a.request(b.id, add, { a: 1, b: 1 })).toBe(3);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no sums today');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no sums today'))],
  ])('end in ERR_HANDLER when the handler %s', async (_, handler) => {
    const h = new Harness();
    const logger = recorder();
    const [a, b] = await h.pair({}, { logger });
    b.handle(add, handler);
    await expect(a.request(b.id, add, { a: 1, b: 1 })).rejects.toEqual(code('ERR_HANDLER'));
    expect(b.stats().handlersFailed).toBe(1);
    expect(logger.lines.at(-1)).toBe('error: isogossip: a handler failed');
    expect(logger.fields.at(-1)).toEqual({ handler: 130, error: 'no sums today', stack: HERE });
  });

  test.each([
    ['no encoding', () => Symbol('x')],
    ['no room in a frame', () => new Uint8Array(9000)],
  ])('end in ERR_HANDLER when the answer has %s', async (_, answer) => {
    const h = new Harness();
    const [a, b] = await h.pair({ limits: { frameBytesMax: 10_000 } });
    b.handle(defineRequest(301), answer);
    await expect(a.request(b.id, defineRequest(301), 1)).rejects.toEqual(code('ERR_HANDLER'));
    expect(b.stats().handlersFailed).toBe(1);
  });

  test('time out, by their own deadline or the cluster’s; a late reply is ignored', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ requestTimeoutMs: 3000 }, {});
    const answers: ((sum: number) => void)[] = [];
    b.handle(add, () => new Promise<number>((resolve) => answers.push(resolve)));
    const outcomes: string[] = [];
    const ask = (label: string, timeoutMs?: number) =>
      void a.request(b.id, add, { a: 1, b: 1 }, timeoutMs === undefined ? {} : { timeoutMs }).catch((error) => {
        outcomes.push(`${label} ${error.code}`);
      });
    ask('default');
    ask('short', 500);
    await h.clock.advance(499);
    expect(outcomes).toEqual([]);
    await h.clock.advance(2);
    expect(outcomes).toEqual(['short ERR_TIMEOUT']);
    answers[1]?.(2);
    await h.clock.advance(2);
    expect(a.stats()).toMatchObject({ repliesNobodyAskedFor: 1, requestsPending: 1 });
    await h.clock.advance(3000);
    expect(outcomes).toEqual(['short ERR_TIMEOUT', 'default ERR_TIMEOUT']);
    expect(a.stats().requestsPending).toBe(0);
  });

  test('a deadline that is none is refused', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    for (const timeoutMs of [0, -1, Number.NaN]) {
      await expect(a.request(b.id, add, { a: 1, b: 1 }, { timeoutMs })).rejects.toMatchObject({
        code: 'ERR_OPTION',
        message: expect.stringContaining('timeoutMs'),
      });
    }
    b.handle(add, () => 5);
    expect(await a.request(b.id, add, { a: 1, b: 1 }, { timeoutMs: Number.POSITIVE_INFINITY })).toBe(5);
  });

  test('a handler that never answers is told by its signal, reported and let go', async () => {
    const h = new Harness();
    const logger = recorder();
    const [a, b] = await h.pair({ requestTimeoutMs: 1000 }, { requestTimeoutMs: 1000, logger });
    let signal: AbortSignal | undefined;
    b.handle(add, (question) => {
      signal = question.signal;
      return new Promise(() => {});
    });
    const asked = a.request(b.id, add, { a: 1, b: 1 }, { timeoutMs: 5000 }).catch((error) => error);
    await h.clock.advance(2);
    expect(b.stats().requestsIncoming).toBe(1);
    await h.clock.advance(1001);
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toMatchObject({ code: 'ERR_TIMEOUT' });
    expect(await asked).toEqual(code('ERR_HANDLER'));
    expect(b.stats()).toMatchObject({ requestsIncoming: 0, handlersFailed: 1 });
    expect(logger.lines.at(-1)).toBe('error: isogossip: a handler failed');
  });

  test('a signal ends them, before or during; the reply that comes later is ignored', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    let answer: (sum: number) => void = () => {};
    b.handle(add, () => new Promise<number>((resolve) => (answer = resolve)));
    const before = a.stats().framesSent;
    const why = new Error('changed my mind');
    await expect(a.request(b.id, add, { a: 1, b: 1 }, { signal: AbortSignal.abort(why) })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: why,
    });
    expect(a.stats().framesSent).toBe(before);
    const controller = new AbortController();
    const asked = a.request(b.id, add, { a: 1, b: 1 }, { signal: controller.signal });
    await h.clock.advance(2);
    controller.abort(why);
    await expect(asked).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: why });
    expect(a.stats().requestsPending).toBe(0);
    answer(2);
    await h.clock.advance(2);
    expect(a.stats().repliesNobodyAskedFor).toBe(1);
  });

  test('a signal that fires after the answer changes nothing', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    b.handle(add, ({ data }) => data.a + data.b);
    const controller = new AbortController();
    expect(await a.request(b.id, add, { a: 1, b: 1 }, { signal: controller.signal })).toBe(2);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    await h.clock.advance(2);
    expect(a.member(b.id)?.state).toBe('alive');
  });

  test('are rejected when the asked one dies, and when we leave', async () => {
    const h = new Harness();
    const [a, b] = await h.pair();
    const reasons: unknown[] = [];
    const signals: AbortSignal[] = [];
    b.handle(add, ({ signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    });
    const dying = a.request(b.id, add, { a: 1, b: 1 }, { timeoutMs: 100_000 }).catch((error) => error);
    await h.clock.advance(2);
    await b.close();
    expect(signals[0]?.reason).toEqual(code('ERR_CLOSED'));
    expect(await h.within(dying, 60_000)).toEqual(code('ERR_UNREACHABLE'));

    const c = await h.member();
    await h.within(c.join('m0'), 5000);
    await h.clock.advance(1000);
    c.handle(add, () => new Promise(() => {}));
    const pending = a.request(c.id, add, { a: 1, b: 1 }).catch((error) => reasons.push(error));
    await h.clock.advance(2);
    await a.leave();
    await pending;
    expect(reasons).toEqual([code('ERR_CLOSED')]);
  });

  test('leaving while a handler is at work is no failure of the handler', async () => {
    const h = new Harness();
    const logger = recorder();
    const [a, b] = await h.pair({}, { logger });
    let answer: (sum: number) => void = () => {};
    b.handle(add, () => new Promise<number>((resolve) => (answer = resolve)));
    const asked = a.request(b.id, add, { a: 1, b: 1 }, { timeoutMs: 500 }).catch((error) => error.code);
    await h.clock.advance(2);
    await b.leave();
    answer(1);
    await h.clock.advance(2);
    expect(b.stats().handlersFailed ?? 0).toBe(0);
    expect(logger.lines.filter((line) => line.startsWith('error'))).toEqual([]);
    await h.clock.advance(600);
    expect(await asked).toBe('ERR_TIMEOUT');
  });

  test('have a limit on both sides', async () => {
    const h = new Harness();
    const [a, b] = await h.pair({ limits: { pendingRequestsMax: 3 } }, { limits: { incomingRequestsMax: 2 } });
    b.handle(add, () => new Promise(() => {}));
    const codes: string[] = [];
    for (let n = 0; n < 4; n++) {
      a.request(b.id, add, { a: n, b: n }, { timeoutMs: 1000 }).catch((error) => codes.push(error.code));
      await h.clock.advance(2);
    }
    expect(codes).toEqual(['ERR_OVERLOADED']);
    expect(a.stats()).toMatchObject({ requestsOverLimit: 1, requestsPending: 3 });
    expect(b.stats()).toMatchObject({ incomingRequestsOverLimit: 1, requestsIncoming: 2 });
    await h.clock.advance(1000);
    expect(codes).toEqual(['ERR_OVERLOADED', 'ERR_TIMEOUT', 'ERR_TIMEOUT', 'ERR_TIMEOUT']);
  });
});

test('what no kind of message is cannot be sent, heard or answered', async () => {
  const h = new Harness();
  const [a, b] = await h.pair();
  for (const none of ['chat', 500, {}, { type: 1.5 }, { type: 65_536 }] as never[]) {
    const wrong = code('ERR_OPTION');
    expect(() => a.broadcast(none, 1)).toThrow(wrong);
    expect(() => a.handle(none, () => 1)).toThrow(wrong);
    if (none !== 'chat') expect(() => a.on(none, () => {})).toThrow(wrong);
    await expect(a.send(b.id, none, 1)).rejects.toEqual(wrong);
    await expect(a.request(b.id, none, 1)).rejects.toEqual(wrong);
  }
  for (const nobody of [undefined, null, {}] as never[])
    await expect(a.send(nobody, chat, { text: 'hello' })).rejects.toEqual(code('ERR_UNKNOWN_MEMBER'));
});
