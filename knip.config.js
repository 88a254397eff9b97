import { sources } from './tools/entries.mjs';

/** Dead files, exports and dependencies. What the entries export is public, so it counts as used. */
export default {
  entry: [
    ...sources,
    'bench/{main,member,contract}.mjs',
    'bench/{leaves-clients,leaves-gateway,memory-teller}.ts',
    'demo/page/main.ts',
    'test/types/*.test-d.ts',
    'test/bundles/page.js',
    'test/runtime/contracts.{node,web}.ts',
    'test/types-consumer/app.ts',
    'test/interop/leaf-member.ts',
    'tools/peer-sizes.mjs',
    'tools/sim/main.ts',
    'test/runtime/members-{bun,deno,workerd}.ts',
