/** The figures of a run as tables, for people. */
import type { Figures, Summary } from './figures.js';

/** Tables of all figures that say something. */
export function figuresText(figures: Figures): string {
  const { perMemberPerS, detection, falseSuspicions, falseDeaths, convergenceMs, broadcast, memory, speed } = figures;
  return [
    table(
      ['per member and second', 'mean', 'p99', 'max'],
      [
        ['bytes out', ...traffic(perMemberPerS.bytesOut)],
        ['bytes in', ...traffic(perMemberPerS.bytesIn)],
        ['packets out', ...traffic(perMemberPerS.packetsOut)],
        ['packets in', ...traffic(perMemberPerS.packetsIn)],
      ],
    ),
    table(
      ['times in ms', 'number', 'median', 'p99', 'max'],
      [
        ...(['silent', 'killed'] as const).flatMap((how) => [
          [`${how}: suspected`, ...times(detection[how].suspectedMs)],
          [`${how}: first dead`, ...times(detection[how].firstMs)],
          [`${how}: dead for all`, ...times(detection[how].fullMs)],
        ]),
        ['views equal', ...times(convergenceMs)],
        ['broadcast', ...times(broadcast.quiet.timeMs)],
        ['broadcast, last', ...times(broadcast.quiet.lastDeliveryMs)],
        ['amid faults', ...times(broadcast.troubled.timeMs)],
        ['amid faults, last', ...times(broadcast.troubled.lastDeliveryMs)],
      ].filter(([, count]) => count !== '0'),
    ),
    table(
      ['false', 'healthy of healthy', 'faulty of healthy', 'healthy of faulty', 'faulty of faulty', 'believed'],
      [
        ['suspicions', ...accusations(falseSuspicions), '–'],
        ['deaths', ...accusations(falseDeaths), String(falseDeaths.believedByHealthyOfHealthy)],
      ],
    ),
    table(
      ['broadcasts', 'sent', 'delivered', 'last hop (median)', 'last hop (max)'],
      (['quiet', 'troubled'] as const).map((when) => {
        const { messages, delivered, lastDeliveryHop } = broadcast[when];
        const share = delivered === null ? '–' : `${number(delivered * 100, 3)} %`;
        const hops = lastDeliveryHop.count > 0;
        return [
          when === 'quiet' ? 'all well' : 'amid faults',
          String(messages),
          share,
          hops ? String(lastDeliveryHop.median) : '–',
          hops ? String(lastDeliveryHop.max) : '–',
        ];
      }),
    ),
    [
      broadcast.redundancy === null ? '' : `redundancy (RMR) ${number(broadcast.redundancy, 3)}`,
      `largest queue ${figures.queueMax}`,
      figures.uplinkQueueBytesMax > 0 ? `largest uplink queue ${figures.uplinkQueueBytesMax} bytes` : '',
      memory ? `heap ${number(memory.heapBytesPerMember)} bytes a member, ${number(memory.heapBytesPerRow)} a row` : '',
      `${number(speed.virtualS)} s in ${number(speed.cpuS, 1)} s`,
      speed.timesRealTime === null ? '' : `${number(speed.timesRealTime)} × real time`,
    ]
      .filter((text) => text !== '')
      .join(', '),
  ].join('\n\n');
}

function accusations(figures: Figures['falseSuspicions']): string[] {
  const { ofHealthyByHealthy, ofHealthyByFaulty, ofFaultyByHealthy, ofFaultyByFaulty } = figures;
  return [ofHealthyByHealthy, ofHealthyByFaulty, ofFaultyByHealthy, ofFaultyByFaulty].map(String);
}

function traffic({ mean, p99, max }: Summary): string[] {
  return [number(mean, 1), number(p99), number(max)];
}

function times({ count, median, p99, max }: Summary): string[] {
  return [String(count), ...[median, p99, max].map((ms) => number(ms, ms < 100 ? 1 : 0))];
}

function number(value: number, digits = 0): string {
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

/** Columns: the first to the left, the others to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((text, i) => Math.max(text.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  ');
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
