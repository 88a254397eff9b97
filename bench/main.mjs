// `npm run bench`: isogossip beside the Go library, hashicorp/memberlist, moleculer and js-libp2p's gossipsub, all measured on
// this machine in one run. README.md says how each figure is made and what it counts; page.mjs makes docs/performance.md of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBroadcasts } from './broadcast.mjs';
import { measureCodecs } from './codec.mjs';
import { measureDetection } from './detect.mjs';
import { measureIdle } from './idle.mjs';
import { measureLeaves } from './leaves.mjs';
import { measureMemory } from './memory.mjs';
import { findKinds, openNamespace, root } from './processes.mjs';
import { broadcastTable, codecTable, detectionTable, idleTable, leavesTable, memoryTable } from './tables.mjs';

const PARTS = ['detect', 'broadcast', 'idle', 'memory', 'codec', 'leaves'];
const USAGE = `usage: npm run bench -- [--quick] [--json] [--only ${PARTS.join('|')}]
  --quick   fewer rounds and short windows: a look, not a figure
  --json    one JSON object on standard output instead of tables
  --only    one of the parts
`;
const all = (...numbers) => ({
  isogossip: numbers,
  gossip: numbers,
  memberlist: numbers,
  moleculer: [3],
  gossipsub: [3],
});
const FULL = {
  detect: { sizes: all(3, 30), rounds: 3, settleMs: 5000, capS: 45 },
  broadcast: { sizes: all(3, 30), seconds: 15, perSecond: 20, floodSeconds: 5, settleMs: 3000 },
  // After a start V8 collects and compiles for a while.
  idle: { sizes: all(3, 10, 30), settleMs: 60_000, windowMs: 60_000 },
  memory: { sizes: [1, 1000, 10_000, 20_000], rounds: 3, settleMs: 15_000 },
  codec: { turns: 3, rounds: 3, roundMs: 300 },
  leaves: { numbers: [1000, 10_000], settleMs: 5000, windowMs: 30_000 },
};
const QUICK = {
  detect: { sizes: all(3), rounds: 1, settleMs: 3000, capS: 45 },
  broadcast: { sizes: all(3), seconds: 5, perSecond: 20, floodSeconds: 3, settleMs: 2000 },
  idle: { sizes: all(3), settleMs: 8000, windowMs: 15_000 },
  memory: { sizes: [1000, 10_000], rounds: 1, settleMs: 3000 },
  codec: { turns: 1, rounds: 3, roundMs: 120 },
  leaves: { numbers: [100, 1000], settleMs: 2000, windowMs: 10_000 },
};

const startedMs = performance.now();

function progress(text) {
  process.stderr.write(`[${((performance.now() - startedMs) / 1000).toFixed(0).padStart(3)} s] ${text}\n`);
}

async function run({ quick, json, only }) {
  const settings = quick ? QUICK : FULL;
  const scratch = mkdtempSync(join(tmpdir(), 'isogossip-bench-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

  const { kinds, go, skipped } = findKinds(scratch, progress);
  const namespace = await openNamespace();
  namespace.close?.();
  const report = { quick, date: new Date().toISOString().slice(0, 10), machine: machine(), kinds: kinds.map(named) };
  const loads = [];
  const take = async (part, measure) => {
    if (only && only !== part) return;
    const clusters = !['codec', 'leaves'].includes(part);
    if (clusters && namespace.reason) skipped.push(`${part}: ${namespace.reason}`);
    else report[part] = await measure({ ...settings[part], onProgress: progress });
    loads.push(loadavg()[0]);
  };
  await take('detect', (options) => measureDetection(kinds, options));
  await take('broadcast', (options) => measureBroadcasts(kinds, options));
  await take('idle', (options) => measureIdle(kinds, options));
  await take('memory', (options) => measureMemory(options));
  await take('codec', (options) => measureCodecs(go, { ...options, root, scratch }));
  await take('leaves', ({ numbers, ...options }) => measureLeaves(numbers, { ...options, root }));
  Object.assign(report, { capS: settings.detect.capS, load: Math.max(...loads), skipped });
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : text(report));
  progress('done');
  if (PARTS.some((part) => [report[part] ?? []].flat().some((row) => row.error))) process.exitCode = 1;
}

const named = ({ name, version }) => ({ name, version });

function machine() {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model,
    arch: process.arch,
    platform: process.platform,
    node: process.version,
  };
}

function text(report) {
  const { cores, platform, arch, node } = report.machine;
  const about = `${cores} cores, ${platform} ${arch}, Node ${node}, load up to ${report.load.toFixed(1)}`;
  const tables = [
    `isogossip bench: ${about}${report.quick ? ', --quick' : ''}`,
    report.kinds.map(({ name, version }) => `${name} ${version}`).join(', '),
    report.detect && detectionTable(report.detect, report.capS),
    report.broadcast && broadcastTable(report.broadcast),
    report.idle && idleTable(report.idle),
    report.memory && memoryTable(report.memory),
    report.codec && codecTable(report.codec),
    report.leaves && leavesTable(report.leaves),
    ...report.skipped.map((reason) => `skipped: ${reason}`),
  ];
  return `\n${tables.filter(Boolean).join('\n\n')}\n`;
}

let options;
try {
  options = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  }).values;
  if (!['', ...PARTS].includes(options.only)) throw new Error(`--only ${options.only}: ${PARTS.join(', ')}`);
} catch (error) {
  process.stderr.write(`${error.message}\n${USAGE}`);
  process.exit(2);
}
if (options.help) process.stdout.write(USAGE);
else await run(options);
