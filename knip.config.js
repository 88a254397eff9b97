import { sources } from './tools/entries.mjs';

/** Dead files, exports and dependencies. What the entries export is public, so it counts as used. */
export default {
  entry: [...sources, 'demo/start.mjs', 'bench/main.mjs', 'test/types/*.test-d.ts'],
  project: ['src/**/*.ts', 'test/**/*.ts', 'demo/**/*.{ts,mjs}', 'bench/**/*.{ts,mjs}', 'tools/**/*.mjs', '*.{mjs,ts,js}'],
};
