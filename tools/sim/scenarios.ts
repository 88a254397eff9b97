/**
 * The scenarios: each is a small function from the number of members and a source of randomness to what happens. All times are
 * milliseconds since the cluster was whole.
 */
import { Random } from '../../src/core/random.js';
import type { Plan, Step } from './plan.js';

/** What a scenario adds to a quiet cluster whose members all know each other. */
type Script = Pick<Plan, 'durationMs'> & Partial<Omit<Plan, 'scenario' | 'seed' | 'members' | 'preset'>>;

interface Scenario {
  /** One line for people. */
  about: string;
  script(members: number, random: Random): Script;
}

/** What the command line may set of a plan. */
export interface PlanOptions {
  members: number;
  seed: number;
  v1?: number;
  preset?: Plan['preset'];
}

/** One in so many members is faulty, where some are. Source: Rapid (ATC 2018) §7, 1 % of 1,000. */
const FAULTY_SHARE = 0.01;

export const SCENARIOS = {
  steady: {
    about: 'nothing happens, for two minutes or, with few members, up to twenty: the cost of being there',
    script: (members) => ({ durationMs: Math.max(120_000, Math.min(1_200_000, Math.round(300_000_000 / members))) }),
  },
  bootstrap: {
    about: 'all join the first within a second; the time until all know all',
    script: (members, random) => ({
      start: 'apart',
      durationMs: 1000,
      steps: numbers(1, members).map((member) => ({ atMs: random.below(1000), do: 'join', member, through: 0 })),
    }),
  },
  crash: {
    about: 'a machine goes silent at 10 s, a process is killed at 70 s',
    script: (members, random) => {
      const [silent, killed] = some(random, members, 2);
      return {
        durationMs: 130_000,
        steps: [
          ...each(silent, (member) => ({ atMs: 10_000, do: 'crash', member, how: 'silent' }) as const),
          ...each(killed, (member) => ({ atMs: 70_000, do: 'crash', member, how: 'killed' }) as const),
        ],
      };
    },
  },
  'mass-crash': {
    about: 'ten machines, or a fifth of few, go silent at the same moment',
    script: (members, random) => ({
      durationMs: 130_000,
      steps: some(random, members, Math.min(10, Math.ceil(members / 5))).map((member) => ({
        atMs: 10_000,
        do: 'crash',
        member,
        how: 'silent',
      })),
    }),
  },
  lossy: {
    about: 'a tenth of the datagrams is lost, others come twice, late, out of order or spoilt; one machine goes silent',
    script: (members, random) => ({
      network: { delayMs: [1, 10], jitterMs: 20, loss: 0.1, duplicate: 0.05, reorder: 0.05, corrupt: 0.01 },
      durationMs: 180_000,
      steps: [
        ...some(random, members, 1).map((member) => ({ atMs: 60_000, do: 'crash', member, how: 'silent' }) as const),
        ...talk(random, members, 5000, 180_000),
      ],
    }),
  },
  'one-way': {
    about: '1 % of the members hear but are not heard, as many are heard but do not hear, 80 % is lost toward as many',
    script: (members, random) => {
      const count = faulty(members);
      return {
        durationMs: 150_000,
        steps: some(random, members, count * 3).map((member, i): Step => {
          const when = { atMs: 10_000, forMs: 120_000, member };
          const part = Math.floor(i / count);
          if (part === 2) return { ...when, do: 'links', ways: 'in', network: { loss: 0.8 } };
          return { ...when, do: 'deafen', ways: part === 0 ? 'out' : 'in' };
        }),
      };
    },
  },
  'flip-flop': {
    about: '1 % of the members hear nothing for 20 s, all for 20 s, and so on',
    script: (members, random) => ({
      durationMs: 150_000,
      steps: some(random, members, faulty(members)).map((member) => ({
        atMs: 10_000,
        forMs: 120_000,
        do: 'flip-flop',
        member,
        everyMs: 20_000,
        ways: 'in',
      })),
    }),
  },
  partition: {
    about: 'two halves do not reach each other for two minutes',
    script: (members, random) => ({
      durationMs: 130_000,
      steps: [
        { atMs: 10_000, forMs: 120_000, do: 'partition', members: some(random, members, Math.floor(members / 2)) },
      ],
    }),
  },
  'slow-members': {
    about: 'a sixteenth of the members stands still now and then, as many do everything up to 0.9 s late',
    script: (members, random) => {
      const count = Math.ceil(members / 16);
      const slow = some(random, members, count * 2);
      return {
        durationMs: 180_000,
        steps: slow.flatMap((member, i): Step[] => {
          if (i < count) return [{ atMs: 10_000, forMs: 160_000, do: 'slow', member, lateMs: 900 }];
          // Source: Lifeguard §V, anomalies of 128 ms to 32 s.
          return [10_000, 60_000, 110_000].map((atMs) => ({
            atMs,
            forMs: 128 * 2 ** random.below(9),
            do: 'suspend',
            member,
          }));
        }),
      };
    },
  },
  churn: {
    about: 'every two seconds somebody is killed, goes silent or leaves, and comes back within half a minute',
    script: (members, random) => ({
      durationMs: 150_000,
      steps: numbers(0, 60).map((i): Step => {
        const when = { atMs: 10_000 + i * 2000, forMs: 1000 + random.below(30_000), member: random.below(members) };
        const how = random.below(3);
        if (how === 2) return { ...when, do: 'leave' };
        return { ...when, do: 'crash', how: how === 0 ? 'killed' : 'silent' };
      }),
    }),
  },
  restart: {
    about: 'a process after the other is replaced by a new one with the same id, at once',
    script: (members, random) => ({
      durationMs: 120_000,
      steps: some(random, members, Math.min(members, 20)).map((member, i) => ({
        atMs: 10_000 + i * 5000,
        do: 'restart',
        member,
      })),
    }),
  },
  broadcast: {
    about: 'ten messages a second from all sorts of members; at 60 s four fifths of the members go silent',
    script: (members, random) => ({
      durationMs: 240_000,
      steps: [
        ...talk(random, members, 100, 240_000),
        ...some(random, members, Math.floor(members * 0.8)).map(
          (member) => ({ atMs: 60_000, do: 'crash', member, how: 'silent' }) as const,
        ),
      ],
    }),
  },
  mixed: {
    about: 'with peers of the Go library: all broadcast, one of each kind goes silent',
    script: (members, random) => ({
      v1: Math.max(2, Math.ceil(members / 4)),
      durationMs: 150_000,
      steps: [
        ...talk(random, members, 2000, 150_000),
        ...[0, 1].map((peer) => v1Talk(peer)),
        ...some(random, members, 1).map((member) => ({ atMs: 60_000, do: 'crash', member, how: 'silent' }) as const),
        { atMs: 70_000, do: 'crash', member: 1_000_000, how: 'silent' },
      ],
    }),
  },
  leaves: {
    about: 'as many leaves as members, at up to three gateways; one of these is killed, another closes',
    script: (members, random) => ({
      gateways: Math.min(3, members),
      leaves: members,
      durationMs: 150_000,
      steps: [
        ...talk(random, members * 2, 2000, 150_000),
        ...numbers(members, members * 2).map(
          (member) => ({ atMs: 20_000 + random.below(10_000), do: 'disconnect', member }) as const,
        ),
        { atMs: 40_000, forMs: 30_000, do: 'crash', member: 0, how: 'killed' },
        { atMs: 90_000, forMs: 20_000, do: 'close-gateway', member: Math.min(1, members - 1) },
      ],
    }),
  },
} as const satisfies Record<string, Scenario>;

/** A scenario's name. */
export type ScenarioName = keyof typeof SCENARIOS;

/** Makes the plan of a scenario. */
export function planOf(scenario: ScenarioName, { members, seed, v1, preset = 'lan' }: PlanOptions): Plan {
  const script: Script = SCENARIOS[scenario].script(members, new Random(seed));
  return {
    scenario,
    seed,
    members,
    gateways: 0,
    leaves: 0,
    preset,
    start: 'connected',
    network: {},
    steps: [],
    ...script,
    v1: v1 ?? script.v1 ?? 0,
  };
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

/** So many different members; at least one remains. */
function some(random: Random, members: number, count: number): number[] {
  return random.sample(numbers(0, members), Math.min(count, members - 1));
}

function each<T>(member: number | undefined, step: (member: number) => T): T[] {
  return member === undefined ? [] : [step(member)];
}

function faulty(members: number): number {
  return Math.ceil(members * FAULTY_SHARE);
}

/** Messages of 100 bytes by somebody else each time. */
function talk(random: Random, members: number, everyMs: number, untilMs: number): Step[] {
  return numbers(0, Math.floor((untilMs - 5000) / everyMs)).map((i) => ({
    atMs: 5000 + i * everyMs,
    do: 'broadcast',
    member: random.below(members),
    bytes: 100,
    times: 1,
    everyMs,
    reliable: false,
  }));
}

function v1Talk(peer: number): Step {
  const member = 1_000_000 + peer;
  return { atMs: 6000, do: 'broadcast', member, bytes: 100, times: 30, everyMs: 4000, reliable: peer % 2 === 1 };
}
