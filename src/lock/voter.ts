/**
 * The voters' half of the locks: the table as a machine of the quorum, and, where this voter leads, the keeper's verdicts and
 * the word to whoever was granted a lock while it waited.
 */
import type { Clock, Cluster, MemberId } from '../index.js';
import type { Quorum, ReplicatedMachine } from '../quorum/index.js';
import type { Answer, Command } from './commands.js';
import { LockKeeper } from './keeper.js';
import { LockTable } from './table.js';

interface VoterOwner {
  readonly clock: Clock;
  readonly cluster: Cluster;
  /** Tells a member what its session was granted. */
  tell(member: MemberId, answer: Answer): void;
  count(name: string): void;
}

export class LockVoter {
  readonly table = new LockTable();
  readonly #keeper = new LockKeeper(this.table);
  readonly #owner: VoterOwner;
  #quorum: Quorum<Command, Answer> | undefined;
  /** Sessions that were granted something by commands that we have not been told of yet. */
  readonly #granted = new Set<number>();
  #cancelTimer = () => {};
  readonly #stops: (() => void)[] = [];

  constructor(owner: VoterOwner) {
    this.#owner = owner;
  }

  readonly machine: ReplicatedMachine<Command, Answer> = {
    apply: (command, { term }) => {
      const { answer, granted } = this.table.apply(command, term);
      for (const session of granted) this.#granted.add(session);
      return answer;
    },
    snapshot: () => this.table.snapshot(),
    restore: (snapshot) => this.table.restore(snapshot),
  };

  start(quorum: Quorum<Command, Answer>): void {
    this.#quorum = quorum;
    const { cluster } = this.#owner;
    const judge = () => this.#judge();
    this.#stops.push(
      quorum.on('applied', ({ command, result }) => this.#applied(command, result)),
      quorum.on('leadership', judge),
      cluster.on('state', judge),
      cluster.on('left', judge),
    );
    judge();
  }

  stop(): void {
    this.#cancelTimer();
    for (const stop of this.#stops.splice(0)) stop();
  }

  stats(): Record<string, number> {
    return { ...this.table.stats(), sessionsWatched: this.#keeper.size };
  }

  #applied(command: Command, answer: Answer): void {
    const granted = [...this.#granted];
    this.#granted.clear();
    const number = answer.type === 'opened' ? answer.session : command.type === 'open' ? 0 : command.session;
    if (!this.#quorum?.leadership?.mine) return;
    this.#keeper.heard(number, this.#owner.clock.now());
    for (const session of granted) {
      const told = this.table.view(session);
      if (told) this.#owner.tell(told.member as MemberId, told.view);
    }
    // The time of all others that are known only becomes later.
    if (answer.type === 'opened') this.#judge();
  }

  #judge(): void {
    this.#cancelTimer();
    const quorum = this.#quorum;
    if (!quorum?.leadership?.mine) return;
    const { cluster, clock } = this.#owner;
    const isDead = (member: string) => {
      const state = cluster.member(member as MemberId)?.state;
      return state === 'dead' || state === 'leaving';
    };
    const nowMs = clock.now();
    const { verdicts, wakeAtMs } = this.#keeper.judge(nowMs, isDead);
    for (const verdict of verdicts) {
      quorum.propose(verdict).catch(() => this.#owner.count('verdictsFailed'));
    }
    if (wakeAtMs < Number.POSITIVE_INFINITY) this.#cancelTimer = clock.schedule(wakeAtMs - nowMs, () => this.#judge());
  }
}
