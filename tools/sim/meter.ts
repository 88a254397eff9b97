/**
 * Watches one run and notes what it costs and how fast it is; `figures.ts` makes figures of it. Times are virtual
 * milliseconds, bytes are those of a network, headers included.
 */
import type { Delivery, SimulationEvent } from '../../src/testing/index.js';
import type { Bounds } from './bounds.js';
import type { Health } from './health.js';
import type { Sent, World } from './world.js';

/** One second of a run, for the picture. */
export interface Moment {
  atS: number;
  /** Rows of all members by state, ourselves not counted, in share of all rows. */
  alive: number;
  suspect: number;
  dead: number;
  bytesPerMember: number;
}

/** What was seen of one crash; times since it. */
interface Crash {
  member: number;
  how: 'killed' | 'silent';
  atMs: number;
  suspectedMs?: number;
  firstMs?: number;
  /** When each observer held it dead. */
  dead: Map<number, number>;
}

/** Who thought ill of somebody who was there. */
export interface Accusation {
  accuser: number;
  accused: number;
  of: 'healthy' | 'faulty';
  by: 'healthy' | 'faulty';
}

/** What is counted of each member each second. */
export const TRAFFIC = ['bytesOut', 'bytesIn', 'packetsOut', 'packetsIn'] as const;

/** One number of each. */
type PerTraffic<T> = Record<(typeof TRAFFIC)[number], T>;

/** Names of the sizes that are queues. */
const QUEUES = [
  'broadcastsMissing',
  'newsWaiting',
  'strangersWaiting',
  'contactsPending',
  'requestsPending',
  'requestsIncoming',
  'probesOpen',
];

/** Members whose sizes are looked at each second: all, up to so many, in turn. */
const MEMBERS_EACH_SECOND = 100;

/** All that was noted of a run, as plain data; of several runs it can be put together. */
export interface Samples {
  /** One number for each member and second. */
  traffic: PerTraffic<number[]>;
  crashes: { how: 'killed' | 'silent'; atMs: number; suspectedMs?: number; firstMs?: number; fullMs?: number }[];
  suspicions: readonly Accusation[];
  deaths: readonly Accusation[];
  /** Healthy members that took a healthy one for dead because somebody else did. */
  believed: number;
  convergedMs: number | undefined;
  /** Broadcasts whose sender has been well ever since, and how long each delivery to such members took. */
  messages: { quiet: boolean; receivers: number; timesMs: readonly number[]; hops: number }[];
  delivered: number;
  duplicates: number;
  queueMax: number;
  uplinkQueueBytesMax: number;
  heap: { bytes: number; members: number; rows: number } | undefined;
  virtualMs: number;
  cpuMs: number;
}

/** Collects the figures of one run. */
export class Meter {
  readonly moments: Moment[] = [];
  readonly crashes: Crash[] = [];
  readonly #traffic = { bytesOut: [], bytesIn: [], packetsOut: [], packetsIn: [] } as PerTraffic<number[]>;
  readonly #before = new Map<number, PerTraffic<number>>();
  readonly #messages = new Map<
    number,
    Sent & { got: Map<number, number>; hops: number; quiet: boolean; away: Set<number> }
  >();
  /** Who holds members suspect or dead that are up. */
  readonly #held = new Map<number, Map<number, 'suspect' | 'dead'>>();
  /** How many probes of each member had failed, and deaths it had declared, when it was last looked at. */
  readonly #verdicts = new Map<number, Record<'suspect' | 'dead', number>>();
  readonly #suspicions: Accusation[] = [];
  readonly #deaths: Accusation[] = [];
  #believed = 0;
  /** When a process last began or ended: for some time after that not all know of it. */
  #changedMs = Number.NEGATIVE_INFINITY;
  #queueMax = 0;
  #uplinkQueueBytesMax = 0;
  convergedMs: number | undefined;
  heapBytes: number | undefined;
  cpuMs = 0;

  constructor(
    private readonly world: World,
    private readonly health: Health,
    private readonly bounds: Bounds,
  ) {}

  /** A process has begun anew. */
  started(): void {
    this.#changedMs = this.world.sim.nowMs;
  }

  /** A process has ended. */
  gone(member: number, how: 'killed' | 'silent' | 'left'): void {
    this.#changedMs = this.world.sim.nowMs;
    this.#held.delete(member);
    this.#verdicts.delete(member);
    if (how !== 'left') this.crashes.push({ member, how, atMs: this.world.sim.nowMs, dead: new Map() });
  }

  changed({ at, about, state }: SimulationEvent): void {
    if (about < 0 || at === about) return;
    if (!this.health.isUp(about)) this.#ofCrashed(at, about, state);
    else if (state === 'suspect' || state === 'dead') this.#accuse(at, about, state);
    else this.#held.get(about)?.delete(at);
  }

  /**
   * Whoever has had a probe fail, or declared a death, since it was last looked at accuses; so does who is the first to think
   * ill of somebody. All others have heard it.
   */
  #accuse(accuser: number, accused: number, state: 'suspect' | 'dead'): void {
    const held = this.#held.get(accused) ?? new Map<number, 'suspect' | 'dead'>();
    this.#held.set(accused, held);
    const before = this.#verdicts.get(accuser)?.[state] ?? 0;
    const now = this.#lookAtVerdicts(accuser);
    const first = ![...held.values()].some((one) => one === 'dead' || one === state);
    const kind = (member: number): Accusation['of'] =>
      this.health.isWell(member, this.bounds.recoveryMs) ? 'healthy' : 'faulty';
    const [of, by] = [kind(accused), kind(accuser)];
    const list = state === 'suspect' ? this.#suspicions : this.#deaths;
    if (first || now[state] > before) list.push({ accuser, accused, of, by });
    else if (state === 'dead' && of === 'healthy' && by === 'healthy') this.#believed++;
    held.set(accuser, state);
  }

  #lookAtVerdicts(member: number): Record<'suspect' | 'dead', number> {
    const core = this.world.sim.at(member).core;
    const verdicts = this.#verdicts.get(member) ?? { suspect: 0, dead: 0 };
    verdicts.suspect = core.counted('probesFailed');
    verdicts.dead = core.counted('deathsDeclared');
    this.#verdicts.set(member, verdicts);
    return verdicts;
  }

  #ofCrashed(at: number, about: number, state: string): void {
    const crash = this.crashes.filter(({ member }) => member === about).at(-1);
    if (!crash) return;
    const afterMs = this.world.sim.nowMs - crash.atMs;
    if (state === 'suspect') crash.suspectedMs ??= afterMs;
    if (state !== 'dead') return;
    crash.suspectedMs ??= afterMs;
    crash.firstMs ??= afterMs;
    crash.dead.set(at, afterMs);
  }

  sent(message: Sent): void {
    const { recoveryMs } = this.bounds;
    const quiet =
      this.world.sim.nowMs - this.#changedMs >= recoveryMs &&
      this.world.observers().every((member) => this.health.isWell(member, recoveryMs));
    const away = new Set(this.world.leavesAway());
    this.#messages.set(message.n, { ...message, got: new Map(), hops: 0, quiet, away });
  }

  delivered(to: number, n: unknown, { atMs, hops }: Pick<Delivery, 'atMs' | 'hops'>): void {
    const message = typeof n === 'number' ? this.#messages.get(n) : undefined;
    if (!message || message.got.has(to)) return;
    message.got.set(to, atMs - message.atMs);
    if (hops !== undefined) message.hops = Math.max(message.hops, hops);
  }

  /** Once a second. */
  second(): void {
    const { sim } = this.world;
    let [rows, alive, suspect, dead, bytes] = [0, 0, 0, 0, 0];
    const up = this.health.up();
    for (const member of up) bytes += this.#countTraffic(member);
    const observers = this.world.observers();
    // Looking at all of thousands would cost more than what they do in a second.
    const step = Math.ceil(observers.length / MEMBERS_EACH_SECOND);
    for (const [i, member] of observers.entries()) {
      this.#lookAtVerdicts(member);
      if ((i + this.moments.length) % step !== 0) continue;
      const sizes = sim.at(member).core.sizes();
      rows += (sizes.members ?? 1) - 1;
      alive += (sizes.membersAlive ?? 1) - 1;
      suspect += sizes.membersSuspect ?? 0;
      dead += sizes.membersDead ?? 0;
      for (const name of QUEUES) this.#queueMax = Math.max(this.#queueMax, sizes[name] ?? 0);
    }
    if (this.#traffic.bytesOut.length === 0) return;
    const share = (n: number) => (rows > 0 ? n / rows : 0);
    this.moments.push({
      atS: Math.round(sim.nowMs / 1000),
      alive: share(alive),
      suspect: share(suspect),
      dead: share(dead),
      bytesPerMember: bytes / Math.max(1, up.length),
    });
  }

  /** One sample of a member, unless it is looked at for the first time. @returns bytes that it sent. */
  #countTraffic(member: number): number {
    const traffic = this.world.go(member)?.traffic ?? this.world.sim.at(member).traffic;
    this.#uplinkQueueBytesMax = Math.max(this.#uplinkQueueBytesMax, traffic.queuedBytesMax);
    const bytesOut = traffic.datagramBytes + traffic.reliableBytes;
    const bytesIn = traffic.datagramBytesIn + traffic.reliableBytesIn;
    const packetsOut = traffic.datagrams + traffic.reliable;
    const packetsIn = traffic.datagramsIn + traffic.reliableIn;
    const before = this.#before.get(member);
    if (!before) {
      this.#before.set(member, { bytesOut, bytesIn, packetsOut, packetsIn });
      return 0;
    }
    const sent = bytesOut - before.bytesOut;
    this.#traffic.bytesOut.push(sent);
    this.#traffic.bytesIn.push(bytesIn - before.bytesIn);
    this.#traffic.packetsOut.push(packetsOut - before.packetsOut);
    this.#traffic.packetsIn.push(packetsIn - before.packetsIn);
    before.bytesOut = bytesOut;
    before.bytesIn = bytesIn;
    before.packetsOut = packetsOut;
    before.packetsIn = packetsIn;
    return sent;
  }

  /** The run is over: all that was noted. */
  samples(): Samples {
    const { world } = this;
    let [delivered, duplicates, rows] = [0, 0, 0];
    for (const member of world.observers()) {
      const stats = world.sim.stats(member);
      delivered += stats.broadcastsDelivered ?? 0;
      duplicates += stats.duplicates ?? 0;
      rows += stats.members ?? 0;
    }
    return {
      traffic: this.#traffic,
      crashes: this.crashes.map((crash) => ({ ...crash, fullMs: this.#fullMs(crash) })),
      suspicions: this.#suspicions,
      deaths: this.#deaths,
      believed: this.#believed,
      convergedMs: this.convergedMs,
      messages: this.#deliveries(),
      delivered,
      duplicates,
      queueMax: this.#queueMax,
      uplinkQueueBytesMax: this.#uplinkQueueBytesMax,
      heap:
        this.heapBytes === undefined ? undefined : { bytes: this.heapBytes, members: world.everyone().length, rows },
      virtualMs: world.sim.nowMs,
      cpuMs: this.cpuMs,
    };
  }

  /** When the last of those held it dead that have been well all the time. */
  #fullMs({ atMs, dead }: Crash): number | undefined {
    const wanted = this.world.observers().filter((at) => this.health.wellSinceMs(at) <= atMs);
    const times = wanted.map((at) => dead.get(at) ?? Number.POSITIVE_INFINITY);
    const lastMs = times.reduce((last, ms) => Math.max(last, ms), 0);
    return times.length > 0 && Number.isFinite(lastMs) ? lastMs : undefined;
  }

  #deliveries(): Samples['messages'] {
    const { health } = this;
    return [...this.#messages.values()].flatMap(({ from, atMs, got, hops, quiet, away }) => {
      const stayed = (member: number) => health.wellSinceMs(member) <= atMs;
      if (!stayed(from)) return [];
      const to = health.up().filter((member) => member !== from && stayed(member) && !away.has(member));
      const timesMs = to.flatMap((member) => got.get(member) ?? []);
      return [{ quiet, receivers: to.length, timesMs, hops }];
    });
  }
}
