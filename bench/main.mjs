// `npm run bench`: first figures against the Go library and hashicorp/memberlist, all taken on this machine in one run.
// Writes nothing into the repository; README.md says how each figure is made and what it counts.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureCodecs } from './codec.mjs';
import { measureIdle, namespaceCommand } from './idle.mjs';
import { measureLeaves } from './leaves.mjs';
import { codecTable, idleTable, leavesTable } from './tables.mjs';

const USAGE = `usage: npm run bench -- [--quick] [--json] [--only codec|idle|leaves]
  --quick   shorter rounds and a window of 15 s: a look, not a figure
  --json    one JSON object on standard output instead of tables
  --only    one of the three parts
`;
const MEMBERS = [3, 10, 30];
const FULL = {
  codec: { turns: 3, rounds: 3, roundMs: 300 },
  idle: { settleMs: 20_000, windowMs: 60_000 },
  leaves: { numbers: [1000, 10_000], settleMs: 5000, windowMs: 30_000 },
};
const QUICK = {
  codec: { turns: 1, rounds: 3, roundMs: 120 },
  idle: { settleMs: 8_000, windowMs: 15_000 },
  leaves: { numbers: [100, 1000], settleMs: 2000, windowMs: 10_000 },
};

const root = resolve(fileURLToPath(import.meta.url), '../..');
const startedMs = performance.now();

function progress(text) {
  process.stderr.write(`[${((performance.now() - startedMs) / 1000).toFixed(0).padStart(3)} s] ${text}\n`);
}

/** Builds the Go side; says why where it cannot. */
function buildPeers(into) {
  const env = { ...process.env };
  const proxy = resolve(root, '../shared/go-proxy');
  if (existsSync(proxy)) env.GOPROXY = `file://${proxy},${process.env.GOPROXY || 'https://proxy.golang.org,direct'}`;
  const path = join(into, 'peers');
  const built = spawnSync('go', ['build', '-mod=readonly', '-o', path, '.'], {
    cwd: join(root, 'bench/peers'),
    env,
    encoding: 'utf8',
  });
  if (built.status === 0) return { path };
  return {
    reason: built.error?.code === 'ENOENT' ? 'Go is not installed' : (built.error?.message ?? built.stderr).trim(),
  };
}

async function idleFigures(peers, settings, skipped) {
  const namespace = namespaceCommand();
  if (!namespace.command) {
    skipped.push(`idle cost: no right to make network namespaces here (${namespace.reason})`);
    return [];
  }
  const lifeSeconds = String(Math.ceil((settings.settleMs + settings.windowMs) / 1000) + 120);
  const clusters = [];
  for (const members of MEMBERS) {
    if (existsSync(join(root, 'dist/index.js'))) {
      const command = [process.execPath, join(root, 'bench/idle-iso.mjs'), String(members), lifeSeconds];
      clusters.push({ kind: 'isogossip', members, command });
    }
    if (!peers.path) continue;
    for (const kind of ['gossip', 'memberlist']) {
      clusters.push({ kind, members, command: [peers.path, 'idle', kind, String(members), lifeSeconds] });
    }
  }
  if (!clusters.some((c) => c.kind === 'isogossip')) skipped.push('idle cost of isogossip: run `npm run build` first');
  progress(`idle: ${clusters.length} clusters, each in a network namespace of its own`);
  return measureIdle(clusters, { ...settings, namespace: namespace.command, onProgress: progress });
}

async function run({ quick, json, only }) {
  const settings = quick ? QUICK : FULL;
  const skipped = [];
  const scratch = mkdtempSync(join(tmpdir(), 'isogossip-bench-'));
  const removeScratch = () => rmSync(scratch, { recursive: true, force: true });
  process.once('exit', removeScratch);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

  progress('building the Go peers');
  const peers = buildPeers(scratch);
  if (!peers.path) skipped.push(`everything of the Go library and memberlist: ${peers.reason}`);

  const codecs =
    only && only !== 'codec'
      ? []
      : await measureCodecs(peers.path, { ...settings.codec, root, scratch, onProgress: progress });
  const idle = only && only !== 'idle' ? [] : await idleFigures(peers, settings.idle, skipped);
  const { numbers, ...leafSettings } = settings.leaves;
  const leaves =
    only && only !== 'leaves' ? [] : await measureLeaves(numbers, { ...leafSettings, root, onProgress: progress });
  const machine = { cores: cpus().length, arch: process.arch, platform: process.platform, node: process.version };
  const report = { quick, machine, codecs, idle, leaves, skipped };

  if (json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    const about = `${machine.cores} cores, ${machine.platform} ${machine.arch}, Node ${machine.node}`;
    process.stdout.write(`\nisogossip bench: ${about}${quick ? ', --quick' : ''}\n`);
    if (codecs.length > 0) process.stdout.write(`\n${codecTable(codecs)}\n`);
    if (idle.length > 0) process.stdout.write(`\n${idleTable(idle)}\n`);
    if (leaves.length > 0) process.stdout.write(`\n${leavesTable(leaves)}\n`);
    for (const reason of skipped) process.stdout.write(`\nskipped: ${reason}\n`);
  }
  progress('done');
  if ([...idle, ...leaves].some((row) => row.error)) process.exitCode = 1;
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
  if (!['', 'codec', 'idle', 'leaves'].includes(options.only)) {
    throw new Error(`--only ${options.only}: codec, idle or leaves`);
  }
} catch (error) {
  process.stderr.write(`${error.message}\n${USAGE}`);
  process.exit(2);
}
if (options.help) process.stdout.write(USAGE);
else await run(options);
