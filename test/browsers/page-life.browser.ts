/**
 * What happens to pages, really: hidden until Chromium lets their timers run once a minute, frozen, put into the
 * back-forward cache, closed, crashed, cut off, stopped with their whole browser; and what the members of their cluster
 * see of it. Time passes by the clock of the wall here, and so all of it passes at once.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { defineRequest } from '../../src/message.js';
import { openDevtools } from './devtools.js';
import { openWay, PING_MS } from './life.js';
import { CURRENT_MS, openLives, pause, say } from './lives.js';
import { ask, browsers } from './site.js';

const SUM = defineRequest<number[], number>(130);
/** A page that cannot answer is not suspected before this. */
const FROZEN_MS = 70_000;

let lives: Awaited<ReturnType<typeof openLives>>;
let { site, world, urls, openLeaf, current } = {} as typeof lives;
beforeAll(async () => {
  lives = await openLives();
  ({ site, world, urls, openLeaf, current } = lives);
});
afterAll(() => lives?.close());

test('a page that Firefox closes, or that goes to another site, has left', async () => {
  const firefox = await browsers.firefox();
  try {
    // The last page of a window is not closed by itself.
    const context = await firefox.newContext();
    await context.newPage();
    for (const how of ['closed', 'gone'] as const) {
      const page = await context.newPage();
      await page.goto(site.url);
      const id: string = await ask(page, 'leaf', [...urls()]);
      await world.when(id, 'alive', 0, 5_000);
      const goneMs = Date.now();
      if (how === 'closed') await page.close();
      else await page.goto(site.url.replace('127.0.0.1', 'localhost'));
      const leftMs = await world.when(id, 'leaving', goneMs, 2_000);
      say(`Firefox, ${how}`, `left after ${leftMs - goneMs} ms`);
      expect(world.states(id)).toEqual(['alive', 'leaving']);
    }
  } finally {
    await firefox.close();
  }
});

describe.concurrent('chromium', { timeout: 200_000 }, () => {
  test('a frozen page is suspect after 70 s and then dead, and is current within 2 s of going on', async () => {
    const early = await world.member();
    const leaf = await openLeaf();
    const { id, page, hide, noted } = leaf;
    await hide();
    await page.frozen(true);
    const frozenMs = Date.now();
    await early.leave();
    await expect(world.observer.request(id, SUM, [1], { timeoutMs: 2_000 })).rejects.toThrow();
    const late = await world.member();
    world.a.setMetadata({ frozen: 1 });
    const suspectMs = await world.when(id, 'suspect', frozenMs, 90_000);
    const deadMs = await world.when(id, 'dead', frozenMs, 20_000);
    say('frozen', `suspect after ${suspectMs - frozenMs} ms, dead after ${deadMs - frozenMs} ms`);
    expect(suspectMs - frozenMs).toBeGreaterThan(FROZEN_MS);

    const wokeMs = Date.now();
    await page.frozen(false);
    const tookMs = await current(leaf, { key: 'frozen', there: [late.id], gone: [early.id] }, wokeMs);
    const [resumed] = await noted('resumed');
    say('frozen', `current ${tookMs} ms after it went on, which says that it was away for ${resumed?.awayMs} ms`);
    expect(tookMs).toBeLessThan(CURRENT_MS);
    expect(Math.abs((resumed?.awayMs ?? 0) - (wokeMs - frozenMs))).toBeLessThan(PING_MS + CURRENT_MS);
    await late.leave();
  });

  test('a page that is frozen for 20 s, and for 1,000 changes, is current within 2 s and was never suspected', async () => {
    const leaf = await openLeaf();
    const { id, page, hide, noted } = leaf;
    await hide();
    await page.frozen(true);
    for (let n = 1; n <= 1_000; n++) {
      world.b.setMetadata({ often: n });
      await pause(15);
    }
    await pause(5_000);
    const wokeMs = Date.now();
    await page.frozen(false);
    const tookMs = await current(leaf, { of: world.b.id, key: 'often', value: 1_000 }, wokeMs);
    const [resumed] = await noted('resumed');
    say('frozen for a short time', `current after ${tookMs} ms, away for ${resumed?.awayMs ?? 'no'} ms`);
    expect(tookMs).toBeLessThan(CURRENT_MS);
    await pause(2 * PING_MS);
    expect(world.states(id)).toEqual(['alive']);
  });

  test('a page from the back-forward cache is the same member, was not suspected and is current within 2 s', async () => {
    const leaf = await openLeaf();
    const { id, page, noted } = leaf;
    await page.goto(site.url.replace('127.0.0.1', 'localhost'));
    await pause(3 * PING_MS);
    world.a.setMetadata({ cached: 1 });
    const backMs = Date.now();
    await page.back();
    const reasons = await page.run(`JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)`);
    expect([await noted('restored'), reasons]).toEqual([[expect.anything()], 'null']);
    const tookMs = await current(leaf, { key: 'cached' }, backMs);
    say('cached', `current after ${tookMs} ms`);
    expect(tookMs).toBeLessThan(CURRENT_MS);
    await pause(2 * PING_MS);
    expect(world.states(id)).toEqual(['alive']);
  });

  test.each(['closed', 'gone to another site, and may not be kept'] as const)(
    'a page that is %s has left',
    async (how) => {
      const { id, page } = await openLeaf();
      if (how !== 'closed') await page.run(`void addEventListener('unload', () => {})`);
      const goneMs = Date.now();
      if (how === 'closed') await page.close();
      else await page.goto(site.url.replace('127.0.0.1', 'localhost'));
      const leftMs = await world.when(id, 'leaving', goneMs, 2_000);
      say(how, `left after ${leftMs - goneMs} ms`);
      expect(world.states(id)).toEqual(['alive', 'leaving']);
    },
  );

  test('a page that crashes is dead for all within two ping intervals', async () => {
    const { id, page } = await openLeaf();
    const crashedMs = Date.now();
    page.send('Page.crash').catch(() => {});
    const deadMs = await world.when(id, 'dead', crashedMs, 3 * PING_MS);
    say('crashed', `${world.states(id).slice(1)}, dead after ${deadMs - crashedMs} ms`);
    expect(deadMs - crashedMs).toBeLessThan(2 * PING_MS);
  });

  test('a page whose gateway falls silent is at another within two ping intervals', async () => {
    const way = await openWay(world.gateways[0].url);
    try {
      const { id, notes } = await openLeaf([way.url, world.gateways[1].url]);
      way.silence(true);
      const silentMs = Date.now();
      const lost = (await notes('self suspect', 20_000)).atMs - silentMs;
      const back = (await notes('resumed', 20_000)).atMs - silentMs;
      say('silent gateway', `found out after ${lost} ms, at another after ${back} ms`);
      expect(lost).toBeLessThan(2 * PING_MS + 500);
      expect(back).toBeLessThan(2 * PING_MS + CURRENT_MS);
      await vi.waitUntil(() => world.observer.member(id)?.via === world.b.id, { timeout: CURRENT_MS });
    } finally {
      way.close();
    }
  });

  test.each([
    ['shown', CURRENT_MS],
    // Its timers are a second late at most.
    ['hidden', 2 * CURRENT_MS],
  ] as const)(
    'a page that is %s and online again looks at once whether its gateway is there',
    async (how, withinMs) => {
      const way = await openWay(world.gateways[0].url);
      try {
        const { id, page, hide, notes } = await openLeaf([way.url, world.gateways[1].url]);
        if (how === 'hidden') await hide();
        const network = (offline: boolean) =>
          page.send('Network.emulateNetworkConditions', {
            offline,
            latency: 0,
            downloadThroughput: -1,
            uploadThroughput: -1,
          });
        await network(true);
        way.silence(true);
        await pause(1_000);
        await network(false);
        const back = await notes('resumed', 20_000);
        const tookMs = back.atMs - (await notes('online', 1_000)).atMs;
        say(`online again, ${how}`, `at another gateway after ${tookMs} ms`);
        expect(tookMs).toBeLessThan(withinMs);
        await vi.waitUntil(() => world.observer.member(id)?.via === world.b.id, { timeout: CURRENT_MS });
      } finally {
        way.close();
      }
    },
  );

  test('a machine that slept for 30 s is current within 2 s, and accuses nobody', async () => {
    const laptop = await openDevtools();
    try {
      const leaf = await openLeaf(undefined, laptop);
      laptop.stopped(true);
      await pause(30_000);
      const others = [world.a, world.b, world.observer].map(({ id }) => id);
      world.a.setMetadata({ asleep: 1 });
      const wokeMs = Date.now();
      laptop.stopped(false);
      const tookMs = await current(leaf, { key: 'asleep' }, wokeMs);
      const [resumed] = await leaf.noted('resumed');
      say('asleep', `current after ${tookMs} ms, ${world.states(leaf.id)}; away for ${resumed?.awayMs} ms`);
      expect(tookMs).toBeLessThan(CURRENT_MS);
      expect(Math.abs((resumed?.awayMs ?? 0) - 30_000)).toBeLessThan(PING_MS + CURRENT_MS);
      const accused = (await leaf.journal()).filter(({ what }) => others.some((id) => what.startsWith(id)));
      expect(accused).toEqual([]);
      for (const id of others) expect(world.states(id).filter((state) => state !== 'alive')).toEqual([]);
    } finally {
      laptop.stopped(false);
      await laptop.close();
    }
  });
});
