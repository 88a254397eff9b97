// What one known member costs in memory: a real member in a process of its own is told of ten thousand, over the wire, by
// another member.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { openNamespace, root, startProgram } from './processes.mjs';

const PORT = 20_000;
/** Then those that are still missing were refused. */
const TAKEN_WITHIN_MS = 60_000;
/** Until all that it was told has been passed on, each piece some twenty times. */
const TOLD_WITHIN_MS = 600_000;

/**
 * @returns `{ members, heapPerMember, rssPerMember, newsWaiting, told }` in bytes, after a collection: as soon as it knows them, while
 *   they wait to be passed on, and as `told` the same when they have been; or `{ error }`.
 */
export async function measureMemory(kind, { members, settleMs, onProgress }) {
  onProgress(`memory: a member that is told of ${members} others`);
  // Inside the repository, so that it finds its libraries.
  const scratch = mkdtempSync(join(root, 'node_modules/.bench-'));
  const namespace = await openNamespace();
  try {
    if (namespace.reason) throw new Error(namespace.reason);
    await build({
      entryPoints: [join(root, 'bench/memory-teller.ts')],
      outfile: join(scratch, 'teller.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      logLevel: 'warning',
    });
    const member = startProgram([...namespace.enter, ...kind.command, String(PORT)]);
    await member.line('started');
    await sleep(settleMs);
    const before = await member.ask({ cmd: 'memory' }, 'memory');
    const teller = startProgram([
      ...namespace.enter,
      process.execPath,
      join(scratch, 'teller.mjs'),
      String(PORT),
      String(members),
    ]);
    await teller.line('told');
    const when = async (fits, withinMs) => {
      const untilMs = performance.now() + withinMs;
      let now = before;
      while (!fits(now) && performance.now() < untilMs) {
        await sleep(settleMs);
        now = await member.ask({ cmd: 'memory' }, 'memory');
      }
      const known = now.members - before.members;
      return {
        members: known,
        heapPerMember: (now.heap - before.heap) / known,
        rssPerMember: (now.rss - before.rss) / known,
        newsWaiting: now.newsWaiting,
      };
    };
    const waiting = await when((now) => now.members >= members, TAKEN_WITHIN_MS);
    onProgress('memory: until it has passed them on');
    const told = await when((now) => now !== before && now.newsWaiting === 0, TOLD_WITHIN_MS);
    member.kill('SIGKILL');
    teller.kill('SIGKILL');
    return { ...waiting, told };
  } catch (error) {
    return { error: error.message };
  } finally {
    namespace.close?.();
    rmSync(scratch, { recursive: true, force: true });
  }
}
