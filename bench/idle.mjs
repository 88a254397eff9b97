// Idle cost: each cluster runs in a network namespace of its own, and the kernel's counters of that namespace's `lo`
// are read before and after a window. So nothing is counted by the programs that are compared, and nothing is missed.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_INTERVAL_MS = 250; // short against the seconds between two TCP exchanges, so that most samples hold none

/** The way to run a command in a new network namespace with `lo` up, or why there is none. */
export function namespaceCommand() {
  const script = 'ip link set lo up && exec "$@"';
  let reason = '';
  for (const flags of [['-n'], ['-r', '-n']]) {
    const command = ['unshare', ...flags, 'sh', '-c', script, 'sh'];
    const tried = spawnSync(command[0], [...command.slice(1), 'true'], { encoding: 'utf8' });
    if (tried.status === 0) return { command };
    reason = tried.error?.message ?? tried.stderr.trim();
  }
  return { reason };
}

/**
 * Starts one idle cluster per entry of `clusters`, all at once, and measures them over the same window.
 * @param clusters - `{ kind, members, command }`; the command prints a line with `"event":"ready"` when all members see
 *   each other, one with `"event":"done"` after its standard input has ended, and exits.
 * @returns one result each, in order; `error` instead of figures where a cluster failed.
 */
export async function measureIdle(clusters, { settleMs, windowMs, namespace, onProgress }) {
  const running = clusters.map((cluster) => ({ ...cluster, ...start(namespace, cluster.command) }));
  const stop = () => {
    for (const r of running) r.child.kill('SIGKILL');
  };
  process.once('exit', stop); // also when interrupted
  try {
    await Promise.all(running.map((r) => r.ready.catch((error) => Object.assign(r, { error }))));
    onProgress(`clusters are whole; ${settleMs / 1000} s to settle, then a window of ${windowMs / 1000} s`);
    await sleep(settleMs);
    const results = await Promise.all(running.map((r) => (r.error ? failed(r, r.error) : observe(r, windowMs))));
    return results;
  } finally {
    stop();
    process.off('exit', stop);
  }
}

function start(namespace, command) {
  const child = spawn(namespace[0], [...namespace.slice(1), ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk) => {
    complaint = (complaint + chunk).slice(-2000);
  });
  child.stdin.on('error', () => {});
  const waiting = new Map();
  const seen = new Map();
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text);
    seen.set(line.event, line);
    waiting.get(line.event)?.resolve(line);
  });
  const gone = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`ended with ${code}: ${complaint.trim()}`)));
  });
  gone.catch(() => {});
  const line = (event) => {
    if (seen.has(event)) return Promise.resolve(seen.get(event));
    return Promise.race([new Promise((resolve) => waiting.set(event, { resolve })), gone]);
  };
  return { child, line, ready: line('ready') };
}

async function observe(cluster, windowMs) {
  try {
    const samples = [counters(cluster.child.pid)];
    const startMs = performance.now();
    while (performance.now() - startMs < windowMs) {
      await sleep(Math.min(SAMPLE_INTERVAL_MS, windowMs - (performance.now() - startMs)));
      samples.push(counters(cluster.child.pid));
    }
    const seconds = (performance.now() - startMs) / 1000;
    cluster.child.stdin.end();
    const done = await cluster.line('done');
    return { ...figures(samples, seconds, cluster), whole: done.whole, changes: done.changes };
  } catch (error) {
    return failed(cluster, error);
  }
}

function failed(cluster, error) {
  return { kind: cluster.kind, members: cluster.members, error: error.message };
}

/** All figures are per member and second. */
function figures(samples, seconds, { kind, members }) {
  const first = samples[0];
  const last = samples.at(-1);
  const rate = (name) => (last[name] - first[name]) / seconds / members;
  // Samples without TCP hold datagrams alone: their mean size times the rate of all datagrams is the datagrams' share.
  let quietBytes = 0;
  let quietDatagrams = 0;
  for (let i = 1; i < samples.length; i++) {
    const [a, b] = [samples[i - 1], samples[i]];
    if (a.tcpSegments !== b.tcpSegments) continue;
    quietBytes += b.bytes - a.bytes;
    quietDatagrams += b.datagrams - a.datagrams;
  }
  return {
    kind,
    members,
    seconds,
    packets: rate('packets'),
    bytes: rate('bytes'),
    datagrams: rate('datagrams'),
    datagramBytes: quietDatagrams > 0 ? (quietBytes / quietDatagrams) * rate('datagrams') : undefined,
  };
}

/** What the namespace of process `pid` has sent; on `lo`, each packet is counted once here and once as received. */
function counters(pid) {
  const lo = readFileSync(`/proc/${pid}/net/dev`, 'utf8')
    .match(/^\s*lo:(.*)$/m)[1]
    .trim()
    .split(/\s+/);
  const snmp = readFileSync(`/proc/${pid}/net/snmp`, 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const value = (protocol, name) => {
    const [names, values] = snmp.filter((line) => line[0] === `${protocol}:`);
    return Number(values[names.indexOf(name)]);
  };
  return {
    bytes: Number(lo[8]),
    packets: Number(lo[9]),
    datagrams: value('Udp', 'OutDatagrams'),
    tcpSegments: value('Tcp', 'OutSegs'),
  };
}
