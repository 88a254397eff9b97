/** What a quorum is told when it starts, checked: every error names the option and the way out. */
import { checkNames, GossipError } from '../errors.js';
import type { Clock, Member } from '../index.js';
import type { ReplicatedMachine } from './machine.js';

/** What {@link createQuorum} takes. */
export interface QuorumOptions<Command, Result, Question = never, Answer = never> {
  /** Names the quorum; several may live in one cluster. At most 128 characters. The same at all members. */
  name: string;
  /**
   * The voters at first, the same list at all members, in any order: 1 to 9 addresses or member ids, whichever stays the same when a
   * voter starts again: each by one of them at all members. Who is not among them takes part as a client; `changeVoters` may make it a voter. A voter that knows of an
   * agreement goes by that.
   */
  voters: readonly string[];
  machine: ReplicatedMachine<Command, Result, Question, Answer>;
  /**
   * Where a voter keeps what it must not forget; at all voters or at none. Without, a voter that starts again is a new one and takes
   * the old one's place, and what was agreed upon is lost when a majority starts again at a time. With, who was voted out must not
   * come back with nothing saved as long as `voters` names it: when all that `voters` names have nothing saved, they begin anew,
   * even if others go on that they have never heard of, and there are two leaders.
   */
  storage?: QuorumStorage;
  /**
   * How long a leader leads without hearing from a majority, in ms; 100 to 600,000, default 2000. A new leader is there 1.25 to 3 times
   * that after the old one has fallen silent. Clocks of voters may run apart by 10 %. The same at all members.
   */
  leaseMs?: number;
  /** Whether this voter may lead: asked again and again. One that may not votes all the same, and leads only to hand over. Default: yes. */
  eligible?: () => boolean;
  /** Whether another member may have a command applied: asked at a voter that is brought it. Default: every member may everything. */
  accepts?: (command: Command, from: Member) => boolean;
  /**
   * Whether a member that does not vote wants to know who leads, at the price of a request in two leases. Default true. Without,
   * `leadership` stays undefined there; it can propose and ask all the same. A leaf that leads cannot make it a voter then.
   */
  watches?: boolean;
  /** Time, for tests and simulations: monotonic, and not `Clock`'s that makes up for sleep. Default: the platform's. */
  clock?: Clock;
  /** In [0, 1): for tests and simulations. Default: `Math.random`. */
  random?: () => number;
  /** Closes it. */
  signal?: AbortSignal;
}

/** Keeps a voter's state over restarts: one small value (its log is cut at 64 entries), replaced as a whole. */
export interface QuorumStorage {
  /** What was saved last; `undefined` or `null` when nothing ever was. Anything else that was never saved is `ERR_STORAGE`. */
  load(): unknown | Promise<unknown>;
  /**
   * Resolves when the value is safe from a crash: nothing that depends on it is told to anybody before. Called again only after that.
   * When it fails, this member stops taking part.
   */
  save(state: unknown): void | Promise<void>;
}

/** @throws GossipError `ERR_OPTION` */
export function bad(option: string, text: string): never {
  throw new GossipError('ERR_OPTION', `option ${option} ${text}`);
}

/** @throws GossipError `ERR_OPTION` */
export function checkVoters(voters: readonly string[], option = 'voters'): void {
  /** Source: Chubby's and etcd's advice is 5, 7 at most; each vote and each command goes to all. */
  const VOTERS_MAX = 9;
  if (!Array.isArray(voters) || voters.length < 1 || voters.length > VOTERS_MAX)
    bad(option, `must be 1 to ${VOTERS_MAX} names`);
  const isName = (name: unknown) => typeof name === 'string' && name.length > 0 && name.length <= 1024;
  if (!voters.every(isName)) bad(option, 'must be addresses or member ids');
  if (new Set(voters).size < voters.length) bad(option, 'names somebody twice');
}

/** Their names. */
const OPTIONS: Record<keyof QuorumOptions<never, never>, 1> = {
  name: 1,
  voters: 1,
  machine: 1,
  storage: 1,
  leaseMs: 1,
  eligible: 1,
  accepts: 1,
  watches: 1,
  clock: 1,
  random: 1,
  signal: 1,
};

/** @throws GossipError `ERR_OPTION` */
export function checkQuorumOptions(options: { name: string; voters: readonly string[]; leaseMs?: number }): void {
  checkNames(options, OPTIONS);
  const { name, voters, leaseMs = 2000 } = options;
  if (typeof name !== 'string' || name.length < 1 || name.length > 128)
    bad('name', 'must be a string of 1 to 128 characters');
  checkVoters(voters);
  if (!(leaseMs >= 100 && leaseMs <= 600_000)) bad('leaseMs', `is ${leaseMs}; it must be 100 to 600,000 ms`);
}
