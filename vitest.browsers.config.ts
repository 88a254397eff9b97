import { defineConfig } from 'vitest/config';
import { first } from './test/first.js';

/** Real browsers, driven from Node: `npm run test:pages`. One file after the other, beside the one whose pages are hidden. */
export default defineConfig({
  test: {
    include: ['test/browsers/**/*.browser.ts'],
    // For the tab beside a live Go peer.
    globalSetup: ['test/interop/build-go-peer.ts'],
    environment: 'node',
    maxWorkers: 2,
    sequence: { sequencer: first(['page-hidden.browser.ts', 'page-life.browser.ts']) },
    // Pages wait for the same minutes together.
    maxConcurrency: 20,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
