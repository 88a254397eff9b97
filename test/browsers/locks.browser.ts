/** One lock in three browsers and Node: each page adds to a number under it, none of them loses what another has added. */
import { afterEach, expect, test } from 'vitest';
import { createGateway } from '../../src/gateway.js';
import { type Cluster, createCluster } from '../../src/index.js';
import { createLocks, type Locks } from '../../src/lock/index.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { keepsNumber, keepsWaiting, lockAdd, lockStart } from '../runtime/lock-behaviour.js';
import { openPageSite } from './site.js';
import { visits } from './visitors.js';

/** Far above what anything takes, for a busy machine. */
const SEE_MS = 30_000;
const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Three members, which are the voters, the first two of them gateways. */
async function members(): Promise<{ clusters: Cluster[]; locks: Locks[]; voters: string[]; gateways: string[] }> {
  const clusters: Cluster[] = [];
  const gateways: string[] = [];
  for (let i = 0; i < 3; i++) {
    const cluster = await createCluster({
      transport: webSocketTransport({ listen: webSocketListener({ bind: '127.0.0.1:0', path: '/gossip' }) }),
      preset: 'local',
    });
    cleanups.push(() => cluster.close());
    if (i > 0) await cluster.join((clusters[0] as Cluster).address);
    if (i < 2) {
      const { url } = await createGateway(cluster, {
        listen: webSocketListener({ bind: '127.0.0.1:0' }),
        origins: '*',
      });
      gateways.push(url);
    }
    clusters.push(cluster);
  }
  const voters = clusters.map(({ address }) => address);
  const locks: Locks[] = [];
  for (const cluster of clusters) locks.push(await createLocks(cluster, { voters, sessionTtlMs: 5000, leaseMs: 500 }));
  cleanups.push(() => Promise.all(locks.map((one) => one.close())));
  return { clusters, locks, voters, gateways };
}

test('pages in three browsers take turns; one that is closed while it holds is waited for no longer than its time', {
  timeout: 180_000,
}, async () => {
  const { clusters, locks, voters, gateways } = await members();
  const [ada, ben] = clusters as [Cluster, Cluster];
  const site = await openPageSite(new URL('lock-page.ts', import.meta.url));
  cleanups.push(site.close);
  const pages: { close(): Promise<void>; id: string }[] = [];
  for (const [name, visit] of Object.entries(visits)) {
    const query = new URLSearchParams({ who: name });
    for (const gateway of name === 'firefox' ? [...gateways].reverse() : gateways) query.append('gateway', gateway);
    const page = await visit(`${site.url}?${query}`);
    let closed: Promise<void> | undefined;
    const close = () => {
      closed ??= page.close();
      return closed;
    };
    cleanups.push(close);
    await expect.poll(() => page.read('status'), { timeout: SEE_MS }).toMatch(/^[0-9a-f-]{36} /);
    const [id = ''] = (await page.read('status')).split(' ');
    pages.push({ close, id });
  }
  const value = keepsNumber(ada);
  for (const { id } of pages) {
    await expect.poll(() => ada.member(id)?.state, { timeout: SEE_MS }).toBe('alive');
    await ada.request(id, lockStart, { voters });
  }
  const first = await (locks[1] as Locks).acquire('number', { timeoutMs: 15_000 });
  const adding = pages.map(({ id }) => ada.request(id, lockAdd, { times: 5 }, { timeoutMs: SEE_MS }));
  await first.release();
  const tokens = (await Promise.all(adding)).flat();
  expect(value()).toBe(15);
  expect(new Set([first.token, ...tokens]).size).toBe(16);

  // The page holds the lock until it is closed.
  keepsWaiting(ben);
  const last = pages.at(-1) as (typeof pages)[number];
  const holding = ben.request(last.id, lockAdd, { times: 1 }, { timeoutMs: SEE_MS }).catch(() => undefined);
  await expect
    .poll(
      async () => {
        const free = await (locks[0] as Locks).tryAcquire('number');
        await free?.release();
        return free;
      },
      { timeout: SEE_MS },
    )
    .toBeUndefined();
  await last.close();
  const next = await (locks[0] as Locks).acquire('number', { timeoutMs: SEE_MS });
  expect(next.token).toBeGreaterThan(Math.max(...tokens));
  await next.release();
  await holding;
});
