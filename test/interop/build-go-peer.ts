/**
 * Builds the Go peer once before the live suites run, into a directory that is removed afterwards. Without Go the suites
 * are counted as skipped; in CI (`CI=true`) a missing Go is a failure, so that they cannot silently stop running.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as bundle } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { goBuild, hasGo } from './go-build.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the built Go peer; empty when Go is not installed. */
    goPeer: string;
    /** Path of the bundled leaf. */
    leafMember: string;
  }
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Builds, provides `goPeer`, and returns the teardown. Called by vitest (`globalSetup`). */
export default async function setup(project: TestProject): Promise<(() => void) | undefined> {
  if (!hasGo()) {
    const reason = 'Go is not installed: the live Go suites are skipped.';
    if (process.env.CI === 'true') throw new Error(`${reason} In CI they must run.`);
    console.warn(reason);
    project.provide('goPeer', '');
    project.provide('leafMember', '');
    return undefined;
  }
  if (process.env.ISO_KIND !== 'go' && !existsSync(join(root, 'dist/cli/main.js'))) {
    throw new Error('dist/cli/main.js is missing: run `npm run build` before the live Go suites.');
  }

  const directory = mkdtempSync(join(tmpdir(), 'isogossip-go-peer-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const binary = join(directory, process.platform === 'win32' ? 'go-peer.exe' : 'go-peer');
  try {
    goBuild(binary, ['.']);
  } catch (error) {
    remove();
    throw error;
  }
  project.provide('goPeer', binary);
  const leafMember = join(directory, 'leaf-member.mjs');
  await bundle({
    entryPoints: [join(root, 'test/interop/leaf-member.ts')],
    outfile: leafMember,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // `ws` still requires Node's own modules.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  project.provide('leafMember', leafMember);
  return remove;
}
