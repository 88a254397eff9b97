/** The package as a user gets it: packed, and installed in a folder that has nothing to do with the repository. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A project that has the package installed, its dependencies beside it as npm would lay them. */
export interface Project {
  folder: string;
  /** Where the package is. */
  installed: string;
  remove(): Promise<void>;
}

/**
 * Packs `dist/` as it was built last and installs it, without a network.
 * @param beside - further packages of the repository that the project has.
 */
export async function installPacked(beside: readonly string[] = []): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'isogossip-'));
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  const installed = join(folder, 'node_modules/isogossip');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, filename), '--strip-components=1', '-C', installed]);
  const { dependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), ...beside]) {
    await cp(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
  }
  return { folder, installed, remove: () => rm(folder, { recursive: true, force: true }) };
}
