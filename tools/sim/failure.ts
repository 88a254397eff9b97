/** What is told of a run that broke a rule: the rule, a smaller plan that breaks it too, and how to see it again. */
import { RULES, type Rule, type Violation } from './invariants.js';
import { minimise } from './minimise.js';
import type { Plan } from './plan.js';
import { type Happening, type Run, runPlan } from './run.js';

/** Lines of a replay before the violation, and after. */
const LINES_BEFORE = 60;
const LINES_AFTER = 10;

/**
 * A smaller plan that breaks the same rule.
 * @param maxMs - processor time for it, so that one who waits is not kept for long.
 */
export function smaller(plan: Plan, rule: Rule, maxMs: number): Plan {
  const startedAt = process.cpuUsage();
  const mayGoOn = () => {
    const { user, system } = process.cpuUsage(startedAt);
    return (user + system) / 1000 < maxMs;
  };
  const breaks = (one: Plan) => runPlan(one, { stopAtViolation: true }).violations.some((found) => found.rule === rule);
  return minimise(plan, breaks, mayGoOn);
}

/** A violation in words. */
export function violationText({ rule, atMs, text }: Violation): string {
  return `BROKEN ${rule} at ${Math.round(atMs)} ms: ${text}\n  ${RULES[rule]}`;
}

/** The command that runs a plan again. */
export function replayLine(plan: Plan): string {
  return `npm run sim -- --replay --plan '${JSON.stringify(plan)}'`;
}

/** What happened around the first violation, to those it is about. */
export function replayText({ violations: [first], happenings }: Run): string {
  if (!first) return 'no rule was broken';
  const about = happenings.filter(
    ({ members }) =>
      members.length === 0 || first.members.length === 0 || members.some((one) => first.members.includes(one)),
  );
  const after = about.findIndex(({ atMs }) => atMs > first.atMs);
  const at = after < 0 ? about.length : after;
  return [
    ...about.slice(Math.max(0, at - LINES_BEFORE), at).map(line),
    violationText(first),
    ...about.slice(at, at + LINES_AFTER).map(line),
  ].join('\n');
}

function line({ atMs, text }: Happening): string {
  return `${atMs.toFixed(1).padStart(11)} ms  ${text}`;
}
