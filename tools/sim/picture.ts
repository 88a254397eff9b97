/**
 * A picture of a run over time: what members hold each other for, what they send, and when the dead were found. The scales and
 * paths are d3's; the rest is text.
 */
import { type ScaleLinear, scaleLinear } from 'd3-scale';
import { area, line, stack } from 'd3-shape';
import type { Run } from './run.js';

const WIDTH = 900;
const LEFT = 70;
const RIGHT = 20;
const PANEL = 150;
const GAP = 45;
const TOP = 40;
const STATES = [
  ['alive', '#7fb685'],
  ['suspect', '#e9b44c'],
  ['dead', '#c0504d'],
] as const;

type Scale = ScaleLinear<number, number>;

/** Draws a run as SVG. */
export function picture({ plan, moments, samples, traceHash }: Run): string {
  const lastS = moments.at(-1)?.atS ?? 1;
  const x = scaleLinear([0, lastS], [LEFT, WIDTH - RIGHT]);
  const height = TOP + 2 * (PANEL + GAP);
  const title = `${plan.scenario}: ${plan.members} members, seed ${plan.seed}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    `<text x="${LEFT}" y="20" font-size="15">${title}, trace ${traceHash}</text>`,
    states(x, TOP),
    bytes(x, TOP + PANEL + GAP),
    '</svg>',
  ].join('\n');

  function states(x: Scale, top: number): string {
    const y = scaleLinear([0, 1], [top + PANEL, top]);
    const keys = STATES.map(([state]) => state);
    const series = stack<(typeof moments)[number], (typeof keys)[number]>().keys(keys)([...moments]);
    const shape = area<(typeof series)[number][number]>()
      .x(({ data }) => x(data.atS))
      .y0(([from]) => y(from))
      .y1(([, to]) => y(to));
    const marks = samples.crashes.flatMap(({ atMs, firstMs, fullMs }) => [
      mark(x, top, atMs, 'black'),
      ...(firstMs === undefined ? [] : [mark(x, top, atMs + firstMs, '#e9b44c')]),
      ...(fullMs === undefined ? [] : [mark(x, top, atMs + fullMs, '#c0504d')]),
    ]);
    return [
      text(LEFT, top - 6, 'what members hold each other for; a line for each crash, its first death and the last'),
      ...series.map((one, i) => `<path d="${shape(one)}" fill="${STATES[i]?.[1]}"/>`),
      ...marks,
      axes(x, y, top, (value) => `${value * 100} %`),
      ...STATES.map(
        ([state, colour], i) =>
          `<rect x="${WIDTH - 220 + i * 70}" y="${top - 16}" width="10" height="10" fill="${colour}"/>${text(WIDTH - 206 + i * 70, top - 7, state)}`,
      ),
    ].join('\n');
  }

  function bytes(x: Scale, top: number): string {
    const most = moments.reduce((max, { bytesPerMember }) => Math.max(max, bytesPerMember), 1);
    const y = scaleLinear([0, most], [top + PANEL, top]).nice();
    const shape = line<(typeof moments)[number]>()
      .x(({ atS }) => x(atS))
      .y(({ bytesPerMember }) => y(bytesPerMember));
    return [
      text(LEFT, top - 6, 'bytes a second that a member sends'),
      `<path d="${shape([...moments])}" fill="none" stroke="#3b6ea5" stroke-width="1.5"/>`,
      axes(x, y, top, String),
    ].join('\n');
  }
}

function mark(x: Scale, top: number, atMs: number, colour: string): string {
  const at = x(atMs / 1000).toFixed(1);
  return `<line x1="${at}" x2="${at}" y1="${top}" y2="${top + PANEL}" stroke="${colour}" stroke-dasharray="3 2"/>`;
}

function axes(x: Scale, y: Scale, top: number, label: (value: number) => string): string {
  const bottom = top + PANEL;
  return [
    `<path d="M${LEFT},${top}V${bottom}H${WIDTH - RIGHT}" fill="none" stroke="#444"/>`,
    ...x.ticks(10).map((value) => text(x(value), bottom + 16, `${value} s`, 'middle')),
    ...y.ticks(5).map((value) => text(LEFT - 6, y(value) + 4, label(value), 'end')),
  ].join('\n');
}

function text(x: number, y: number, words: string, anchor = 'start'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
}
