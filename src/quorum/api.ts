/** What a quorum is to the application that has one. */
import type { Leadership } from './machine.js';

/** A command or question's way to the leader. */
export interface ProposeOptions {
  /** Default: 10,000 ms. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** The machine ignores what comes twice: propose again when the outcome is unknown, until the deadline. Default false. */
  idempotent?: boolean;
}

/** What a quorum tells, by name. */
export interface QuorumEvents<Command, Result> {
  /** Who leads has changed, as we see it; `undefined`: nobody is known to. */
  leadership: { readonly now: Leadership | undefined; readonly before: Leadership | undefined };
  /** At voters: a command was applied to our copy of the machine. */
  applied: { readonly command: Command; readonly result: Result; readonly index: number; readonly term: number };
  /** At voters: our copy was replaced as a whole by another voter's, which may hold commands that were not told. */
  restored: Record<string, never>;
}

/** A replicated machine at one member. Made by {@link createQuorum}. */
export interface Quorum<Command, Result, Question = never, Answer = never> extends AsyncDisposable {
  /** Who leads, as far as we know. */
  readonly leadership: Leadership | undefined;
  /** The voters, as far as we know. */
  readonly voters: readonly string[];
  /** Whether we lead at this very moment: reads the clock, and is false as soon as the lease has run out. */
  isLeader(): boolean;
  /**
   * Has a command applied, from a voter or any other member, through whoever leads.
   * @returns what `apply` returned.
   * @throws GossipError `ERR_TIMEOUT`: no answer within the deadline, or the leader lost its leadership meanwhile: the command **may or may
   *   not have been applied, or be applied yet**; with `idempotent` it was proposed again until the deadline. `ERR_UNREACHABLE`: no
   *   leader was found until the deadline; it was not applied. `ERR_OVERLOADED`: too many are open; it was not applied. `ERR_ABORTED`
   *   (may or may not), `ERR_TOO_LARGE`, `ERR_CODEC`, `ERR_REFUSED`, `ERR_CLOSED`.
   */
  propose(command: Command, options?: ProposeOptions): Promise<Result>;
  /** Asks the machine at the leader, under its lease: the answer knows all that was committed before. Errors as {@link propose}. */
  query(question: Question, options?: Omit<ProposeOptions, 'idempotent'>): Promise<Answer>;
  /** Hears an event. Handlers that fail are counted (`handlersFailed`). @returns a function that stops it. */
  on<K extends keyof QuorumEvents<Command, Result>>(
    event: K,
    handler: (event: QuorumEvents<Command, Result>[K]) => unknown,
  ): () => void;
  /** When we lead, hands over to a voter that has all and may lead. Resolves when we lead no more, within half a lease. */
  resign(): Promise<void>;
  /**
   * Replaces the set of voters, by joint consensus: at each moment one set decides, or both. Without `storage` it must be some of those
   * that the option `voters` names. A leaf may ask for it only if it is a voter.
   * A voter of the option `voters` goes by the name it has there.
   * @throws GossipError `ERR_OPTION` (the list), `ERR_REFUSED`, `ERR_UNREACHABLE` (a new voter has not caught up in time; nothing was changed), and as
   *   {@link propose}.
   */
  changeVoters(voters: readonly string[], options?: Omit<ProposeOptions, 'idempotent'>): Promise<void>;
  /** Counters, and the present size of what can grow. */
  stats(): Record<string, number>;
  /** Hands over when we lead, and stops. Idempotent. */
  close(): Promise<void>;
}
