import { defineConfig } from 'vitest/config';

/** `npm test`: everything but the suite that needs Go (`npm run test:go`); the public types are checked by the compiler. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**'],
    environment: 'node',
    pool: 'forks',
    // Half of the tests wait for sockets and processes, the others compute.
    maxWorkers: '150%',
    testTimeout: 20_000,
    typecheck: {
      enabled: true,
      include: ['test/types/**/*.test-d.ts'],
      tsconfig: 'test/types/tsconfig.json',
      // Errors in src/ are the build's and lint's to tell.
      ignoreSourceErrors: true,
    },
  },
});
