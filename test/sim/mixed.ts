/** Mixed clusters for simulations: members with the v1 plug-in, and Go-like peers. */
import {
  createSimulation,
  type SimulatedMemberOptions,
  type Simulation,
  type SimulationOptions,
} from '../../src/testing/index.js';
import { gossipV1 } from '../../src/v1.js';
import { addGoLike, type GoLikeOptions, type GoLikePeer } from '../../tools/sim/go-like-peer.js';

const plugin = gossipV1();

export interface MixedOptions extends Partial<SimulationOptions> {
  native?: (index: number) => SimulatedMemberOptions;
  go?: (index: number) => GoLikeOptions;
}

export interface Mixed {
  sim: Simulation;
  /** Numbers of the native members. */
  natives: number[];
  gos: GoLikePeer[];
}

/** Members that know nobody yet. */
export function apart(seed: number, natives: number, gos: number, options: MixedOptions = {}): Mixed {
  const { native = () => ({}), go = () => ({}), ...rest } = options;
  const sim = createSimulation({ seed, v1: plugin.wire, ...rest });
  return {
    sim,
    natives: Array.from({ length: natives }, (_, i) => sim.addMember({ v1: plugin.rules, ...native(i) })),
    gos: Array.from({ length: gos }, (_, i) => addGoLike(sim, go(i))),
  };
}

/** Members that have all joined through the first native one, natives and Go-like peers in turn. */
export function mixed(seed: number, natives: number, gos: number, options: MixedOptions = {}): Mixed {
  const cluster = apart(seed, natives, gos, options);
  joinAll(cluster);
  if (!cluster.sim.runUntil(() => allAlive(cluster), 20_000)) {
    throw new Error(`not everybody knows everybody: ${missing(cluster).join(', ')}`);
  }
  return cluster;
}

export function joinAll({ sim, gos }: Mixed): void {
  sim.joinAll();
  for (const go of gos) go.join(sim.address(0));
}

/** Who does not see whom alive, among those that run. */
export function missing({ sim, natives, gos }: Mixed): string[] {
  const runningGos = gos.filter(({ process }) => process === 'running');
  const all = [...natives.filter((i) => sim.isRunning(i)), ...runningGos.map(({ index }) => index)];
  const found: string[] = [];
  for (const a of all) {
    for (const b of all) {
      const state = a < 1_000_000 ? sim.state(a, b) : gos[a - 1_000_000]?.stateOf(b);
      if (a !== b && state !== 'alive') found.push(`${a} sees ${b} ${state}`);
    }
  }
  return found;
}

/** Whether everybody that runs sees everybody that runs alive. */
export function allAlive(cluster: Mixed): boolean {
  return missing(cluster).length === 0;
}

/** Changes of state to anything but alive that natives and Go-like peers saw, from now on. */
export function troubles({ sim, gos }: Mixed): () => string[] {
  const from = sim.events.length;
  const goFrom = gos.map(({ table }) => table.events.length);
  return () => [
    ...sim.events
      .slice(from)
      .filter(({ kind, state }) => kind === 'state' && state !== 'alive')
      .map(({ at, about, state, atMs }) => `${at} sees ${about} ${state} at ${atMs}`),
    ...gos.flatMap((go, i) =>
      go.table.events
        .slice(goFrom[i])
        .filter(({ state }) => state !== 'alive')
        .map(({ about, state, atMs }) => `${go.index} sees ${about} ${state} at ${atMs}`),
    ),
  ];
}

/** The sum of everything counted. */
export function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const n of counts) total += n;
  return total;
}
