// Idle cost: members in processes of their own without any work. What they send is counted by the kernel, from the counters of
// the cluster's own network namespace; processor time and memory too, from those of each process. So nothing is counted by the
// programs that are compared, and nothing is missed.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from './processes.mjs';
import { median } from './statistics.mjs';

const SAMPLE_INTERVAL_MS = 250; // short against the seconds between two TCP exchanges, so that most samples hold none

/**
 * @param sizes - by the kind's name. All kinds of one size are measured over the same window.
 * @returns a row per kind and size, per member and second: `{ kind, members, packets, bytes, datagrams, datagramBytes, cpuMs }`,
 *   and `rss`, the median over the members in bytes; `downs`: how often somebody was given up.
 */
export async function measureIdle(kinds, { sizes, settleMs, windowMs, onProgress }) {
  const rows = [];
  for (const members of new Set(Object.values(sizes).flat())) {
    const clusters = [];
    try {
      for (const kind of kinds.filter(({ name }) => sizes[name].includes(members))) {
        onProgress(`idle: starting ${kind.name} with ${members} members`);
        try {
          clusters.push(await startCluster(kind, members));
        } catch (error) {
          rows.push({ kind: kind.name, members, error: error.message });
        }
      }
      onProgress(`idle: ${settleMs / 1000} s to settle, then a window of ${windowMs / 1000} s`);
      await sleep(settleMs);
      rows.push(...(await Promise.all(clusters.map((cluster) => observe(cluster, windowMs)))));
    } finally {
      for (const cluster of clusters) cluster.close();
    }
  }
  return rows;
}

async function observe({ kind, members, namespace }, windowMs) {
  const common = { kind: kind.name, members: members.length };
  try {
    const sum = (of) => members.reduce((total, one) => total + of(one), 0);
    const cpu = () => sum(({ child }) => cpuMs(child.pid));
    const downs = () => sum((one) => one.downs);
    const samples = [counters(namespace.pid)];
    const before = { cpu: cpu(), downs: downs(), atMs: performance.now() };
    while (performance.now() - before.atMs < windowMs) {
      await sleep(Math.min(SAMPLE_INTERVAL_MS, windowMs - (performance.now() - before.atMs)));
      samples.push(counters(namespace.pid));
    }
    const seconds = (performance.now() - before.atMs) / 1000;
    return {
      ...common,
      ...traffic(samples, seconds * members.length),
      cpuMs: (cpu() - before.cpu) / seconds / members.length,
      rss: median(members.map(({ child }) => residentBytes(child.pid))),
      downs: downs() - before.downs,
    };
  } catch (error) {
    return { ...common, error: error.message };
  }
}

function traffic(samples, memberSeconds) {
  const first = samples[0];
  const last = samples.at(-1);
  const rate = (name) => (last[name] - first[name]) / memberSeconds;
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

/** Processor time of all threads of a process, to the nanosecond. */
function cpuMs(pid) {
  return readdirSync(`/proc/${pid}/task`).reduce((total, task) => {
    const [ns] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
    return total + Number(ns) / 1e6;
  }, 0);
}

function residentBytes(pid) {
  return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+) kB/)[1]) * 1024;
}
