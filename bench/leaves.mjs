// A gateway with thousands of idle leaves: memory and processor time of its process, and what one change of the membership
// costs on the wire. The leaves are real WebSockets in another process.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';

/**
 * @returns one row for each number of leaves: `{ leaves, attachS, rssPerLeaf, heapPerLeaf, cpuShare, changeBytes, … }`;
 *   `error` in place of figures where it failed.
 */
export async function measureLeaves(numbers, { settleMs, windowMs, root, onProgress }) {
  const programs = ['leaves-gateway', 'leaves-clients'];
  // Inside the repository, so that they find its libraries.
  const scratch = mkdtempSync(join(root, 'node_modules/.bench-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  await build({
    entryPoints: programs.map((name) => join(root, `bench/${name}.ts`)),
    outdir: scratch,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  const rows = [];
  for (const leaves of numbers) {
    onProgress(`leaves: ${leaves} at one gateway`);
    rows.push(
      await one(leaves, { settleMs, windowMs, root, scratch }).catch((error) => ({ leaves, error: error.message })),
    );
  }
  return rows;
}

async function one(leaves, { settleMs, windowMs, root, scratch }) {
  const started = [];
  const stop = () => {
    for (const { child } of started) child.kill('SIGKILL');
  };
  process.once('exit', stop);
  const run = (...args) => {
    const program = start([process.execPath, ...args], root);
    started.push(program);
    return program;
  };
  try {
    const gateway = run('--expose-gc', join(scratch, 'leaves-gateway.mjs'));
    const { url } = await gateway.line();
    const before = await gateway.ask('measure');
    const startMs = performance.now();
    const clients = run(join(scratch, 'leaves-clients.mjs'), url, String(leaves));
    const first = await clients.line();
    const attachS = (performance.now() - startMs) / 1000;
    if (first.shown !== leaves) throw new Error(`${first.shown} of ${leaves} leaves were let in`);
    await sleep(settleMs);
    const idle = await gateway.ask('measure');
    const idleMs = performance.now();
    await sleep(windowMs);
    const after = await gateway.ask('measure');
    const cpuShare = (after.cpuMs - idle.cpuMs) / (performance.now() - idleMs);
    const heard = await clients.ask('');
    await gateway.ask('change');
    await sleep(1000);
    const changed = await clients.ask('');
    const end = await gateway.ask('measure');
    return {
      leaves,
      attachS,
      rssPerLeaf: (idle.rss - before.rss) / leaves,
      heapPerLeaf: (idle.heapUsed - before.heapUsed) / leaves,
      cpuShare,
      changeFrames: (changed.frames - heard.frames) / leaves,
      changeBytes: (changed.bytes - heard.bytes) / leaves,
      changeCpuMs: end.cpuMs - after.cpuMs,
      closed: changed.closed,
      members: end.members,
    };
  } finally {
    stop();
    process.off('exit', stop);
  }
}

function start(command, cwd) {
  const child = spawn(command[0], command.slice(1), { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command.at(1)} ended`);
    return JSON.parse(value);
  };
  child.stdin.on('error', () => {});
  return {
    child,
    line,
    ask(text) {
      child.stdin.write(`${text}\n`);
      return line();
    },
  };
}
