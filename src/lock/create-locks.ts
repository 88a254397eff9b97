/** How locks start at a member: what one says of them, and the parts put together, the quorum, the voter's half and the client's. */
import { checkNames, GossipError } from '../errors.js';
import type { Clock, Cluster } from '../index.js';
import { platformClock } from '../quorum/clock.js';
import { createQuorum, type QuorumStorage } from '../quorum/index.js';
import { type Answer, type Command, isCommand, LOCK_LIMITS } from './commands.js';
import { Locks } from './locks.js';
import { LockVoter } from './voter.js';

/** What {@link createLocks} takes; the voters are required. */
export interface LocksOptions {
  /**
   * Who keeps the locks: the same list at all members, 1 to 9 addresses or member ids, whichever stays the same when a voter
   * starts again; three or five, so that one or two may fail. Everybody else is a client, leaves too.
   */
  voters: readonly string[];
  /** Names these locks, if there are several kinds with voters of their own. Default `locks`. */
  name?: string;
  /** Where a voter keeps what it must not forget over a restart. Default: nowhere; the other voters teach it. */
  storage?: QuorumStorage;
  /**
   * A holder that is not heard of for so long has lost its locks, in ms; 500 to 600,000, default 15,000. Ours: each member may have
   * its own. Six times `leaseMs` or more, and a change of the leading voter is survived.
   */
  sessionTtlMs?: number;
  /** How long a voter leads without a majority, in ms, see `isogossip/quorum`. The same at all voters. Default 2000. */
  leaseMs?: number;
  /** Time, for tests and simulations. Default: the platform's. */
  clock?: Clock;
  /** In [0, 1): for tests and simulations. Default: `Math.random`. */
  random?: () => number;
  /** Closes the locks. */
  signal?: AbortSignal;
}

/** Their names. */
const OPTIONS: Record<keyof LocksOptions, 1> = {
  voters: 1,
  name: 1,
  storage: 1,
  sessionTtlMs: 1,
  leaseMs: 1,
  clock: 1,
  random: 1,
  signal: 1,
};

/**
 * Starts locks at this member: as a voter if it is among `voters`, else as a client of them.
 *
 * One of these for each name; the options of voters must be the same at all of them.
 * @throws GossipError `ERR_OPTION`, and what the storage failed with.
 */
export async function createLocks(cluster: Cluster, options: LocksOptions): Promise<Locks> {
  checkNames(options, OPTIONS);
  const { name = 'locks', sessionTtlMs = 15_000, clock = platformClock(), signal } = options;
  const { ttlMsMin, ttlMsMax } = LOCK_LIMITS;
  if (!Number.isInteger(sessionTtlMs) || sessionTtlMs < ttlMsMin || sessionTtlMs > ttlMsMax) {
    const range = `an integer from ${ttlMsMin} to ${ttlMsMax}`;
    throw new GossipError('ERR_OPTION', `option sessionTtlMs is ${sessionTtlMs}; it must be ${range}`);
  }
  let locks: Locks | undefined;
  const voter = new LockVoter({
    clock,
    cluster,
    tell: (member, answer) => locks?.tell(member, answer),
    count: (what) => locks?.count(what),
  });
  const { voters, storage, leaseMs, random } = options;
  const quorum = await createQuorum<Command, Answer>(cluster, {
    name: `lock/${name}`,
    voters,
    machine: voter.machine,
    // Nobody speaks for another, and only voters judge.
    accepts: (command, from) =>
      isCommand(command) &&
      (command.type === 'open' || command.type === 'turn'
        ? command.member === from.id
        : (locks?.isVoter(from) ?? false)),
    watches: false,
    clock,
    ...(storage && { storage }),
    ...(leaseMs !== undefined && { leaseMs }),
    ...(random && { random }),
  });
  locks = new Locks(cluster, quorum, voter, { name, sessionTtlMs, clock, signal });
  voter.start(quorum);
  if (signal?.aborted) await locks.close();
  return locks;
}
