/** The Go library's leader election with live Go peers: we show whom it elects, and stand as one of them. */
import { afterEach, expect, test } from 'vitest';
import { followGoLeader } from '../../src/election/go.js';
import { type Cluster, createCluster } from '../../src/index.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { gossipV1 } from '../../src/v1.js';
import { createHarness, describeWithGo, type Peer, waitForAllAlive } from './harness.js';

/** Time for a few of the Go library's seconds. */
const DEADLINE_MS = 20_000;

describeWithGo('two Go peers with the library’s election', () => {
  const harness = createHarness();
  const open: Cluster[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((cluster) => cluster.close()));
    await harness.endAll();
  });

  const ours = async (seed: Peer, id: string) => {
    const cluster = await createCluster({ transport: socketTransport({ bind: '127.0.0.1:0' }), v1: gossipV1(), id });
    open.push(cluster);
    await cluster.join(seed.address);
    return cluster;
  };
  /** Each of two Go peers elects itself as long as it is alone, and they may go on taking turns: they begin once they know each other. */
  const goPeers = async (ids: readonly [string, string]) => {
    const seed = await harness.startPeer({ kind: 'go', args: ['--id', ids[0]] });
    const other = await harness.startPeer({ kind: 'go', args: ['--id', ids[1]], join: [seed] });
    await waitForAllAlive([seed, other]);
    return [seed, other] as const;
  };
  const elect = (...peers: readonly Peer[]) => Promise.all(peers.map((peer) => peer.call({ cmd: 'elect' })));
  const id = (digit: string) => `${digit}0000000-0000-4000-8000-000000000000`;
  /** Whom a Go peer takes for the leader. */
  const believes = (peer: Peer) =>
    peer.events.filter(({ event, state }) => event === 'leader' && state === 'elected').at(-1)?.id;

  test('we show its leader, and the next one when it is killed', async () => {
    // Our id is above theirs, so that they do not wait for us.
    const [first, second] = await goPeers([id('1'), id('2')]);
    const cluster = await ours(first, id('9'));
    using seen = followGoLeader(cluster);
    await elect(first, second);
    await expect.poll(() => seen.leader?.member.id, { timeout: DEADLINE_MS }).toBe(first.id);
    expect(seen.leader?.member.protocol).toBe('v1');
    expect(seen.stats()).toMatchObject({ heartbeatsMalformed: 0, heartbeatsSent: 0 });
    first.kill();
    await expect.poll(() => seen.leader?.member.id, { timeout: DEADLINE_MS }).toBe(second.id);
  }, 60_000);

  test('with the lowest id we lead: the Go peers follow us, and take over when we are gone', async () => {
    const [first, second] = await goPeers([id('2'), id('3')]);
    const cluster = await ours(first, id('1'));
    for (const peer of [first, second]) await peer.waitForMembers([{ id: cluster.id }], 'alive', DEADLINE_MS);
    const mine = followGoLeader(cluster, { stand: true });
    await elect(first, second);
    await expect.poll(() => mine.isLeader, { timeout: DEADLINE_MS }).toBe(true);
    for (const peer of [first, second])
      await peer.waitUntil('it follows us', () => believes(peer) === cluster.id, DEADLINE_MS);
    // They wait for the lowest id even if it says nothing, and elect it again and again; but not if they hear it.
    const elections = () => [first, second].map((peer) => peer.stderr().split('New leader elected').length);
    const sent = () => mine.stats().heartbeatsSent as number;
    await expect.poll(sent, { timeout: DEADLINE_MS }).toBeGreaterThan(2);
    const before = elections();
    await expect.poll(sent, { timeout: DEADLINE_MS }).toBeGreaterThan(8);
    expect(elections()).toEqual(before);
    expect(mine.isLeader).toBe(true);
    mine.close();
    await cluster.leave();
    for (const peer of [first, second])
      await peer.waitUntil('the next leads', () => believes(peer) === first.id, DEADLINE_MS);
    expect(first.events.some(({ event, state }) => event === 'leader' && state === 'became')).toBe(true);
  }, 60_000);

  test('one of them that leads already is let lead, and followed by us who stand', async () => {
    const [first, second] = await goPeers([id('2'), id('3')]);
    await elect(first, second);
    await second.waitUntil('it follows the first', () => believes(second) === first.id, DEADLINE_MS);
    const cluster = await ours(first, id('1'));
    await expect
      .poll(() => cluster.members().filter(({ state }) => state === 'alive').length, { timeout: DEADLINE_MS })
      .toBe(3);
    using mine = followGoLeader(cluster, { stand: true });
    await expect.poll(() => mine.leader?.member.id, { timeout: DEADLINE_MS }).toBe(first.id);
    await expect.poll(() => mine.stats().heartbeatsHeard, { timeout: DEADLINE_MS }).toBeGreaterThan(5);
    expect(mine.leader?.member.id).toBe(first.id);
    expect(mine.stats().heartbeatsSent).toBe(0);
  }, 60_000);
});
