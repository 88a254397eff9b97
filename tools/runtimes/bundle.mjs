/**
 * Bundles the contracts once for each family of runtimes: one file that Node, Deno and Bun run, and one that browsers and
 * workerd run. The libraries of the first stay outside, so that each runtime finds those it gives its users (Bun has a
 * `ws` of its own). And the stage of the leaves' contract, which plays in Node, wherever the leaves are.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where bundles and reports are. */
export const outDir = `${root}dist.contracts/`;

/** @returns the paths of all three, and a name for the code that is in them. */
export async function bundle() {
  const one = async (name, entry, options) => {
    const outfile = `${outDir}${name}.mjs`;
    await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      logLevel: 'warning',
      ...options,
    });
    return outfile;
  };
  const outside = { platform: 'neutral', packages: 'external', external: ['node:*'] };
  const [node, web, stage] = await Promise.all([
    one('node', 'test/runtime/contracts.node.ts', outside),
    one('web', 'test/runtime/contracts.web.ts', { platform: 'browser' }),
    one('stage', 'test/contract/gateway-stage.node.ts', outside),
  ]);
  const hash = createHash('sha256');
  for (const path of [node, web, stage]) hash.update(await readFile(path));
  return { node, web, stage, code: hash.digest('hex') };
}
