/**
 * Joining and leaving between Go peers and ours: in both directions, in a chain, refused for a version; leaving by command,
 * by end of input and by SIGTERM; and how a process that cannot start says so.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { createHarness, describeWithGo, isoIsReal, type Peer, runToExit, waitForAllAlive } from './harness.js';

const directions = [
  ['go', 'iso'],
  ['iso', 'go'],
  ['iso', 'iso'],
] as const;

async function expectProtocols(peers: readonly Peer[]): Promise<void> {
  const kinds = new Map(peers.map((peer) => [peer.id, peer.kind]));
  for (const peer of peers.filter((other) => isoIsReal && other.kind === 'iso')) {
    for (const member of await peer.members()) {
      expect(member.protocol).toBe(kinds.get(member.id) === 'iso' ? 'native' : 'v1');
    }
  }
}

describeWithGo('joining', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  for (const [host, joiner] of directions) {
    test(`${joiner} joins ${host} by option`, async () => {
      const seed = await harness.startPeer({ kind: host });
      const peer = await harness.startPeer({ kind: joiner, join: [seed] });
      await waitForAllAlive([seed, peer]);
      await expectProtocols([seed, peer]);
      expect((await seed.members())[0]?.address).toBe(peer.address);
      expect((await peer.members())[0]?.address).toBe(seed.address);
    });

    test(`${joiner} joins ${host} by command, with the id it was given`, async () => {
      const id = '01938f5e-0000-7000-8000-00000000abcd';
      const seed = await harness.startPeer({ kind: host });
      const peer = await harness.startPeer({ kind: joiner, args: ['--id', id] });
      expect(peer.id).toBe(id);
      expect(await peer.call({ cmd: 'join', addresses: [seed.address] })).toMatchObject({ event: 'ok' });
      await waitForAllAlive([seed, peer]);
    });
  }

  test('a chain go <- iso <- go <- iso: everyone lists everyone', async () => {
    const peers: Peer[] = [];
    for (const kind of ['go', 'iso', 'go', 'iso'] as const) {
      peers.push(await harness.startPeer({ kind, join: peers.slice(-1) }));
    }
    await waitForAllAlive(peers);
    await expectProtocols(peers);
  });

  test('a chain iso <- go <- iso <- go: everyone lists everyone', async () => {
    const peers: Peer[] = [];
    for (const kind of ['iso', 'go', 'iso', 'go'] as const) {
      peers.push(await harness.startPeer({ kind, join: peers.slice(-1) }));
    }
    await waitForAllAlive(peers);
    await expectProtocols(peers);
  });

  test('six at once: everyone lists everyone', async () => {
    const seed = await harness.startPeer({ kind: 'iso' });
    const kinds = ['go', 'iso', 'go', 'iso', 'go'] as const;
    const peers = [seed, ...(await harness.startPeers(kinds.map((kind) => ({ kind, join: [seed] }))))];
    await waitForAllAlive(peers);
    await expectProtocols(peers);
  });

  for (const [host, joiner] of directions) {
    test(`${host} refuses ${joiner} for its version, tells it why, and takes one with the right version`, async () => {
      const accept = ['--app-version', '1.0.0', '--accept-app-version', '1.x'];
      const seed = await harness.startPeer({ kind: host, args: accept });
      const refused = await harness.startPeer({ kind: joiner, args: ['--app-version', '2.0.0'], join: [seed] });
      const error = await refused.waitFor((event) => event.event === 'error');
      expect(error.code).toBe('ERR_JOIN_REJECTED');
      expect(error.message).toMatch(/version/i);
      expect(error.message).toContain('2.0.0');
      expect(await refused.members()).toEqual([]);

      const taken = await harness.startPeer({ kind: joiner, args: ['--app-version', '1.5.0'], join: [seed] });
      await waitForAllAlive([seed, taken]);
      expect((await seed.members()).map((member) => member.id)).toEqual([taken.id]);
    });
  }
});

describeWithGo('leaving', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  const ways: readonly { name: string; go: (peer: Peer) => void }[] = [
    { name: 'command', go: (peer) => peer.send({ cmd: 'leave' }) },
    { name: 'end of input', go: (peer) => peer.endInput() },
    { name: 'SIGTERM', go: (peer) => peer.kill('SIGTERM') },
  ];
  for (const way of ways) {
    test(`by ${way.name}: both kinds see both kinds leaving, and the leaver exits 0`, async () => {
      const seed = await harness.startPeer({ kind: 'go' });
      const kinds = ['iso', 'go', 'iso'] as const;
      const [observer, ...leavers] = await harness.startPeers(kinds.map((kind) => ({ kind, join: [seed] })));
      const stayers = [seed, observer as Peer];
      await waitForAllAlive([...stayers, ...leavers]);
      for (const leaver of leavers) {
        way.go(leaver);
        for (const stayer of stayers) await stayer.waitForMembers([leaver], 'leaving');
        expect(await leaver.exited).toBe(0);
        expect(leaver.events.at(-1)).toEqual({ event: 'stopped' });
      }
      for (const stayer of stayers) {
        for (const leaver of leavers) expect(stayer.statesOf(leaver.id)).not.toContain('suspect');
      }
    });
  }
});

describeWithGo('a process that cannot start', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  for (const kind of ['go', 'iso'] as const) {
    describe(kind, () => {
      test('exits 2 with one clear line for a bad option', async () => {
        const key = ['--key', '00112233445566778899aabbccddeeff'];
        for (const args of [['--no-such-option'], ['--codec', 'xml'], ['--cipher', 'aes-gcm'], key, ['--bind', 'x']]) {
          const { code, stderr } = await runToExit(kind, ['member', '--json', ...args]);
          expect(code, stderr).toBe(2);
          expect(stderr.trim().split('\n'), args.join(' ')).toHaveLength(1);
        }
      });

      test('exits 2 with one clear line for an address in use', async () => {
        const peer = await harness.startPeer({ kind });
        const { code, stderr } = await runToExit(kind, ['member', '--json', '--bind', peer.address]);
        expect(code).toBe(2);
        expect(stderr.trim()).toMatch(/in use/i);
      });
    });
  }
});
