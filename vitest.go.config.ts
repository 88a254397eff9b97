// The live Go suites: real processes of the Go library and of the command, on loopback. `npm run test:go` runs them.
// What is watched for a minute runs after the rest of the suites: a busy machine would cause wrong suspicions.
import { defineConfig } from 'vitest/config';

const common = { globalSetup: ['test/interop/build-go-peer.ts'], testTimeout: 60_000, hookTimeout: 30_000 };

const WATCHED = ['test/interop/stability.live.ts', 'test/interop/leaf-idle.live.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'go',
          include: ['test/interop/*.live.ts'],
          exclude: WATCHED,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'go-stability',
          include: WATCHED,
          maxWorkers: 2,
          testTimeout: 150_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
