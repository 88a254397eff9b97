/** The platform's clock, on a platform that is only played, and its timers on the real one. */
import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/clock.js';

afterEach(() => vi.restoreAllMocks());

test('time goes on while the machine sleeps, although its monotonic clock stands still, and never back', () => {
  const [monotonic, wall] = [vi.spyOn(performance, 'now'), vi.spyOn(Date, 'now')];
  const at = (monotonicMs: number, wallMs: number) => {
    monotonic.mockReturnValue(monotonicMs);
    wall.mockReturnValue(wallMs);
  };
  at(100, 1_000_100);
  const clock = systemClock();
  expect([clock.epochMs, clock.now()]).toEqual([1_000_000, 100]);
  // It slept for a minute.
  at(200, 1_060_200);
  expect(clock.now()).toBe(60_200);
  // Somebody sets the clock of the wall back, and it is put right little by little.
  at(300, 1_000_300);
  expect(clock.now()).toBe(60_300);
  for (let i = 1; i <= 10; i++) {
    at(300 + i, 1_000_300 + i * 1500);
    expect(clock.now()).toBe(60_300 + i);
  }
});

test('a timer never runs before its time, by the same clock', async () => {
  const clock = systemClock();
  const earlyMs: number[] = [];
  for (let i = 0; i < 60; i++) {
    const atMs = clock.now() + 1 + i / 10;
    await new Promise<void>((resolve) => clock.schedule(atMs - clock.now(), resolve));
    if (clock.now() < atMs) earlyMs.push(atMs - clock.now());
  }
  expect(earlyMs).toEqual([]);
});
