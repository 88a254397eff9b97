/**
 * What happens to pages, really: hidden until Chromium lets their timers run once a minute, frozen, put into the
 * back-forward cache, closed, crashed, cut off, stopped with their whole browser; and what the members of their cluster
 * see of it. Time passes by the clock of the wall here, and so all of it passes at once.
 */
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { defineMessage, defineRequest } from '../../src/message.js';
import type { Entry, Known } from './agent.js';
import { type DevtoolsPage, openDevtools } from './devtools.js';
import { openWay, openWorld, PING_MS } from './life.js';
import { ask, browsers, openSite } from './site.js';

const TEXT = defineMessage<string>(129);
const SUM = defineRequest<number[], number>(130);
/** A tab that wakes is current within this. */
const CURRENT_MS = 2_000;
/** A page that cannot answer is not suspected before this. */
const FROZEN_MS = 70_000;
/** In the life of a hidden page. Chromium begins after this long instead of five minutes. */
const THROTTLED_S = 10;

let site: Awaited<ReturnType<typeof openSite>>;
let world: Awaited<ReturnType<typeof openWorld>>;
let browser: Awaited<ReturnType<typeof openDevtools>>;
beforeAll(async () => {
  [site, world, browser] = await Promise.all([
    openSite(),
    openWorld(),
    openDevtools([`--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/${THROTTLED_S}`]),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
  site?.close();
});

const urls = () => world.gateways.map(({ url }) => url);

/** A page in a window of its own, with a leaf. */
async function openLeaf(at = urls(), { open, window } = browser) {
  const name = await window();
  const page = await open(site.url, name);
  const id = (await page.run(`agent.leaf(${JSON.stringify(at)})`)) as string;
  await world.when(id, 'alive', 0, 5_000);
  const journal = async () => (await page.run('agent.journal()')) as Entry[];
  /** What its journal has of a kind. */
  const noted = async (what: string) => (await journal()).filter((entry) => entry.what === what);
  return {
    id,
    page,
    journal,
    /** Another tab in front of it. */
    hide: () => open('about:blank', name),
    noted,
    /** Waits until its journal has something of a kind. */
    notes: (what: string, withinMs: number) =>
      vi.waitUntil(async () => (await noted(what))[0], { timeout: withinMs, interval: 100 }),
  };
}

/** Waits until a page knows what there is to know, and the others see it alive. @returns how long that took. */
async function current({ page, id }: { page: DevtoolsPage; id: string }, known: Partial<Known>, sinceMs: number) {
  const { a, b, observer } = world;
  const there = [a, b, observer].map((member) => member.id);
  const all: Partial<Known> = { gone: [], of: a.id, value: 1, ...known, there: [...there, ...(known.there ?? [])] };
  const [knownMs] = await Promise.all([
    page.run(`agent.knows(${JSON.stringify(all)})`) as Promise<number>,
    vi.waitUntil(() => observer.member(id)?.state === 'alive', { timeout: CURRENT_MS, interval: 25 }),
  ]);
  return knownMs - sinceMs;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (name: string, text: string) => console.log(`${name}: ${text}`);

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
  test('a hidden page, whose timers run once a minute, answers at once and is never suspected', async () => {
    const { id, page, hide, noted } = await openLeaf();
    await page.run('agent.beats()');
    await hide();
    const hiddenMs = Date.now();
    expect(await noted('hidden')).toHaveLength(1);
    let slowest = 0;
    for (let i = 0; Date.now() - hiddenMs < 150_000; i++) {
      await pause(10_000);
      const askedMs = performance.now();
      await world.observer.send(id, TEXT, `text ${i}`);
      expect(await world.observer.request(id, SUM, [i, 1], { timeoutMs: 1_000 })).toBe(i + 1);
      slowest = Math.max(slowest, performance.now() - askedMs);
      expect(await noted(`text ${i}`)).toHaveLength(1);
    }
    const late = await noted('a timer was late');
    say(
      'hidden',
      `timers late by ${late.map(({ awayMs }) => awayMs)} ms; the slowest answer took ${slowest.toFixed(0)} ms`,
    );
    expect(late.length).toBeGreaterThan(0);
    expect(world.states(id)).toEqual(['alive']);
    expect(await noted('resumed')).toEqual([]);
  });

  test('a hidden page that is cut off comes back unseen, also when its timers run once a minute', async () => {
    const way = await openWay(world.gateways[0].url);
    try {
      const { id, page, hide, notes } = await openLeaf([way.url]);
      await page.run('agent.beats()');
      await hide();
      await notes('a timer was late', 100_000);
      const cutMs = Date.now();
      way.cut();
      const { atMs } = await notes('resumed', 70_000);
      say('hidden and cut off', `back after ${atMs - cutMs} ms`);
      expect(way.taken).toBe(2);
      await pause(2 * PING_MS);
      expect(world.states(id)).toEqual(['alive']);
    } finally {
      way.close();
    }
  });

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
