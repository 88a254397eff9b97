/**
 * Five Go peers and five of ours for a minute under traffic: nobody is suspected wrongly, each of ours gets everything ours
 * broadcast and nothing twice, and nobody reports metadata while none changes. What Go delivers is told, not demanded:
 * the library's broadcast is best effort.
 */
import { afterEach, expect, test } from 'vitest';
import { createHarness, describeWithGo, isoIsReal, type Peer, waitForAllAlive } from './harness.js';

const RUN_MS = 60_000;
const INTERVAL_MS = 500;
const TYPE = 150;

describeWithGo('five Go peers and five of ours', () => {
  const harness = createHarness();
  afterEach(() => harness.endAll());

  test('a minute under traffic', async () => {
    const seed = await harness.startPeer({ kind: 'go' });
    const kinds = ['iso', 'go', 'iso', 'go', 'iso', 'go', 'iso', 'go', 'iso'] as const;
    const peers: Peer[] = [seed];
    for (const kind of kinds)
      peers.push(await harness.startPeer({ kind, args: ['--meta', `kind=${kind}`], join: [seed] }));
    await waitForAllAlive(peers, 30_000);
    const marks = peers.map((peer) => peer.events.length);
    const ofOurs = peers.filter((peer) => peer.kind === 'iso');

    // copies.get(receiver)?.get(message) counts deliveries; a message is named "sender number".
    const copies = new Map<Peer, Map<string, number>>(peers.map((peer) => [peer, new Map()]));
    for (const peer of peers) {
      peer.onEvent((event) => {
        if (event.event !== 'message' || event.type !== TYPE) return;
        const name = String(event.data);
        const seen = copies.get(peer);
        seen?.set(name, (seen.get(name) ?? 0) + 1);
      });
    }

    let rounds = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        for (const [index, peer] of peers.entries()) {
          peer.send({ cmd: 'broadcast', type: TYPE, data: `${index} ${rounds}` });
        }
        rounds++;
        if (rounds * INTERVAL_MS < RUN_MS) return;
        clearInterval(timer);
        resolve();
      }, INTERVAL_MS);
    });

    const delivered = (to: Peer, from: Peer) => {
      const sender = `${peers.indexOf(from)} `;
      return [...(copies.get(to)?.keys() ?? [])].filter((name) => name.startsWith(sender)).length;
    };
    const ourOthers = (to: Peer) => ofOurs.filter((from) => from !== to);
    if (isoIsReal) {
      for (const to of ofOurs) {
        const complete = () => ourOthers(to).every((from) => delivered(to, from) === rounds);
        await to.waitUntil(`${rounds} broadcasts of each of ours`, complete, 15_000);
      }
    }
    for (const peer of peers) await peer.members(); // what was printed before this answer has been read

    const share = (to: Peer['kind'], from: Peer['kind']) => {
      const pairs = peers.flatMap((a) =>
        peers.filter((b) => b !== a && a.kind === to && b.kind === from).map((b) => [a, b]),
      );
      const sum = pairs.reduce((total, [a, b]) => total + delivered(a as Peer, b as Peer), 0);
      return `${((100 * sum) / (pairs.length * rounds)).toFixed(2)} %`;
    };
    console.log(
      `delivered of ${rounds} rounds: iso to iso ${share('iso', 'iso')}, go to iso ${share('iso', 'go')}, ` +
        `iso to go ${share('go', 'iso')}, go to go ${share('go', 'go')}`,
    );

    const wrong: string[] = [];
    for (const [index, peer] of peers.entries()) {
      const since = peer.events.slice(marks[index]);
      for (const event of since.filter((line) => line.event === 'member' || line.event === 'metadata')) {
        wrong.push(`${peer.kind} ${index}: ${JSON.stringify(event)}`);
      }
      for (const event of since.filter((line) => line.event === 'error' || line.event === 'not-json')) {
        wrong.push(`${peer.kind} ${index}: ${JSON.stringify(event)}`);
      }
    }
    expect(wrong).toEqual([]);
    const twice = ofOurs.flatMap((peer) => [...(copies.get(peer) ?? [])].filter(([, count]) => count > 1));
    if (isoIsReal) expect(twice).toEqual([]);
    else console.log(`delivered twice: ${twice.length}`);
    for (const peer of peers) {
      const states = (await peer.members()).map((member) => member.state);
      expect(states).toEqual(Array.from({ length: peers.length - 1 }, () => 'alive'));
    }
  });
});
