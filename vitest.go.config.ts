// The live Go suites: real processes of the Go library and of the command, on loopback. `npm run test:go` runs them.
// What is measured at rest runs alone, after the rest of the suites: a busy machine would cause wrong suspicions.
import { defineConfig } from 'vitest/config';

const common = { globalSetup: ['test/interop/build-go-peer.ts'], testTimeout: 60_000, hookTimeout: 30_000 };

const ALONE = ['test/interop/stability.live.ts', 'test/interop/leaf-idle.live.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'go',
          include: ['test/interop/*.live.ts'],
          exclude: ALONE,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'go-stability',
          include: ALONE,
          maxWorkers: 1,
          testTimeout: 150_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
