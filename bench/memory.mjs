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

/** @returns `{ members, heapPerMember, rssPerMember }` in bytes, after a collection; or `{ error }`. */
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
    let after = before;
    for (
      const untilMs = performance.now() + TAKEN_WITHIN_MS;
      after.members < members && performance.now() < untilMs;
    ) {
      await sleep(settleMs);
      after = await member.ask({ cmd: 'memory' }, 'memory');
    }
    member.kill('SIGKILL');
    teller.kill('SIGKILL');
    const known = after.members - before.members;
    return {
      members: known,
      heapPerMember: (after.heap - before.heap) / known,
      rssPerMember: (after.rss - before.rss) / known,
      newsWaiting: after.newsWaiting,
    };
  } catch (error) {
    return { error: error.message };
  } finally {
    namespace.close?.();
    rmSync(scratch, { recursive: true, force: true });
  }
}
