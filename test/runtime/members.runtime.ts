/**
 * Full members in Deno, Bun and workerd beside members in Node: they join and are joined, talk both ways, are on WebSocket
 * beside members that are on sockets too, and leave.
 */
import { describe, expect, test, vi } from 'vitest';
import { type Cluster, createCluster } from '../../src/index.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { several } from '../../src/transport/several.js';
import type { Transport } from '../../src/transport/transport.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { add, askBack, chat, counted, goodbye, numbered, stats } from './members-behaviour.js';
import { after, inBun, inDeno, inWorkerd, type StartHost } from './members-hosts.js';

const overSockets = () => socketTransport({ bind: '127.0.0.1:0' });
const overWebSocket = () => webSocketTransport({ listen: webSocketListener({ bind: '127.0.0.1:0', path: '/gossip' }) });

async function inNode(transport: Transport): Promise<Cluster> {
  const cluster = await createCluster({ transport, preset: 'local' });
  after(() => cluster.close());
  cluster.handle(add, ({ data }) => data.a + data.b);
  return cluster;
}

/** The other of two members, once it is there. */
async function peerOf(cluster: Cluster, address: string): Promise<string> {
  const find = () => cluster.members().find((one) => one.address === address && one.state === 'alive')?.id;
  await vi.waitFor(() => expect(find()).toBeDefined(), 10_000);
  return find() as string;
}

/** Broadcasts, and waits for the peer to say it again. */
async function echoed(cluster: Cluster, peer: string): Promise<void> {
  const heard = new Promise<void>((resolve) => {
    cluster.on(chat, ({ data, from }) => {
      if (from.id === peer && data === `echo from ${cluster.id}`) resolve();
    });
  });
  cluster.broadcast(chat, `from ${cluster.id}`);
  await heard;
}

/** Requests and broadcasts both ways. */
async function talk(cluster: Cluster, peer: string): Promise<void> {
  expect(await cluster.request(peer, add, { a: 2, b: 3 })).toBe(5);
  expect(await cluster.request(peer, askBack, { a: 20, b: 30 })).toBe(50);
  await echoed(cluster, peer);
}

/** Tells the member to go, and sees it gone in peace. */
async function seeOff(cluster: Cluster, peer: string): Promise<void> {
  await cluster.send(peer, goodbye, null, { reliable: true });
  await vi.waitFor(() => expect(cluster.member(peer)?.state).toBe('leaving'), 10_000);
}

/** 1,000 messages of about 2,000 bytes, reliably and in order, while requests go on. */
async function flood(cluster: Cluster, peer: string): Promise<void> {
  const filling = new Uint8Array(2_000).fill(7);
  const sends: Promise<void>[] = [];
  for (let n = 0; n < 1_000; n++) sends.push(cluster.send(peer, numbered, { n, filling }, { reliable: true }));
  await Promise.all(sends);
  await vi.waitFor(
    async () => expect(await cluster.request(peer, counted, null)).toEqual({ count: 1_000, ordered: true }),
    10_000,
  );
}

/** What must be 0 after a test in which everybody kept to the rules. */
function troubles(counters: Record<string, number>): [string, number][] {
  const names =
    /framesMalformed|framesNotOpened|packetsMalformed|bad(Hellos|Frames|Windows)|textMessages|stalled|brokenReq/;
  return Object.entries(counters).filter(([name, value]) => names.test(name) && value > 0);
}

const hosts: [string, StartHost][] = [
  ['Deno', inDeno('ws')],
  ['Bun', inBun('ws')],
  ['workerd', inWorkerd('hibernating')],
  ['workerd with standard sockets', inWorkerd('plain')],
];

describe.each(hosts)('a member in %s, by WebSocket', (_name, start) => {
  test('joins a member in Node, talks, and leaves', async () => {
    const node = await inNode(overWebSocket());
    const host = await start(node.address);
    const peer = await peerOf(node, host.address);
    await talk(node, peer);
    await flood(node, peer);
    expect(troubles({ ...node.stats() })).toEqual([]);
    expect(troubles(await node.request(peer, stats, null))).toEqual([]);
    await seeOff(node, peer);
    await host.ended;
  });

  test('is joined, by one that is on sockets too, and sees those who are on sockets alone', async () => {
    const host = await start();
    const both = await inNode(several([overSockets(), overWebSocket()]));
    const server = await inNode(overSockets());
    await both.join(host.address);
    await server.join(both.address);
    const peer = await peerOf(both, host.address);
    await talk(both, peer);
    await vi.waitFor(() => expect(server.member(peer)?.state).toBe('alive'), 10_000);
    // There is no way between them but through the one that knows both.
    await echoed(server, peer);
    await seeOff(both, peer);
    await host.ended;
  });
});

describe.each([
  ['Deno', inDeno('socket')],
  ['Bun', inBun('socket')],
])('a member in %s, by UDP and TCP', (_name, start) => {
  test('joins a member in Node, talks, and leaves', async () => {
    const node = await inNode(overSockets());
    const host = await start(node.address);
    const peer = await peerOf(node, host.address);
    await talk(node, peer);
    await flood(node, peer);
    expect(troubles({ ...node.stats() })).toEqual([]);
    expect(troubles(await node.request(peer, stats, null))).toEqual([]);
    await seeOff(node, peer);
    await host.ended;
  });
});
