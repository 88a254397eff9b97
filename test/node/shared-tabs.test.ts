/**
 * Leaves in tabs that share one WebSocket, at a real gateway: each is a member of its own, and stays one when the tab that
 * had the connection goes.
 */
import { expect, test } from 'vitest';
import Client from 'ws';
import type { Cluster } from '../../src/cluster.js';
import { createCluster } from '../../src/create-cluster.js';
import { createLeaf } from '../../src/create-leaf.js';
import { createGateway } from '../../src/gateway.js';
import { defineMessage, defineRequest } from '../../src/message.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { FakeOrigin, type FakeTab } from '../unit/fake-tabs.js';
import { after } from './websocket-peers.js';

/** Waits for a view of the membership; told by events, with the test's deadline. */
async function sees(cluster: Cluster, condition: () => boolean): Promise<void> {
  const events = cluster.events();
  if (condition()) return;
  for await (const _ of events) if (condition()) return;
}

/** A leaf was out of touch, and is back. */
async function resumed(leaf: Cluster): Promise<void> {
  for await (const { type } of leaf.events()) if (type === 'resumed') return;
}

const alive = (cluster: Cluster, ...ids: string[]) =>
  ids.every((id) => cluster.members().some((member) => member.id === id && member.state === 'alive'));

async function gatewayWith(options: Parameters<typeof createGateway>[1] = {}) {
  const member = await createCluster({ transport: createMemoryNetwork().transport(), preset: 'local' });
  after(() => member.leave());
  const gateway = await createGateway(member, { listen: webSocketListener({ bind: '127.0.0.1:0' }), ...options });
  return { member, gateway };
}

/** The connections that were dialled, whichever tab did. */
function dialling() {
  const dialled: Client[] = [];
  class Real extends Client {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols ?? [], { perMessageDeflate: false });
      dialled.push(this);
    }
  }
  return { dialled, open: () => dialled.filter(({ readyState }) => readyState === Client.OPEN), Real };
}

test('leaves in three tabs are three members over one connection, before and after its tab has gone', async () => {
  const { member, gateway } = await gatewayWith({ pingIntervalMs: 500 });
  const { dialled, open, Real } = dialling();
  const origin = new FakeOrigin();
  after(() => origin.close());
  const start = async (tab: FakeTab) => {
    const leaf = await createLeaf({
      transport: webSocketTransport({ gateways: [gateway.url], WebSocket: tab.WebSocket }),
      preset: 'local',
    });
    after(() => leaf.close());
    await leaf.join();
    return leaf;
  };
  const tabs = [origin.tab({ WebSocket: Real }), origin.tab({ WebSocket: Real }), origin.tab({ WebSocket: Real })];
  const leaves = [];
  for (const tab of tabs) leaves.push(await start(tab));
  const ids = leaves.map(({ id }) => id);
  await Promise.all([member, ...leaves].map((one) => sees(one, () => alive(one, ...ids, member.id))));
  expect([gateway.leaves, dialled.length]).toEqual([3, 1]);

  const chat = defineMessage<string>(129);
  const sum = defineRequest<number[], number>(130);
  const [first, second, third] = leaves as [Cluster, Cluster, Cluster];
  third.handle(sum, ({ data }) => data.reduce((a, b) => a + b));
  expect(await second.request(third.id, sum, [2, 3])).toBe(5);
  const heard = Promise.all([first, third, member].map((one) => new Promise((resolve) => one.on(chat, resolve))));
  second.broadcast(chat, 'hello');
  expect((await heard).map((message) => (message as { data: string }).data)).toEqual(['hello', 'hello', 'hello']);

  // The tab with the connection dies.
  const back = Promise.all([second, third].map(resumed));
  tabs[0]?.crash();
  for (const socket of dialled) socket.terminate();
  await back;
  expect(await second.request(third.id, sum, [4, 5])).toBe(9);
  expect([dialled.length, open().length]).toEqual([2, 1]);
  await sees(member, () => member.member(first.id)?.state !== 'alive' && gateway.leaves === 2);
});

test('what decides on a leaf is told of its request, and not that it shares', async () => {
  const seen: unknown[] = [];
  const { gateway } = await gatewayWith({
    authorize: ({ protocols, headers }) => {
      seen.push([protocols, headers.get('sec-websocket-protocol')]);
      return seen.length > 1 || 'not this one';
    },
  });
  const { Real } = dialling();
  const origin = new FakeOrigin();
  after(() => origin.close());
  const leafOf = async (tab: FakeTab) => {
    const leaf = await createLeaf({
      transport: webSocketTransport({ gateways: [gateway.url], WebSocket: tab.WebSocket, protocols: ['ticket.7'] }),
    });
    after(() => leaf.close());
    return leaf;
  };
  const refused = await leafOf(origin.tab({ WebSocket: Real }));
  await expect(refused.join()).rejects.toThrow('not this one');
  const admitted = await leafOf(origin.tab({ WebSocket: Real }));
  await admitted.join();
  expect(seen[1]).toEqual([['ticket.7'], 'isogossip.mux,ticket.7']);
});
