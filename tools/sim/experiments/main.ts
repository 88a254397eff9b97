/** Runs the papers' experiments that are named, or all, and prints what came out as Markdown. */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { detached } from './detached.js';
import type { Experiment } from './experiment.js';
import { lifeguard } from './lifeguard.js';
import { rapid } from './rapid.js';
import { swim } from './swim.js';

const EXPERIMENTS: Readonly<Record<string, Experiment>> = { lifeguard, swim, rapid, detached };

/** @returns the exit status. */
export function main(argv: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { quick: { type: 'boolean' }, append: { type: 'string' } },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(EXPERIMENTS);
  for (const name of names) {
    const experiment = EXPERIMENTS[name];
    if (!experiment) {
      process.stderr.write(`no experiment ${name}; there are ${Object.keys(EXPERIMENTS).join(', ')}\n`);
      return 2;
    }
    const { title, text } = experiment(values.quick ?? false, (line) => process.stderr.write(`${line}\n`));
    const section = `## ${title}\n\n${text}\n`;
    if (values.append) appendFileSync(values.append, `\n${section}`);
    else process.stdout.write(section);
  }
  return 0;
}
