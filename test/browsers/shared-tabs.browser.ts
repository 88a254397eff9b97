/**
 * Real tabs of a real browser that share one WebSocket: five pages and one connection, what happens when the page that has
 * it is closed, crashes or is frozen, and leaves in pages and in workers of every kind.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { createCluster } from '../../src/create-cluster.js';
import { createGateway } from '../../src/gateway.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { acceptMux } from '../../src/transport/mux.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import type { WebSocketLike } from '../../src/transport/websocket.js';
import { openDevtools } from './devtools.js';
import { ask, browsers, openSite } from './site.js';

/** A page opens a channel by itself; the server hears of it a moment later. */
const SOON = { timeout: 2000 };

/** A server that gives back, for each channel of each connection. */
async function openEcho() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const channels = new Set<WebSocketLike>();
  let connections = 0;
  server.on('connection', (socket) => {
    connections++;
    acceptMux(
      socket,
      (channel) => {
        channels.add(channel);
        channel.addEventListener('close', () => channels.delete(channel));
        channel.addEventListener('message', ({ data }) => channel.send(data as string));
      },
      { limits: DEFAULT_LIMITS, count: () => {} },
    );
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    channels,
    open: server.clients,
    get connections() {
      return connections;
    },
    close: () => server.close(),
  };
}

describe.each(Object.entries(browsers))('%s', (name, launch) => {
  let browser: Browser;
  let site: Awaited<ReturnType<typeof openSite>>;
  let echo: Awaited<ReturnType<typeof openEcho>>;
  let context: BrowserContext;

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    site = await openSite();
    echo = await openEcho();
    context = await browser.newContext();
  });
  afterEach(async () => {
    await context.close();
    echo.close();
    site.close();
  });

  const newPage = async (): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(site.url);
    return page;
  };

  /** Pages that share; the first leads. */
  const openPages = async (count: number): Promise<Page[]> => {
    const pages: Page[] = [];
    for (let i = 0; i < count; i++) {
      const page = await newPage();
      await ask(page, 'open', echo.url);
      pages.push(page);
    }
    return pages;
  };

  const echoAll = (pages: Page[], text: string) =>
    Promise.all(pages.map((page, at) => ask(page, 'echo', `${text} ${at}`)));
  const expected = (pages: Page[], text: string) => pages.map((_, at) => `${text} ${at}`);

  /** All of them have opened again, with what it took. */
  const recovered = async (pages: Page[], sinceMs: number, times = 2): Promise<number> => {
    await Promise.all(pages.map((page) => ask(page, 'openedTimes', times)));
    expect(await echoAll(pages, 'again')).toEqual(expected(pages, 'again'));
    return performance.now() - sinceMs;
  };

  test('five pages use one connection; when its page is closed the others are back within 2 s, over one', async () => {
    const [leader, ...others] = (await openPages(5)) as [Page, ...Page[]];
    expect(await echoAll([leader, ...others], 'hello')).toEqual(expected([leader, ...others], 'hello'));
    expect([echo.connections, echo.channels.size]).toEqual([1, 5]);

    const startedMs = performance.now();
    await leader.close();
    const tookMs = await recovered(others, startedMs);
    console.log(`${name}: after the leader was closed ${tookMs.toFixed(0)} ms`);
    expect(tookMs).toBeLessThan(2_000);
    await expect.poll(() => [echo.connections, echo.open.size, echo.channels.size], SOON).toEqual([2, 1, 4]);
  });

  test('a page that is closed, or goes elsewhere, is gone at the server, and nobody else notices', async () => {
    const pages = (await openPages(4)) as [Page, Page, Page, Page];
    const [, second, third] = [...echo.channels] as [unknown, WebSocketLike, WebSocketLike];
    const gone = [second, third].map((channel) => once(channel as unknown as EventTarget, 'close'));
    await pages[1].close();
    await pages[2].goto('about:blank');
    await Promise.all(gone);
    const rest = [pages[0], pages[3]];
    expect(await echoAll(rest, 'still')).toEqual(expected(rest, 'still'));
    expect(await Promise.all(rest.map((page) => ask(page, 'opened')))).toEqual([1, 1]);
    expect([echo.connections, echo.channels.size]).toEqual([1, 2]);
  });

  test('leaves in three tabs are three members over one connection, before and after its tab is closed', async () => {
    const member = await createCluster({ transport: createMemoryNetwork().transport() });
    let connections = 0;
    const listen = webSocketListener({ server: site.server, path: '/gateway' });
    const gateway = await createGateway(member, {
      listen: (listenContext) =>
        listen({
          ...listenContext,
          accept(socket, info) {
            connections++;
            listenContext.accept(socket, info);
          },
        }),
    });
    try {
      const pages = (await Promise.all([newPage(), newPage(), newPage()])) as [Page, Page, Page];
      const ids: string[] = [];
      for (const page of pages) ids.push(await ask(page, 'leaf', gateway.url, true));
      await Promise.all(pages.map((page) => ask(page, 'sees', [...ids, member.id])));
      expect([gateway.leaves, connections]).toEqual([3, 1]);
      expect(await ask(pages[1], 'sum', ids[2], [2, 3])).toBe(5);

      const startedMs = performance.now();
      const back = Promise.all(pages.slice(1).map((page) => ask(page, 'resumed')));
      await pages[0].close();
      await back;
      console.log(`${name}: leaves were back after ${(performance.now() - startedMs).toFixed(0)} ms`);
      expect(await ask(pages[1], 'sum', ids[2], [4, 5])).toBe(9);
      expect(connections).toBe(2);
      await expect.poll(() => gateway.leaves).toBe(2);
    } finally {
      await member.leave();
    }
  });

  test.each(['dedicated', 'shared', 'service'] as const)(
    'a leaf in a %s worker, with a connection of its own and sharing',
    async (kind) => {
      const member = await createCluster({ transport: createMemoryNetwork().transport() });
      const gateway = await createGateway(member, {
        listen: webSocketListener({ server: site.server, path: '/gateway' }),
      });
      try {
        const page = await newPage();
        for (const shared of [false, true]) {
          const id = await ask<unknown[], string>(page, 'inWorker', kind, 'leaf', gateway.url, shared);
          expect(await ask(page, 'inWorker', kind, 'sees', [member.id])).toBe(true);
          expect(member.member(id)?.state).toBe('alive');
          await ask(page, 'inWorker', kind, 'leave');
          await expect.poll(() => gateway.leaves).toBe(0);
        }
      } finally {
        await member.leave();
      }
    },
  );
});

describe('chromium, when the page that leads does not run any more', () => {
  let site: Awaited<ReturnType<typeof openSite>>;
  let echo: Awaited<ReturnType<typeof openEcho>>;
  beforeEach(async () => {
    site = await openSite();
    echo = await openEcho();
  });
  afterEach(() => {
    echo.close();
    site.close();
  });

  test('crashed: the others are back within 2 s, over one connection', async () => {
    const browser = await browsers.chromium();
    try {
      const context = await browser.newContext();
      const pages: Page[] = [];
      for (let i = 0; i < 3; i++) {
        const page = await context.newPage();
        await page.goto(site.url);
        await ask(page, 'open', echo.url);
        pages.push(page);
      }
      const [leader, ...others] = pages as [Page, ...Page[]];
      const devtools = await context.newCDPSession(leader);
      const startedMs = performance.now();
      devtools.send('Page.crash').catch(() => {});
      await Promise.all(others.map((page) => ask(page, 'openedTimes', 2)));
      const tookMs = performance.now() - startedMs;
      console.log(`crashed: the others were back after ${tookMs.toFixed(0)} ms`);
      expect(tookMs).toBeLessThan(2_000);
      await expect.poll(() => [echo.connections, echo.open.size, echo.channels.size], SOON).toEqual([2, 1, 2]);
    } finally {
      await browser.close();
    }
  });

  test.each(['frozen', 'cached'] as const)(
    '%s: the others are back within 2 s, over one connection, and so is the page when it runs again',
    async (how) => {
      const browser = await openDevtools();
      try {
        const pages = [await browser.open(site.url), await browser.open(site.url), await browser.open(site.url)];
        for (const page of pages) await page.run(`agent.open('${echo.url}')`);
        const [leader, ...others] = pages as [(typeof pages)[0], ...typeof pages];
        expect(echo.connections).toBe(1);

        const startedMs = performance.now();
        const back = Promise.all(others.map((page) => page.run('agent.openedTimes(2)')));
        if (how === 'frozen') await leader.frozen(true);
        else await leader.goto(site.url.replace('127.0.0.1', 'localhost'));
        await back;
        const tookMs = performance.now() - startedMs;
        console.log(`${how}: the others were back after ${tookMs.toFixed(0)} ms`);
        expect(tookMs).toBeLessThan(2_000);
        await expect.poll(() => [echo.connections, echo.open.size, echo.channels.size], SOON).toEqual([2, 1, 2]);

        if (how === 'frozen') await leader.frozen(false);
        else await leader.back();
        // It is the same page, that knows that it was open before.
        await leader.run('agent.openedTimes(2)');
        expect(await leader.run(`agent.echo('awake')`)).toBe('awake');
        await expect.poll(() => [echo.connections, echo.channels.size], SOON).toEqual([2, 3]);
      } finally {
        await browser.close();
      }
    },
  );
});
