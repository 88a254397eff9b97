/**
 * Whatever happens to gateways and to leaves' connections, at random: a leaf that is up and can reach a gateway that is up
 * is never dead in anybody's view, everybody has one row for it, and in the end all see the same.
 */
import { expect } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { Simulation } from '../../src/testing/index.js';
import { activeView, until, world } from './leaves.js';
import { seeded } from './seeded.js';

const test = seeded('leaf-chaos.test.ts');

const GATEWAYS = 3;
const MEMBERS = 6;
const LEAVES = 6;

/** Something bad that ends by itself, and what ends it. */
type Fault = (sim: Simulation, random: Random, leaves: readonly number[]) => () => void;

const nothing = () => {};
const oneOf = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)] as T;
const rejoin = (sim: Simulation, gateway: number) => {
  sim.restart(gateway);
  sim.join(gateway, MEMBERS - 1);
};

/** One at a time: some gateway is always well. */
const GATEWAY_FAULTS: readonly Fault[] = [
  (sim, random) => {
    const gateway = random.below(GATEWAYS);
    sim.crash(gateway, oneOf(random, ['killed', 'silent']));
    return () => rejoin(sim, gateway);
  },
  (sim, random) => {
    const gateway = random.below(GATEWAYS);
    sim.leave(gateway);
    return () => rejoin(sim, gateway);
  },
  (sim, random) => {
    rejoin(sim, random.below(GATEWAYS));
    return nothing;
  },
  (sim, random) => {
    const gateway = random.below(GATEWAYS);
    sim.closeGateway(gateway);
    return () => sim.gateway(gateway);
  },
  (sim, random) => {
    const gateway = random.below(GATEWAYS);
    sim.suspend(gateway, 500 + random.below(10_000));
    return nothing;
  },
  (sim, random, leaves) => {
    const gateway = random.below(GATEWAYS);
    for (const leaf of leaves) if (random.below(2)) sim.cut(leaf, gateway);
    return () => sim.heal();
  },
];

/** As many as there are. */
const LEAF_FAULTS: readonly Fault[] = [
  (sim, random, leaves) => {
    sim.disconnect(oneOf(random, leaves));
    return nothing;
  },
  (sim, random, leaves) => {
    sim.suspend(oneOf(random, leaves), random.below(700));
    return nothing;
  },
  (sim, random, leaves) => {
    const leaf = oneOf(random, leaves);
    sim.page(leaf, oneOf(random, ['hidden', 'visible', 'asleep']));
    return () => sim.page(leaf, 'visible');
  },
  (sim, random, leaves) => {
    const leaf = oneOf(random, leaves);
    sim.narrow(leaf, 2000);
    return () => sim.narrow(leaf, Number.POSITIVE_INFINITY);
  },
  (sim, random, leaves) => {
    sim.setMetadata(oneOf(random, leaves), { n: random.below(1000) });
    return nothing;
  },
];

test('leaves and gateways in trouble', 8, (seed) => {
  const { sim, leaves } = world(seed, { members: MEMBERS, gateways: GATEWAYS, leaves: LEAVES });
  const random = new Random(seed);
  sim.network.change({ jitterMs: 20, loss: 0.02 });
  for (let round = 0; round < 8; round++) {
    const endGateway = oneOf(random, GATEWAY_FAULTS)(sim, random, leaves);
    const endLeaves: (() => void)[] = [];
    for (let i = random.below(6); i > 0; i--) {
      sim.run(random.below(3000));
      endLeaves.push(oneOf(random, LEAF_FAULTS)(sim, random, leaves));
    }
    sim.run(random.below(30_000));
    for (const end of endLeaves) end();
    endGateway();
    sim.run(5000 + random.below(20_000));
  }
  const dead = sim.events.filter((e) => leaves.includes(e.about) && e.state === 'dead');
  expect(dead.map(({ atMs, at, about }) => `${Math.round(atMs)} ms: ${about} at ${at}`)).toEqual([]);
  until(sim, () => sim.converged(), 60_000);
  sim.run(60_000);
  expect(sim.running()).toHaveLength(MEMBERS + LEAVES);
  for (const member of sim.running()) {
    expect(activeView(sim, member)).toEqual(activeView(sim, MEMBERS - 1));
    expect(activeView(sim, member)).toHaveLength(MEMBERS + LEAVES);
  }
  const heard = sim.deliveries.length;
  for (const leaf of leaves) sim.broadcast(leaf, 'well');
  sim.run(2000);
  expect(sim.deliveries.length - heard).toBe(LEAVES * (MEMBERS + LEAVES - 1));
});
