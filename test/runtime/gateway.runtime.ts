/**
 * Gateways in a Durable Object on sockets of the hibernation API, with leaves in Node: the whole contract, and what becomes of
 * the leaves when the object is gone.
 */
import { afterAll, assert, describe, expect, test, vi } from 'vitest';
import { type Cluster, createCluster, defineMessage } from '../../src/index.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { gatewayContract } from '../contract/gateway.js';
import { freePort } from '../free-port.js';
import { upper } from './members-behaviour.js';
import { after, startContractGateways, startGatewayInWorkerd } from './members-hosts.js';

describe('gateways in one object, leaves in Node', async () => {
  const { gateways, close } = await startContractGateways();
  afterAll(close);
  gatewayContract(
    { test, assert },
    {
      name: 'websocket',
      gateways,
      start: (dial, options) => createCluster({ transport: webSocketTransport(dial), ...options }),
    },
  );
});

const chat = defineMessage<string>(129);

async function attach(url: string, name: string): Promise<Cluster> {
  const leaf = await createCluster({ transport: webSocketTransport({ gateways: [url] }), metadata: { name } });
  after(() => leaf.close());
  await leaf.join();
  return leaf;
}

const sees = (leaf: Cluster, id: string, state: string) =>
  vi.waitFor(() => expect(leaf.member(id)?.state).toBe(state), 15_000);

/** A broadcast of one that the others hear. */
async function talk(from: Cluster, others: readonly Cluster[], text: string): Promise<void> {
  const heard = others.map(
    (one) =>
      new Promise<void>((resolve) => {
        one.on(chat, ({ data }) => data === text && resolve());
      }),
  );
  from.broadcast(chat, text);
  await Promise.all(heard);
}

test('leaves of a gateway on hibernating sockets talk, leave, and are missed', async () => {
  const url = await startGatewayInWorkerd(await freePort());
  const about = async () => (await fetch(url.replace(/^ws(.*)gossip$/, 'http$1'))).json() as Promise<{ id: string }>;
  const { id } = await about();
  const [ada, ben, cat] = [await attach(url, 'Ada'), await attach(url, 'Ben'), await attach(url, 'Cat')];
  for (const leaf of [ada, ben, cat]) for (const other of [ada, ben, cat]) await sees(leaf, other.id, 'alive');
  expect(await about()).toEqual({ id, leaves: 3 });
  expect(ada.self.via).toBe(id);
  await talk(ada, [ben, cat], 'hello');
  expect(await ben.request(id, upper, 'x'.repeat(200_000))).toBe('X'.repeat(200_000));
  cat.handle(upper, ({ data }) => `${data}!`);
  expect(await ada.request(cat.id, upper, 'hi')).toBe('hi!');
  await ben.leave();
  await sees(ada, ben.id, 'leaving');
  await cat.close();
  await vi.waitFor(() => expect(ada.member(cat.id)?.state).not.toBe('alive'), 15_000);
  await vi.waitFor(async () => expect(await about()).toEqual({ id, leaves: 1 }), 15_000);
});

test('when the object is evicted, its leaves attach to the one in its place, and are who they were', async () => {
  const url = await startGatewayInWorkerd(await freePort());
  const path = (name: string) => url.replace(/^ws(.*)gossip$/, `http$1${name}`);
  const about = async () => (await fetch(path(''))).json() as Promise<{ id: string; leaves: number }>;
  const [ada, ben] = [await attach(url, 'Ada'), await attach(url, 'Ben')];
  await sees(ada, ben.id, 'alive');
  const [before, ids] = [await about(), [ada.id, ben.id]];
  const resumed = [ada, ben].map((leaf) => new Promise((resolve) => leaf.on('resumed', resolve)));
  expect((await fetch(path('evict'))).status).toBe(500);
  await Promise.all(resumed);
  const now = await about();
  expect(now.id).not.toBe(before.id);
  expect(now.leaves).toBe(2);
  for (const leaf of [ada, ben]) {
    expect(leaf.self).toMatchObject({ state: 'alive', via: now.id });
    for (const id of ids) await sees(leaf, id, 'alive');
  }
  expect([ada.id, ben.id]).toEqual(ids);
  await talk(ada, [ben], 'we are back');
  expect(await ben.request(now.id, upper, 'hi')).toBe('HI');
});
