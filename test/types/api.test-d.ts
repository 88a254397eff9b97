/** What the compiler promises about the public API: data types flow from a definition to every use, and wrong uses do not compile. */

import {
  type Cipher,
  type Clock,
  type Cluster,
  type ClusterEvent,
  type ClusterOptions,
  type Codec,
  type Compressor,
  createCluster,
  defineMessage,
  defineRequest,
  type GossipErrorCode,
  type Logger,
  type Member,
  type Message,
  type MessageType,
  type RequestType,
  type Schema,
  type Transport,
} from 'isogossip';
import { expectTypeOf, test } from 'vitest';

declare const cluster: Cluster;
declare const member: Member;
declare const transport: Transport;

const chat = defineMessage<{ text: string; at?: number }>(129);
const sum = defineRequest<{ a: number; b: number }, { sum: number }>(130);

test('a message carries its type to whoever hears it', () => {
  expectTypeOf(chat).toEqualTypeOf<MessageType<{ text: string; at?: number }>>();
  cluster.on(chat, ({ data, from, tag, direct }) => {
    expectTypeOf(data).toEqualTypeOf<{ text: string; at?: number }>();
    expectTypeOf(from).toEqualTypeOf<Member>();
    expectTypeOf(tag).toBeString();
    expectTypeOf(direct).toBeBoolean();
  });
  expectTypeOf(defineMessage(1)).toEqualTypeOf<MessageType<unknown>>();
  // @ts-expect-error: no such property
  cluster.on(chat, ({ data }) => data.txet);
  expectTypeOf(cluster.on(chat, async () => {})).toEqualTypeOf<() => void>();
});

test('only data of that type can be sent', () => {
  cluster.broadcast(chat, { text: 'hello' });
  cluster.broadcast(chat, { text: 'hello' }, { tag: 'web', reliable: true });
  void cluster.send(member, chat, { text: 'hello', at: 1 });
  void cluster.send(member.id, chat, { text: 'hello' }, { reliable: true });
  // @ts-expect-error: a wrong type
  cluster.broadcast(chat, { text: 1 });
  // @ts-expect-error: a missing property must not make the type of the message smaller
  cluster.broadcast(chat, {});
  // @ts-expect-error: nor one too many make it larger
  cluster.broadcast(chat, { text: '', more: 1 });
  // @ts-expect-error: data is not optional
  cluster.broadcast(chat);
  // @ts-expect-error
  void cluster.send(member, chat, {});
  // @ts-expect-error: a message of one member has no tag
  void cluster.send(member, chat, { text: '' }, { tag: 'web' });
  // @ts-expect-error: a request is no message
  cluster.broadcast('129', { text: '' });
});

test('a request carries both its types', () => {
  expectTypeOf(sum).toEqualTypeOf<RequestType<{ a: number; b: number }, { sum: number }>>();
  expectTypeOf(cluster.request(member, sum, { a: 1, b: 2 })).toEqualTypeOf<Promise<{ sum: number }>>();
  const { signal } = new AbortController();
  void cluster.request(member.id, sum, { a: 1, b: 2 }, { timeoutMs: 500, signal });
  // @ts-expect-error: half a question
  void cluster.request(member, sum, { a: 1 });
  // @ts-expect-error
  void cluster.request(member, sum, { a: 1, b: 2 }, { timeout: 500 });
});

test('a handler answers with what the request says', () => {
  cluster.handle(sum, ({ data, from, signal }) => {
    expectTypeOf(data).toEqualTypeOf<{ a: number; b: number }>();
    expectTypeOf(from).toEqualTypeOf<Member>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    return { sum: data.a + data.b };
  });
  cluster.handle(sum, async ({ data }) => ({ sum: data.a }));
  // @ts-expect-error: another type
  cluster.handle(sum, () => 'three');
  // @ts-expect-error: an empty answer must not make the type of the answer smaller
  cluster.handle(sum, () => ({}));
  // @ts-expect-error
  cluster.handle(sum, async () => ({}));
  // @ts-expect-error: no answer at all
  cluster.handle(sum, () => {});
});

test('a schema gives its type', () => {
  const schema = {
    '~standard': {
      version: 1,
      vendor: 'mine',
      validate: (value: unknown): { value: number } | { issues: { message: string; path?: string[] }[] } =>
        typeof value === 'number' ? { value } : { issues: [{ message: 'no', path: ['a'] }] },
    },
  } as const;
  expectTypeOf(defineMessage(129, schema)).toEqualTypeOf<MessageType<number>>();
  expectTypeOf(defineRequest(129, { request: schema, response: schema })).toEqualTypeOf<RequestType<number, number>>();
  expectTypeOf(schema).toExtend<Schema<number>>();
  // @ts-expect-error: a schema of another type
  defineMessage<string>(129, schema);
  // @ts-expect-error: not a schema
  defineMessage(129, { parse: () => 1 });
});

test('the type of an event tells what it has', () => {
  const told = (event: ClusterEvent) => {
    if (event.type === 'metadata') {
      expectTypeOf(event).toEqualTypeOf<{ readonly type: 'metadata'; readonly member: Member }>();
      // @ts-expect-error: a change of metadata has no previous state
      return event.previous;
    }
    if (event.type === 'resumed') {
      expectTypeOf(event.awayMs).toEqualTypeOf<number>();
      return event.member.state;
    }
    expectTypeOf(event.type).toEqualTypeOf<'joined' | 'state' | 'left' | 'removed'>();
    return event.previous;
  };
  for (const name of ['joined', 'state', 'metadata', 'left', 'removed', 'resumed'] as const) cluster.on(name, told);
  cluster.on('joined', ({ type, previous }) => {
    expectTypeOf(type).toEqualTypeOf<'joined'>();
    expectTypeOf(previous).toBeString();
  });
  cluster.on('message', (message) => expectTypeOf(message).toEqualTypeOf<Message<unknown>>());
  // @ts-expect-error: no such event
  cluster.on('arrived', () => {});
  expectTypeOf(cluster.events()).toExtend<AsyncIterable<ClusterEvent>>();
});

test('members and metadata cannot be written to', () => {
  // @ts-expect-error
  member.state = 'dead';
  // @ts-expect-error
  member.tags.push('x');
  // @ts-expect-error
  member.metadata.zone = 'eu';
  expectTypeOf<Member['state']>().toEqualTypeOf<'alive' | 'suspect' | 'leaving' | 'dead' | 'removed'>();
  expectTypeOf(member.metadata.zone).toBeUnknown();
  expectTypeOf(member.protocol).toEqualTypeOf<'native' | 'v1'>();
});

test('only the transport is required, and options are what they say', () => {
  expectTypeOf(createCluster).parameters.toEqualTypeOf<[options: ClusterOptions]>();
  expectTypeOf({ transport }).toExtend<ClusterOptions>();
  // @ts-expect-error
  void createCluster({});
  // @ts-expect-error: a key is not a cipher
  void createCluster({ transport, cipher: new Uint8Array(32) });
  // @ts-expect-error: an unknown option
  void createCluster({ transport, cypher: undefined });
  // @ts-expect-error: an unknown limit
  void createCluster({ transport, limits: { frameByteMax: 1 } });
  // @ts-expect-error
  void createCluster({ transport, preset: 'moon' });
  void createCluster({ transport, acceptVersion: (version) => version === '1' || 'only 1' });
  expectTypeOf(createCluster({ transport })).toEqualTypeOf<Promise<Cluster>>();
  expectTypeOf<Cluster>().toExtend<AsyncDisposable>();
});

test('every plug-in can be written by hand', () => {
  void createCluster({
    transport: {
      name: 'mine',
      datagramBytesMax: 0,
      carriage: (address) => (address === 'here' ? 'v1' : undefined),
      start: async (host) => {
        expectTypeOf(host.limits.frameBytesMax).toBeNumber();
        void host.receive(new Uint8Array(), { reliable: true });
        return 'here';
      },
      send: async (address, frame, { reliable, connection }) => {
        expectTypeOf(address).toBeString();
        expectTypeOf(frame).toEqualTypeOf<Uint8Array>();
        expectTypeOf(reliable).toBeBoolean();
        expectTypeOf(connection).toEqualTypeOf<'shared' | 'single'>();
      },
      request: async () => new Uint8Array(),
      close: async () => {},
    },
    codec: { name: 'mine', encode: () => new Uint8Array(), decode: (bytes) => bytes.length },
    cipher: {
      name: 'mine',
      overheadBytes: 0,
      keyring: { size: 1, add() {}, use() {}, remove() {} },
      seal: (plaintext) => plaintext,
      open: async (sealed) => (sealed.length > 0 ? sealed : undefined),
    },
    compressor: { name: 'mine', compress: (bytes) => bytes, decompress: (bytes) => bytes },
    clock: { epochMs: 0, now: () => 0, schedule: () => () => {} },
    logger: console,
  });
  expectTypeOf<Codec['name']>().toBeString();
  expectTypeOf<Compressor['name']>().toBeString();
  expectTypeOf<Cipher['overheadBytes']>().toBeNumber();
  expectTypeOf<ReturnType<Clock['schedule']>>().toEqualTypeOf<() => void>();
});

/** As pino types its loggers: levels of the application's own are taken from where the logger is used. */
type PinoLike<Levels extends string> = Record<
  'trace' | 'debug' | 'info' | 'warn' | 'error',
  { (fields: object, message?: string): void; (message: string, ...more: unknown[]): void }
> & { [level in Levels]: { (fields: object, message?: string): void; (message: string, ...more: unknown[]): void } };
declare function pinoLike<Levels extends string = never>(options?: { levels?: Levels }): PinoLike<Levels>;

test('console and pino are loggers where they stand', () => {
  void createCluster({ transport, logger: pinoLike() });
  const logger: Logger = pinoLike();
  expectTypeOf(logger).toExtend<Logger>();
  // @ts-expect-error: half a logger
  void createCluster({ transport, logger: { info() {} } });
});

test('the code of an error can be exhausted', () => {
  // @ts-expect-error: no such code
  const isOurs = (code: GossipErrorCode): boolean => code === 'ERR_TIMEOUT' || code === 'ERR_NOBODY';
  expectTypeOf(isOurs).parameter(0).toEqualTypeOf<GossipErrorCode>();
});
