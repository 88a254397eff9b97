/** What experiments share: clusters that begin whole, and rows for people. */
import { createSimulation, type Simulation, type SimulationOptions } from '../../../src/testing/index.js';

/** Tables under one heading, as Markdown. */
interface Report {
  title: string;
  text: string;
}

/** One experiment; `quick` takes a look. */
export type Experiment = (quick: boolean, progress: (line: string) => void) => Report;

/** Members that know each other and have nothing to tell, a while later. */
export function wholeCluster(options: SimulationOptions): Simulation {
  const sim = createSimulation(options);
  sim.connectAll();
  sim.run(3000);
  return sim;
}

/** A value below which a share of all is, `–` without any. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Seconds with two digits. */
export function seconds(ms: number): string {
  return Number.isFinite(ms) ? (ms / 1000).toFixed(2) : '–';
}

/** Percent of a whole. */
export function percent(part: number, whole: number): string {
  return whole > 0 ? `${((part / whole) * 100).toFixed(2)} %` : '–';
}

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
