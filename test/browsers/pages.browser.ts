/**
 * Real pages of the packed package: as each bundler makes them, under a Content-Security-Policy that allows next to
 * nothing, and without any bundler, from the single file. Each joins a gateway of this process and chats with it.
 */
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/cluster.js';
import { createCluster } from '../../src/create-cluster.js';
import { createGateway, type Gateway } from '../../src/gateway.js';
import { defineMessage } from '../../src/message.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { bundlers, scripts } from '../bundles/bundlers.js';
import { installPacked, type Project } from '../bundles/packed.js';
import { browsers } from './site.js';

const PAGE = fileURLToPath(new URL('../bundles/page.js', import.meta.url));
const STRICT = "default-src 'none'; script-src 'self'; connect-src 'self' ws:";
const chat = defineMessage<string>(129);

let project: Project;
let browser: Browser;
beforeAll(async () => {
  project = await installPacked();
  await copyFile(PAGE, join(project.folder, 'page.js'));
  browser = await browsers.chromium();
});
afterAll(async () => {
  await browser?.close();
  await project?.remove();
});

/** A static server of files by name, and nothing else. */
async function serve(files: ReadonlyMap<string, string>, policy?: string): Promise<{ origin: string; server: Server }> {
  const types: Record<string, string> = { '.js': 'text/javascript', '.html': 'text/html' };
  const server = createServer(({ url = '/' }, response) => {
    const name = url.split('?')[0]?.slice(1) || 'index.html';
    const text = files.get(name);
    if (text !== undefined) response.setHeader('content-type', types[extname(name)] ?? 'text/plain');
    if (policy !== undefined) response.setHeader('content-security-policy', policy);
    response.writeHead(text === undefined ? 404 : 200).end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

let cluster: Cluster;
let page: Page;
let gateway: Gateway;
/** What the page's console and the browser object to, but for the icon that every browser asks for. */
let objections: string[];
let server: Server;
beforeEach(async () => {
  cluster = await createCluster({ transport: createMemoryNetwork().transport() });
  page = await browser.newPage();
  objections = [];
  page.on('pageerror', (error) => objections.push(String(error)));
  page.on('console', (message) => {
    const icon = message.location().url.endsWith('/favicon.ico');
    if (['error', 'warning'].includes(message.type()) && !icon) objections.push(message.text());
  });
});
afterEach(async () => {
  await page.close();
  await cluster.leave();
  server.closeAllConnections();
  server.close();
});

/** Opens a page at a site, and sees it join, speak and hear. */
async function chats(files: ReadonlyMap<string, string>, policy?: string): Promise<void> {
  const site = await serve(files, policy);
  server = site.server;
  gateway = await createGateway(cluster, {
    listen: webSocketListener({ bind: '127.0.0.1:0' }),
    origins: [site.origin],
  });
  const heard = new Promise<string>((resolve) => {
    cluster.on(chat, ({ data }) => resolve(data));
  });
  await page.goto(`${site.origin}/?${new URLSearchParams({ gateway: gateway.url, say: 'good morning' })}`);
  expect(await heard).toBe('good morning');
  expect(gateway.leaves).toBe(1);
  await cluster.broadcast(chat, 'welcome');
  await page.waitForFunction(() => document.title === 'heard welcome');
}

describe('under a strict Content-Security-Policy', () => {
  test.each(Object.entries(bundlers))('a page bundled by %s chats', async (name, bundle) => {
    const into = join(project.folder, name);
    await bundle(join(project.folder, 'page.js'), into);
    const made = await scripts(into);
    const [script] = made.keys();
    await chats(
      new Map([...made, ['index.html', `<!doctype html><script type="module" src="${script}"></script>`]]),
      STRICT,
    );
    expect(objections).toEqual([]);
  });

  test('a page that makes code of a text is objected to, so that the others can fail', async () => {
    const html = '<!doctype html><script src="page.js"></script>';
    const site = await serve(
      new Map([
        ['index.html', html],
        ['page.js', "new Function('return 1')()"],
      ]),
      STRICT,
    );
    server = site.server;
    await page.goto(site.origin);
    await expect.poll(() => objections.join()).toMatch(/Content Security Policy/);
  });
});

test('a page without a bundler chats: one file, one script, any server', async () => {
  const manifest = JSON.parse(await readFile(join(project.installed, 'package.json'), 'utf8'));
  const file = basename(manifest.unpkg);
  const text = await readFile(join(project.installed, manifest.unpkg), 'utf8');
  // What the bundlers are given, with all of its imports from the one file.
  const script = (await readFile(PAGE, 'utf8')).replace(/from 'isogossip[^']*'/g, `from './${file}'`);
  const html = `<!doctype html><script type="module">${script}</script>`;
  await chats(
    new Map([
      [file, text],
      ['index.html', html],
    ]),
  );
  expect(objections).toEqual([]);
});
