/**
 * The examples that are programs for Deno, Bun and workerd, by the commands of their READMEs: each joins a member in Node,
 * does what it is there for, and leaves.
 */
import { expect, test, vi } from 'vitest';
import type { Cluster } from '../../src/cluster.js';
import { createCluster } from '../../src/create-cluster.js';
import type { Member } from '../../src/events.js';
import { defineMessage, defineRequest } from '../../src/message.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import type { Transport } from '../../src/transport/transport.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { freePort } from '../free-port.js';
import { after, runEdgeExample, runExample } from './members-hosts.js';

const chat = defineMessage<string>(129);
const question = defineRequest<unknown, string>(130);

const overSockets = () => socketTransport({ bind: '127.0.0.1:0' });
const overWebSocket = () => webSocketTransport({ listen: webSocketListener({ bind: '127.0.0.1:0' }) });

async function start(transport: Transport, name: string): Promise<Cluster> {
  const cluster = await createCluster({ transport, metadata: { name } });
  after(() => cluster.close());
  return cluster;
}

/** A member by its name, once it is alive. */
const named = (cluster: Cluster, name: string): Promise<Member> =>
  vi.waitUntil(() => cluster.members().find((one) => one.metadata.name === name && one.state === 'alive'), 15_000);

const hasLeft = (cluster: Cluster, { id }: Member) =>
  vi.waitFor(() => expect(cluster.member(id)?.state).toBe('leaving'), 10_000);

/** A leaf that is attached. */
async function attach(url: string): Promise<Cluster> {
  const leaf = await start(webSocketTransport({ gateways: [url] }), 'leaf');
  await leaf.join();
  return leaf;
}

/** Says something to all, and waits until one has heard it. */
async function heard(from: Cluster, to: Cluster, text: string): Promise<void> {
  const message = new Promise<void>((resolve) => {
    to.on(chat, ({ data, from: { id } }) => {
      if (id === from.id && data === text) resolve();
    });
  });
  from.broadcast(chat, text);
  await message;
}

test.each([
  ['WebSocket', overWebSocket],
  ['UDP and TCP', overSockets],
])('the service in Deno joins by %s, answers and leaves', async (_name, transport) => {
  const node = await start(transport(), 'node');
  const service = await runExample('deno', node.address);
  const member = await named(node, 'deno');
  expect(member).toMatchObject({ address: service.line, tags: ['service'] });
  expect(await node.request(member, question, { n: 1 })).toMatch(/^Deno \d\S+ heard \{"n":1\}$/);
  service.interrupt();
  await hasLeft(node, member);
  await service.ended;
});

test('the service in Bun answers, is a gateway, and leaves', async () => {
  const node = await start(overSockets(), 'node');
  const service = await runExample('bun', node.address);
  const member = await named(node, 'bun');
  const [address, url = ''] = service.line.split(' ');
  expect(member).toMatchObject({ address, tags: ['service'] });
  expect(await node.request(member, question, [2])).toMatch(/^Bun \d\S+ heard \[2\]$/);
  const leaf = await attach(url);
  expect(await named(node, 'leaf')).toMatchObject({ id: leaf.id, via: member.id });
  await heard(leaf, node, 'from the page');
  await heard(node, leaf, 'to the page');
  expect(await leaf.request(member, question, null)).toMatch(/^Bun/);
  expect(await (await fetch(url.replace(/^ws(.*)gossip$/, 'http$1'))).text()).toBe('your page\n');
  service.interrupt();
  await hasLeft(node, member);
  await service.ended;
});

test('the object at the edge joins by WebSocket and lets pages in', async () => {
  const node = await start(overWebSocket(), 'node');
  const port = await freePort();
  await runEdgeExample(node.address, port);
  // Nothing runs before the first request.
  const response = await fetch(`http://127.0.0.1:${port}/`);
  expect(await response.json()).toMatchObject(expect.arrayContaining([expect.objectContaining({ state: 'alive' })]));
  const member = await named(node, 'edge');
  expect(member.address).toBe(`ws://127.0.0.1:${port}/member`);
  const leaf = await attach(`ws://127.0.0.1:${port}/gossip`);
  await named(leaf, 'node');
  expect(await named(node, 'leaf')).toMatchObject({ id: leaf.id, via: member.id });
  await heard(leaf, node, 'from the page');
  await heard(node, leaf, 'to the page');
});
