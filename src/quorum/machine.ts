/**
 * The border of a replicated machine: what is plugged into a quorum, and how a quorum's leadership looks from outside. The
 * same commands are applied in the same order at every voter, so that each of them holds the same state.
 */

/**
 * A state machine that a quorum of voters keeps the same at all of them. It is handed to {@link createQuorum} and belongs to
 * it from then on.
 *
 * - It is deterministic: what `apply` does and answers depends on the commands so far and on nothing else: no clock, no
 *   randomness, no outside. Who needs a time or a random number puts it into the command.
 * - Commands, results, questions, answers and snapshots travel in the cluster's codec: plain values, no classes, `undefined` is
 *   left out. A command takes at most 32 KiB and 32 levels, has neither `NaN`, `Infinity` nor text with half a surrogate pair, and under
 *   `json`, which makes texts of them, neither bytes nor dates. A snapshot takes what `limits.frameBytesMax` of the cluster leaves room for.
 * - It does not throw. A command that does not fit is answered with a result that says so. Only `restore` may, for what no `snapshot`
 *   has made, before it has changed anything: then it is not taken over.
 * - The same command may come twice when its proposer asked again after an unknown outcome: commands that must not count twice
 *   bear an id that the machine remembers.
 */
export interface ReplicatedMachine<Command, Result, Question = never, Answer = never> {
  /**
   * Does what a command says; it is committed: a majority has it and it will never be undone.
   * @param at - `index` grows by at least 1 from command to command, `term` never falls; both are the same at all voters, so that
   *   either may serve as a fencing token. A command's `term` is that of the leadership that took it.
   */
  apply(command: Command, at: { readonly index: number; readonly term: number }): Result;
  /** Answers a question without changing anything. Asked at the leader alone, under a valid lease: it has seen all that was committed. */
  query?(question: Question): Answer;
  /** The whole state as a value, which is kept and sent: later commands must not change it. */
  snapshot(): unknown;
  /** Takes over a state that `snapshot` of another voter has made, whatever the state was before. */
  restore(snapshot: unknown): void;
}

/** Who leads, as far as one member knows. */
export interface Leadership {
  /** The leader's name among the voters: its address or member id, as `voters` says. */
  readonly leader: string;
  /**
   * The fencing token: the term of this leadership. No two leaderships have the same, and a later one has a greater. Pass it along
   * with whatever the leader does to something outside, and let that refuse a token lower than the highest it has seen.
   */
  readonly token: number;
  /** We are it. Whether we still are at this moment, only `isLeader()` says. */
  readonly mine: boolean;
}
