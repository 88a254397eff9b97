/**
 * A real tab beside live Go: an unmodified Go peer, a gateway of ours, and a page in Chromium. The peer lists the page with its
 * tags and metadata, messages it and asks it, hears from it and is asked, and sees it change and go.
 */
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createCluster } from '../../src/create-cluster.js';
import { createGateway } from '../../src/gateway.js';
import { httpTransport } from '../../src/transport/http.js';
import { httpListener } from '../../src/transport/node/http-listener.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { gossipV1 } from '../../src/v1.js';
import { createHarness, describeWithGo, type Peer } from '../interop/harness.js';
import { ask, browsers, openSite } from './site.js';

const CARRIERS = [
  { name: 'sockets', args: [], transport: () => socketTransport({ bind: '127.0.0.1:0' }) },
  {
    name: 'HTTP',
    args: ['--transport', 'http'],
    transport: () => httpTransport({ listen: httpListener({ bind: '127.0.0.1:0' }) }),
  },
];

describeWithGo('a tab beside Go', () => {
  const harness = createHarness();
  const cleanups: (() => unknown)[] = [];
  let browser: Browser;
  beforeAll(async () => {
    browser = await browsers.chromium();
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    await harness.endAll();
  });

  const lineOf = async (at: Peer, id: string) => (await at.members()).find((member) => member.id === id);

  test.each(CARRIERS)('by $name: it is a member like any other', async ({ args, transport }) => {
    const go = await harness.startPeer({ kind: 'go', args: [...args, '--echo', '130'] });
    const cluster = await createCluster({ transport: transport(), v1: gossipV1() });
    cleanups.push(() => cluster.close());
    await cluster.join(go.address);
    const site = await openSite();
    cleanups.push(site.close);
    const { url } = await createGateway(cluster, { listen: webSocketListener({ server: site.server }) });

    const page = await browser.newPage();
    cleanups.push(() => page.close());
    await page.goto(site.url);
    const id: string = await ask(page, 'leaf', url, false, { tags: ['page'], metadata: { title: 'Fox' } });
    await go.waitForMembers([{ id }], 'alive');
    await go.waitFor((event) => event.event === 'metadata' && event.id === id && event.metadata?.title === 'Fox');
    expect(await lineOf(go, id)).toMatchObject({ state: 'alive', tags: ['page'], metadata: { title: 'Fox' } });
    expect(await ask(page, 'sees', [go.id])).toBe(true);

    // To the page, which writes down what it hears and answers with sums.
    for (const reliable of [false, true]) {
      const data = `to the page, ${reliable}`;
      expect(await go.call({ cmd: 'send', to: id, type: 129, data, reliable })).toMatchObject({ event: 'ok' });
      expect(await ask(page, 'hears', data)).toBe(true);
    }
    await go.call({ cmd: 'broadcast', type: 129, data: 'to all' });
    expect(await ask(page, 'hears', 'to all')).toBe(true);
    const question = { cmd: 'request', to: id, type: 130, data: [2, 3, 4], timeoutMs: 5_000 };
    expect(await go.call(question)).toMatchObject({ event: 'response', from: id, data: 9 });

    // From the page, to a peer that answers with what it was asked.
    for (const to of [go.id, undefined]) {
      const data = `from the page to ${to}`;
      await ask(page, 'say', data, to);
      await go.waitFor((event) => event.event === 'message' && event.from === id && event.data === data);
    }
    expect(await ask(page, 'sum', go.id, [5, 6])).toEqual([5, 6]);

    await ask(page, 'change', { title: 'Owl', n: 7 });
    await go.waitFor((event) => event.event === 'metadata' && event.id === id && event.metadata?.n === 7);
    expect(await lineOf(go, id)).toMatchObject({ metadata: { title: 'Owl', n: 7 } });

    await page.close({ runBeforeUnload: true });
    await go.waitForMembers([{ id }], 'leaving');
    expect(go.statesOf(id)).toEqual(['alive', 'leaving']);
  });
});
