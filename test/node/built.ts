/** Programs that tests start as processes of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';

/** Bundles one before the tests of a file, and removes it after them. @returns where it is then. */
export function built(program: URL): string {
  const scratch = mkdtempSync(join(tmpdir(), 'isogossip-'));
  const outfile = join(scratch, 'program.mjs');
  beforeAll(async () => {
    await build({
      entryPoints: [fileURLToPath(program)],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      external: ['isomorphic-ws'],
    });
  });
  afterAll(() => rmSync(scratch, { recursive: true }));
  return outfile;
}
