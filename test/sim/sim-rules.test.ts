/** The rules of `npm run sim`: each of them catches a run that breaks it, and lets one pass that does not. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Members } from '../../src/core/members.js';
import { Prober } from '../../src/core/probe.js';
import { Refutation } from '../../src/core/refutation.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { PRESETS } from '../../src/options.js';
import { boundsOf } from '../../tools/sim/bounds.js';
import { smaller } from '../../tools/sim/failure.js';
import { Health } from '../../tools/sim/health.js';
import { Checker, NOWHERE, type Opinion, type Rule } from '../../tools/sim/invariants.js';
import { minimise } from '../../tools/sim/minimise.js';
import { type Plan, type Step, V1_FROM } from '../../tools/sim/plan.js';
import { randomPlan } from '../../tools/sim/random-plan.js';
import { runPlan } from '../../tools/sim/run.js';
import { planOf, SCENARIOS, type ScenarioName } from '../../tools/sim/scenarios.js';

const bounds = boundsOf(PRESETS.lan, 10, false);

/** What the rules look at, made up. */
function madeUp() {
  const opinions = new Map<string, Opinion>();
  const world = {
    nowMs: 1_000_000,
    unwell: new Set<number>(),
    upSinceMs: 0,
    sizes: {} as Record<string, number>,
    tableFrom: '',
    holds(at: number, about: number, state: Opinion['state'], incarnation: bigint) {
      opinions.set(`${at} ${about}`, { state, incarnation });
    },
  };
  const checker = new Checker(
    {
      nowMs: () => world.nowMs,
      isWell: (member) => !world.unwell.has(member),
      tableFrom: () => world.tableFrom,
      upSinceMs: () => world.upSinceMs,
      observers: () => [0, 1, 2],
      opinion: (at, about) => opinions.get(`${at} ${about}`),
      sizes: () => world.sizes,
    },
    bounds,
    true,
  );
  const broken = (): Rule[] => checker.violations.map(({ rule }) => rule);
  return { world, checker, broken };
}

describe('each rule catches what breaks it', () => {
  let { world, checker, broken } = madeUp();
  beforeEach(() => {
    ({ world, checker, broken } = madeUp());
  });

  test('healthy-declared-dead: a healthy member of a healthy one; not of or by one that is not, nor of one that says so', () => {
    world.holds(0, 1, 'dead', 5n);
    world.unwell.add(1);
    checker.changed(0, 1, 'dead');
    world.unwell = new Set([0]);
    world.holds(0, 2, 'dead', 5n);
    checker.changed(0, 2, 'dead');
    world.unwell.clear();
    // Somebody has declared it before: this one only believes it.
    world.holds(1, 2, 'dead', 5n);
    checker.changed(1, 2, 'dead');
    world.holds(3, 3, 'dead', 5n);
    world.holds(0, 3, 'dead', 5n);
    checker.changed(0, 3, 'dead');
    world.unwell.add(3);
    checker.own(3);
    expect(broken()).toEqual([]);
    world.unwell.clear();
    checker.own(3);
    expect(broken()).toEqual(['healthy-declared-dead']);
    world.holds(1, 2, 'dead', 6n);
    checker.changed(1, 2, 'dead');
    expect(broken()).toEqual(['healthy-declared-dead', 'healthy-declared-dead']);
  });

  test('crash-unnoticed: a crash that a healthy member has not noticed in time', () => {
    for (const at of [0, 1]) world.holds(at, 3, 'dead', 5n);
    world.holds(2, 3, 'suspect', 5n);
    checker.gone(3);
    world.nowMs += bounds.deathMs - 1;
    checker.crashes();
    expect(broken()).toEqual([]);
    world.nowMs += 1;
    checker.crashes();
    expect(broken()).toEqual(['crash-unnoticed']);
    // It came back in time.
    checker.gone(3);
    checker.started(3);
    world.nowMs += bounds.deathMs;
    checker.crashes();
    expect(broken()).toHaveLength(1);
  });

  test('merge-law: an older incarnation, a lesser state, an incarnation that nobody has minted', () => {
    const see = (state: Opinion['state'], incarnation: bigint) => {
      world.holds(0, 1, state, incarnation);
      checker.heldBy(0, 1);
    };
    world.holds(1, 1, 'alive', 7n);
    checker.own(1);
    see('alive', 5n);
    see('suspect', 5n);
    see('alive', 6n);
    see('dead', 6n);
    expect(broken()).toEqual([]);
    see('suspect', 6n);
    see('alive', 5n);
    see('alive', 8n);
    expect(broken()).toEqual(['merge-law', 'merge-law', 'merge-law']);
    // What a leaf has while it waits for a table is nobody's any more.
    world.tableFrom = NOWHERE;
    world.holds(0, 1, 'alive', 9n);
    checker.heldBy(0, 1);
    world.tableFrom = 'another gateway';
    world.holds(0, 1, 'alive', 1n);
    checker.heldBy(0, 1);
    expect(broken()).toHaveLength(3);
    // Whoever was forgotten, and who begins anew, is met for the first time.
    checker.heldBy(0, 1, true);
    see('alive', 1n);
    checker.started(0);
    see('alive', 0n);
    expect(broken()).toHaveLength(3);
  });

  test("incarnation-back: a member's own", () => {
    for (const incarnation of [5n, 6n, 6n]) {
      world.holds(1, 1, 'alive', incarnation);
      checker.own(1);
    }
    expect(broken()).toEqual([]);
    world.holds(1, 1, 'alive', 5n);
    checker.started(1);
    checker.own(1);
    expect(broken()).toEqual(['incarnation-back']);
  });

  test('delivered-twice: to the same process', () => {
    checker.sent(1, 0);
    checker.delivered(1, 0, 1);
    checker.delivered(2, 0, 1);
    world.nowMs += 10;
    world.upSinceMs = world.nowMs;
    checker.delivered(1, 0, 1);
    expect(broken()).toEqual([]);
    checker.delivered(1, 0, 1);
    expect(broken()).toEqual(['delivered-twice']);
  });

  test('message-from-nobody: never sent, or by somebody else', () => {
    checker.sent(1, 0);
    checker.delivered(1, 0, 2);
    checker.delivered(1, 2, 1);
    checker.delivered(1, -1, undefined);
    expect(broken()).toEqual(Array(3).fill('message-from-nobody'));
  });

  test('not-delivered', () => {
    checker.sent(1, 0);
    checker.delivered(1, 0, 1);
    checker.due(1, [0, 1]);
    expect(broken()).toEqual([]);
    checker.due(1, [0, 1, 2]);
    expect(broken()).toEqual(['not-delivered']);
  });

  test('no-convergence, threw', () => {
    checker.settled(undefined);
    expect(broken()).toEqual([]);
    checker.settled('0 sees 1 dead');
    checker.threw(new Error('oh'));
    expect(broken()).toEqual(['no-convergence', 'threw']);
  });

  test('queue-over-limit', () => {
    world.sizes = { requestsPending: DEFAULT_LIMITS.pendingRequestsMax, historySize: 3, packetsReceived: 1e9 };
    checker.sizes(0);
    expect(broken()).toEqual([]);
    world.sizes.requestsPending = DEFAULT_LIMITS.pendingRequestsMax + 1;
    checker.sizes(0);
    expect(broken()).toEqual(['queue-over-limit']);
  });
});

describe('who is well', () => {
  function five(cut: Set<string>) {
    const clock = { nowMs: 0 };
    const health = new Health(
      () => clock.nowMs,
      (from, to) => !cut.has(`${from} ${to}`),
    );
    for (const member of [0, 1, 2, 3, 4]) health.started(member);
    return { clock, health };
  }

  test('who is connected both ways to more than half of the others', () => {
    const cut = new Set(['0 1', '2 0']);
    const { clock, health } = five(cut);
    health.connectionsChanged(true);
    expect([0, 1, 2].map((member) => health.isWell(member))).toEqual([false, true, true]);
    clock.nowMs = 100;
    cut.delete('2 0');
    health.connectionsChanged(true);
    clock.nowMs = 150;
    expect([health.isWell(0, 50), health.isWell(0, 51), health.isWell(1, 150)]).toEqual([true, false, true]);
  });

  test('who is up and has no trouble, for so long', () => {
    const { clock, health } = five(new Set());
    const end = health.ail([1]);
    const endAll = health.ailAll();
    expect([0, 1].map((member) => health.isWell(member))).toEqual([false, false]);
    clock.nowMs = 10;
    endAll();
    clock.nowMs = 20;
    end();
    health.ended(2);
    clock.nowMs = 30;
    expect([0, 1, 2].map((member) => health.wellSinceMs(member))).toEqual([10, 20, Number.POSITIVE_INFINITY]);
    health.started(2);
    expect(health.wellSinceMs(2)).toBe(30);
  });

  test('not who floods its own uplink, until it is clear', () => {
    const clock = { nowMs: 0 };
    let chokedUntilMs = 50;
    const health = new Health(
      () => clock.nowMs,
      () => true,
      undefined,
      (member) => (member === 0 ? chokedUntilMs : Number.NEGATIVE_INFINITY),
    );
    for (const member of [0, 1]) health.started(member, true);
    expect([0, 1].map((member) => health.isWell(member))).toEqual([false, true]);
    clock.nowMs = 60;
    expect([health.isWell(0, 10), health.isWell(0, 11)]).toEqual([true, false]);
    chokedUntilMs = 70;
    expect(health.isWell(0)).toBe(false);
  });
});

describe('a failing plan is made smaller', () => {
  const quiet: Plan = planOf('steady', { members: 16, seed: 1 });
  const step = (member: number): Step => ({ atMs: member * 100, forMs: 8000, do: 'suspend', member });

  test('to the two steps that it takes, the members that these need, and a plain network', () => {
    const plan = { ...quiet, v1: 2, network: { loss: 0.1 }, steps: Array.from({ length: 16 }, (_, i) => step(i)) };
    let tries = 0;
    const breaks = ({ steps }: Plan) => {
      tries++;
      return [2, 5].every((wanted) => steps.some((one) => 'member' in one && one.member === wanted));
    };
    const small = minimise(
      { ...plan, steps: [...plan.steps, { atMs: 0, forMs: 8000, do: 'suspend', member: V1_FROM }] },
      breaks,
      () => true,
    );
    expect(small).toMatchObject({ members: 6, v1: 0, network: {}, durationMs: 500 });
    expect(small.steps.map((one) => 'member' in one && one.member)).toEqual([2, 5]);
    expect(small.steps.every(({ forMs }) => forMs !== undefined && forMs < 1000)).toBe(true);
    expect(tries).toBeLessThan(100);
  });

  test('leaves keep being leaves when there are fewer members', () => {
    const plan: Plan = { ...quiet, gateways: 2, leaves: 3, steps: [{ atMs: 5, do: 'disconnect', member: 17 }] };
    const small = minimise(
      plan,
      ({ leaves }) => leaves > 0,
      () => true,
    );
    expect(small).toMatchObject({ members: 2, leaves: 3, steps: [] });
    const kept = minimise(
      plan,
      ({ leaves, members, steps }) => leaves > 0 && members >= 7 && steps.length > 0,
      () => true,
    );
    expect(kept).toMatchObject({ members: 7, steps: [{ do: 'disconnect', member: 8 }] });
  });

  test('and stops when its time is up', () => {
    let left = 3;
    expect(
      minimise(
        { ...quiet, steps: [step(1)] },
        () => false,
        () => left-- > 0,
      ).steps,
    ).toHaveLength(1);
    expect(left).toBeLessThan(0);
  });
});

describe('plans that once broke a rule', () => {
  test('soak 587: eleven broadcasts of 60 kB fill an uplink of 43 kB/s, and their sender is not heard for half a minute', () => {
    const network = { bandwidthBytesPerS: 42_750, queueBytes: 10_000 };
    const plan: Plan = {
      ...planOf('steady', { members: 3, seed: 587 }),
      durationMs: 30_000,
      steps: [
        { atMs: 10_000, do: 'network', network },
        { atMs: 20_000, do: 'broadcast', member: 2, bytes: 60_000, times: 11, everyMs: 56, reliable: true },
      ],
    };
    const { violations, samples } = runPlan(plan);
    expect(violations).toEqual([]);
    expect(samples.deaths).toContainEqual({ accuser: 0, accused: 2, of: 'faulty', by: 'faulty' });
  });

  test('soak 3016: who had no network for 45 s is the guardian of v1 peers that have forgotten what they know', () => {
    const plan: Plan = {
      ...planOf('steady', { members: 6, v1: 3, seed: 3016 }),
      durationMs: 135_138,
      steps: [
        { atMs: 130_184, do: 'broadcast', member: 4, bytes: 10, times: 19, everyMs: 437, reliable: true },
        { atMs: 135_138, forMs: 44_601, do: 'deafen', member: 5, ways: 'both' },
      ],
    };
    expect(runPlan(plan).violations).toEqual([]);
  });

  test('soak 2903: who begins with a clock that is ahead gets what is said right after, though its link is not there yet', () => {
    const plan: Plan = {
      ...planOf('steady', { members: 4, seed: 2903, preset: 'wan' }),
      durationMs: 141_789,
      steps: [
        { atMs: 0, do: 'clock', member: 1, aheadMs: -5806, drift: 0.00046401236369274555 },
        { atMs: 0, do: 'clock', member: 2, aheadMs: 6375, drift: 0.000016007459722459317 },
        { atMs: 141_789, forMs: 6749, do: 'crash', member: 2, how: 'silent' },
      ],
    };
    expect(runPlan(plan).violations).toEqual([]);
  });
});

describe('a broken protocol is found', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const found = (plan: Plan) => runPlan(plan, { stopAtViolation: true }).violations[0]?.rule;

  test('when silence cannot be disproved the healthy are declared dead, and that takes two members and no step', () => {
    vi.spyOn(Prober.prototype, 'onAck').mockReturnValue(undefined);
    vi.spyOn(Members.prototype, 'heard').mockReturnValue(undefined);
    vi.spyOn(Refutation.prototype, 'answer').mockReturnValue(undefined);
    const plan = planOf('slow-members', { members: 4, seed: 1 });
    expect(found(plan)).toBe('healthy-declared-dead');
    const small = smaller(plan, 'healthy-declared-dead', 10_000);
    expect(small).toMatchObject({ steps: [], members: 2 });
    expect(found(small)).toBe('healthy-declared-dead');
  });

  test('when nobody is probed, crashes stay unnoticed', () => {
    vi.spyOn(Prober.prototype, 'start').mockReturnValue(undefined);
    // Nor when a neighbour's connection ends.
    vi.spyOn(Prober.prototype, 'ask').mockReturnValue(undefined);
    expect(found(planOf('crash', { members: 3, seed: 1 }))).toBe('crash-unnoticed');
  });

  test('when the dead are not asked, halves of a cluster stay apart', () => {
    vi.spyOn(Prober.prototype, 'verify').mockReturnValue(undefined);
    expect(found(planOf('partition', { members: 4, seed: 1 }))).toBe('no-convergence');
  });
});

describe('one seed decides everything', () => {
  test('a plan is data, and the same each time', () => {
    const plans = [
      randomPlan(7),
      ...Object.keys(SCENARIOS).map((name) => planOf(name as ScenarioName, { members: 9, seed: 7 })),
    ];
    for (const plan of plans) expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(randomPlan(7)).toEqual(randomPlan(7));
    expect(randomPlan(8)).not.toEqual(randomPlan(7));
  });

  test('a run has the same trace each time, whether or not it is watched', () => {
    const plan = planOf('bootstrap', { members: 6, seed: 3, v1: 1 });
    const [a, b] = [runPlan(plan), runPlan(plan, { keepHappenings: true, heapBytes: () => 0 })];
    expect(a.traceHash).toBe(b.traceHash);
    expect(b.happenings.length).toBeGreaterThan(0);
    expect(runPlan({ ...plan, seed: 4 }).traceHash).not.toBe(a.traceHash);
  });
});
