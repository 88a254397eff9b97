/** Plans of the soak: a small cluster to which all sorts of things happen, in any combination. One seed makes one plan. */
import { Random } from '../../src/core/random.js';
import type { Action, PlainNetwork, Plan, Step } from './plan.js';
import { V1_FROM } from './plan.js';

type Draw<T> = (random: Random) => T;

const FIRST_MS = 5000;
const DURATION_MS = 150_000;

/** Makes the plan of a seed. */
export function randomPlan(seed: number): Plan {
  const random = new Random(seed);
  const members = 3 + random.below(14);
  const gateways = chance(random, 0.25) ? Math.min(members, 2 + random.below(2)) : 0;
  const leaves = gateways > 0 ? 1 + random.below(5) : 0;
  const v1 = chance(random, 0.25) ? 1 + random.below(3) : 0;
  const cluster = { members, gateways, leaves, v1 };
  const steps = Array.from({ length: 2 + random.below(12) }, () => randomStep(random, cluster));
  return {
    scenario: 'soak',
    seed,
    ...cluster,
    preset: oneOf(random, ['lan', 'lan', 'lan', 'local', 'wan']),
    start: 'connected',
    network: chance(random, 0.4) ? mildNetwork(random) : {},
    durationMs: DURATION_MS,
    steps: [...clocks(random, members), ...onePartition(steps)].sort((a, b) => a.atMs - b.atMs),
  };
}

/** Of whom a step may be about: leaves keep one gateway that nothing happens to, the first. */
function randomStep(
  random: Random,
  { members, gateways, leaves, v1 }: Pick<Plan, 'members' | 'gateways' | 'leaves' | 'v1'>,
): Step {
  const spared = gateways > 0 ? 1 : 0;
  const member = spared + random.below(members - spared);
  const leaf = members + random.below(Math.max(1, leaves));
  const peer = V1_FROM + random.below(Math.max(1, v1));
  const kind = random.below(10);
  const when = { atMs: FIRST_MS + random.below(DURATION_MS - FIRST_MS), forMs: 200 * 2 ** (random.unit() * 8) };
  const action =
    kind === 0 && leaves > 0
      ? oneOf(random, LEAF)(random)(leaf)
      : kind === 1 && v1 > 0
        ? oneOf(random, ANYBODY)(random)(peer)
        : kind === 2
          ? oneOf(random, WHOLE)(random, members)
          : oneOf(random, [...MEMBER, ...ANYBODY])(random)(member, spared + random.below(members - spared));
  return { ...when, forMs: Math.round(when.forMs), ...action };
}

type About = (member: number, other: number) => Action;
const ways: Draw<'in' | 'out' | 'both'> = (random) => oneOf(random, ['in', 'out', 'both']);

/** What may happen to members of every kind. */
const ANYBODY: readonly Draw<(member: number) => Action>[] = [
  (random) => (member) => ({ do: 'crash', member, how: oneOf(random, ['killed', 'silent']) }),
  () => (member) => ({ do: 'leave', member }),
  () => (member) => ({ do: 'restart', member }),
  (random) => (member) => ({ do: 'metadata', member, bytes: oneOf(random, [0, 20, 600, 20_000]) }),
  (random) => (member) => ({
    do: 'broadcast',
    member,
    bytes: oneOf(random, [10, 1000, 60_000]),
    times: 1 + random.below(20),
    everyMs: 1 + random.below(500),
    reliable: chance(random, 0.5),
  }),
];

const LEAF: readonly Draw<(member: number) => Action>[] = [
  ...ANYBODY,
  () => (member) => ({ do: 'disconnect', member }),
  () => (member) => ({ do: 'hide', member }),
  () => (member) => ({ do: 'suspend', member }),
];

const MEMBER: readonly Draw<About>[] = [
  () => (member) => ({ do: 'suspend', member }),
  (random) => (member) => ({ do: 'slow', member, lateMs: 20 + random.below(1500) }),
  (random) => (member) => ({ do: 'deafen', member, ways: ways(random) }),
  (random) => (member) => ({ do: 'flip-flop', member, everyMs: 100 + random.below(10_000), ways: ways(random) }),
  (random) => (member) => ({ do: 'links', member, ways: ways(random), network: { loss: 0.2 + random.unit() * 0.8 } }),
  (random) => (member, other) =>
    member === other
      ? { do: 'suspend', member }
      : { do: 'cut', from: member, to: other, ways: oneOf(random, ['one', 'both']) },
];

const WHOLE: readonly ((random: Random, members: number) => Action)[] = [
  (random, members) => ({
    do: 'partition',
    members: Array.from({ length: members }, (_, i) => i).filter(() => chance(random, 0.4)),
  }),
  (random) => ({ do: 'network', network: mildNetwork(random) }),
  (random) => ({ do: 'network', network: { loss: 0.3 + random.unit() * 0.6 } }),
  (random) => ({ do: 'network', network: { bandwidthBytesPerS: 1000 + random.below(50_000), queueBytes: 10_000 } }),
];

/** A network on which everybody counts as connected. */
function mildNetwork(random: Random): PlainNetwork {
  const share = () => (chance(random, 0.5) ? random.unit() * 0.1 : 0);
  return {
    delayMs: oneOf(random, [1, 20, [1, 50]] as const),
    jitterMs: random.below(60),
    loss: share(),
    duplicate: share(),
    reorder: share(),
    corrupt: share(),
  };
}

/** In some runs clocks are apart, within what members take from each other, and run at different speeds. */
function clocks(random: Random, members: number): Step[] {
  if (!chance(random, 0.3)) return [];
  return [random.below(members), random.below(members)].map((member) => ({
    atMs: 0,
    do: 'clock',
    member,
    aheadMs: random.below(20_000) - 10_000,
    drift: (random.unit() - 0.5) / 1000,
  }));
}

/** Only the first partition: several would leave nobody connected to most. */
function onePartition(steps: readonly Step[]): readonly Step[] {
  const first = steps.find((step) => step.do === 'partition');
  return steps.filter((step) => step.do !== 'partition' || step === first);
}

function chance(random: Random, share: number): boolean {
  return random.unit() < share;
}

function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)] as T;
}
