/**
 * Makes a plan that breaks a rule smaller, as long as it still breaks it: fewer kinds of members, fewer steps, fewer members,
 * a plainer network, shorter times.
 *
 * @source Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), for the steps.
 */
import { membersOf, type Plan, V1_FROM } from './plan.js';

/** @returns whether a plan still breaks the rule. */
type Breaks = (plan: Plan) => boolean;

/**
 * Makes a plan smaller.
 * @param mayGoOn - asked before each try.
 */
export function minimise(plan: Plan, breaks: Breaks, mayGoOn: () => boolean): Plan {
  let best = plan;
  const attempt = (smaller: Plan) => {
    if (!mayGoOn() || !breaks(smaller)) return false;
    best = smaller;
    return true;
  };
  for (let before: Plan | undefined; before !== best && mayGoOn(); ) {
    before = best;
    if (best.leaves > 0) attempt(fitted({ ...best, leaves: 0, gateways: 0 }));
    if (best.v1 > 0) attempt(fitted({ ...best, v1: 0 }));
    fewerSteps(best, attempt);
    fewerMembers(best, attempt);
    if (Object.keys(best.network).length > 0) attempt({ ...best, network: {} });
    shorter(best, attempt);
  }
  return best;
}

/** Leaves out halves of the steps, then quarters, and so on down to single ones. */
function fewerSteps(plan: Plan, attempt: (plan: Plan) => boolean): void {
  let { steps } = plan;
  for (
    let size = Math.ceil(steps.length / 2);
    size >= 1 && steps.length > 0;
    size = size > 1 ? Math.ceil(size / 2) : 0
  ) {
    for (let from = 0; from < steps.length; ) {
      const rest = [...steps.slice(0, from), ...steps.slice(from + size)];
      if (attempt({ ...plan, steps: rest })) steps = rest;
      else from += size;
    }
  }
}

function fewerMembers(plan: Plan, attempt: (plan: Plan) => boolean): void {
  let now = plan;
  for (let by = Math.floor(plan.members / 2); by >= 1; ) {
    const members = now.members - by;
    const smaller = fitted({ ...now, members, gateways: Math.min(now.gateways, members) }, now);
    if (members >= 2 && attempt(smaller)) now = smaller;
    else by = Math.floor(by / 2);
  }
}

/** Ends right after the last step, and lets each fault last half as long. */
function shorter(plan: Plan, attempt: (plan: Plan) => boolean): void {
  let now = plan;
  const lastMs = now.steps.reduce((last, { atMs }) => Math.max(last, atMs), 0);
  if (lastMs < now.durationMs && attempt({ ...now, durationMs: lastMs })) now = { ...now, durationMs: lastMs };
  for (const step of now.steps) {
    const { forMs } = step;
    if (forMs === undefined || forMs < 1000) continue;
    const steps = now.steps.map((one) => (one === step ? { ...step, forMs: Math.round(forMs / 2) } : one));
    if (attempt({ ...now, steps })) now = { ...now, steps };
  }
}

/**
 * Leaves out the steps about members that are not there any more, and gives leaves their new numbers.
 * @param before - what the numbers of the steps mean.
 */
function fitted(plan: Plan, before: Plan = plan): Plan {
  const { members, leaves, v1 } = plan;
  const moved = before.members - members;
  const there = (member: number) => {
    if (member >= V1_FROM) return member - V1_FROM < v1;
    return member < members || (member >= before.members && member - before.members < leaves);
  };
  const renumber = (member: number) => (member >= before.members && member < V1_FROM ? member - moved : member);
  return {
    ...plan,
    steps: plan.steps
      .map((step) => (step.do === 'partition' ? { ...step, members: step.members.filter(there).map(renumber) } : step))
      .filter((step) => membersOf(step).every((member) => step.do === 'partition' || there(member)))
      .map((step) => ('member' in step ? { ...step, member: renumber(step.member) } : step))
      .map((step) => (step.do === 'cut' ? { ...step, from: renumber(step.from), to: renumber(step.to) } : step)),
  };
}
