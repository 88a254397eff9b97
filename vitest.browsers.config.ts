import { defineConfig } from 'vitest/config';

/** Real browsers, driven from Node: `npm run test:pages`. One file after the other. */
export default defineConfig({
  test: {
    include: ['test/browsers/**/*.browser.ts'],
    // For the tab beside a live Go peer.
    globalSetup: ['test/interop/build-go-peer.ts'],
    environment: 'node',
    fileParallelism: false,
    // Pages wait for the same minutes together.
    maxConcurrency: 20,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
