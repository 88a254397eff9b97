// Runs an example that is TypeScript in any Node: `npm run example NAME -- OPTION…`.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const [name, ...options] = process.argv.slice(2);
const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL(`${name}/main.ts`, import.meta.url))],
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  write: false,
  logLevel: 'error',
});
// Within the package, so that `isogossip` is found by its name; another that is started at the same time never reads half of it.
const folder = fileURLToPath(new URL('../dist.examples/', import.meta.url));
const file = `${folder}${name}.mjs`;
await mkdir(folder, { recursive: true });
await writeFile(`${file}.${process.pid}`, outputFiles[0].contents);
await rename(`${file}.${process.pid}`, file);
process.argv.splice(1, Number.POSITIVE_INFINITY, file, ...options);
await import(pathToFileURL(file));
