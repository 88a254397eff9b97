/** Histories of the store from seeds: faults of every kind, and the same everywhere when they have ended. */
import { seeded } from './seeded.js';
import { runHistory } from './store-world.js';

const run = seeded('store.test.ts');

run('all replicas are the same in the end, and nothing that was confirmed is lost', 100, (seed) => {
  runHistory({ seed });
});

run('what was removed is forgotten when all have seen it, and never comes back', 60, (seed) => {
  runHistory({ seed, tombstoneMs: 4000 });
});

run('nothing that was removed comes back with those who were away for longer than it is remembered', 30, (seed) => {
  runHistory({ seed, tombstoneMs: 4000, forgets: true });
});

run('a store that is too small stays within its limits', 20, (seed) => {
  runHistory({ seed, limits: { cellsMax: 8 }, small: true });
});
