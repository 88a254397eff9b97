import { defineConfig } from 'vitest/config';

/** `npm run test:bundles`: the packed package, as bundlers and compilers take it. */
export default defineConfig({
  test: { include: ['test/bundles/*.bundle.ts'], environment: 'node', testTimeout: 60_000 },
});
