/** What is printed of a run, or of several together. How each figure is defined stands in docs/simulator.md. */
import type { Accusation, Samples, TRAFFIC } from './meter.js';

/** Of many values. */
export interface Summary {
  count: number;
  mean: number;
  median: number;
  p99: number;
  max: number;
}

/** The figures of runs, as they are printed with `--json`. */
export type Figures = ReturnType<typeof figuresOf>;

/** Makes figures of what was noted of one run, or of several. */
export function figuresOf(runs: readonly Samples[]) {
  const sum = (of: (run: Samples) => number) => runs.reduce((total, run) => total + of(run), 0);
  const most = (of: (run: Samples) => number) => runs.reduce((max, run) => Math.max(max, of(run)), 0);
  const [delivered, virtualMs, cpuMs] = [sum((r) => r.delivered), sum((r) => r.virtualMs), sum((r) => r.cpuMs)];
  const traffic = (what: (typeof TRAFFIC)[number]) => summary(...runs.map((run) => run.traffic[what]));
  return {
    perMemberPerS: {
      bytesOut: traffic('bytesOut'),
      bytesIn: traffic('bytesIn'),
      packetsOut: traffic('packetsOut'),
      packetsIn: traffic('packetsIn'),
    },
    detection: { silent: detection(runs, 'silent'), killed: detection(runs, 'killed') },
    falseSuspicions: accusations(runs.flatMap((run) => run.suspicions)),
    falseDeaths: {
      ...accusations(runs.flatMap((run) => run.deaths)),
      believedByHealthyOfHealthy: sum((run) => run.believed),
    },
    convergenceMs: summary(runs.flatMap((run) => run.convergedMs ?? [])),
    broadcast: {
      quiet: delivery(runs, true),
      troubled: delivery(runs, false),
      redundancy: delivered > 0 ? sum((run) => run.duplicates) / delivered : null,
    },
    queueMax: most((run) => run.queueMax),
    uplinkQueueBytesMax: most((run) => run.uplinkQueueBytesMax),
    memory: memory(runs),
    speed: { virtualS: virtualMs / 1000, cpuS: cpuMs / 1000, timesRealTime: cpuMs > 0 ? virtualMs / cpuMs : null },
  };
}

function detection(runs: readonly Samples[], how: 'silent' | 'killed') {
  const crashes = runs.flatMap((run) => run.crashes).filter((crash) => crash.how === how);
  return {
    crashes: crashes.length,
    suspectedMs: summary(crashes.flatMap(({ suspectedMs }) => suspectedMs ?? [])),
    firstMs: summary(crashes.flatMap(({ firstMs }) => firstMs ?? [])),
    fullMs: summary(crashes.flatMap(({ fullMs }) => fullMs ?? [])),
  };
}

function accusations(list: readonly Accusation[]) {
  const count = (of: Accusation['of'], by: Accusation['by']) =>
    list.filter((one) => one.of === of && one.by === by).length;
  const pairs = new Map<string, number>();
  for (const { accuser, accused } of list) {
    const pair = `${accuser} of ${accused}`;
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  return {
    ofHealthyByHealthy: count('healthy', 'healthy'),
    ofHealthyByFaulty: count('healthy', 'faulty'),
    ofFaultyByHealthy: count('faulty', 'healthy'),
    ofFaultyByFaulty: count('faulty', 'faulty'),
    who: [...pairs]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 10)
      .map(([pair, times]) => `${pair}: ${times}`),
  };
}

function delivery(runs: readonly Samples[], quiet: boolean) {
  const messages = runs.flatMap((run) => run.messages).filter((message) => message.quiet === quiet);
  const receivers = messages.reduce((sum, message) => sum + message.receivers, 0);
  const timesMs = messages.flatMap((message) => message.timesMs);
  return {
    messages: messages.length,
    receivers,
    delivered: receivers > 0 ? timesMs.length / receivers : null,
    timeMs: summary(timesMs),
    lastDeliveryMs: summary(messages.map((message) => message.timesMs.reduce((a, b) => Math.max(a, b), 0))),
    lastDeliveryHop: summary(messages.flatMap(({ hops }) => (hops > 0 ? [hops] : []))),
  };
}

function memory(runs: readonly Samples[]) {
  const heaps = runs.flatMap((run) => run.heap ?? []);
  if (heaps.length === 0) return null;
  const sum = (of: (heap: (typeof heaps)[number]) => number) => heaps.reduce((total, heap) => total + of(heap), 0);
  const [bytes, members, rows] = [sum((heap) => heap.bytes), sum((heap) => heap.members), sum((heap) => heap.rows)];
  return { rows, heapBytesPerMember: bytes / members, heapBytesPerRow: bytes / Math.max(1, rows) };
}

/** Sums up values; all of it is 0 when there are none. */
function summary(...lists: readonly (readonly number[])[]): Summary {
  const sorted = new Float64Array(lists.reduce((count, list) => count + list.length, 0));
  let filled = 0;
  for (const list of lists) {
    sorted.set(list, filled);
    filled += list.length;
  }
  sorted.sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  let sum = 0;
  for (const value of sorted) sum += value;
  return {
    count: sorted.length,
    mean: sorted.length > 0 ? sum / sorted.length : 0,
    median: at(0.5),
    p99: at(0.99),
    max: sorted.at(-1) ?? 0,
  };
}
