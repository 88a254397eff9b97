/**
 * Messages between Go peers and ours: broadcast, tagged, reliable, direct and request in a small mixed cluster, then
 * payloads of every type and of every size from 0 bytes to 300 KB, both ways, under each of the Go library's codecs.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { createHarness, describeWithGo, type Peer, type PeerCommand, waitForAllAlive } from './harness.js';
import { type CodecPair, canonical, codecPairs, noise, sizes, typedPayloads } from './values.js';

const messagesOf = (peer: Peer, type: number) =>
  peer.events.filter((event) => event.event === 'message' && event.type === type);

/** A full exchange after a broadcast: a stray copy on loopback takes microseconds and would be there before it ends. */
async function fence(from: Peer, to: Peer): Promise<void> {
  const answer = await from.call({ cmd: 'request', to: to.id, type: 130, data: 'fence', timeoutMs: 2_000 });
  expect(answer).toMatchObject({ event: 'response', data: 'fence' });
}

describeWithGo('two Go peers and two of ours', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  async function cluster(): Promise<{ peers: Peer[]; tagged: Peer[] }> {
    const echo = ['--echo', '130'];
    const seed = await harness.startPeer({ kind: 'go', args: [...echo, '--tag', 'blue'] });
    const rest = await harness.startPeers([
      { kind: 'go', args: echo, join: [seed] },
      { kind: 'iso', args: [...echo, '--tag', 'blue', '--tag', 'red'], join: [seed] },
      { kind: 'iso', args: echo, join: [seed] },
    ]);
    const peers = [seed, ...rest];
    await waitForAllAlive(peers);
    return { peers, tagged: [seed, rest[1] as Peer] };
  }

  for (const reliable of [false, true]) {
    test(`a ${reliable ? 'reliable' : 'best-effort'} broadcast of each reaches every other, once`, async () => {
      const { peers } = await cluster();
      for (const [index, from] of peers.entries()) {
        const type = 150 + index;
        expect(await from.call({ cmd: 'broadcast', type, data: `from ${index}`, reliable })).toMatchObject({
          event: 'ok',
        });
        for (const to of peers.filter((peer) => peer !== from)) {
          const event = await to.waitFor((line) => line.event === 'message' && line.type === type);
          expect(event).toMatchObject({ from: from.id, data: `from ${index}` });
        }
      }
      for (const from of peers) for (const to of peers) if (from !== to) await fence(from, to);
      for (const [index, from] of peers.entries()) {
        for (const to of peers) expect(messagesOf(to, 150 + index)).toHaveLength(to === from ? 0 : 1);
      }
    });

    test(`a ${reliable ? 'reliable' : 'best-effort'} tagged broadcast reaches the tagged only`, async () => {
      const { peers, tagged } = await cluster();
      for (const [index, from] of peers.entries()) {
        const type = 160 + index;
        from.send({ cmd: 'broadcast', type, data: index, tag: 'blue', reliable });
        for (const to of tagged.filter((peer) => peer !== from)) {
          const event = await to.waitFor((line) => line.event === 'message' && line.type === type);
          expect(event).toMatchObject({ from: from.id, data: index, tag: 'blue' });
        }
      }
      for (const from of peers) for (const to of peers) if (from !== to) await fence(from, to);
      for (const [index, from] of peers.entries()) {
        for (const to of peers) {
          expect(messagesOf(to, 160 + index)).toHaveLength(tagged.includes(to) && to !== from ? 1 : 0);
        }
      }
    });
  }

  test('members carry their tags on every side', async () => {
    const { peers } = await cluster();
    const expected = new Map(peers.map((peer, index) => [peer.id, [['blue'], [], ['blue', 'red'], []][index] ?? []]));
    for (const peer of peers) {
      for (const member of await peer.members()) expect([...member.tags].sort()).toEqual(expected.get(member.id));
    }
  });

  test('a direct message reaches its member only, and a request is answered by it', async () => {
    const { peers } = await cluster();
    for (const from of peers) {
      for (const to of peers.filter((peer) => peer !== from)) {
        for (const reliable of [false, true]) {
          const data = `${from.id} to ${to.id} ${reliable}`;
          from.send({ cmd: 'send', to: to.id, type: 170, data, reliable });
          await to.waitFor((line) => line.event === 'message' && line.type === 170 && line.data === data);
        }
        const answer = await from.call({
          cmd: 'request',
          to: to.id,
          type: 130,
          data: { for: to.id },
          timeoutMs: 2_000,
        });
        expect(answer).toMatchObject({ event: 'response', from: to.id, data: { for: to.id } });
      }
    }
    for (const peer of peers) {
      expect(messagesOf(peer, 170)).toHaveLength(2 * (peers.length - 1));
      for (const event of messagesOf(peer, 170)) expect(event.data).toContain(` to ${peer.id}`);
    }
  });

  test('a request that nobody answers, or to nobody, is an error', async () => {
    const { peers } = await cluster();
    for (const from of peers) {
      for (const to of peers.filter((peer) => peer !== from)) {
        const answer = await from.call({ cmd: 'request', to: to.id, type: 131, data: 1, timeoutMs: 500 }, 5_000);
        expect(answer.event).toBe('error');
        expect(answer.code).toMatch(/^ERR_/);
      }
      const nobody = '00000000-0000-7000-8000-000000000001';
      const answer = await from.call({ cmd: 'request', to: nobody, type: 130, data: 1, timeoutMs: 500 });
      expect(answer).toMatchObject({ event: 'error', code: 'ERR_UNKNOWN_MEMBER' });
    }
  });
});

describeWithGo('payloads, Go to ours and ours to Go', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  for (const codec of codecPairs) {
    describe(codec.name, () => {
      test('of every type', async () => {
        const pair = await converse(codec);
        for (const { name, data } of typedPayloads) {
          for (const [from, to] of pair) {
            await arrives(from, to, codec, { cmd: 'send', to: to.id, reliable: true }, name, data);
            await echoed(from, to, codec, name, data);
          }
        }
      });

      // hashicorp's old format has no time: that library sends a binary form of its own, which is bytes to everyone else.
      const timeTest = codec.iso === 'msgpack-raw' ? undefined : test;
      timeTest?.('of times', async () => {
        const pair = await converse(codec);
        for (const time of ['2025-01-01T00:00:00Z', '1969-12-31T23:59:59.5Z', '2106-02-07T06:28:17.123Z']) {
          for (const [from, to] of pair) {
            await arrives(from, to, codec, { cmd: 'send', to: to.id, reliable: true }, time, { $time: time });
          }
        }
      });

      test('from 0 bytes to 300 KB', async () => {
        const pair = await converse(codec, ['--compressor', 'snappy']);
        for (const size of sizes) {
          for (const [from, to] of pair) {
            for (const data of [noise(size), 'x'.repeat(size)]) {
              const name = `${size} of ${typeof data}`;
              await arrives(from, to, codec, { cmd: 'send', to: to.id, reliable: true }, name, data);
              await arrives(from, to, codec, { cmd: 'send', to: to.id }, name, data);
              await arrives(from, to, codec, { cmd: 'broadcast' }, name, data);
              await arrives(from, to, codec, { cmd: 'broadcast', reliable: true }, name, data);
            }
            await echoed(from, to, codec, `${size}`, noise(size));
          }
        }
      });
    });
  }

  async function converse(codec: CodecPair, args: string[] = []): Promise<[Peer, Peer][]> {
    const echo = ['--echo', '130', ...args];
    const go = await harness.startPeer({ kind: 'go', args: [...echo, '--codec', codec.go] });
    const iso = await harness.startPeer({ kind: 'iso', args: [...echo, '--codec', codec.iso], join: [go] });
    await waitForAllAlive([go, iso]);
    return [
      [go, iso],
      [iso, go],
    ];
  }

  async function arrives(
    from: Peer,
    to: Peer,
    codec: CodecPair,
    how: PeerCommand,
    name: string,
    data: unknown,
  ): Promise<void> {
    const start = to.events.length;
    from.send({ ...how, type: 140, data });
    const event = await to.waitFor((line) => line.event === 'message' && line.type === 140, 5_000, start);
    const what = `${name} from ${from.kind} by ${how.cmd}`;
    expect(canonical(event.data, codec.iso), what).toEqual(canonical(data, codec.iso));
  }

  async function echoed(from: Peer, to: Peer, codec: CodecPair, name: string, data: unknown): Promise<void> {
    const answer = await from.call({ cmd: 'request', to: to.id, type: 130, data, timeoutMs: 2_000 });
    expect(answer, `${name} asked by ${from.kind}`).toMatchObject({ event: 'response', from: to.id });
    expect(canonical(answer.data, codec.iso), `${name} asked by ${from.kind}`).toEqual(canonical(data, codec.iso));
  }
});
