/** Sealed clusters: who has no key stays outside, keys are replaced under traffic, a slow cipher keeps the order. */
import { describe, expect, test } from 'vitest';
import { aesGcm } from '../../src/cipher/aes-gcm.js';
import { aesGcm as aesGcmNode } from '../../src/cipher/aes-gcm.node.js';
import type { Cipher } from '../../src/cipher/cipher.js';
import { secretbox } from '../../src/cipher/secretbox.js';
import { deflate } from '../../src/compressor/deflate.js';
import { snappy } from '../../src/compressor/snappy.js';
import { Random } from '../../src/core/random.js';
import { type Cluster, createCluster, defineMessage, defineRequest } from '../../src/index.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { Harness, recorder } from './cluster-harness.js';

const count = defineMessage<number>(129);
const echo = defineRequest<unknown, unknown>(130);
const key = (fill: number) => new Uint8Array(32).fill(fill);

const ciphers = [
  ['aes-gcm under Node', aesGcmNode],
  ['secretbox', secretbox],
] as const;

describe.each(ciphers)('%s', (_, make) => {
  test('keys are replaced while messages flow, and none is lost', async () => {
    const h = new Harness();
    const ring = [make([key(1)]), make([key(1)]), make([key(1)])] as const;
    const members = await h.members(3, (i) => ({ cipher: ring[i] as Cipher }));
    const heard = members.map(() => new Map<string, number[]>());
    for (const [i, member] of members.entries()) {
      member.on(count, ({ data, from }) => {
        heard[i]?.set(from.address, [...(heard[i]?.get(from.address) ?? []), data]);
      });
      member.handle(echo, ({ data }) => data);
    }
    let sent = 0;
    const traffic = async () => {
      sent++;
      for (const member of members) member.broadcast(count, sent);
      expect(await members[0]?.request(members[1]?.id as string, echo, sent)).toBe(sent);
      await h.clock.advance(250);
    };
    const steps: ((cipher: Cipher) => void)[] = [
      (cipher) => cipher.keyring.add(key(2)),
      (cipher) => cipher.keyring.use(key(2)),
      (cipher) => cipher.keyring.remove(key(1)),
    ];
    await traffic();
    for (const step of steps) {
      for (const cipher of ring) {
        step(cipher);
        await traffic();
      }
    }
    await traffic();
    await h.clock.advance(2000);
    const all = Array.from({ length: sent }, (__, i) => i + 1);
    for (const [i, member] of members.entries()) {
      const others = members.filter((other) => other !== member).map(({ address }) => address);
      expect([...(heard[i] ?? [])].sort()).toEqual(others.map((address) => [address, all]));
      expect(member.stats().framesNotOpened ?? 0).toBe(0);
      expect(member.members().every(({ state }) => state === 'alive')).toBe(true);
    }
    // The old key is worth nothing now.
    const late = await h.member({ cipher: make([key(1)]) });
    await expect(h.within(late.join('m0'), 10_000)).rejects.toMatchObject({ code: 'ERR_JOIN_FAILED' });
    expect(members[0]?.stats().framesNotOpened).toBeGreaterThan(0);
  });

  test.each([
    ['another key', () => make([key(9)])],
    ['another cipher', () => (make === secretbox ? aesGcmNode([key(1)]) : secretbox([key(1)]))],
    ['no cipher', () => undefined],
  ])('with %s nobody gets in, and it is counted and told once', async (__, other) => {
    const h = new Harness();
    const logger = recorder();
    const a = await h.member({ cipher: make([key(1)]), logger });
    const cipher = other();
    const b = await h.member(cipher ? { cipher } : {});
    await expect(h.within(b.join('m0'), 10_000)).rejects.toMatchObject({
      code: 'ERR_JOIN_FAILED',
      message: expect.stringMatching(/^m0 did not answer; .* key\?$/),
    });
    await h.clock.advance(20_000);
    expect(a.members()).toHaveLength(1);
    expect(b.members()).toHaveLength(1);
    expect(a.stats().framesNotOpened).toBeGreaterThan(1);
    expect(logger.lines.filter((line) => line.includes('framesNotOpened'))).toHaveLength(1);
    // And the other way round: what the sealed one says is not understood.
    const c = await h.member({ cipher: make([key(1)]) });
    await expect(h.within(c.join('m1'), 10_000)).rejects.toMatchObject({ code: 'ERR_JOIN_FAILED' });
    const refused = b.stats().framesNotOpened ?? b.stats().packetsMalformed;
    expect(refused).toBeGreaterThan(0);
  });
});

test('members on WebCrypto and on node:crypto are one cluster, with either compressor', async () => {
  const network = createMemoryNetwork();
  for (const compressor of [snappy(), deflate()]) {
    const start = (address: string, cipher: Cipher) =>
      createCluster({ transport: network.transport({ address }), cipher, compressor, preset: 'local' });
    await using a = await start('a', aesGcm([key(1)]));
    await using b = await start('b', aesGcmNode([key(1)]));
    await b.join('a');
    a.handle(echo, ({ data }) => data);
    const text = 'again and again '.repeat(1000);
    expect(await b.request(a.id, echo, text)).toBe(text);
  }
});

test('a cipher whose promises settle in any order keeps the order of messages, both ways', async () => {
  const random = new Random(7);
  const waiting: (() => void)[] = [];
  const slow = (): Cipher => {
    const later = <T>(value: T): T | Promise<T> =>
      random.below(3) === 0 ? value : new Promise((resolve) => waiting.push(() => resolve(value)));
    return {
      name: 'slow',
      overheadBytes: 0,
      keyring: { size: 1, add() {}, use() {}, remove() {} },
      seal: (plaintext) => later(plaintext.slice()),
      open: (sealed) => later(sealed.slice()),
    };
  };
  const h = new Harness();
  const [a, b] = [await h.member({ cipher: slow() }), await h.member({ cipher: slow() })];
  const stir = async (done: () => boolean) => {
    for (let turns = 0; !done() && turns < 20_000; turns++) {
      if (waiting.length > 0) waiting.splice(random.below(waiting.length), 1)[0]?.();
      await h.clock.advance(0.01);
    }
    expect(done()).toBe(true);
  };
  void b.join('m0');
  await stir(() => a.members().length === 2 && b.members().length === 2);
  const heard: [number[], number[]] = [[], []];
  a.on(count, ({ data }) => heard[0].push(data));
  b.on(count, ({ data }) => heard[1].push(data));
  const all = Array.from({ length: 100 }, (_, i) => i);
  for (const n of all) {
    const send = (from: Cluster, to: Cluster) =>
      n % 3 === 0 ? from.broadcast(count, n) : void from.send(to.id, count, n, { reliable: n % 2 === 0 });
    send(a, b);
    send(b, a);
    if (n % 5 === 0) await h.clock.advance(0.01);
  }
  await stir(() => heard[0].length === 100 && heard[1].length === 100);
  expect(heard).toEqual([all, all]);
});

describe('plug-ins that fail', () => {
  test('a cipher that fails for a while loses what it was given and nothing else', async () => {
    const h = new Harness();
    const cipher = secretbox([key(1)]);
    let failing = false;
    const moody: Cipher = {
      ...cipher,
      seal(plaintext, associatedData) {
        if (failing) throw new Error('out of entropy');
        return cipher.seal(plaintext, associatedData);
      },
    };
    const [a, b] = await h.pair({ cipher: moody }, { cipher: secretbox([key(1)]) });
    const heard: number[] = [];
    b.on(count, ({ data }) => heard.push(data));
    failing = true;
    a.broadcast(count, 1);
    await expect(a.send(b.id, count, 2)).rejects.toMatchObject({ code: 'ERR_CIPHER', message: /out of entropy/ });
    expect(a.stats().packetsNotEncoded).toBe(2);
    failing = false;
    a.broadcast(count, 3);
    await h.clock.advance(2);
    expect(heard).toEqual([3]);
    expect(b.member(a.id)?.state).toBe('alive');
  });

  test('a compressor that throws is counted where it throws, and members stay members', async () => {
    const h = new Harness();
    const compressor = snappy();
    let broken = false;
    const moody = {
      ...compressor,
      decompress(bytes: Uint8Array, bytesMax: number) {
        if (broken) throw new Error('no dictionary');
        return compressor.decompress(bytes, bytesMax);
      },
    };
    const [a, b] = await h.pair({ compressor }, { compressor: moody });
    const heard: unknown[] = [];
    b.on('message', ({ data }) => heard.push(data));
    const text = 'x'.repeat(1000);
    broken = true;
    a.broadcast(defineMessage(200), text);
    await h.clock.advance(2);
    broken = false;
    a.broadcast(defineMessage(200), text);
    await h.clock.advance(2);
    expect(heard).toEqual([text]);
    expect(b.stats().framesNotDecompressed).toBe(1);
  });

  test('what is compressed beyond reason is refused, and a member without the compressor refuses all of it', async () => {
    const h = new Harness();
    const compressor = snappy();
    const a = await h.member({ compressor });
    const b = await h.member({ compressor, limits: { decompressedBytesMax: 5000 } });
    const c = await h.member();
    for (const member of [b, c]) await h.within(member.join('m0'), 5000);
    await h.clock.advance(1000);
    const heard: string[] = [];
    for (const member of [b, c]) member.on('message', ({ data }) => heard.push(`${member.address} ${data}`));
    a.broadcast(defineMessage(200), 'x'.repeat(6000));
    a.broadcast(defineMessage(200), 'small');
    await h.clock.advance(1000);
    expect(heard.sort()).toEqual(['m1 small', 'm2 small']);
    expect(b.stats().framesNotDecompressed).toBeGreaterThan(0);
    expect(c.stats().framesNotDecompressed).toBeGreaterThan(0);
  });
});

test('a cipher without a key, or a key that is no cipher, is an error at the start', async () => {
  const transport = createMemoryNetwork().transport();
  const wrong = { code: 'ERR_KEY', message: expect.stringContaining('option cipher') };
  const empty = { ...secretbox([key(1)]), keyring: { size: 0, add() {}, use() {}, remove() {} } };
  await expect(createCluster({ transport, cipher: empty })).rejects.toMatchObject(wrong);
  await expect(createCluster({ transport, cipher: key(1) as unknown as Cipher })).rejects.toMatchObject(wrong);
  for (const make of [aesGcm, aesGcmNode, secretbox]) {
    expect(() => make([])).toThrow(expect.objectContaining({ code: 'ERR_KEY' }));
    expect(() => make([new Uint8Array(31)])).toThrow(expect.objectContaining({ code: 'ERR_KEY' }));
    const { keyring } = make([key(1), key(2)]);
    expect(() => keyring.remove(key(1))).toThrow(expect.objectContaining({ code: 'ERR_KEY' }));
    expect(keyring.size).toBe(2);
  }
  await using fine = await createCluster({ transport, cipher: secretbox([key(1)]) });
  expect(fine.members()).toHaveLength(1);
});
