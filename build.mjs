/**
 * Builds `dist/`: one ES module per entry of package.json with what they share in chunks, so that no module exists
 * twice, one file for pages without a bundler, and declarations beside them. It is made in a folder of its own and moved into place when whole, so that a
 * failed build leaves the last good one. Types are checked by `npm run typecheck` and `npm run lint`, not here: a build that tests
 * wait for takes a third of the time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { commands, singleFile, sources } from './tools/entries.mjs';

const startedMs = performance.now();
const root = fileURLToPath(new URL('.', import.meta.url));
const staging = `dist.${process.pid}`;

async function declarations() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const child = spawn(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck', '--outDir', staging], {
    cwd: root,
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('tsc failed');
}

const common = {
  absWorkingDir: root,
  outbase: 'src',
  outdir: staging,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  sourcemap: true,
  logLevel: 'warning',
};

const modules = () =>
  build({
    ...common,
    entryPoints: sources.filter((source) => source !== singleFile),
    chunkNames: 'shared/[name]-[hash]',
    splitting: true,
    platform: 'neutral',
    packages: 'external',
    external: ['node:*'],
  });

const single = () => build({ ...common, entryPoints: [singleFile], platform: 'browser', minify: true });

try {
  const results = await Promise.allSettled([modules(), single(), declarations()]);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  for (const command of commands) {
    await chmod(`${root}${staging}/${command.replace(/^src\//, '').replace(/\.ts$/, '.js')}`, 0o755);
  }
  await rm(`${root}dist`, { recursive: true, force: true });
  await rename(`${root}${staging}`, `${root}dist`);
  console.log(`built dist/ in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
} catch (error) {
  console.error(`build failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await rm(`${root}${staging}`, { recursive: true, force: true });
}
