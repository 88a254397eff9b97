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
 * @returns `{ members, heapPerMember, rssPerMember, newsWaiting, told, more }` in bytes, after a collection: as soon as it knows them,
 *   while they wait to be passed on; as `told` the same when they have been; and as `more` what as many again have added to
 *   that, without what a member costs once, such as code that is compiled now; or `{ error }`.
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
    let now = before;
    const tell = async () => {
      const teller = startProgram([
        ...namespace.enter,
        process.execPath,
        join(scratch, 'teller.mjs'),
        String(PORT),
        String(members),
      ]);
      await teller.line('told');
      return teller;
    };
    const when = async (fits, withinMs) => {
      const untilMs = performance.now() + withinMs;
      do {
        await sleep(settleMs);
        now = await member.ask({ cmd: 'memory' }, 'memory');
      } while (!fits() && performance.now() < untilMs);
      return now;
    };
    const tellers = [await tell()];
    const waiting = await when(() => now.members >= members, TAKEN_WITHIN_MS);
    onProgress('memory: until it has passed them on');
    const told = await when(() => now.newsWaiting === 0, TOLD_WITHIN_MS);
    onProgress('memory: as many again');
    tellers.push(await tell());
    await when(() => now.members >= members * 2, TAKEN_WITHIN_MS);
    const more = await when(() => now.newsWaiting === 0, TOLD_WITHIN_MS);
    for (const program of [member, ...tellers]) program.kill('SIGKILL');
    return { ...perMember(before, waiting), told: perMember(before, told), more: perMember(told, more) };
  } catch (error) {
    return { error: error.message };
  } finally {
    namespace.close?.();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What each member that came between two answers costs. */
function perMember(before, { members, heap, rss, newsWaiting }) {
  const known = members - before.members;
  return {
    members: known,
    heapPerMember: (heap - before.heap) / known,
    rssPerMember: (rss - before.rss) / known,
    newsWaiting,
  };
}
