/**
 * A page that uses the core, as four bundlers make it of the packed package: nothing of Node, no plug-in that it does not
 * ask for, nothing twice. And the check that says so, which finds each of these where it is.
 */
import { copyFile, cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { entries } from '../../tools/entries.mjs';
import { bundlers, scripts } from './bundlers.js';
import { leaks, UNWANTED } from './leaks.js';
import { installPacked, type Project } from './packed.js';

const PAGE = fileURLToPath(new URL('page.js', import.meta.url));

let project: Project;
beforeAll(async () => {
  project = await installPacked();
  await copyFile(PAGE, join(project.folder, 'page.js'));
}, 60_000);
afterAll(() => project.remove());

describe('a page', () => {
  test.each(Object.entries(bundlers))(
    'bundled by %s is one script without leaks',
    { timeout: 60_000 },
    async (name, bundle) => {
      const into = join(project.folder, name);
      await bundle(join(project.folder, 'page.js'), into);
      const made = await scripts(into);
      expect(leaks(made.values())).toEqual([]);
      expect(made.size).toBe(1);
    },
  );
});

test('the single file has no leaks either', async () => {
  const { unpkg, jsdelivr } = JSON.parse(await readFile(join(project.installed, 'package.json'), 'utf8'));
  expect(jsdelivr).toBe(unpkg);
  expect(leaks([await readFile(join(project.installed, unpkg), 'utf8')])).toEqual([]);
});

describe('the leak check finds', () => {
  /** What it finds when something more is in the page. */
  const leaksWith = async (more: string, platform: 'browser' | 'node' = 'browser'): Promise<string[]> => {
    const folder = await mkdtemp(join(project.folder, 'leak-'));
    const entry = join(folder, 'page.js');
    await writeFile(entry, `${await readFile(PAGE, 'utf8')}\n${more}`);
    await build({
      entryPoints: [entry],
      outdir: join(folder, 'out'),
      bundle: true,
      minify: true,
      splitting: true,
      format: 'esm',
      platform,
      external: ['node:*'],
      logLevel: 'silent',
    });
    return leaks((await scripts(join(folder, 'out'))).values());
  };

  const forNode = entries
    .filter(({ isomorphic }) => !isomorphic)
    .map(({ subpath }) => subpath.replace('.', 'isogossip'));
  test.each([
    ...Object.keys(UNWANTED).map((name) => [name, forNode.includes(name) ? 'node' : 'browser'] as const),
    ['ws', 'node'] as const,
  ])('%s, for a %s', async (name, platform) => {
    const found = await leaksWith(`import * as more from '${name}'; console.log(more);`, platform);
    expect(found).toContain(`contains ${name}`);
  });

  test('every plug-in: each entry has a mark', () => {
    const own = ['isogossip', 'isogossip/browser', 'isogossip/codec/msgpack', 'isogossip/transport/websocket'];
    const named = entries.map(({ subpath }) => subpath.replace('.', 'isogossip'));
    expect([...Object.keys(UNWANTED).filter((name) => named.includes(name)), ...own].sort()).toEqual(named.sort());
  });

  test.each([
    ['an import of Node', "import { readFile } from 'node:fs'; readFile();", 'imports node:fs'],
    ['Buffer', 'console.log(Buffer.from([1]));', 'uses Buffer'],
    ['process', 'console.log(process.env.HOME);', 'uses process'],
    ['global', 'console.log(global.x);', 'uses global'],
    ['require', 'console.log(require(String(Date.now())));', 'uses require'],
    ['eval', "console.log((0, eval)('1'));", 'uses eval'],
    ['a Function made of a text', "console.log(new Function('return this')());", 'makes a Function of a text'],
  ])('%s', async (_, code, finding) => {
    expect(await leaksWith(code)).toEqual([finding]);
  });

  test('a second copy of the package', async () => {
    await cp(project.installed, join(project.folder, 'node_modules/again'), { recursive: true });
    const found = await leaksWith("import * as more from 'again'; console.log(more);");
    expect(found).toContain('contains the class GossipError 2 times');
    expect(found).not.toContain('contains @msgpack/msgpack 2 times');
  });

  test('a second copy of a library', async () => {
    const modules = join(project.folder, 'node_modules');
    await cp(join(modules, '@msgpack/msgpack'), join(modules, 'packer'), { recursive: true });
    const found = await leaksWith("import { decode } from 'packer'; console.log(decode);");
    expect(found).toContain('contains @msgpack/msgpack 2 times');
    expect(found).not.toContain('contains the class GossipError 2 times');
  });

  test('that a page lacks what it should have', () => {
    expect(leaks(['console.log(1)'])).toHaveLength(3);
  });
});
