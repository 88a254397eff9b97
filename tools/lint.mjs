/**
 * `npm run lint`: every static check, one line each, and the full words of those that object. The package is built and
 * packed first, because publint and attw judge what a user would install.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const env = {
  ...process.env,
  PATH: `${root}node_modules/.bin${delimiter}${process.env.PATH}`,
  FORCE_COLOR: '0',
  NO_COLOR: '1',
};
let failed = 0;

async function check(name, command, ...args) {
  const startedMs = performance.now();
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (text) => {
    output += text;
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  child.on('error', (error) => collect(`${error.message}\n`));
  const [code] = await once(child, 'close');
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(32)} ${seconds.padStart(5)} s`);
  if (code !== 0) {
    failed++;
    console.log(output.replace(/^/gm, '       | ').trimEnd());
  }
  return code === 0;
}

const packed = await mkdtemp(join(tmpdir(), 'isogossip-'));
try {
  const built = await check('build', process.execPath, 'build.mjs');
  await check('biome (style, mistakes)', 'biome', 'check', '--error-on-warnings', '--max-diagnostics=200', '.');
  await check('tsc (types)', 'tsc', '--noEmit');
  await check('knip (dead code, dependencies)', 'knip', '--no-progress', '--treat-config-hints-as-errors');
  if (built && (await check('npm pack', 'npm', 'pack', '--ignore-scripts', '--pack-destination', packed))) {
    const tarball = join(packed, (await readdir(packed))[0]);
    await check('publint (package)', 'publint', 'run', tarball, '--strict');
    await check('attw (types as resolved)', 'attw', tarball, '--profile', 'esm-only', '--no-emoji');
  }
} finally {
  await rm(packed, { recursive: true, force: true });
}
console.log(failed === 0 ? 'all clean' : `${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
