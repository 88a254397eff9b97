/** The matrix: a row for each suite, a column for each runtime, as Markdown. */

/** Writes of `reports` (by a runtime's name) what passed, what failed and what did not run. */
export function matrix(runtimes, reports) {
  const suites = [];
  for (const { results } of Object.values(reports)) {
    // A suite that only some runtimes have stands after the one it follows there.
    let at = 0;
    for (const suite of new Set(results.map((result) => result.suite))) {
      const found = suites.indexOf(suite);
      if (found === -1) suites.splice(at, 0, suite);
      at = (found === -1 ? at : found) + 1;
    }
  }
  const rows = suites.map((suite) => [suite, ...runtimes.map(({ name }) => cell(reports[name], suite))]);
  const traces = runtimes.map(({ name }) => (reports[name] ? `\`${reports[name].trace.slice(0, 6)}…\`` : NOT_RUN));
  return table([['suite', ...runtimes.map(({ title }) => title)], ...rows, ['trace of seed 1', ...traces]]);
}

const NOT_RUN = 'not run';

function cell(report, suite) {
  if (!report) return NOT_RUN;
  const results = report.results.filter((result) => result.suite === suite);
  if (results.length === 0) return '–';
  const passed = results.filter(({ ok }) => ok).length;
  return passed === results.length ? String(passed) : `**${results.length - passed} of ${results.length} failed**`;
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((text, column) => text.padEnd(widths[column])).join(' | ')} |`;
  return [
    line(rows[0]),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...rows.slice(1).map(line),
  ].join('\n');
}

const BEGIN = '<!-- matrix: written by npm run test:runtimes and test:browsers -->';
const END = '<!-- end of matrix -->';

/** A document with its matrix replaced. @throws when it has no place for one. */
export function replaceMatrix(document, text) {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error('the document has no place for the matrix');
  return `${document.slice(0, begin + BEGIN.length)}\n${text}\n${document.slice(end)}`;
}
