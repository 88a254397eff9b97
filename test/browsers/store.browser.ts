/**
 * One store in three browsers, Deno, Bun and Node: what each of them writes is everywhere, the same, also after a gateway has died; and
 * what a page keeps in IndexedDB is there when it is opened again.
 */
import { afterEach, expect, test } from 'vitest';
import { createGateway } from '../../src/gateway.js';
import { type Cluster, createCluster } from '../../src/index.js';
import { createStore, type Store } from '../../src/store/store.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { storeState, storeWrite } from '../runtime/members-behaviour.js';
import { inBun, inDeno } from '../runtime/members-hosts.js';
import { stateOf, writeAs } from '../runtime/store-behaviour.js';
import { openPageSite } from './site.js';
import { type Visitor, visits } from './visitors.js';

/** Far above what anything takes, for a busy machine. */
const SEE_MS = 30_000;
const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function inNode(join?: string): Promise<{ cluster: Cluster; store: Store; gateway: string }> {
  const cluster = await createCluster({
    transport: webSocketTransport({ listen: webSocketListener({ bind: '127.0.0.1:0', path: '/gossip' }) }),
    preset: 'local',
  });
  cleanups.push(() => cluster.close());
  if (join) await cluster.join(join);
  const store = await createStore(cluster, { syncIntervalMs: 1000 });
  cleanups.push(() => store.close());
  const { url } = await createGateway(cluster, { listen: webSocketListener({ bind: '127.0.0.1:0' }), origins: '*' });
  return { cluster, store, gateway: url };
}

const BODY = `<button id="write">Write</button><button id="keep">Keep</button>
  <section aria-label="Kept"><h2>Kept</h2><p id="kept">not yet</p></section>`;

test('three browsers, Deno, Bun and Node hold the same, also after a gateway has died', {
  timeout: 180_000,
}, async () => {
  const ada = await inNode();
  const ben = await inNode(ada.cluster.address);
  const hosts = { deno: await inDeno('ws')(ada.cluster.address), bun: await inBun('ws')(ada.cluster.address) };
  const site = await openPageSite(new URL('store-page.ts', import.meta.url), BODY);
  cleanups.push(site.close);
  const pages = new Map<string, Visitor>();
  for (const [name, visit] of Object.entries(visits)) {
    const query = new URLSearchParams({ who: name });
    for (const { gateway } of name === 'firefox' ? [ben, ada] : [ada, ben]) query.append('gateway', gateway);
    const page = await visit(`${site.url}?${query}`);
    cleanups.push(() => page.close());
    pages.set(name, page);
  }
  const idOf = (address: string) => ben.cluster.members().find((one) => one.address === address)?.id ?? '';
  const states = (): Promise<string>[] => [
    ...(ada.cluster.self.state === 'alive' && !dead ? [Promise.resolve(stateOf(ada.store))] : []),
    Promise.resolve(stateOf(ben.store)),
    ...Object.values(hosts).map(({ address }) => ben.cluster.request(idOf(address), storeState, null)),
    ...Array.from(pages.values(), (page) => page.read('status')),
  ];
  let dead = false;
  /** Waits until all are the same, and all that was written is there. */
  const agree = async (writes: number, names: readonly string[]) => {
    const all = async () => {
      const distinct = [...new Set(await Promise.all(states()))];
      return distinct.length === 1 ? JSON.parse(distinct[0] as string) : { distinct };
    };
    await expect
      .poll(all, { timeout: SEE_MS, interval: 100 })
      .toMatchObject({ writes, rounds: names.map((name) => [name, expect.any(Number)]) });
    return all();
  };
  const everybody = ['ada', 'ben', 'bun', 'chromium', 'deno', 'firefox', 'webkit'];
  const writeAll = async (round: number) => {
    const writing: Promise<unknown>[] = [...pages.values()].map((page) => page.press('Write'));
    for (const [name, { address }] of Object.entries(hosts)) {
      writing.push(ben.cluster.request(idOf(address), storeWrite, { who: name, round }));
    }
    writeAs(ben.store, 'ben', round);
    if (!dead) writeAs(ada.store, 'ada', round);
    await Promise.all(writing);
  };
  for (const page of pages.values()) await expect.poll(() => page.read('status'), { timeout: SEE_MS }).toMatch(/^\{/);

  await writeAll(1);
  await agree(7, everybody);
  await writeAll(2);
  const second = await agree(7 + 14, everybody);
  expect(second.all).toEqual(everybody.map((name) => `${name} 2`));
  expect(second.registers).toHaveLength(8);

  // What is written while the pages of a gateway that has died are between two of them is there in the end, too.
  dead = true;
  await ada.cluster.close();
  await writeAll(3);
  const third = await agree(7 + 14 + 18, everybody);
  expect(third.all).toEqual(everybody.map((name) => (name === 'ada' ? 'ada 2' : `${name} 3`)));

  for (const [name, page] of pages) {
    await page.press('Keep');
    await expect
      .poll(() => page.read('Kept'), { timeout: SEE_MS })
      .toMatch(new RegExp(`ERR_STORAGE the same .*"all":\\["${name} 2"\\].*"writes":3`));
  }
});

test.each(Object.entries(visits))(
  'what a page in %s keeps is there when it is reloaded at once, and when the browser took it away',
  {
    timeout: 60_000,
  },
  async (_name, visit) => {
    const site = await openPageSite(new URL('store-kept-page.ts', import.meta.url));
    cleanups.push(site.close);
    const page = await visit(site.url);
    cleanups.push(() => page.close());
    // While it is reloaded nobody can read it.
    const state = () => page.read('status').catch(() => 'not yet');
    // While it still makes its database, a browser may give it up with the page, once in some hundred, more often on a slow machine; without a
    // commit every other.
    const end = /^((?:(?:kept|lost) ){24})failed:(2[2-4]):\2 failed:all,next:102$/;
    await expect.poll(state, { timeout: SEE_MS, interval: 100 }).toMatch(end);
    const rounds = end.exec(await page.read('status'))?.[1] ?? '';
    expect(rounds.match(/kept/g)?.length, rounds).toBeGreaterThanOrEqual(20);
  },
);
