import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, in this order, before all others: a run ends when its longest file does. */
const LONG = [
  'runtimes.test.ts',
  'fuzz.test.ts',
  'v1-failure.test.ts',
  'demo.test.ts',
  'docs.test.ts',
  'examples.test.ts',
];

/** As vitest sorts files, but the long ones first. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((name) => moduleId.endsWith(`/${name}`));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

const common = { environment: 'node', pool: 'forks' } as const;

/** `npm test`: everything but the suite that needs Go (`npm run test:go`); the public types are checked by the compiler. */
export default defineConfig({
  test: {
    // Half of the tests wait for sockets and processes, the others compute. As a number: vitest cuts percentages at 100.
    maxWorkers: 2 * availableParallelism(),
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          ...common,
          name: 'outside',
          testTimeout: 20_000,
          // A process for each file, because sockets, processes and leaks of one must not reach another.
          include: ['test/node/**/*.test.ts', 'test/runtime/**/*.test.ts'],
          typecheck: {
            enabled: true,
            include: ['test/types/**/*.test-d.ts'],
            tsconfig: 'test/types/tsconfig.json',
            // Errors in src/ are the build's and lint's to tell.
            ignoreSourceErrors: true,
          },
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
