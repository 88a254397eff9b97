import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { first } from './test/first.js';

/** Files of each project that take longest: a run ends when its longest file does. */
const LONG = [
  'cli.test.ts',
  'examples.test.ts',
  'demo.test.ts',
  'docs.test.ts',
  'types.test.ts',
  'fuzz.test.ts',
  'v1-failure.test.ts',
];

const common = { environment: 'node', pool: 'forks' } as const;

/** `npm test`: everything but the suite that needs Go (`npm run test:go`). */
export default defineConfig({
  test: {
    // Half of the tests wait for sockets and processes, the others compute. As a number: vitest cuts percentages at 100.
    maxWorkers: 2 * availableParallelism(),
    sequence: { sequencer: first(LONG) },
    projects: [
      {
        test: {
          ...common,
          name: 'outside',
          testTimeout: 20_000,
          // A process for each file, because sockets, processes and leaks of one must not reach another.
          include: ['test/node/**/*.test.ts', 'test/runtime/**/*.test.ts'],
        },
      },
      {
        test: {
          ...common,
          name: 'pure',
          // They wait for nothing but the processor, of which other files take their share.
          testTimeout: 60_000,
          include: ['test/**/*.test.ts'],
          exclude: ['test/node/**', 'test/runtime/**', 'test/interop/**'],
          // These leave nothing behind, so that one process runs many files and loads what they share once.
          isolate: false,
        },
      },
    ],
  },
});
