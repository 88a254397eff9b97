/**
 * The example for browsers as it stands: its server in a process, its two pages in tabs of Chromium, and what a person sees
 * there.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { browsers } from './site.js';

const SERVER = fileURLToPath(new URL('../../examples/browser/server.mjs', import.meta.url));
/** Far above what anything takes, for a busy machine. */
const SEE_MS = 20_000;

let browser: Browser;
let server: ReturnType<typeof startServer>;
/** What pages and their consoles objected to, but for the icon that every browser asks for. */
const objections: string[] = [];

function startServer() {
  const env = { ...process.env, PORT: '0' };
  const child = spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { child, lines };
}

beforeAll(async () => {
  server = startServer();
  browser = await browsers.chromium();
  await vi.waitFor(() => expect(server.lines).toHaveLength(2), SEE_MS);
});
afterAll(async () => {
  await browser?.close();
  server?.child.kill('SIGKILL');
});

async function open(url: string): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => objections.push(String(error)));
  page.on('console', (message) => {
    const icon = message.location().url.endsWith('/favicon.ico');
    if (['error', 'warning'].includes(message.type()) && !icon) objections.push(message.text());
  });
  await page.goto(url);
  return page;
}

const sees = (read: () => Promise<string>, what: RegExp) =>
  expect.poll(read, { timeout: SEE_MS, interval: 50 }).toMatch(what);

test('tabs of both pages see each other, chat and ask, and are seen to come and go', async () => {
  const [plainUrl = '', bundledUrl = ''] = server.lines;
  const fox = await open(plainUrl);
  const owl = await open(plainUrl);
  const bundled = await open(bundledUrl);
  const read = (page: Page, name: string) => () => page.getByRole('list', { name }).innerText();
  const table = () => bundled.getByRole('table').innerText();

  await sees(() => fox.getByRole('status').innerText(), /^I am page \d+$/);
  await sees(() => owl.getByRole('status').innerText(), /^I am page \d+$/);
  const nameOf = async (page: Page) => (await page.getByRole('status').innerText()).slice('I am '.length);
  const [foxName, owlName] = [await nameOf(fox), await nameOf(owl)];
  const bundledName = await bundled.getByLabel('My name').inputValue();
  for (const name of ['server', foxName, owlName, bundledName]) {
    for (const page of [fox, owl]) await sees(read(page, 'Members'), new RegExp(`^${name}: alive$`, 'm'));
    await expect.poll(() => server.lines, { timeout: SEE_MS }).toContain(`${bundledName} is here`);
  }

  for (const title of ['server\talive\tthe server', `${foxName}\talive\t${await fox.title()}`]) {
    await sees(table, new RegExp(`^${title}$`, 'm'));
  }
  await sees(table, new RegExp(`^${owlName}\talive\t${await owl.title()}$`, 'm'));

  await fox.getByLabel('Say something').fill('good morning');
  await fox.getByRole('button', { name: 'Send' }).click();
  for (const page of [fox, owl]) await sees(read(page, 'Chat'), new RegExp(`^${foxName}: good morning$`));

  await bundled.getByLabel('My name').fill('Badger');
  await bundled.getByLabel('My name').press('Enter');
  await sees(read(fox, 'Members'), /^Badger: alive$/m);

  await owl.close({ runBeforeUnload: true });
  await sees(read(fox, 'Members'), new RegExp(`^(?!.*${owlName}: alive)`, 's'));
  await expect.poll(() => server.lines, { timeout: SEE_MS }).toContain(`${owlName} has left`);
  expect(objections).toEqual([]);
});

test('Ctrl-C ends the server while pages are open', async () => {
  const exited = once(server.child, 'exit');
  server.child.kill('SIGINT');
  expect(await exited).toEqual([0, null]);
});
