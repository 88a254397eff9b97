/** Options: defaults, presets, and errors that name the option and the way out. */
import { describe, expect, test } from 'vitest';
import { type ClusterOptions, createCluster, DEFAULT_LIMITS, PRESETS } from '../../src/index.js';
import { resolveOptions } from '../../src/options.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { webSocketTransport } from '../../src/transport/websocket.js';

const transport = createMemoryNetwork().transport();
const resolve = (options: Partial<ClusterOptions> = {}) => resolveOptions({ transport, ...options });

test('a transport is all that is needed; the rest is as documented', () => {
  const resolved = resolve();
  expect(resolved).toMatchObject({
    transport,
    codec: { name: 'msgpack' },
    compressBytesMin: 256,
    tags: [],
    metadata: {},
    applicationVersion: '',
    requestTimeoutMs: 10_000,
    timing: PRESETS.lan,
    limits: DEFAULT_LIMITS,
  });
  expect(resolved.acceptVersion('any')).toBe(true);
  for (const name of ['cipher', 'compressor', 'v1', 'logger', 'signal'] as const)
    expect(resolved[name]).toBeUndefined();
  expect(resolved.clock.now()).toBeGreaterThan(0);
  expect(Math.abs(resolved.clock.epochMs + resolved.clock.now() - Date.now())).toBeLessThan(1000);
});

test('an option that is undefined or null is as good as none', () => {
  const names = ['codec', 'cipher', 'compressBytesMin', 'id', 'tags', 'metadata', 'applicationVersion', 'preset'];
  const more = ['acceptVersion', 'timing', 'limits', 'logger', 'requestTimeoutMs', 'clock', 'seed', 'v1', 'signal'];
  const nothing = Object.fromEntries([...names, ...more].map((name) => [name, undefined]));
  const { id, seed, clock, acceptVersion, codec, ...same } = resolve(nothing);
  expect(resolve()).toMatchObject(same);
  const nulls = Object.fromEntries([...names, ...more].map((name) => [name, null]));
  expect(resolve(nulls as never)).toMatchObject({
    tags: [],
    metadata: {},
    timing: PRESETS.lan,
    limits: DEFAULT_LIMITS,
  });
  expect(resolve({ limits: { tagsMax: undefined }, timing: { seedRetryMs: undefined } } as never)).toMatchObject({
    limits: DEFAULT_LIMITS,
    timing: PRESETS.lan,
  });
});

test('a logger may be a function that has methods, as some libraries make it', () => {
  const logger = Object.assign(() => {}, { debug() {}, info() {}, warn() {}, error() {} });
  expect(resolve({ logger }).logger).toBe(logger);
});

test('each member has an id and a seed of its own; a given id is brought to its canonical form', () => {
  const many = Array.from({ length: 1000 }, () => resolve());
  expect(new Set(many.map(({ id }) => id)).size).toBe(1000);
  expect(new Set(many.map(({ seed }) => seed)).size).toBe(1000);
  for (const { id } of many)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(resolve({ id: '01900000-0000-7000-8000-00000000ABCD' }).id).toBe('01900000-0000-7000-8000-00000000abcd');
});

test('tags and metadata are not the application’s objects', () => {
  const tags = ['a'];
  const resolved = resolve({ tags });
  tags.push('b');
  expect(resolved.tags).toEqual(['a']);
});

test.each(['local', 'lan', 'wan'] as const)(
  'the preset %s holds what must hold, and single values go over it',
  (preset) => {
    const { timing } = resolve({ preset, timing: { indirectProbes: 7 } });
    expect(timing).toEqual({ ...PRESETS[preset], indirectProbes: 7 });
    expect(timing.probeTimeoutMs).toBeLessThan(timing.probeIntervalMs);
    expect(timing.gossipIntervalMs).toBeLessThanOrEqual(timing.probeIntervalMs);
    expect(timing.leavingTimeoutMs).toBeLessThan(timing.tombstoneMs);
    expect(Object.keys(timing).sort()).toEqual(Object.keys(PRESETS.lan).sort());
  },
);

describe('a mistake is named with the way out', () => {
  const cases: [string, Partial<ClusterOptions> | Record<string, unknown>, RegExp][] = [
    ['no transport', { transport: undefined }, /^option transport is missing: pass socketTransport/],
    ['an unknown preset', { preset: 'moon' }, /^option preset moon is unknown; there are lan, local, wan$/],
    ['an id that is none', { id: 'me' }, /^option id is "me", not a UUID$/],
    [
      'too many tags',
      { tags: ['a', 'b'], limits: { tagsMax: 1 } },
      /^option tags has 2 entries, above limits.tagsMax \(1\)$/,
    ],
    ['an empty tag', { tags: [''] }, /^option tags must be non-empty strings$/],
    ['a tag that is no string', { tags: [1] }, /^option tags must be non-empty strings$/],
    ['a long tag', { tags: ['ü'.repeat(513)] }, /^option tags .* limits.stringBytesMax \(1024 bytes\)$/],
    ['a long version', { applicationVersion: 'x'.repeat(1025) }, /^option applicationVersion .* limits.stringBytesMax/],
    ['no time to answer', { requestTimeoutMs: 0 }, /^option requestTimeoutMs is 0; it must be a number above 0$/],
    ['a text for a number', { requestTimeoutMs: '5' }, /^option requestTimeoutMs must be of type number$/],
    ['an option that is not there', { ciper: {} }, /^option ciper is unknown; there are .*cipher, /],
    ['a plug-in that was not called', { compressor: () => {} }, /^option compressor must be of type object$/],
    ['one text for a list', { tags: 'web' }, /^option tags must be of type object$/],
    ['a function that is no logger', { logger: () => {} }, /^option logger must be of type object$/],
    ['a text for metadata', { metadata: 'zone=eu' }, /^option metadata must be of type object$/],
    ['a version for a function', { acceptVersion: '1' }, /^option acceptVersion must be of type function$/],
    ['an id that is no text', { id: 7 }, /^option id must be of type string$/],
    ['a negative size', { compressBytesMin: -1 }, /^option compressBytesMin is -1; it must be a number of bytes$/],
    [
      'a limit of nothing',
      { limits: { membersMax: 0 } },
      /^option limits.membersMax is 0; it must be a number above 0$/,
    ],
    ['a limit that is no number', { limits: { depthMax: Number.NaN } }, /^option limits.depthMax is NaN; it must be/],
    [
      'a limit that is not there',
      { limits: { memberMax: 1 } },
      /^option limits.memberMax is unknown; there are .*membersMax/,
    ],
    ['a timing of nothing', { timing: { probeIntervalMs: -5 } }, /^option timing.probeIntervalMs is -5; it must be/],
    [
      'a timing that is not there',
      { timing: { pingMs: 5 } },
      /^option timing.pingMs is unknown; there are .*probeIntervalMs/,
    ],
    [
      'a probe that outlasts its interval',
      { timing: { probeTimeoutMs: 1000 } },
      /^option timing.probeTimeoutMs .* timing.probeIntervalMs/,
    ],
    [
      'a datagram above a frame',
      { limits: { frameBytesMax: 1000 } },
      /^option limits.datagramBytesMax .* limits.frameBytesMax/,
    ],
  ];
  test.each(cases)('%s', async (_, options, message) => {
    const error = expect.objectContaining({
      name: 'GossipError',
      code: 'ERR_OPTION',
      message: expect.stringMatching(message),
    });
    expect(() => resolve(options as Partial<ClusterOptions>)).toThrow(error);
    await expect(createCluster({ transport, ...options } as ClusterOptions)).rejects.toEqual(error);
  });

  test.each([[['zone']], [new Map([['zone', 'eu']])], [new Uint8Array(4)]])(
    'metadata %j, of which others would take nothing',
    async (metadata) => {
      const member = createCluster({ transport, metadata: metadata as never });
      await expect(member).rejects.toMatchObject({
        code: 'ERR_OPTION',
        message: 'option metadata must be an object with keys',
      });
    },
  );

  test('no options at all', () => {
    expect(() => resolveOptions(undefined as never)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });
});

test('a leaf takes a list of gateways, and says so', () => {
  for (const gateways of [[], 'wss://gateway/'])
    expect(() => webSocketTransport({ gateways: gateways as never })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', message: 'pass gateways: a list of URLs' }),
    );
});

test('after an error nothing is left open: the same transport starts', async () => {
  const network = createMemoryNetwork();
  const own = network.transport({ address: 'own' });
  await expect(createCluster({ transport: own, id: 'me' })).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await expect(createCluster({ transport: own, metadata: { text: 'x'.repeat(100_000) } })).rejects.toMatchObject({
    code: 'ERR_TOO_LARGE',
  });
  const started = network.transport({ address: 'own' });
  await expect(createCluster({ transport: started, signal: new AbortController() as never })).rejects.toThrow(
    'addEventListener',
  );
  await using first = await createCluster({ transport: own });
  await expect(createCluster({ transport: network.transport({ address: 'own' }) })).rejects.toMatchObject({
    code: 'ERR_ADDRESS_IN_USE',
  });
  expect(first.address).toBe('own');
});
