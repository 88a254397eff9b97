/** The demo's page in three real browsers side by side, as people see it; and what a tool can say about its looks. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMembers } from '../../demo/members.mjs';
import { openPage } from '../../demo/page.mjs';
import { browsers } from './site.js';
import { type Visitor, visits } from './visitors.js';

/** Far above what anything takes, for a busy machine. */
const SEE_MS = 20_000;
const names = Object.keys(visits);

const members = createMembers();
const visitors = new Map<string, Visitor>();
let page: Awaited<ReturnType<typeof openPage>>;

const visitor = (browser: string) => visitors.get(browser) as Visitor;
const others = (browser: string) => names.filter((name) => name !== browser).map(visitor);
/** Waits until it is to be read. */
const sees = (who: Visitor, part: string, what: RegExp) =>
  expect.poll(() => who.read(part), { timeout: SEE_MS, interval: 50 }).toMatch(what);
const nameOf = async (who: Visitor) => /You are (.+)\./.exec(await who.read('banner'))?.[1] as string;
const gatewayOf = async (who: Visitor) => /Connected by (\w+)/.exec(await who.read('status'))?.[1] as string;
const count = (text: string, name: string) => text.split('\n').filter((line) => line.startsWith(`${name} `)).length;

beforeAll(async () => {
  page = await openPage(members);
  for (const member of members.all) members.start(member);
  // One after the other: who comes first has the first name, and the first gateway.
  for (const name of names) visitors.set(name, (await visits[name]?.(page.url)) as Visitor);
}, 120_000);

afterAll(async () => {
  for (const one of visitors.values()) await one.close();
  await members.stop();
  page?.close();
}, 60_000);

test('each is a member by a gateway, and sees all the others', async () => {
  for (const one of visitors.values()) await sees(one, 'status', /^Connected by (Ada|Ben)$/);
  const called = await Promise.all([...visitors.values()].map(nameOf));
  expect(new Set(called).size).toBe(3);
  for (const one of visitors.values()) {
    for (const name of [...called, 'Ada', 'Ben', 'Cleo'])
      await sees(one, 'Members', new RegExp(`${name}\\s.*\\s+alive`));
  }
});

describe.each(names)('in %s', (browser) => {
  const me = () => visitor(browser);

  test('what is said arrives everywhere, under the name of who said it', async () => {
    const name = await nameOf(me());
    await me().write('Message', `Good morning from ${browser}`);
    await me().press('Send');
    await sees(me(), 'Chat', new RegExp(`You\\s+Good morning from ${browser}`));
    for (const other of others(browser))
      await sees(other, 'Chat', new RegExp(`${name}\\s+Good morning from ${browser}`));
    expect(members.all.map(({ heard }) => heard.at(-1))).toEqual(Array(3).fill(`Good morning from ${browser}`));
  });

  test('metadata that are changed are seen by the others', async () => {
    await me().write('Name', `Sir ${browser}`);
    await me().write('Mood', 'splendid');
    await me().press('Tell the others');
    for (const other of others(browser)) {
      await sees(other, 'Members', new RegExp(`Sir ${browser}\\s.*\\s+alive and splendid`));
      await sees(other, 'What happened', new RegExp(`is called Sir ${browser} now`));
    }
  });

  test('a member is asked by the keyboard alone, with the focus to be seen', async () => {
    await me().point('Members');
    for (let focus = await me().key('Tab'); focus.name !== 'Ask Cleo'; focus = await me().key('Tab')) {
      expect(focus).toEqual({ name: focus.name, visible: true });
    }
    await me().key('Enter');
    await sees(me(), 'What happened', /Cleo answers: fresh; process \d+/);
  });

  test('its gateway is killed: it goes to the other and stays one member; started again, the gateway is alive', async () => {
    const gateway = await gatewayOf(me());
    const other = gateway === 'Ada' ? 'Ben' : 'Ada';
    const name = await nameOf(me());
    await me().press(`Kill ${gateway}`);
    await sees(me(), 'status', new RegExp(`^Connected by ${other}$`));
    for (const one of visitors.values()) {
      await sees(one, 'Members', new RegExp(`${gateway} gateway\\s+dead`));
      await sees(one, 'Members', new RegExp(`${name} .*${other}\\s+alive`));
      expect(count(await one.read('Members'), name)).toBe(1);
      await sees(one, 'What happened', new RegExp(`${gateway} is dead`));
    }
    await me().press(`Restart ${gateway}`);
    for (const one of visitors.values()) await sees(one, 'Members', new RegExp(`${gateway} gateway\\s+alive`));
  });
});

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

test('light and dark, on a phone and a desktop: nothing is cut off or refused, and WCAG AA is kept as far as axe can tell', async () => {
  const browser = await browsers.chromium();
  try {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [360, 820, 1280]) {
        const tab = await browser.newPage({ colorScheme, reducedMotion: 'reduce', viewport: { width, height: 860 } });
        const refused: string[] = [];
        tab.on('console', (message) => /content.security.policy/i.test(message.text()) && refused.push(message.text()));
        await tab.goto(page.url);
        await tab.getByText('Connected by').waitFor();
        expect(refused).toEqual([]);
        const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
        expect(wide, `${colorScheme}, ${width}`).toBeLessThanOrEqual(width);
        await tab.evaluate(axe);
        const found = await tab.evaluate(async () => {
          const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
          const { violations } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
          return violations.flatMap(({ id, nodes }) =>
            nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
          );
        });
        expect(found, `${colorScheme}, ${width}`).toEqual([]);
        await tab.close();
      }
    }
  } finally {
    await browser.close();
  }
}, 120_000);

test('without the token the page says what is missing', async () => {
  const browser = await browsers.chromium();
  try {
    const tab = await browser.newPage();
    await tab.goto(page.url.split('#')[0] as string);
    await tab.getByRole('status').getByText('Open the whole address').waitFor();
  } finally {
    await browser.close();
  }
});
