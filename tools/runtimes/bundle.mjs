/**
 * Bundles the contracts once for each family of runtimes: one file that Node, Deno and Bun run, and one that browsers and
 * workerd run. The libraries of the first stay outside, so that each runtime finds those it gives its users (Bun has a
 * `ws` of its own).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where bundles and reports are. */
export const outDir = `${root}dist.contracts/`;

/** @returns the paths of both, and a name for the code that is in them. */
export async function bundle() {
  const one = async (name, options) => {
    const outfile = `${outDir}${name}.mjs`;
    await build({
      absWorkingDir: root,
      entryPoints: [`test/runtime/contracts.${name}.ts`],
      outfile,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      logLevel: 'warning',
      ...options,
    });
    return outfile;
  };
  const [node, web] = await Promise.all([
    one('node', { platform: 'neutral', packages: 'external', external: ['node:*'] }),
    one('web', { platform: 'browser' }),
  ]);
  const hash = createHash('sha256');
  for (const path of [node, web]) hash.update(await readFile(path));
  return { node, web, code: hash.digest('hex') };
}
