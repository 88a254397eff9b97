/** The guide from its first to its last step, as it stands: members in Node, the program in Go, and the page in a browser. */
import { copyFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { freePort } from '../free-port.js';
import { goBuild } from '../interop/go-build.js';
import { commandsOf, ROOT, saveFiles } from '../node/docs.js';
import { endAll, Program } from '../node/program.js';
import { browsers } from './site.js';

const PAGE = 'docs/guide/start.md';
/** Far above what anything takes, for a busy machine. */
const SEE_MS = 20_000;

let browser: Browser;
beforeAll(async () => {
  browser = await browsers.chromium();
});
afterAll(async () => {
  await browser?.close();
  await endAll();
});

test.skipIf(inject('goPeer') === '')(
  'Ada, Ben and Eve in Node, Cyd in Go and a tab know of each other and chat',
  async () => {
    const folder = saveFiles(PAGE);
    // The versions of our live Go peers: what `go get` would fetch is not always to be had.
    for (const file of ['go.mod', 'go.sum']) copyFileSync(`${ROOT}test/interop/go-peer/${file}`, folder + file);
    goBuild(`${folder}hello`, ['.'], folder);

    const ports = new Map<string, number>();
    const programs = new Map<string, Program>();
    const web = await freePort();
    for (const command of commandsOf(PAGE)) {
      if (!/^(node|go run) /.test(command)) continue;
      for (const [port] of command.matchAll(/\b80\d\d\b/g)) if (!ports.has(port)) ports.set(port, await freePort());
      const line = command.replaceAll(/\b80\d\d\b/g, (port) => String(ports.get(port)));
      const [, how = '', rest = ''] = /^(node|go run \.) (.*)$/.exec(line) ?? [];
      const words = rest.split(' ');
      if (how === 'node') {
        const [file = '', name = ''] = words;
        const program = new Program(process.execPath, [folder + file, ...words.slice(1)], { PORT: String(web) });
        await program.prints(new RegExp(`^${name} is at`, 'm'));
        programs.set(name, program);
      } else programs.set(words[0] as string, new Program(`${folder}hello`, words));
    }
    expect([...programs.keys()]).toEqual(['Ada', 'Ben', 'Cyd', 'Eve']);
    await programs.get('Eve')?.prints(/open http/);
    const page: Page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${web}/`);
    const sees = (list: string, what: RegExp) =>
      expect.poll(() => page.getByRole('list', { name: list }).innerText(), { timeout: SEE_MS }).toMatch(what);
    for (const name of [...programs.keys(), 'Tab']) await sees('Members', new RegExp(`^${name} is alive$`, 'm'));
    for (const name of ['Ada', 'Ben', 'Eve']) await programs.get(name)?.prints(/Tab is alive/);

    await page.getByLabel('Say something').fill('hello from a tab');
    await page.getByLabel('Say something').press('Enter');
    for (const [, program] of programs) await program.prints(/Tab: hello from a tab/);
    programs.get('Cyd')?.type('hello from Go');
    for (const name of ['Ada', 'Ben', 'Eve']) await programs.get(name)?.prints(/Cyd: hello from Go/);
    await sees('Chat', /^Cyd: hello from Go$/m);
    programs.get('Ada')?.type('hello from Node');
    await programs.get('Cyd')?.prints(/Ada: hello from Node/);
    await sees('Chat', /^Ada: hello from Node$/m);
    await page.close({ runBeforeUnload: true });
    await programs.get('Ada')?.prints(/Tab has left/);
  },
);
