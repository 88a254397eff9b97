/**
 * Hidden pages, until Chromium lets their timers run once a minute. These take minutes in which nearly nothing happens, so that
 * they have a file of their own, beside which others run.
 */
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineMessage, defineRequest } from '../../src/message.js';
import { openWay, PING_MS } from './life.js';
import { openLives, pause, say } from './lives.js';

const TEXT = defineMessage<string>(129);
const SUM = defineRequest<number[], number>(130);

let lives: Awaited<ReturnType<typeof openLives>>;
let { world, openLeaf } = {} as typeof lives;
beforeAll(async () => {
  lives = await openLives();
  ({ world, openLeaf } = lives);
});
afterAll(() => lives?.close());

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
});
