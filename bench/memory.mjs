// What one known member costs in memory: a real member in a process of its own joins a real one that knows thousands, all of
// them well, and is left in peace.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { openNamespace, root, startProgram } from './processes.mjs';
import { median } from './statistics.mjs';

const PORT = 20_000;
/** Sockets of one answering process, far below what it may open. */
const ANSWERED = 5_000;
/** What a collection frees goes back to the system a moment later. */
const FREED_MS = 1000;
const PROGRAMS = ['memory-town', 'memory-answers'];

/**
 * @returns for each number of others, without and with metadata, `{ others, metadataBytes, heap, looked, rss }`: bytes of its
 *   process after a collection, medians over the rounds. `looked`: the heap when its application has asked for all members; or
 *   `[{ error }]`.
 */
export async function measureMemory({ sizes, rounds, settleMs, onProgress }) {
  // Inside the repository, so that they find their libraries.
  const scratch = mkdtempSync(join(root, 'node_modules/.bench-'));
  try {
    if (!existsSync(join(root, 'dist/index.js'))) throw new Error('run `npm run build` first');
    await build({
      entryPoints: PROGRAMS.map((name) => join(root, `bench/${name}.ts`)),
      outdir: scratch,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      logLevel: 'warning',
    });
    const found = [];
    for (const withMetadata of [0, 1]) {
      for (const others of sizes) {
        onProgress(`memory: a member that knows ${others} others${withMetadata ? ' with metadata' : ''}`);
        const taken = [];
        for (let tries = 0; taken.length < rounds; tries++) {
          // On a machine that has much else to do one may be suspected that is well.
          if (tries > 2) throw new Error(`of ${others} others not all are well`);
          const missing = Array.from({ length: rounds - taken.length }, () =>
            one(scratch, others, withMetadata, settleMs),
          );
          taken.push(...(await Promise.all(missing)).filter(Boolean));
        }
        const bytes = (name) => median(taken.map((each) => each[name]));
        found.push({
          others,
          metadataBytes: taken[0].metadataBytes,
          heap: bytes('heap'),
          looked: bytes('looked'),
          rss: bytes('rss'),
        });
      }
    }
    return found;
  } catch (error) {
    return [{ error: error.message }];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** One member, from its start to its end. @returns what it takes; `undefined` when it knows too few, or one that is not well. */
async function one(scratch, others, withMetadata, settleMs) {
  const namespace = await openNamespace();
  if (namespace.reason) throw new Error(namespace.reason);
  const programs = [];
  const start = (...command) => {
    const program = startProgram([...namespace.enter, process.execPath, ...command.map(String)]);
    programs.push(program);
    return program;
  };
  try {
    const [town, answers] = PROGRAMS.map((name) => join(scratch, `${name}.mjs`));
    // The member that it joins is one of those that it knows.
    for (let first = 0; first < others - 1; first += ANSWERED) {
      await start(answers, first, Math.min(others - 1, first + ANSWERED)).line('started');
    }
    const { metadataBytes } = await start(town, PORT, others - 1, withMetadata).line('started');
    const member = start('--expose-gc', join(root, 'bench/memory-member.mjs'), PORT + 1, PORT);
    await member.line('started');
    await sleep(settleMs);
    await member.ask({ cmd: 'memory' }, 'memory');
    await sleep(FREED_MS);
    const { heap, rss, members, well } = await member.ask({ cmd: 'memory' }, 'memory');
    const { heap: looked } = await member.ask({ cmd: 'memory', look: true }, 'memory');
    if (!well || members !== others + 1) return undefined;
    return { heap, rss, looked, metadataBytes };
  } finally {
    for (const program of programs) program.kill('SIGKILL');
    namespace.close();
  }
}
