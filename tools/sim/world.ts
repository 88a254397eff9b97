/**
 * The cluster of a run: members, leaves and v1 peers in one simulation, and what each action of a plan does to them. It tells
 * {@link Health} what is wrong with whom.
 */
import type { Timing } from '../../src/core/config.js';
import { type Metadata, NO_METADATA } from '../../src/core/metadata.js';
import { PRESETS } from '../../src/options.js';
import {
  createSimulation,
  type Delivery,
  type NetworkOptions,
  type Simulation,
  type SimulationEvent,
} from '../../src/testing/index.js';
import { NETWORK_DEFAULTS } from '../../src/testing/network.js';
import { gossipV1 } from '../../src/v1.js';
import { addGoLike, type GoLikePeer } from './go-like-peer.js';
import { Health } from './health.js';
import { type Action, type PlainNetwork, type Plan, type Step, V1_FROM } from './plan.js';

/** What a world tells as it happens. Times are those of the simulation. */
export interface WorldOptions {
  onEvent?: (event: SimulationEvent) => void;
  onDelivery?: (delivery: Delivery) => void;
  /** A broadcast is about to be sent. */
  onSent?: (message: Sent) => void;
  /** A process has ended without coming back at once. */
  onGone?: (member: number, how: 'killed' | 'silent' | 'left') => void;
  /** A process has begun anew. */
  onStarted?: (member: number) => void;
}

/** One broadcast of a run; its data is `{ n, pad }`. */
export interface Sent {
  n: number;
  from: number;
  atMs: number;
  bytes: number;
}

/** Loss and damage up to this share count as a network that works. Source: guess; SWIM's authors tried up to 0.2. */
const LOSS_MAX = 0.25;

/** Bytes a second below which a member is not on time. Source: guess, some thirty times what it sends at rest. */
const BANDWIDTH_MIN = 20_000;
/** Members whose views are compared: all, up to so many. */
export const VIEWS_MAX = 300;
/** Longer than any run. */
const FOR_EVER_MS = 1e15;

export class World {
  readonly sim: Simulation;
  readonly health: Health;
  readonly timing: Timing;
  readonly gos: GoLikePeer[] = [];
  /** Every broadcast so far. */
  sentCount = 0;
  /** Full members, and with them leaves and v1 peers, those that are down included. */
  readonly #full: readonly number[];
  readonly #everyone: readonly number[];
  /** Those that are up, and of them our own kind. */
  #up: readonly number[] = [];
  #observers: readonly number[] = [];
  readonly #cuts = new Set<Extract<Action, { do: 'cut' }>>();
  readonly #partitions = new Set<readonly number[]>();

  constructor(
    readonly plan: Plan,
    private readonly options: WorldOptions = {},
  ) {
    const v1 = plan.v1 > 0 ? gossipV1() : undefined;
    this.timing = PRESETS[plan.preset];
    this.sim = createSimulation({
      seed: plan.seed,
      preset: plan.preset,
      network: networkOptions(plan.network),
      record: false,
      onEvent: (event) => this.options.onEvent?.(event),
      onDelivery: (delivery) => this.options.onDelivery?.(delivery),
      ...(v1 && { v1: v1.wire }),
    });
    const { sim } = this;
    const gateways = Array.from({ length: plan.gateways }, (_, i) => i);
    this.health = new Health(
      () => sim.nowMs,
      (from, to) => sim.network.passes(from, to, sim.nowMs),
      (member) => {
        if (!this.isLeaf(member)) return undefined;
        const gateway = this.sim.gatewayOf(member);
        return gateway === undefined ? gateways : [gateway];
      },
      (member) => this.#chokedUntilMs(member),
    );
    if (troubled(plan.network, this.timing)) this.health.ailAll();
    const clocks = new Map(plan.steps.flatMap((step) => (step.do === 'clock' ? [[step.member, step] as const] : [])));
    for (let i = 0; i < plan.members; i++) {
      const { aheadMs = 0, drift = 0 } = clocks.get(i) ?? {};
      sim.addMember({ clockAheadMs: aheadMs, clockDrift: drift, ...(v1 && { v1: v1.rules }) });
      if (i < plan.gateways) sim.gateway(i);
    }
    for (let i = 0; i < plan.leaves; i++) {
      const first = i % plan.gateways;
      sim.addLeaf({ gateways: [...gateways.slice(first), ...gateways.slice(0, first)] });
    }
    for (let i = 0; i < plan.v1; i++) this.gos.push(addGoLike(sim));
    this.#full = Array.from({ length: plan.members }, (_, i) => i);
    const leaves = Array.from({ length: plan.leaves }, (_, i) => plan.members + i);
    this.#everyone = [...this.#full, ...leaves, ...this.gos.map(({ index }) => index)];
    for (const member of this.#everyone)
      this.health.started(member, plan.start === 'connected' && member < plan.members);
  }

  /** Lets them meet, as the plan says. */
  begin(): void {
    const { sim, plan } = this;
    for (const member of this.fullMembers()) this.options.onStarted?.(member);
    const members = this.fullMembers();
    if (plan.start === 'connected') sim.connectAll(members);
    for (const [i, go] of this.gos.entries()) go.join(sim.address(i % plan.members));
  }

  /** Numbers of the full members, those that are down included. */
  fullMembers(): readonly number[] {
    return this.#full;
  }

  /** Numbers of all that were ever there. */
  everyone(): readonly number[] {
    return this.#everyone;
  }

  isLeaf(member: number): boolean {
    return member >= this.plan.members && member < V1_FROM;
  }

  /** Leaves that are at no gateway, or at one that is not there: they miss what is broadcast. */
  leavesAway(): number[] {
    return this.everyone().filter((member) => {
      if (!this.isLeaf(member) || !this.health.isUp(member)) return false;
      const gateway = this.sim.gatewayOf(member);
      return gateway === undefined || !this.health.isWell(gateway);
    });
  }

  go(member: number): GoLikePeer | undefined {
    // Only with an index that can be: looking up a negative one is slow.
    return member < V1_FROM ? undefined : this.gos[member - V1_FROM];
  }

  /** Our own kind, leaves included, that run. */
  observers(): readonly number[] {
    const up = this.health.up();
    if (up !== this.#up) this.#observers = up.filter((member) => member < V1_FROM);
    this.#up = up;
    return this.#observers;
  }

  /** How one sees another. */
  state(at: number, about: number): string {
    return this.go(at)?.stateOf(about) ?? this.sim.state(at, about);
  }

  /** Whether nobody's uplink is flooded. */
  clear(): boolean {
    return this.health.up().every((member) => this.#chokedUntilMs(member) <= this.sim.nowMs);
  }

  /**
   * The first difference between what observers see and who is there; `undefined` when there is none. Counts are compared of
   * all, rows of some.
   */
  difference(some: readonly number[] = this.#some()): string | undefined {
    const up = this.health.up();
    for (const at of this.observers()) {
      if (this.isLeaf(at)) continue;
      const { membersAlive, membersSuspect } = this.sim.at(at).core.sizes();
      if (membersAlive !== up.length || membersSuspect !== 0) {
        return `${at} sees ${membersAlive} alive and ${membersSuspect} suspect of ${up.length}`;
      }
    }
    for (const at of some) {
      for (const about of up) {
        const state = this.sim.state(at, about);
        if (state !== 'alive') return `${at} sees ${about} ${state}`;
      }
      if (!this.isLeaf(at)) continue;
      const active = this.sim.view(at).filter(({ state }) => state === 'alive' || state === 'suspect').length;
      if (active !== up.length) return `${at} sees ${active} of ${up.length}`;
    }
    return undefined;
  }

  #some(): number[] {
    const observers = this.observers();
    const step = Math.ceil(observers.length / VIEWS_MAX);
    return observers.filter((_, i) => i % step === 0);
  }

  /** Does what a step says, and plans its end. */
  perform(step: Step): void {
    const end = this.#do(step, step);
    if (step.forMs !== undefined && end) this.sim.carrier.at(step.forMs, end);
  }

  /** @returns what ends it, when it can be ended. */
  #do(action: Action, { forMs }: Step): (() => void) | undefined {
    const { sim, health } = this;
    switch (action.do) {
      case 'join':
        if (action.member < V1_FROM) sim.join(action.member, action.through);
        return undefined;
      case 'crash':
        return this.#end(action.member, action.how);
      case 'leave':
        return this.#end(action.member, 'left');
      case 'restart':
        return health.isUp(action.member) ? void this.#start(action.member) : undefined;
      case 'suspend':
        if (action.member >= V1_FROM || !health.isUp(action.member) || forMs === undefined) return undefined;
        sim.suspend(action.member, forMs);
        return health.ail([action.member]);
      case 'slow': {
        if (action.member >= V1_FROM) return undefined;
        sim.slow(action.member, action.lateMs);
        const well = health.ail([action.member]);
        return () => {
          sim.slow(action.member, 0);
          well();
        };
      }
      case 'clock':
        return undefined;
      case 'cut': {
        // A leaf has no other way than that to its gateway.
        const well = health.ail([action.from, action.to].filter((member) => this.isLeaf(member)));
        this.#cuts.add(action);
        this.#cutAnew();
        return () => {
          this.#cuts.delete(action);
          this.#cutAnew();
          well();
        };
      }
      case 'deafen':
        return this.#flipFlop(action.member, { everyMs: FOR_EVER_MS, ways: action.ways });
      case 'flip-flop':
        return this.#flipFlop(action.member, action);
      case 'partition': {
        const { members } = action;
        this.#partitions.add(members);
        this.#cutAnew();
        return () => {
          this.#partitions.delete(members);
          this.#cutAnew();
        };
      }
      case 'network': {
        const well = troubled(action.network, this.timing) ? health.ailAll() : () => {};
        sim.network.change(networkOptions(action.network));
        return () => {
          sim.network.change(networkOptions({ ...NETWORK_DEFAULTS, ...this.plan.network }));
          well();
        };
      }
      case 'links':
        return this.#links(action);
      case 'broadcast':
        this.#broadcast(action, action.times);
        return undefined;
      case 'metadata': {
        const metadata: Metadata = action.bytes > 0 ? { pad: new Uint8Array(action.bytes) } : NO_METADATA;
        if (!health.isUp(action.member)) return undefined;
        const go = this.go(action.member);
        if (go) go.setMetadata(metadata);
        else sim.setMetadata(action.member, metadata);
        return undefined;
      }
      case 'close-gateway':
        if (!health.isUp(action.member)) return undefined;
        return this.#closeGateway(action.member);
      case 'disconnect':
        sim.disconnect(action.member);
        return undefined;
      case 'hide':
        sim.page(action.member, 'hidden');
        return () => sim.page(action.member, 'visible');
    }
  }

  /** Until when what a member sends would come too late to be an answer: a ping and its ack share the time for a probe. */
  #chokedUntilMs(member: number): number {
    return this.sim.network.chokedUntilMs(member, this.timing.probeTimeoutMs / 2);
  }

  #end(member: number, how: 'killed' | 'silent' | 'left'): (() => void) | undefined {
    const { sim, health, options } = this;
    if (!health.isUp(member)) return undefined;
    health.ended(member);
    const go = this.go(member);
    if (how !== 'left') (go ?? { crash: (why: typeof how) => sim.crash(member, why) }).crash(how);
    else if (go) go.leave();
    else sim.leave(member);
    options.onGone?.(member, how);
    return () => {
      if (!health.isUp(member)) this.#start(member);
    };
  }

  #start(member: number): void {
    const { sim, health, options, plan } = this;
    const go = this.go(member);
    if (go) go.restart();
    else sim.restart(member);
    health.started(member);
    options.onStarted?.(member);
    if (this.isLeaf(member)) return;
    const seeds = this.fullMembers().filter((other) => other !== member);
    const from = member % plan.members;
    // Several, as an application would name: one of them may be down.
    const through = [...seeds.slice(from), ...seeds.slice(0, from)].slice(0, 3);
    if (go) go.join(...through.map((other) => sim.address(other)));
    else if (through.length > 0) sim.join(member, ...through);
  }

  #closeGateway(member: number): () => void {
    this.sim.closeGateway(member);
    const well = this.health.ail([member]);
    return () => {
      this.sim.gateway(member);
      well();
    };
  }

  #flipFlop(member: number, how: { everyMs: number; ways: 'in' | 'out' | 'both' }): () => void {
    this.sim.flipFlop(member, { everyMs: how.everyMs, ways: how.ways });
    const well = this.health.ail([member]);
    return () => {
      this.sim.flipFlop(member, undefined);
      well();
    };
  }

  #links({ member, ways, network }: Extract<Action, { do: 'links' }>): () => void {
    const others = this.everyone().filter((other) => other !== member);
    const set = (options: NetworkOptions | undefined) => {
      for (const other of others) {
        if (ways !== 'in') this.sim.network.link(member, other, options);
        if (ways !== 'out') this.sim.network.link(other, member, options);
      }
    };
    set(networkOptions(network));
    const well = troubled(network, this.timing) ? this.health.ail([member]) : () => {};
    return () => {
      set(undefined);
      well();
    };
  }

  #broadcast(action: Extract<Action, { do: 'broadcast' }>, left: number): void {
    this.send(action.member, action.bytes, action.reliable);
    if (left > 1) this.sim.carrier.at(action.everyMs, () => this.#broadcast(action, left - 1));
  }

  /** Broadcasts one message of about so many bytes. */
  send(member: number, bytes: number, reliable: boolean): void {
    const { sim, health, options } = this;
    if (!health.isUp(member)) return;
    const n = ++this.sentCount;
    options.onSent?.({ n, from: member, atMs: sim.nowMs, bytes });
    const data = { n, pad: new Uint8Array(bytes) };
    const go = this.go(member);
    if (go) go.broadcast(data, { reliable });
    else sim.broadcast(member, data, { reliable });
  }

  /** The model of the network ends all cuts or none, so that those that remain are made again. */
  #cutAnew(): void {
    const { sim } = this;
    sim.heal();
    for (const { from, to, ways } of this.#cuts) sim.cut(from, to, ways);
    if (this.#partitions.size > 0) sim.partition(this.#groups());
    this.health.connectionsChanged(this.#cuts.size + this.#partitions.size > 0);
  }

  /** Those on the same side of every partition. */
  #groups(): number[][] {
    const sides = [...this.#partitions].map((members) => new Set(members));
    const groups = new Map<string, number[]>();
    for (const member of this.everyone()) {
      const key = sides.map((side) => (side.has(member) ? 'a' : 'b')).join('');
      groups.set(key, [...(groups.get(key) ?? []), member]);
    }
    return [...groups.values()];
  }
}

function networkOptions({ delayMs, ...rest }: PlainNetwork): NetworkOptions {
  if (delayMs === undefined || typeof delayMs === 'number') return delayMs === undefined ? rest : { ...rest, delayMs };
  const [least, most] = delayMs;
  return { ...rest, delayMs: (random) => least + random.unit() * (most - least) };
}

/** Whether a network is so bad that nobody on it counts as connected. */
function troubled(network: PlainNetwork, { probeTimeoutMs }: Timing): boolean {
  const { delayMs, jitterMs, loss, corrupt, bandwidthBytesPerS } = { ...NETWORK_DEFAULTS, ...network };
  const slowestMs = (typeof delayMs === 'number' ? delayMs : delayMs[1]) + jitterMs;
  return loss + corrupt > LOSS_MAX || slowestMs * 2 > probeTimeoutMs || bandwidthBytesPerS < BANDWIDTH_MIN;
}
