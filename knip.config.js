import { sources } from './tools/entries.mjs';

/** Dead files, exports and dependencies. What the entries export is public, so it counts as used. */
export default {
  entry: [
    ...sources,
    'bench/{main,member,memory-member,contract,page}.mjs',
    'bench/{leaves-clients,leaves-gateway,memory-answers,memory-town}.ts',
    'demo/page/main.ts',
    'test/types/*.test-d.ts',
    'test/bundles/page.js',
    'test/browsers/{store,lock}-page.ts',
    'test/runtime/contracts.{node,web}.ts',
    'test/types-consumer/app.ts',
    'test/interop/leaf-member.ts',
    'tools/peer-sizes.mjs',
    'tools/sim/main.ts',
    'test/runtime/{members-{bun,deno,workerd},gateway-workerd}.ts',
  ],
  project: [
    'src/**/*.ts',
    'test/**/*.ts',
    'demo/page/*.ts',
    '{bench,demo,tools}/**/*.mjs',
    'tools/**/*.ts',
    '!bench/peers/**',
    '*.{mjs,js,ts}',
  ],
  // Run by tools/lint.mjs on the packed package, and by the live suites and those of other runtimes.
  ignoreDependencies: ['@arethetypeswrong/cli', 'publint', 'bun', 'deno'],
  ignoreBinaries: ['go', 'unshare', 'WebKitWebDriver', 'Xvfb'],
  vitest: {
    config: [
      'vitest.config.ts',
      'vitest.browsers.config.ts',
      'vitest.bundles.config.ts',
      'vitest.go.config.ts',
      'vitest.runtimes.config.ts',
    ],
  },
};
