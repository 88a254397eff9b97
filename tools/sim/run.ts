/**
 * Runs a plan from its start to the time when all faults are over and all views are equal again, with every rule looked at on
 * every event and at frequent moments in between.
 */
import { Random } from '../../src/core/random.js';
import type { Delivery, SimulationEvent } from '../../src/testing/index.js';
import { type Bounds, boundsOf } from './bounds.js';
import { Checker, type Facts, NOWHERE, type Violation } from './invariants.js';
import { Meter, type Moment, type Samples } from './meter.js';
import { type PlainNetwork, type Plan, type Step, V1_FROM } from './plan.js';
import { VIEWS_MAX, World } from './world.js';

/** One line of what happened, for a replay. */
export interface Happening {
  atMs: number;
  members: readonly number[];
  text: string;
}

/** What became of a plan. */
export interface Run {
  plan: Plan;
  bounds: Bounds;
  /** A name for everything that was sent. */
  traceHash: string;
  violations: readonly Violation[];
  /** How often each rule was looked at. */
  looks: Readonly<Record<string, number>>;
  samples: Samples;
  moments: readonly Moment[];
  /** Everything that happened, when it was asked for. */
  happenings: readonly Happening[];
}

/** How a plan is run. */
export interface RunOptions {
  /** Ends at the first violation. Default false. */
  stopAtViolation?: boolean;
  /** Keeps what happened. Default false. */
  keepHappenings?: boolean;
  /** Bytes of heap in use, when that is to be measured. */
  heapBytes?: () => number;
}

/** Everything that can be looked at without an event is looked at this often. */
const LOOK_MS = 250;
const SECOND_MS = 1000;
/** Rows and members looked at each time, drawn at random; every change is looked at anyway. */
const ROWS_EACH_LOOK = 50;
const MEMBERS_EACH_LOOK = 5;
/** How long floods that a plan began may take to drain, before what must hold without faults is looked at. Source: guess. */
const CLEAR_MS = 120_000;
/** Until members that begin alone are one cluster, with leaves and v1 peers. Source: guess, above what 2,000 need. */
const WHOLE_MS = 120_000;
/** A broadcast has reached everybody in so long. Source: guess, far above any that was seen. */
const DELIVERY_MS = 10_000;

/** Runs a plan. The same plan gives the same run, on every machine. */
export function runPlan(plan: Plan, options: RunOptions = {}): Run {
  return new Runner(plan, options).run();
}

class Runner {
  readonly #world: World;
  readonly #checker: Checker;
  readonly #meter: Meter;
  readonly #bounds: Bounds;
  readonly #random: Random;
  readonly #happenings: Happening[] = [];
  readonly #heapBefore: number;
  /** When the cluster was whole: steps count from here. */
  #startMs = 0;

  constructor(
    private readonly plan: Plan,
    private readonly options: RunOptions,
  ) {
    this.#heapBefore = options.heapBytes?.() ?? 0;
    this.#random = new Random(plan.seed);
    this.#world = new World(plan, {
      onEvent: (event) => this.#changed(event),
      onDelivery: (delivery) => this.#delivered(delivery.to, delivery.from, delivery.data, delivery),
      onSent: (message) => {
        this.#checker.sent(message.n, message.from);
        this.#meter.sent(message);
        this.#note([message.from], `${message.from} broadcasts ${message.n}`);
      },
      onGone: (member, how) => {
        if (how !== 'left') this.#checker.gone(member);
        this.#meter.gone(member, how);
      },
      onStarted: (member) => {
        this.#checker.started(member);
        if (this.#world.sim.nowMs > 0) this.#meter.started();
      },
    });
    this.#bounds = boundsOf(this.#world.timing, plan.members + plan.v1, isHarsh(plan));
    const { health } = this.#world;
    this.#meter = new Meter(this.#world, health, this.#bounds);
    this.#checker = new Checker(this.#facts(), this.#bounds, !plan.steps.some((step) => step.do === 'clock'));
  }

  #facts(): Facts {
    const { sim, health } = this.#world;
    return {
      nowMs: () => sim.nowMs,
      isWell: (member, forMs) => health.isWell(member, forMs),
      tableFrom: (member) => {
        if (!this.#world.isLeaf(member)) return undefined;
        // A former life of its gateway may be where it still believes to be.
        const { attached, current } = sim.stats(member);
        return current ? `${sim.gatewayOf(member)}, ${attached}` : NOWHERE;
      },
      upSinceMs: (member) => health.upSinceMs(member),
      observers: () => this.#world.observers(),
      opinion: (at, about) => (at >= V1_FROM ? undefined : sim.at(at).look(sim.id(about))),
      sizes: (member) => sim.at(member).core.sizes(),
    };
  }

  run(): Run {
    const startedAt = process.cpuUsage();
    const { plan } = this;
    const world = this.#world;
    try {
      this.#begin();
      this.#startMs = world.sim.nowMs;
      for (const step of [...plan.steps].sort((a, b) => a.atMs - b.atMs)) this.#perform(step);
      this.#runTo(this.#startMs + endMs(plan));
      if (!this.#over()) this.#settle();
    } catch (error) {
      this.#checker.threw(error);
    }
    const { user, system } = process.cpuUsage(startedAt);
    this.#meter.cpuMs = (user + system) / 1000;
    const heap = this.options.heapBytes;
    if (heap) this.#meter.heapBytes = heap() - this.#heapBefore;
    return {
      plan,
      bounds: this.#bounds,
      traceHash: world.sim.traceHash,
      violations: this.#checker.violations,
      looks: this.#checker.looks,
      samples: this.#meter.samples(),
      moments: this.#meter.moments,
      happenings: this.#happenings,
    };
  }

  /** Members that begin as one get leaves and v1 peers; those that begin apart begin with the plan. */
  #begin(): void {
    const world = this.#world;
    world.begin();
    if (this.plan.start === 'apart') return;
    this.#runUntil(() => world.difference() === undefined, WHOLE_MS);
    const difference = world.difference();
    if (difference !== undefined) this.#checker.settled(`at the start ${difference}`);
  }

  #perform(step: Step): void {
    this.#world.sim.carrier.at(step.atMs, () => {
      const { atMs, do: what, ...rest } = step;
      this.#note('member' in step ? [step.member] : [], `${what} ${JSON.stringify(rest)}`);
      this.#world.perform(step);
    });
  }

  /** The faults are over, and what they have held up is through: views must become equal, and a broadcast must reach all. */
  #settle(): void {
    const world = this.#world;
    const observers = () => this.#random.sample(world.observers(), VIEWS_MAX);
    this.#runUntil(() => world.clear(), CLEAR_MS);
    const fromMs = this.plan.start === 'apart' ? this.#startMs : world.sim.nowMs;
    const same = () => world.difference(observers()) === undefined;
    if (this.#runUntil(same, this.#bounds.convergenceMs)) this.#meter.convergedMs = world.sim.nowMs - fromMs;
    else {
      const difference = world.difference() ?? 'different a moment ago';
      this.#checker.settled(difference, (difference.match(/\d+/g) ?? []).slice(0, 2).map(Number));
      return;
    }
    if (this.#over()) return;
    // Somebody's uplink may be flooded still.
    const [from] = this.#random.sample(
      world.observers().filter((member) => !world.isLeaf(member) && world.health.isWell(member)),
      1,
    );
    if (from === undefined) return;
    // Best effort is enough where nothing is lost.
    world.send(from, 10, loses(this.plan.network));
    this.#runTo(world.sim.nowMs + DELIVERY_MS);
    this.#checker.due(world.sentCount, world.health.up());
  }

  #over(): boolean {
    return this.options.stopAtViolation === true && this.#checker.violations.length > 0;
  }

  /** Lets time pass, looking at everything now and then. */
  #runTo(untilMs: number): void {
    this.#runUntil(() => this.#over(), untilMs - this.#world.sim.nowMs);
  }

  /** @returns whether it came true in time. */
  #runUntil(condition: () => boolean, maxMs: number): boolean {
    const { sim } = this.#world;
    const untilMs = sim.nowMs + maxMs;
    while (!condition()) {
      if (sim.nowMs >= untilMs) return false;
      sim.run(Math.min(LOOK_MS - (sim.nowMs % LOOK_MS), untilMs - sim.nowMs));
      this.#look();
    }
    return true;
  }

  #look(): void {
    const world = this.#world;
    const checker = this.#checker;
    this.#hearV1();
    checker.crashes();
    const observers = world.observers();
    for (const member of this.#random.sample(observers, MEMBERS_EACH_LOOK)) {
      checker.sizes(member);
      if (!world.isLeaf(member)) checker.own(member);
    }
    const everyone = world.everyone();
    for (let i = Math.min(ROWS_EACH_LOOK, observers.length * everyone.length); i > 0; i--) {
      const at = observers[this.#random.below(observers.length)] as number;
      const about = everyone[this.#random.below(everyone.length)] as number;
      if (at !== about) checker.heldBy(at, about);
    }
    if (world.sim.nowMs % SECOND_MS === 0) this.#meter.second();
  }

  #changed(event: SimulationEvent): void {
    const { at, about, kind, state, previous } = event;
    if (kind !== 'state') return;
    this.#checker.changed(at, about, state);
    this.#meter.changed(event);
    if (at !== about) this.#note([at, about], `${at} sees ${about} ${state}, was ${previous}`);
  }

  #delivered(to: number, from: number, data: unknown, delivery: Pick<Delivery, 'atMs' | 'hops'>): void {
    const n = typeof data === 'object' && data !== null && 'n' in data ? data.n : undefined;
    this.#checker.delivered(to, from, n);
    this.#meter.delivered(to, n, delivery);
  }

  /** What v1 peers were given since the last look. */
  #hearV1(): void {
    for (const go of this.#world.gos) {
      for (const { from, data, atMs } of go.deliveries.splice(0)) this.#delivered(go.index, from, data, { atMs });
    }
  }

  #note(members: readonly number[], text: string): void {
    if (this.options.keepHappenings) this.#happenings.push({ atMs: this.#world.sim.nowMs, members, text });
  }
}

/** When the last fault is over. */
function endMs({ durationMs, steps }: Plan): number {
  const ends = steps.map(
    (step) => step.atMs + (step.forMs ?? (step.do === 'broadcast' ? step.times * step.everyMs : 0)),
  );
  return ends.reduce((last, ms) => Math.max(last, ms), durationMs);
}

function loses({ loss = 0, corrupt = 0 }: PlainNetwork): boolean {
  return loss + corrupt > 0;
}

/** Whether probes fail for reasons of the network, or because many are dead at a time. */
function isHarsh({ network, steps, members }: Plan): boolean {
  const ends = steps.filter((step) => step.do === 'crash' || step.do === 'leave').length;
  return loses(network) || steps.some((step) => step.do === 'network' && loses(step.network)) || ends * 10 > members;
}
