/** Plays one history from a seed: draws what kind it is, lets it happen, and looks whether a leader comes when all is well again. */
import { Random } from '../../src/core/random.js';
import { aliasOf, type Faults, LEASE_MS, World } from './world.js';

/** A leader is there, and takes commands, so long after the last fault. Source: guess; of 100,000 the slowest took 7 leases. */
const HEALED_MS = 30 * LEASE_MS;

/** Draws what happens in a history. */
function faultsOf(seed: number): Faults {
  const random = new Random(seed * 7919 + 1);
  const often = (most: number) => (random.unit() < 0.4 ? 0 : random.unit() * most);
  return {
    voters: [1, 2, 3, 3, 3, 4, 5, 5][random.below(8)] as number,
    spare: random.below(3),
    durable: [0, 0, 0.5, 1, 1][random.below(5)] as number,
    loss: often(0.3),
    duplicate: often(0.3),
    late: often(0.2),
    partitions: often(0.5),
    pauses: often(0.5),
    crashes: often(0.5),
    changes: often(0.3),
    resignations: often(0.3),
    whims: often(0.3),
    proposals: often(20),
    careless: random.unit() < 0.3,
    forMs: 20 * LEASE_MS,
  };
}

export interface Played {
  world: World;
  healedMs: number;
}

/** @throws Error that says what must not have happened. */
export function play(seed: number, trace = false): Played {
  const faults = faultsOf(seed);
  const world = new World(seed, faults);
  if (trace) world.trace = [];
  try {
    disturb(world);
    world.run(faults.forMs);
    // Where some have a disk and some have none, those who have may wait for those who have not, for ever: the docs say so.
    const mixed = new Set(world.processes.map(({ durable }) => durable)).size > 1;
    const healedMs = mixed ? 0 : heal(world);
    return { world, healedMs };
  } catch (error) {
    if (world.trace) console.log(world.trace.slice(-400).join('\n'));
    throw error;
  }
}

/** Something happens now and then. */
function disturb(world: World): void {
  const { random, faults, processes } = world;
  const sometimes = (perSecond: number, happen: () => void) => {
    if (perSecond === 0) return;
    const again = () => {
      const waitMs = (-Math.log(1 - random.unit()) * 1000) / perSecond;
      if (world.nowMs + waitMs >= faults.forMs) return;
      world.after(waitMs, () => {
        happen();
        again();
      });
    };
    again();
  };
  const one = () => processes[random.below(processes.length)] as (typeof processes)[number];
  sometimes(faults.partitions, () => {
    if (random.unit() < 0.4) return world.cut(new Map());
    const groups = random.unit() < 0.7 ? [0, 1] : [0, 1, 9];
    world.cut(new Map(processes.map(({ name }) => [name, groups[random.below(groups.length)] as number])));
  });
  sometimes(faults.pauses, () => {
    // The one that leads is the one that matters.
    const process = (random.unit() < 0.5 && world.leading()) || one();
    if (!process.running) return;
    const { life } = process;
    process.pausedUntilMs = Math.max(process.pausedUntilMs, world.nowMs + random.unit() ** 2 * 5 * LEASE_MS);
    const wake = () => {
      if (process.life !== life || world.nowMs < process.pausedUntilMs) return;
      const { waiting } = process;
      process.waiting = [];
      for (const input of waiting) if (process.life === life) world.input(process, input);
    };
    world.agenda.add(process.pausedUntilMs, { happen: wake });
  });
  sometimes(faults.crashes, () => {
    const all = faults.careless && random.unit() < 0.2;
    for (const process of all ? processes : [one()]) {
      if (!process.running) continue;
      if (!world.mayForget(process)) {
        if (!faults.careless) continue;
        world.lossy = true;
      }
      world.crash(process);
      world.after(random.unit() * 3 * LEASE_MS, () => {
        if (!process.running) world.start(process);
      });
    }
  });
  sometimes(faults.resignations, () => {
    const process = world.leading();
    if (process) world.input(process, { type: 'resign' });
  });
  sometimes(faults.whims, () => {
    const process = one();
    world.input(process, { type: 'eligible', eligible: !process.replica.eligible });
  });
  sometimes(faults.changes, () => {
    const process = world.leading();
    if (!process) return;
    const names = random.sample(
      processes.map(({ name }) => name),
      1 + random.below(processes.length),
    );
    // Who has a disk takes it that all have.
    const strangers = names.some((name) => !world.names.includes(name));
    if (strangers && new Set(processes.map(({ durable }) => durable)).size > 1) return;
    // Those who are no voters at first are called so at one time and otherwise at another.
    const calls = (name: string) =>
      world.names.includes(name) || Math.floor(world.nowMs) % 2 === 0 ? name : aliasOf(name);
    world.input(process, { type: 'change-voters', names: names.map(calls), ref: -1 });
  });
  sometimes(faults.proposals, () => world.propose(random.unit() < 0.7 ? (world.leading() ?? one()) : one()));
}

/** All is well again: how long until there is a leader that takes commands. */
function heal(world: World): number {
  const { processes, faults } = world;
  world.cut(new Map());
  Object.assign(faults, { loss: 0, duplicate: 0, late: 0 });
  const fromMs = world.nowMs;
  for (const process of processes) {
    if (!process.running) world.start(process);
    const { waiting } = process;
    process.pausedUntilMs = 0;
    process.waiting = [];
    for (const input of waiting) world.input(process, input);
    world.input(process, { type: 'eligible', eligible: true });
  }
  const before = world.successes;
  const healed = world.run(fromMs + HEALED_MS, () => {
    const leader = world.successes === before ? world.leading() : undefined;
    if (leader && [...world.proposals.values()].at(-1) !== 'open') world.propose(leader);
    return world.successes > before;
  });
  if (!healed) world.fail('nobody leads though all is well');
  for (const [command, state] of world.proposals) {
    const wrong = state !== 'ok' && state !== 'lost' && state !== 'open' && world.appliedCommands.has(command);
    if (wrong) world.fail(`command ${command} was refused (${state}) and applied`);
  }
  return world.nowMs - fromMs;
}
