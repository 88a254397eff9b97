/** Builds programs of the Go library, from wherever its module is to be had. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Whether there is a Go to build with. */
export const hasGo = (): boolean => spawnSync('go', ['env', 'GOPROXY']).error === undefined;

/**
 * Builds packages that a module knows, `.` its own.
 * @param output - a file, or with several packages a folder.
 * @param module - the module's folder. Default: that of the Go peer.
 */
export function goBuild(
  output: string,
  packages: readonly string[],
  module = join(root, 'test/interop/go-peer'),
): void {
  const { stdout } = spawnSync('go', ['env', 'GOPROXY'], { encoding: 'utf8' });
  // A file-system module proxy beside the project serves machines whose proxy does not know the library.
  const localProxy = join(root, '../shared/go-proxy');
  const env = { ...process.env };
  if (existsSync(localProxy)) env.GOPROXY = `file://${realpathSync(localProxy)},${stdout.trim()}`;
  const build = spawnSync('go', ['build', '-mod=readonly', '-o', output, ...packages], {
    cwd: module,
    env,
    encoding: 'utf8',
  });
  if (build.status !== 0) throw new Error(`go build of ${packages.join(' ')} failed:\n${build.stderr}`);
}
