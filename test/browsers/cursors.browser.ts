/** The example of shared cursors as it stands, in three browsers at once: each sees where the pointers of the others are, and who goes. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Visitor, visits } from './visitors.js';

const SERVER = fileURLToPath(new URL('../../examples/shared-cursors/server.mjs', import.meta.url));
/** Far above what anything takes, for a busy machine. */
const SEE_MS = 20_000;

let child: ReturnType<typeof spawn>;
const visitors: [string, Visitor][] = [];

beforeAll(async () => {
  child = spawn(process.execPath, [SERVER], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const url = await new Promise<string>((resolve) => lines.once('line', resolve));
  for (const [browser, visit] of Object.entries(visits)) visitors.push([browser, await visit(url)]);
});
afterAll(async () => {
  for (const [, visitor] of visitors) await visitor.close();
  child?.kill('SIGKILL');
});

const sees = (visitor: Visitor, part: string, what: RegExp, who: string) =>
  expect.poll(() => visitor.read(part), { timeout: SEE_MS, interval: 50, message: who }).toMatch(what);

test('pointers in Chromium, Firefox and WebKit are seen in all three, for as long as they are there', async () => {
  const names = new Map<string, string>();
  for (const [browser, visitor] of visitors) {
    await sees(visitor, 'status', /^I am .*, one of 3$/, browser);
    names.set(browser, (await visitor.read('status')).replace(/^I am (.*), one of 3$/, '$1'));
  }
  expect(new Set(names.values()).size).toBe(3);
  for (const [index, [moving, visitor]] of visitors.entries()) {
    await visitor.move(100, 100);
    await visitor.move(200 + 100 * index, 300);
    await sees(visitor, 'Cursors', new RegExp(`${names.get(moving)} at \\d+, \\d+`), moving);
  }
  // What each shows of all three is the same, wherever it is in the end.
  const shown = async ([, visitor]: [string, Visitor]) =>
    (await visitor.read('Cursors')).match(/[A-Z][a-z]+ \d+ at \d+, \d+/g)?.sort() ?? [];
  await expect
    .poll(async () => (await Promise.all(visitors.map(shown))).map((lines) => lines.join('; ')), { timeout: SEE_MS })
    .toSatisfy(
      (all: string[]) => new Set(all).size === 1 && [...names.values()].every((name) => all[0]?.includes(name)),
    );

  const [gone, visitor] = visitors.shift() as [string, Visitor];
  await visitor.close();
  for (const [browser, left] of visitors) {
    await sees(left, 'status', /, one of 2$/, browser);
    expect(await left.read('Cursors')).not.toContain(names.get(gone));
  }
});
