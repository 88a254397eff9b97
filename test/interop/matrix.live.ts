/**
 * Every codec × plain, AES-128, AES-256 × none, snappy over sockets, and every codec over HTTP with a bearer token: one Go
 * peer and one of ours see each other alive, broadcast, send and request both ways.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { createHarness, describeWithGo, type Peer, waitForAllAlive } from './harness.js';
import { type CodecPair, canonical, codecPairs, noise } from './values.js';

const ciphers = [
  { name: 'plain', args: [] },
  { name: 'AES-128', args: ['--cipher', 'aes-gcm', '--key', '000102030405060708090a0b0c0d0e0f'] },
  { name: 'AES-256', args: ['--cipher', 'aes-gcm', '--key', '0123456789abcdef'.repeat(4)] },
];
const compressors = [
  { name: 'none', args: [] },
  { name: 'snappy', args: ['--compressor', 'snappy'] },
];
const http = ['--transport', 'http', '--path', '/gossip', '--bearer', 'a token'];

const small = { text: 'ahoj', n: 42, list: [1, 'two', null] };
const compressible = { text: 'the same words again '.repeat(400) };
const incompressible = noise(3_000);

describeWithGo('a Go peer and one of ours', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  for (const codec of codecPairs) {
    describe(codec.name, () => {
      for (const cipher of ciphers) {
        for (const compressor of compressors) {
          test(`sockets, ${cipher.name}, ${compressor.name}`, () =>
            converse(codec, [...cipher.args, ...compressor.args]));
        }
      }
      test('HTTP with bearer', () => converse(codec, http));
    });
  }

  async function converse(codec: CodecPair, args: string[]): Promise<void> {
    const go = await harness.startPeer({ kind: 'go', args: [...args, '--codec', codec.go, '--echo', '130'] });
    const iso = await harness.startPeer({
      kind: 'iso',
      args: [...args, '--codec', codec.iso, '--echo', '130'],
      join: [go],
    });
    await waitForAllAlive([go, iso]);
    for (const [from, to] of [
      [go, iso],
      [iso, go],
    ] as const) {
      let type = 140;
      for (const data of [small, compressible, incompressible]) {
        const send = { cmd: 'send', to: to.id, data };
        await delivered(from, to, codec, { cmd: 'broadcast', type: ++type, data });
        await delivered(from, to, codec, { ...send, type: ++type });
        await delivered(from, to, codec, { ...send, type: ++type, reliable: true });
        const answer = await from.call({ cmd: 'request', to: to.id, type: 130, data, timeoutMs: 2_000 });
        expect(answer).toMatchObject({ event: 'response', from: to.id });
        expect(canonical(answer.data, codec.iso)).toEqual(canonical(data, codec.iso));
      }
    }
    expect(await go.leave()).toBe(0);
    await iso.waitForMembers([go], ['leaving', 'dead']);
    expect(await iso.leave()).toBe(0);
  }

  async function delivered(
    from: Peer,
    to: Peer,
    codec: CodecPair,
    command: { cmd: string; type: number; data: unknown } & Record<string, unknown>,
  ): Promise<void> {
    from.send(command);
    const event = await to.waitFor((line) => line.event === 'message' && line.type === command.type);
    expect(event.from).toBe(from.id);
    expect(canonical(event.data, codec.iso)).toEqual(canonical(command.data, codec.iso));
  }
});

describeWithGo('a wrong bearer token', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  for (const [host, joiner] of [
    ['go', 'iso'],
    ['iso', 'go'],
  ] as const) {
    test(`${host} refuses ${joiner}, and takes it with the right one`, async () => {
      const seed = await harness.startPeer({ kind: host, args: http });
      for (const authorization of [undefined, 'Bearer another', 'Basic a token']) {
        const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
        const response = await fetch(seed.address, { method: 'POST', headers, body: new Uint8Array([1, 0, 0]) });
        expect(response.status).toBe(401);
        await response.arrayBuffer();
      }
      const stranger = await harness.startPeer({ kind: joiner, args: [...http.slice(0, -1), 'another'] });
      await stranger.call({ cmd: 'join', addresses: [seed.address] });
      expect(await seed.members()).toEqual([]);
      expect(await stranger.members()).toEqual([]);

      const friend = await harness.startPeer({ kind: joiner, args: http, join: [seed] });
      await waitForAllAlive([seed, friend]);
      expect(await seed.members()).toHaveLength(1);
    });
  }
});
