// Writes docs/performance.md and its pictures from reports of `npm run bench -- --json`: `node bench/page.mjs REPORT.json ...`.
// A later report's parts take the place of an earlier one's, so that one part can be taken again.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bars } from './plots.mjs';
import { root } from './processes.mjs';
import { perMember } from './tables.mjs';

const reports = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')));
if (reports.length === 0) throw new Error('usage: node bench/page.mjs REPORT.json ...');
const report = Object.assign({}, ...reports);
const { kinds, machine, capS } = report;
const detect = ok(report.detect);
const broadcast = ok(report.broadcast);
const idle = ok(report.idle);
const memory = ok(report.memory);
const own = 'isogossip';

function ok(rows = []) {
  const failed = rows.filter((row) => row.error);
  if (failed.length > 0)
    throw new Error(`not measured: ${failed.map((row) => `${row.kind}: ${row.error}`).join('; ')}`);
  return rows;
}

const number = (value, digits = 0) =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const significant = (value) => number(value, value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3);
const seconds = (value) => (value === undefined ? `> ${capS} s` : `${significant(value)} s`);
const percent = (value) => (value > 0.99995 ? '100 %' : `${number(value * 100, 2)} %`);
const ratio = (ours, theirs) => (theirs === undefined ? '–' : `${significant(ours / theirs)} ×`);
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
const draw = (name, alt, plot) => {
  writeFileSync(join(root, `docs/images/performance-${name}.svg`), bars(plot));
  return `![${alt}](images/performance-${name}.svg)`;
};
const sizes = (rows) => [...new Set(rows.map(({ members }) => members))];
const ours = (rows, row) =>
  rows.find((one) => one.kind === own && one.members === row.members && one.fault === row.fault);

function detection() {
  const all = (row) => row.allS ?? capS;
  const plots = sizes(detect).map((members) =>
    draw(`detect-${members}`, `Until all survivors know, ${members} members`, {
      title: `Seconds until all survivors know, ${members} members (logarithmic)`,
      log: true,
      from: 0.005,
      rows: detect
        .filter((row) => row.members === members)
        .map((row) => ({
          label: `${row.kind}, ${row.fault}`,
          value: all(row),
          text: seconds(row.allS),
          own: row.kind === own,
          beyond: row.allS === undefined,
        })),
    }),
  );
  const rows = detect.map((row) => [
    row.kind,
    row.members,
    row.fault,
    seconds(row.firstS),
    seconds(row.allS),
    row.over > 0 ? `> ${capS} s` : seconds(row.worstS),
    row.kind === own ? '' : ratio(ours(detect, row)?.allS, row.allS),
    row.wrong,
  ]);
  const head = ['', 'members', 'fault', 'first knows', 'all know', 'worst round', 'ours ÷ it', 'others given up'];
  return [...plots, table(head, rows)].join('\n\n');
}

function broadcasts() {
  const flooded = broadcast.filter((row) => row.flood);
  const best = (kind) => Math.max(...flooded.filter((row) => row.kind === kind).map(({ flood }) => flood.perSecond));
  const plot = draw('throughput', 'Broadcasts a second at the slowest of 3 members', {
    title: 'Broadcasts of 100 bytes a second at the slowest receiver, 3 members (logarithmic)',
    log: true,
    from: 10,
    rows: flooded.map(({ kind, mode, flood }) => ({
      label: `${kind} ${mode}`.trim(),
      value: flood.perSecond,
      text: `${number(flood.perSecond)}${flood.share < 0.9995 ? ` (${percent(flood.share)} of them)` : ''}`,
      own: kind === own,
    })),
  });
  const quiet = broadcast.map((row) => [
    `${row.kind} ${row.mode}`.trim(),
    row.members,
    percent(row.share),
    number(row.duplicates, 3),
    `${significant(row.p50Ms)} ms`,
    `${significant(row.p99Ms)} ms`,
  ]);
  const loud = flooded.map(({ kind, mode, flood }) => [
    `${kind} ${mode}`.trim(),
    number(flood.perSecond),
    percent(flood.share),
    `${number(flood.p99Ms)} ms`,
    kind === own ? '' : ratio(best(own), flood.perSecond),
  ]);
  return [
    'Twenty a second:',
    table(['', 'members', 'delivered', 'duplicates each', 'p50', 'p99'], quiet),
    'As fast as the sender takes them, 3 members; `our best ÷ it` above 1: we carry more.',
    plot,
    table(['', 'a second, at the slowest', 'of what was sent', 'p99', 'our best ÷ it'], loud),
  ].join('\n\n');
}

function idleCost() {
  const picture = (members, name, what, value, shown) =>
    draw(`${name}-${members}`, `${what}, ${members} members`, {
      title: `${what}, ${members} members`,
      rows: idle
        .filter((row) => row.members === members)
        .map((row) => ({ label: row.kind, value: value(row), text: shown(value(row)), own: row.kind === own })),
    });
  const largest = sizes(idle).at(-1);
  const smallest = sizes(idle)[0];
  const mega = (row) => row.rss / 2 ** 20;
  const rows = idle.map((row) => {
    const mine = row.kind === own ? undefined : ours(idle, row);
    const against = (name) => (mine ? ratio(mine[name], row[name]) : '');
    return [
      row.kind,
      row.members,
      number(row.packets, 2),
      number(row.bytes),
      against('bytes'),
      `${number(row.cpuMs, 2)} ms`,
      against('cpuMs'),
      `${number(mega(row))} MB`,
      against('rss'),
    ];
  });
  const head = ['', 'members', 'packets/s', 'bytes/s', 'ours ÷ it', 'CPU/s', 'ours ÷ it', 'resident', 'ours ÷ it'];
  return [
    picture(largest, 'bytes', 'Bytes a second that an idle member sends', (row) => row.bytes, number),
    picture(
      smallest,
      'cpu',
      'Processor time of an idle member, ms a second',
      (row) => row.cpuMs,
      (value) => number(value, 2),
    ),
    picture(smallest, 'rss', 'Resident memory of a member, MB', mega, number),
    table(head, rows),
  ].join('\n\n');
}

function knownMembers() {
  const megabytes = (value) => `${number(value / 2 ** 20, 1)} MB`;
  const bytes = (value) => (value === undefined ? '' : `${number(value)} B`);
  const rows = perMember(memory).map(({ others, metadataBytes, heap, looked, rss, each }) => [
    number(others),
    bytes(metadataBytes),
    megabytes(heap),
    bytes(each?.heap),
    megabytes(rss),
    bytes(each?.rss),
    megabytes(looked),
    bytes(each?.looked),
  ]);
  return table(['others', 'metadata', 'heap', 'each', 'process', 'each', 'heap after `members()`', 'each'], rows);
}

function frames() {
  const rows = report.codec.map(({ codec, dialect, go, iso, peer, ratio: r }) => [
    `${dialect} ${codec}`,
    go,
    number(iso.encode),
    r ? `${significant(r.encode)} ×` : '–',
    number(iso.decode),
    r ? `${significant(r.decode)} ×` : '–',
    peer ? `${number(peer.encode)}, ${number(peer.decode)}` : '–',
  ]);
  return table(['ours', 'Go codec', 'encode/s', 'ours ÷ Go', 'decode/s', 'ours ÷ Go', 'Go: encode/s, decode/s'], rows);
}

const versions = kinds.map(({ name, version }) => `${name} ${version}`).join(', ');
const loads = reports.map(({ load }) => load.toFixed(1)).join(', ');
const page = `# Performance

Written by \`node bench/page.mjs\` from reports of \`npm run bench\`; nothing on this page is typed by hand but its words. What each figure is and how it is taken:
[bench/README.md](../bench/README.md).

${report.date}: ${versions}. ${machine.cores} cores (${machine.cpu}), ${machine.platform} ${machine.arch}, Node ${machine.node}.${report.quick ? ' **A quick look, not figures.**' : ''} Load average of the machine at the
ends of the parts: ${loads}. ${process.env.PAGE_NOTE ?? 'What ran besides takes its share of the figures.'}

Every library runs by its defaults, each member in a process of its own. \`ours ÷ it\` below 1: we take less.

## A member that is gone

Killed (\`crash\`) or stopped without a word (\`freeze\`); medians of ${detect[0]?.rounds} rounds. \`others given up\` should be 0.

${detection()}

## Broadcasts

${broadcasts()}

## At idle

Per member; bytes are whole IP packets, counted by the kernel.

${idleCost()}

## Memory for each known member

A real member joins one that knows so many others, all of them well, and is left in peace; its application listens for nothing. After a collection; \`each\`: what
each other more than in the line before has added. The first lines have in them what comes once, such as code that is compiled then.

${knownMembers()}
${report.codec ? `\n## Frames a second, one core\n\n${frames()}\n` : ''}${report.skipped.length > 0 ? `\nSkipped: ${report.skipped.join('; ')}.\n` : ''}`;
writeFileSync(join(root, 'docs/performance.md'), page);
