/**
 * Pages of Chromium whose life can be watched: a site with an agent in each page, and a cluster for them to be members of.
 */
import { vi } from 'vitest';
import type { Entry, Known } from './agent.js';
import { type DevtoolsPage, openDevtools } from './devtools.js';
import { openWorld } from './life.js';
import { openSite } from './site.js';

/** A tab that wakes is current within this. */
export const CURRENT_MS = 2_000;
/** In the life of a hidden page. Chromium begins after this long instead of five minutes. */
const THROTTLED_S = 10;

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export const say = (name: string, text: string) => console.log(`${name}: ${text}`);

export async function openLives() {
  const [site, world, browser] = await Promise.all([
    openSite(),
    openWorld(),
    openDevtools([`--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/${THROTTLED_S}`]),
  ]);
  const urls = () => world.gateways.map(({ url }) => url);

  /** A page in a window of its own, with a leaf. */
  const openLeaf = async (at = urls(), { open, window } = browser) => {
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
  };

  /** Waits until a page knows what there is to know, and the others see it alive. @returns how long that took. */
  const current = async ({ page, id }: { page: DevtoolsPage; id: string }, known: Partial<Known>, sinceMs: number) => {
    const { a, b, observer } = world;
    const there = [a, b, observer].map((member) => member.id);
    const all: Partial<Known> = { gone: [], of: a.id, value: 1, ...known, there: [...there, ...(known.there ?? [])] };
    const [knownMs] = await Promise.all([
      page.run(`agent.knows(${JSON.stringify(all)})`) as Promise<number>,
      vi.waitUntil(() => observer.member(id)?.state === 'alive', { timeout: CURRENT_MS, interval: 25 }),
    ]);
    return knownMs - sinceMs;
  };

  const close = async () => {
    await browser.close();
    await world.close();
    site.close();
  };
  return { site, world, browser, urls, openLeaf, current, close };
}
