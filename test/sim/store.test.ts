/**
 * Histories of the store: faults of every kind, and the same everywhere when they have ended. `SEED=n` plays one, `SEEDS=n` so many,
 * from `FROM=n` on, and says what came of all.
 */
import { expect, test } from 'vitest';
import type { Write } from '../../src/store/machine.js';
import { tries } from '../effort.js';
import { type HistoryOptions, runHistory, World } from './store-world.js';

/** Plays each seed. @returns the sums of the figures. */
function play(name: string, count: number, options: Omit<HistoryOptions, 'seed'>): Record<string, number> {
  const { SEED, SEEDS = tries(count, Math.ceil(count / 3)), FROM = 1 } = process.env;
  const seeds = SEED ? [Number(SEED)] : Array.from({ length: Number(SEEDS) }, (_, i) => Number(FROM) + i);
  const sums: Record<string, number> = { histories: 0 };
  for (const seed of seeds) {
    try {
      const figures = { histories: 1, ...runHistory({ seed, ...options }) };
      for (const [figure, value] of Object.entries(figures)) sums[figure] = (sums[figure] ?? 0) + value;
    } catch (error) {
      if (error instanceof Error) error.message += `\nreplay: SEED=${seed} npx vitest run test/sim/store -t '${name}'`;
      throw error;
    }
  }
  if (process.env.SEEDS) console.log(name, sums);
  return sums;
}

const histories: [name: string, count: number, options: Omit<HistoryOptions, 'seed'>][] = [
  ['all replicas are the same in the end, and nothing that was confirmed is lost', 100, {}],
  ['what was removed is forgotten when all have seen it, and never comes back', 60, { tombstoneMs: 4000 }],
  ['nothing that was removed comes back with who was away for too long', 30, { tombstoneMs: 4000, forgets: true }],
  ['a store that is too small stays within its limits', 20, { limits: { cellsMax: 8 }, small: true }],
];

test.each(histories)('%s', (name, count, options) => {
  const { writes = 0, partitions = 0, collected = 0 } = play(name, count, options);
  expect(writes).toBeGreaterThan(0);
  if (process.env.SEED) return;
  expect(partitions).toBeGreaterThan(0);
  if (options.tombstoneMs) expect(collected).toBeGreaterThan(0);
});

/** An element of the set `k`. */
const element = (type: 'put' | 'remove', field: string): Write =>
  type === 'put'
    ? { type, kind: 'set', key: 'k', field, value: true, ttlMs: 0 }
    : { type, kind: 'set', key: 'k', field };

test('who was away for longer than anybody remembers brings nothing back, and loses nothing of its own', () => {
  const world = new World({ seed: 1, replicas: 3, tombstoneMs: 4000, forgets: true });
  const [a, b, c] = world.places as [World['places'][0], World['places'][0], World['places'][0]];
  const has = (place: typeof a, field: string) => place.replica?.table.visible('set', 'k', field, Date.UTC(2027, 0, 1));
  for (const place of world.places) world.start(place);
  world.lookAround();
  world.run(2000);
  for (const field of ['x', 'y', 'z']) world.write(a, element('put', field));
  world.write(c, element('put', 'of c'));
  world.run(20_000);
  expect(world.places.map((place) => has(place, 'of c'))).toEqual([true, true, true]);
  world.network.partition([[0, 1], [2]]);
  world.lookAround();
  world.run(2000);
  for (const field of ['x', 'of c']) world.write(a, element('remove', field));
  world.write(c, element('put', 'new of c'));
  world.write(c, element('remove', 'y'));
  world.run(60_000);
  // The others have forgotten that there was anything; the one alone remembers all.
  expect(world.places.map(({ replica }) => replica?.table.empty)).toEqual([0, 0, 1]);
  // What is told late is not believed.
  const late = c.replica?.table.get([...(c.replica?.table.all() ?? [])].find(({ field }) => field === 'x')?.id ?? '');
  expect(late && a.replica?.take([late], false).taken).toEqual([]);
  world.network.heal();
  world.lookAround();
  world.run(60_000);
  for (const place of world.places) {
    expect(['x', 'y', 'z', 'of c', 'new of c'].map((field) => has(place, field))).toEqual([
      undefined,
      undefined,
      true,
      undefined,
      true,
    ]);
  }
  expect([a, b, c].map(({ replica }) => replica?.table.size)).toEqual([2, 2, 2]);
});

test('nothing is forgotten before each member has been heard of, so that what one of them has alone on its disk is not lost', () => {
  const world = new World({ seed: 1, replicas: 3, tombstoneMs: 4000, disks: true });
  const [a, b, c] = world.places as [World['places'][0], World['places'][0], World['places'][0]];
  for (const place of world.places) world.start(place);
  world.lookAround();
  world.run(2000);
  world.write(a, element('put', 'x'));
  world.run(10_000);
  world.network.partition([[0, 1], [2]]);
  world.lookAround();
  world.write(c, element('put', 'of c alone'));
  world.run(2000);
  // All end, and two begin anew.
  for (const place of world.places) world.crash(place);
  for (const place of [a, b]) world.start(place);
  world.run(2000);
  world.write(a, element('remove', 'x'));
  world.run(60_000);
  expect([a, b].map(({ replica }) => replica?.table.empty)).toEqual([1, 1]);
  world.network.heal();
  world.start(c);
  world.lookAround();
  world.run(60_000);
  for (const { replica } of world.places) {
    const has = (field: string) => replica?.table.visible('set', 'k', field, Date.UTC(2027, 0, 1));
    expect([has('x'), has('of c alone'), replica?.table.size]).toEqual([undefined, true, 1]);
  }
});

test('who begins anew from its disk remembers what was forgotten there, and lets nothing of it come back', () => {
  const world = new World({ seed: 1, replicas: 3, tombstoneMs: 4000, forgets: true, disks: true });
  const [a, b, c] = world.places as [World['places'][0], World['places'][0], World['places'][0]];
  for (const place of world.places) world.start(place);
  world.lookAround();
  world.run(2000);
  for (const field of ['x', 'y']) world.write(a, element('put', field));
  world.run(10_000);
  world.network.partition([[0, 1], [2]]);
  world.lookAround();
  world.run(2000);
  world.write(a, element('remove', 'x'));
  world.run(60_000);
  expect([a, b].map(({ replica }) => replica?.table.empty)).toEqual([0, 0]);
  for (const place of [a, b]) world.crash(place);
  for (const place of [a, b]) world.start(place);
  world.network.heal();
  world.lookAround();
  world.run(60_000);
  for (const { replica } of [a, b, c]) {
    const has = (field: string) => replica?.table.visible('set', 'k', field, Date.UTC(2027, 0, 1));
    expect([has('x'), has('y'), replica?.table.size]).toEqual([undefined, true, 1]);
  }
});
