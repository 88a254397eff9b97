// Bars as SVG, for docs/performance.md. The scales are d3's; the rest is text.
import { scaleBand, scaleLinear, scaleLog } from 'd3-scale';

const WIDTH = 760;
const LEFT = 190;
const RIGHT = 180;
const TOP = 46;
const BAR = 22;
const COLOURS = { isogossip: '#2f6f9f', other: '#b9b9b4' };

/**
 * One horizontal bar for each row.
 * @param rows - `{ label, value, text, own?, beyond? }`; `own` bars are ours, `beyond` ones end outside: more than was waited for.
 * @param log - a logarithmic scale, for values of many sizes; `from` is its left end.
 */
export function bars({ title, rows, log = false, from = 0 }) {
  const height = TOP + rows.length * BAR + 30;
  const most = Math.max(...rows.map(({ value }) => value));
  const range = [LEFT, WIDTH - RIGHT];
  const x = log ? scaleLog([from, most], range) : scaleLinear([0, most], range).nice();
  const y = scaleBand(
    rows.map((_, i) => i),
    [TOP, TOP + rows.length * BAR],
  ).padding(0.2);
  const ticks = log ? x.ticks().filter((tick) => Number.isInteger(Math.log10(tick))) : x.ticks(5);
  const text = (value) => String(value).replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${text(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    `<text x="12" y="24" font-size="14" font-weight="bold">${text(title)}</text>`,
    ...ticks.flatMap((tick) => [
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${TOP}" y2="${height - 26}" stroke="#e4e4e0"/>`,
      `<text x="${x(tick)}" y="${height - 10}" text-anchor="middle" fill="#666">${tick.toLocaleString('en-US')}</text>`,
    ]),
    ...rows.flatMap(({ label, value, text: shown, own, beyond }, i) => {
      const middle = y(i) + y.bandwidth() / 2 + 4;
      const width = Math.max(1, x(Math.max(value, log ? from : 0)) - LEFT);
      const fill = own ? COLOURS.isogossip : COLOURS.other;
      const dash = beyond ? ` stroke="${fill}" stroke-dasharray="4 3" fill-opacity="0.35"` : '';
      return [
        `<text x="${LEFT - 8}" y="${middle}" text-anchor="end">${text(label)}</text>`,
        `<rect x="${LEFT}" y="${y(i)}" width="${width}" height="${y.bandwidth()}" fill="${fill}"${dash}/>`,
        `<text x="${LEFT + width + 6}" y="${middle}">${text(shown)}</text>`,
      ];
    }),
    '</svg>',
    '',
  ].join('\n');
}
