/**
 * Large clusters: thousands that begin at one seed, somebody who joins ten thousand, and what ten thousand are told. In the last
 * two all know each other from the beginning.
 */
import { createSimulation } from '../../../src/testing/index.js';
import { figuresOf } from '../figures.js';
import type { Samples } from '../meter.js';
import { runPlan } from '../run.js';
import { planOf } from '../scenarios.js';
import { type Experiment, percent, seconds, table } from './experiment.js';

const WAIT_MS = 60_000;
const BROADCASTS = 50;
const BROADCAST_EVERY_MS = 500;

/** The experiment. */
export const scale: Experiment = (quick, progress) => {
  const [many, most] = quick ? [200, 1000] : [2000, 10_000];
  const rows: (string | number)[][] = [];
  const add = (members: number, what: string, asked: string, found: string) => {
    rows.push([members, what, asked, found]);
    progress(`${members}: ${what}: ${found}`);
  };

  const begun = runPlan(planOf('bootstrap', { members: many, seed: 1 }));
  const { convergenceMs } = figuresOf([begun.samples]);
  add(many, 'join one seed within 1 s; all views are equal after', '10 s', seconds(convergenceMs.max));

  const joined = joinOne(most);
  add(most, 'one joins; it knows everybody after', '3 s', seconds(joined.viewMs));
  add(most, 'everybody knows it after', '', seconds(joined.knownMs));

  for (const by of ['one', 'anybody'] as const) {
    const samples = broadcasts(most, by, BROADCASTS);
    // Without the one by which every run ends.
    const { quiet } = figuresOf([{ ...samples, messages: samples.messages.slice(0, BROADCASTS) }]).broadcast;
    const { lastDeliveryMs: ms, lastDeliveryHop: hop } = quiet;
    const first = broadcasts(most, by, 1);
    const redundancy = (samples.duplicates - first.duplicates) / (samples.delivered - first.delivered);
    add(most, `a broadcast by ${by} reaches`, '100 %', percent(quiet.timeMs.count, quiet.receivers));
    add(most, '… the last after, median and longest', '', `${seconds(ms.median)}, ${seconds(ms.max)}`);
    add(most, '… by so many links (LDH), median and most', '9', `${hop.median}, ${hop.max}`);
    add(most, '… of the first so many payloads too many', '', (first.duplicates / most).toFixed(2));
    add(most, '… of each after it (RMR)', '0.05', redundancy.toFixed(4));
  }

  const text = [
    `Seed 1. ${BROADCASTS} broadcasts of 100 bytes, one each ${BROADCAST_EVERY_MS / 1000} s, by one member or by anybody; the first of them makes the tree. Seconds.`,
    '',
    table(['members', '', 'asked', 'found'], rows),
  ].join('\n');
  return { title: 'Thousands of members', text };
};

/** One more member joins through the first. */
function joinOne(members: number): { viewMs: number; knownMs: number } {
  const sim = createSimulation({ seed: 1, members, record: false });
  sim.connectAll();
  sim.run(3000);
  const joiner = sim.addMember();
  const fromMs = sim.nowMs;
  sim.join(joiner, 0);
  const after = (done: () => boolean) => (sim.runUntil(done, WAIT_MS) ? sim.nowMs - fromMs : Number.NaN);
  const viewMs = after(() => sim.at(joiner).core.sizes().membersAlive === members + 1);
  const knownMs = after(() => sim.running().every((member) => sim.state(member, joiner) === 'alive'));
  return { viewMs, knownMs };
}

function broadcasts(members: number, by: 'one' | 'anybody', count: number): Samples {
  const plan = planOf('broadcast', { members, seed: 1 });
  const steps = plan.steps
    .filter((step) => step.do === 'broadcast')
    .slice(0, count)
    .map((step, i) => ({ ...step, atMs: 5000 + i * BROADCAST_EVERY_MS, ...(by === 'one' && { member: 1 }) }));
  return runPlan({ ...plan, steps, durationMs: 5000 + count * BROADCAST_EVERY_MS }).samples;
}
