/** `node tools/sim/experiments/start.mjs [--quick] [NAME …]`: bundles the experiments with the source they try, and runs them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../..', import.meta.url));
// Inside the repository, so that it finds its libraries.
const scratch = mkdtempSync(join(root, 'node_modules/.sim-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
const outfile = join(scratch, 'main.mjs');
await build({
  entryPoints: [join(root, 'tools/sim/experiments/main.ts')],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
});
const { main } = await import(pathToFileURL(outfile).href);
process.exitCode = main(process.argv.slice(2));
