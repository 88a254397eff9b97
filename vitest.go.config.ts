// The live Go suites: real processes of the Go library and of the command, on loopback. `npm run test:go` runs them.
// The stability suite runs alone, after the rest: it measures wrong suspicions, and a busy machine would cause them.
import { defineConfig } from 'vitest/config';

const common = { globalSetup: ['test/interop/build-go-peer.ts'], testTimeout: 60_000, hookTimeout: 30_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'go',
          include: ['test/interop/*.live.ts'],
          exclude: ['test/interop/stability.live.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'go-stability',
          include: ['test/interop/stability.live.ts'],
          maxWorkers: 1,
          testTimeout: 150_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
