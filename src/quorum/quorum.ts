/**
 * One quorum at one member: drives the replica when this member is a voter, and otherwise asks the voters. (Interface first.)
 */
import type { Clock, Cluster } from '../index.js';
import type { Leadership, ReplicatedMachine } from './machine.js';

/** What {@link createQuorum} takes. */
export interface QuorumOptions<Command, Result, Question = never, Answer = never> {
  /** Names the quorum; several may live in one cluster. At most 64 bytes. The same at all members. */
  name: string;
  /**
   * The voters at first, the same list at all members, in any order: 1 to 9 addresses or member ids, whichever stays the same when a
   * voter starts again. Who is not among them takes part as a client; `changeVoters` may make it a voter. Ignored once `storage` holds
   * a newer set.
   */
  voters: readonly string[];
  machine: ReplicatedMachine<Command, Result, Question, Answer>;
  /** Where a voter keeps what it must not forget. Without: a voter that starts again is a new one and takes the old one's place. */
  storage?: QuorumStorage;
  /**
   * How long a leader leads without hearing from a majority, in ms; 100 to 600,000, default 2000. A new leader is there 1.25 to 3 times that
   * after the old one has fallen silent. Clocks of voters may run apart by 10 %.
   */
  leaseMs?: number;
  /** Whether this voter may lead: asked again and again. One that may not still votes, and leads only to hand over. Default: yes. */
  eligible?: () => boolean;
  /** Time, for tests and simulations: monotonic. Default: the platform's. */
  clock?: Clock;
  /** Seed of the waits before an election, for tests and simulations. Default: random. */
  seed?: number;
  /** Closes it. */
  signal?: AbortSignal;
}

/** Keeps a voter's state over restarts: one small value (its log is cut at 64 entries), replaced as a whole. */
export interface QuorumStorage {
  /** What was saved last; `undefined` when nothing ever was. */
  load(): unknown | Promise<unknown>;
  /** Resolves when the value is safe from a crash: nothing that depends on it is told to anybody before. When it fails the voter stops. */
  save(state: unknown): void | Promise<void>;
}

/** A command or question's way to the leader. */
export interface ProposeOptions {
  /** Default: 10,000 ms. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** The machine ignores what comes twice: propose again when the outcome is unknown, until the deadline. Default false. */
  idempotent?: boolean;
}

/** A replicated machine at one member. */
export interface Quorum<Command, Result, Question = never, Answer = never> extends AsyncDisposable {
  /** Who leads, as far as we know. */
  readonly leadership: Leadership | undefined;
  /** Whether we lead at this very moment: reads the clock, and is false as soon as the lease has run out. */
  isLeader(): boolean;
  /**
   * Has a command applied, from a voter or any other member, through whoever leads.
   * @returns what `apply` returned.
   * @throws GossipError `ERR_TIMEOUT`: no answer within the deadline, or the leader lost its leadership meanwhile: the command **may or may not
   *   have been or be applied**; with `idempotent` it was proposed again until the deadline. `ERR_UNREACHABLE`: no leader was found until
   *   the deadline, it was not applied. `ERR_OVERLOADED`: the leader has too many open, it was not applied. `ERR_ABORTED` (may or may
   *   not be applied), `ERR_TOO_LARGE`, `ERR_CODEC`, `ERR_CLOSED`.
   */
  propose(command: Command, options?: ProposeOptions): Promise<Result>;
  /** Asks the machine at the leader, under its lease: the answer knows all that was committed before. Errors as {@link propose}. */
  query(question: Question, options?: Omit<ProposeOptions, 'idempotent'>): Promise<Answer>;
  /**
   * Hears of each change of leadership as we see it, `undefined` when nobody is known to lead; and at voters of each command as it is
   * applied to our copy of the machine (not of those that came within a snapshot: hear `restored` for that).
   * @returns a function that stops it.
   */
  on(
    event: 'leadership',
    handler: (now: Leadership | undefined, before: Leadership | undefined) => unknown,
  ): () => void;
  on(
    event: 'applied',
    handler: (command: Command, result: Result, at: { index: number; term: number }) => unknown,
  ): () => void;
  on(event: 'restored', handler: () => unknown): () => void;
  /** Hands over when we lead: to the voter that has all and may lead, at once. Resolves when we lead no more. */
  resign(): Promise<void>;
  /**
   * Replaces the set of voters, by joint consensus: at each moment one set, or both, decide.
   * @throws GossipError `ERR_OPTION` (the list), `ERR_UNREACHABLE` (a new voter has not caught up in time, nothing was changed), and as {@link propose}.
   */
  changeVoters(voters: readonly string[], options?: Omit<ProposeOptions, 'idempotent'>): Promise<void>;
  /** The voters as far as we know. */
  readonly voters: readonly string[];
  /** Counters, and the present size of what can grow. */
  stats(): Record<string, number>;
  /** Hands over when we lead, and stops. Idempotent. */
  close(): Promise<void>;
}

/** Starts a quorum at this member. */
export type CreateQuorum = <C, R, Q = never, A = never>(
  cluster: Cluster,
  options: QuorumOptions<C, R, Q, A>,
) => Promise<Quorum<C, R, Q, A>>;
