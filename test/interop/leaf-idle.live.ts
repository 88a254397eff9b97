/**
 * Leaves at rest beside Go peers, by sockets and by HTTP: for a minute no Go peer opens a connection to ask whether one of
 * them or their gateway is alive, nobody is suspected, and nobody reports metadata.
 */
import { expect, test } from 'vitest';
import { freePort } from '../free-port.js';
import { createHarness, describeLeaves, type Peer, waitForAllAlive } from './harness.js';

const QUIET_MS = 60_000;
const DEADLINE_MS = 130_000;

describeLeaves('two Go peers, a gateway and three leaves', () => {
  for (const args of [[], ['--transport', 'http', '--bearer', 'secret']]) {
    // At rest they do not disturb each other.
    test.concurrent(`a minute at rest ${args.join(' ')}`, async ({ onTestFinished }) => {
      const harness = createHarness();
      onTestFinished(() => harness.endAll());
      const go = await harness.startPeer({ kind: 'go', args });
      const other = await harness.startPeer({ kind: 'go', args, join: [go] });
      const port = await freePort();
      const gateway = await harness.startPeer({
        kind: 'iso',
        args: [...args, '--gateway', `127.0.0.1:${port}`],
        join: [go],
      });
      await waitForAllAlive([go, other, gateway]);
      const leaves: Peer[] = [];
      for (const n of [1, 2, 3])
        leaves.push(await harness.startLeaf([`ws://127.0.0.1:${port}/`], ['--meta', `n=${n}`]));
      const peers = [go, other, gateway];
      for (const peer of peers) await peer.waitForMembers(leaves, 'alive');
      for (const leaf of leaves) await leaf.waitForMembers(peers, 'alive');

      const startedAt = performance.now();
      let quietSince = startedAt;
      let pings: unknown;
      let marks: number[] = [];
      while (performance.now() - quietSince < QUIET_MS) {
        expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS);
        const { stats } = await gateway.call({ cmd: 'stats' });
        if (stats?.v1PingsReceived !== pings) {
          pings = stats?.v1PingsReceived;
          quietSince = performance.now();
          marks = [...peers, ...leaves].map((peer) => peer.events.length);
        }
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      console.log(`quiet after ${Math.round(quietSince - startedAt)} ms and ${pings} pings`);
      for (const [index, peer] of [...peers, ...leaves].entries()) {
        const since = peer.events.slice(marks[index]);
        expect(since.filter(({ event }) => event === 'member' || event === 'metadata' || event === 'error')).toEqual(
          [],
        );
      }
    });
  }
});
