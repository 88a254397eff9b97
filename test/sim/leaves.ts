/** A cluster with gateways and leaves, and what the tests of leaves look at. */
import { createSimulation, type SimulatedGatewayOptions, type Simulation } from '../../src/testing/index.js';

/** The ping interval of a gateway that sets none. */
export const PING_MS = 5000;

interface World {
  sim: Simulation;
  leaves: number[];
}

/**
 * Some members, the first of them gateways, and leaves that are attached to them in turn; all see each other.
 * @param gateways - how many of the members are gateways.
 */
export function world(
  seed: number,
  { members = 4, gateways = 2, leaves = 1 }: { members?: number; gateways?: number; leaves?: number } = {},
  options: SimulatedGatewayOptions = {},
): World {
  const sim = createSimulation({ seed, members });
  const all = Array.from({ length: gateways }, (_, i) => i);
  for (const gateway of all) sim.gateway(gateway, options);
  sim.joinAll();
  until(sim, () => sim.converged(), 10_000);
  const ids = Array.from({ length: leaves }, (_, i) =>
    sim.addLeaf({ gateways: [...all.slice(i % gateways), ...all.slice(0, i % gateways)] }),
  );
  until(sim, () => sim.converged(), 10_000);
  return { sim, leaves: ids };
}

/** Lets time pass until something is true, and insists on it. */
export function until(sim: Simulation, condition: () => boolean, maxMs: number): void {
  if (!sim.runUntil(condition, maxMs)) throw new Error(`not within ${maxMs} ms: ${condition}`);
}

/** How anybody but itself has seen a member since a moment, in order, as `at state`. */
export function seen(sim: Simulation, about: number, sinceMs = 0): string[] {
  return sim.events
    .filter((e) => e.kind === 'state' && e.about === about && e.at !== about && e.atMs >= sinceMs)
    .map(({ at, state }) => `${at} ${state}`);
}

/** The active members as one member sees them, itself included, in the order of their numbers. */
export function activeView(sim: Simulation, member: number): unknown[] {
  return sim
    .view(member)
    .filter(({ state }) => state === 'alive' || state === 'suspect')
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, address, state, tags, metadata }) => ({ id, address, state, tags, metadata }));
}
