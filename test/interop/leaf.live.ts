/**
 * Leaves and Go peers, by sockets and by HTTP: to a Go peer a leaf is a node at its gateway's address. It lists it with its
 * tags and metadata, messages and asks it, hears from it, and sees it change, leave, die and move to another gateway.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../free-port.js';
import { createHarness, describeLeaves, type Peer, waitForAllAlive } from './harness.js';

const CARRIERS = [
  { name: 'sockets', args: [] },
  { name: 'HTTP with a token', args: ['--transport', 'http', '--bearer', 'secret'] },
  {
    name: 'sockets, sealed and compressed',
    args: ['--cipher', 'aes-gcm', '--key', '00'.repeat(16), '--compressor', 'snappy'],
  },
];
const ECHO = ['--echo', '130'];
/** Silent 1.5 s, scanned every 2 s, 15 s suspect; after what the gateway itself waits for. */
const DEAD_DEADLINE_MS = 45_000;

describeLeaves('leaves', () => {
  const harness = createHarness();
  const servers = new Set<Server>();
  afterEach(async () => {
    await harness.endAll();
    for (const server of servers) server.close();
    servers.clear();
  });

  interface Cluster {
    go: Peer;
    other: Peer;
    gateway: Peer;
    url: string;
    /** A full member that is no gateway. */
    iso: Peer;
  }

  async function startGateway(args: readonly string[], join: readonly Peer[]): Promise<{ gateway: Peer; url: string }> {
    const port = await freePort();
    const gateway = await harness.startPeer({
      kind: 'iso',
      args: [...args, ...ECHO, '--gateway', `127.0.0.1:${port}`],
      join,
    });
    return { gateway, url: `ws://127.0.0.1:${port}/` };
  }

  async function startCluster(args: readonly string[] = []): Promise<Cluster> {
    const go = await harness.startPeer({ kind: 'go', args: [...args, ...ECHO, '--tag', 'blue'] });
    const other = await harness.startPeer({ kind: 'go', args: [...args, ...ECHO], join: [go] });
    const { gateway, url } = await startGateway(args, [go]);
    const iso = await harness.startPeer({ kind: 'iso', args: [...args, ...ECHO], join: [go] });
    await waitForAllAlive([go, other, gateway, iso]);
    return { go, other, gateway, url, iso };
  }

  const leafArgs = [...ECHO, '--tag', 'blue', '--meta', 'name=tab'];

  const lineOf = async (at: Peer, id: string) => (await at.members()).find((member) => member.id === id);

  /** A leaf and everybody who knows it, with its metadata. */
  async function startLeaf(urls: readonly string[], witnesses: readonly Peer[]): Promise<Peer> {
    const leaf = await harness.startLeaf(urls, leafArgs);
    await leaf.waitForMembers(witnesses, 'alive');
    for (const witness of witnesses) {
      await witness.waitForMembers([leaf], 'alive');
      await witness.waitFor(
        (event) => event.event === 'metadata' && event.id === leaf.id && event.metadata?.name === 'tab',
      );
    }
    return leaf;
  }

  async function sends(from: Peer, to: Peer, reliable: boolean): Promise<void> {
    const data = `${from.id} to ${to.id} ${reliable}`;
    expect(await from.call({ cmd: 'send', to: to.id, type: 170, data, reliable })).toMatchObject({ event: 'ok' });
    await to.waitFor((event) => event.event === 'message' && event.from === from.id && event.data === data);
  }

  async function asks(from: Peer, to: Peer): Promise<void> {
    const data = { from: from.id, to: to.id };
    const answer = await from.call({ cmd: 'request', to: to.id, type: 130, data, timeoutMs: 2_000 });
    expect(answer).toMatchObject({ event: 'response', from: to.id, data });
  }

  async function broadcasts(
    from: Peer,
    to: readonly Peer[],
    options: Record<string, unknown>,
    type: number,
  ): Promise<void> {
    const data = `${type} of ${from.id}`;
    expect(await from.call({ cmd: 'broadcast', type, data, ...options })).toMatchObject({ event: 'ok' });
    for (const peer of to) {
      await peer.waitFor((event) => event.event === 'message' && event.from === from.id && event.data === data);
    }
  }

  for (const { name, args } of CARRIERS) {
    test(`${name}: Go peers list it, message it, ask it and hear from it`, async () => {
      const cluster = await startCluster(args);
      const { go, other, gateway, iso, url } = cluster;
      const leaf = await startLeaf([url], [go, other, gateway, iso]);
      for (const peer of [go, other]) {
        expect(await lineOf(peer, leaf.id)).toMatchObject({
          address: gateway.address,
          state: 'alive',
          tags: ['blue'],
          metadata: { name: 'tab' },
        });
      }
      for (const peer of [go, other, iso]) {
        for (const reliable of [false, true]) {
          await sends(peer, leaf, reliable);
          await sends(leaf, peer, reliable);
        }
        await asks(peer, leaf);
        await asks(leaf, peer);
      }
      // A type without a handler: nobody waits for ever.
      const answer = await go.call({ cmd: 'request', to: leaf.id, type: 131, data: 1, timeoutMs: 3_000 });
      expect(answer).toMatchObject({ event: 'error', code: 'ERR_UNREACHABLE' });

      let type = 180;
      for (const reliable of [false, true]) {
        await broadcasts(leaf, [go, other, gateway, iso], { reliable }, type++);
        await broadcasts(leaf, [go], { reliable, tag: 'blue' }, type++);
        for (const from of [go, other]) {
          await broadcasts(from, [leaf, gateway, iso], { reliable }, type++);
          await broadcasts(from, [leaf], { reliable, tag: 'blue' }, type++);
        }
      }
      // A full exchange later whatever came twice would be there.
      for (const peer of [go, other, iso]) await asks(leaf, peer);
      for (const peer of [leaf, other, gateway, iso]) {
        const heard = peer.events
          .filter(({ event, type = 0 }) => event === 'message' && type >= 170)
          .map((event) => {
            return JSON.stringify([event.type, event.from, event.data]);
          });
        expect(heard).toEqual([...new Set(heard)]);
        if (peer !== leaf) expect(peer.events.filter((event) => event.tag !== undefined)).toEqual([]);
      }
      expect((await gateway.call({ cmd: 'stats' })).stats).not.toHaveProperty('packetsForOthers');
    });

    test(`${name}: it changes its metadata and leaves`, async () => {
      const { go, other, gateway, iso, url } = await startCluster(args);
      const leaf = await startLeaf([url], [go, other, gateway, iso]);
      expect(await leaf.call({ cmd: 'meta', set: { name: 'renamed', n: 7 } })).toMatchObject({ event: 'ok' });
      for (const peer of [go, other, gateway, iso]) {
        await peer.waitFor((event) => event.event === 'metadata' && event.id === leaf.id && event.metadata?.n === 7);
        expect(await lineOf(peer, leaf.id)).toMatchObject({ metadata: { name: 'renamed', n: 7 } });
      }
      expect(await leaf.leave()).toBe(0);
      for (const peer of [go, other, gateway, iso]) {
        await peer.waitForMembers([leaf], 'leaving');
        expect(peer.statesOf(leaf.id)).not.toContain('suspect');
      }
    });
  }

  test('a Go peer that joins later, and one that comes back, know it', async () => {
    const { go, gateway, iso, url } = await startCluster();
    const leaf = await startLeaf([url], [go, gateway, iso]);
    const late = await harness.startPeer({ kind: 'go', args: ECHO, join: [gateway] });
    await late.waitFor((event) => event.event === 'metadata' && event.id === leaf.id && event.metadata?.name === 'tab');
    await leaf.waitForMembers([late], 'alive');
    await asks(late, leaf);
    await asks(leaf, late);
    late.kill();
    await late.exited;
    const again = await harness.startPeer({
      kind: 'go',
      args: [...ECHO, '--id', late.id, '--bind', late.address],
      join: [gateway],
    });
    await again.waitFor((event) => event.event === 'metadata' && event.id === leaf.id, 30_000);
    await again.waitForMembers([leaf], 'alive');
    expect(await lineOf(again, leaf.id)).toMatchObject({ tags: ['blue'], metadata: { name: 'tab' } });
    await asks(again, leaf);
  });

  test('one that is killed is suspect, then dead, and alive when it is back', { timeout: 120_000 }, async () => {
    const { go, other, gateway, iso, url } = await startCluster();
    const leaf = await startLeaf([url], [go, other, gateway, iso]);
    const killedAt = performance.now();
    leaf.kill();
    await leaf.exited;
    for (const state of [['suspect', 'dead'], 'dead']) {
      for (const peer of [gateway, iso, go, other]) {
        await peer.waitForMembers([leaf], state, DEAD_DEADLINE_MS);
        console.log(`${peer.kind} sees it ${state} after ${Math.round(performance.now() - killedAt)} ms`);
      }
    }
    for (const peer of [go, other]) {
      const states = peer.statesOf(leaf.id);
      expect(states.indexOf('suspect')).toBeGreaterThan(-1);
      expect(states.indexOf('suspect')).toBeLessThan(states.indexOf('dead'));
      expect(peer.statesOf(gateway.id)).not.toContain('suspect');
    }
    const again = await harness.startLeaf([url], [...leafArgs, '--id', leaf.id]);
    await again.waitForMembers([go, other, gateway, iso], 'alive');
    for (const peer of [go, other]) await peer.waitForMembers([leaf], 'alive');
    await asks(go, again);
    await asks(again, go);
  });

  /** A way to a gateway that can be cut while both ends live. */
  async function startPipe(to: string): Promise<{ url: string; cut: () => void }> {
    const sockets = new Set<Socket>();
    const server = createServer((incoming) => {
      const outgoing = connect(Number(new URL(to).port), '127.0.0.1');
      for (const [a, b] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        sockets.add(a);
        a.on('error', () => {}).on('close', () => b.destroy());
        a.pipe(b);
      }
    }).listen(0, '127.0.0.1');
    servers.add(server);
    await once(server, 'listening');
    const cut = () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    };
    return { url: `ws://127.0.0.1:${(server.address() as { port: number }).port}/`, cut };
  }

  for (const { name, args } of CARRIERS.slice(0, 2)) {
    test(`${name}: one that moves to another gateway is found there`, async () => {
      const { go, other, gateway, iso, url } = await startCluster(args);
      const second = await startGateway(args, [go]);
      await waitForAllAlive([go, other, gateway, iso, second.gateway]);
      const pipe = await startPipe(url);
      const leaf = await startLeaf([pipe.url, second.url], [go, other, gateway, iso, second.gateway]);
      for (const peer of [go, other]) expect((await lineOf(peer, leaf.id))?.address).toBe(gateway.address);
      await asks(go, leaf);

      const cutAt = performance.now();
      pipe.cut();
      for (const peer of [go, other]) {
        let address: string | undefined;
        while (address !== second.gateway.address) {
          expect(performance.now() - cutAt).toBeLessThan(30_000);
          address = (await lineOf(peer, leaf.id))?.address;
        }
        console.log(`go follows after ${Math.round(performance.now() - cutAt)} ms: ${peer.statesOf(leaf.id)}`);
        expect(await lineOf(peer, leaf.id)).toMatchObject({ state: 'alive' });
        await sends(peer, leaf, true);
        await asks(peer, leaf);
        await asks(leaf, peer);
      }
      expect((await lineOf(iso, leaf.id))?.address).toBe(`${second.url}#${leaf.id}`);
    });
  }

  test('one whose gateway dies is alive by another, and heard, but Go peers call where it was', {
    timeout: 90_000,
  }, async () => {
    const { go, other, iso, gateway, url } = await startCluster();
    const second = await startGateway([], [go]);
    await waitForAllAlive([go, other, iso, gateway, second.gateway]);
    const leaf = await startLeaf([url, second.url], [go, other, iso, second.gateway]);
    const killedAt = performance.now();
    const marks = [go, other].map((peer) => peer.events.length);
    gateway.kill();
    await gateway.exited;
    for (const [index, peer] of [go, other].entries()) {
      await peer.waitForMembers([gateway], ['suspect', 'dead'], 30_000);
      const from = marks[index] as number;
      await peer.waitFor(
        (event) => event.event === 'member' && event.id === leaf.id && event.state === 'alive',
        30_000,
        from,
      );
      console.log(
        `go sees it alive again after ${Math.round(performance.now() - killedAt)} ms: ${peer.statesOf(leaf.id)}`,
      );
      await asks(leaf, peer);
      await sends(leaf, peer, true);
    }
    await broadcasts(leaf, [go, other, iso], {}, 190);
    await broadcasts(go, [leaf, iso], {}, 191);
    await asks(iso, leaf);
    // What no member can change: a Go peer believes a new address from nothing but an answer at the old one.
    const answer = await go.call({ cmd: 'request', to: leaf.id, type: 130, data: 1, timeoutMs: 3_000 });
    expect(answer).toMatchObject({ event: 'error' });
  });
});
