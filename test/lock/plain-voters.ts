/**
 * Voters whose agreement is a plain list, so that a history takes a moment: they apply it late, stand still, several of them believe to
 * lead, and one that has forgotten everything is given another's state.
 */
import type { Answer, Command } from '../../src/lock/commands.js';
import { LockKeeper } from '../../src/lock/keeper.js';
import { LockTable } from '../../src/lock/table.js';
import { LocalClock, type Stage, TTL_MS } from './stage.js';
import type { Voters, VotersOwner } from './world.js';

const VOTERS = 3;

interface Voter {
  readonly table: LockTable;
  readonly keeper: LockKeeper;
  readonly clock: LocalClock;
  applied: number;
  /** It will catch up. */
  isBehind: boolean;
  isRestored: boolean;
  leads: boolean;
  pausedUntilMs: number;
  wakeAtMs: number;
}

export class PlainVoters implements Voters {
  readonly #stage: Stage;
  readonly #owner: VotersOwner;
  readonly #voters: Voter[];
  readonly #log: { command: Command; answer: Answer }[] = [];
  #quorumFromMs = 0;

  constructor(stage: Stage, owner: VotersOwner) {
    this.#stage = stage;
    this.#owner = owner;
    this.#voters = Array.from({ length: VOTERS }, (_, at) => {
      const table = new LockTable();
      const clock = new LocalClock(stage.random);
      const rest = {
        applied: 0,
        isBehind: false,
        isRestored: false,
        leads: at === 0,
        pausedUntilMs: 0,
        wakeAtMs: Number.NaN,
      };
      return { table, keeper: new LockKeeper(table), clock, ...rest };
    });
  }

  arrive(command: Command, answered: (answer: Answer) => void): void {
    // Who stands still at the other end is another voter's matter; without a majority nothing is committed.
    if (this.#stage.nowMs >= this.#quorumFromMs) answered(this.#commit(command));
  }

  #commit(command: Command): Answer {
    const { answer, granted } = this.#owner.committed(command, 1);
    this.#log.push({ command, answer });
    for (const voter of this.#voters) {
      if (voter.leads && this.#stage.nowMs >= voter.pausedUntilMs) this.#catchUp(voter, granted);
      else if (!voter.isBehind) {
        voter.isBehind = true;
        this.#stage.in(this.#stage.random.unit() * 100, () => this.#catchUp(voter, []));
      }
    }
    return answer;
  }

  #catchUp(voter: Voter, granted: readonly number[]): void {
    if (this.#stage.nowMs < voter.pausedUntilMs) {
      this.#stage.at(voter.pausedUntilMs, () => this.#catchUp(voter, []));
      return;
    }
    voter.isBehind = false;
    for (; voter.applied < this.#log.length; voter.applied++) {
      const { command, answer: expected } = this.#log[voter.applied] as { command: Command; answer: Answer };
      const { answer } = voter.table.apply(command, 1);
      if (voter.isRestored && !isSame(answer, expected)) this.#stage.broken('a voter answers otherwise');
      const session = command.type === 'open' ? (answer.type === 'opened' ? answer.session : 0) : command.session;
      voter.keeper.heard(session, voter.clock.at(this.#stage.nowMs));
    }
    for (const session of granted) {
      const told = voter.table.view(session);
      if (told) this.#owner.tell(told.member, told.view);
    }
    this.#judge(voter);
  }

  #judge(voter: Voter): void {
    const { nowMs, random, isQuiet, loss, tail } = this.#stage;
    if (!voter.leads || nowMs < voter.pausedUntilMs) return;
    const { verdicts, wakeAtMs } = voter.keeper.judge(voter.clock.at(nowMs), (member) => this.#owner.dead.has(member));
    for (const verdict of verdicts) {
      // Its way into the log may be long; it must not matter.
      if (!isQuiet && random.unit() < loss) continue;
      this.#stage.in(random.unit() * (isQuiet || random.unit() > tail ? 20 : 3 * TTL_MS), () => {
        if (this.#stage.nowMs >= this.#quorumFromMs) this.#commit(verdict);
      });
    }
    const atMs = voter.clock.real(wakeAtMs);
    if (voter.wakeAtMs === atMs) return;
    voter.wakeAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#stage.at(atMs, () => {
      if (voter.wakeAtMs !== atMs) return;
      voter.wakeAtMs = Number.NaN;
      if (this.#stage.nowMs >= voter.pausedUntilMs) this.#judge(voter);
      else this.#stage.at(voter.pausedUntilMs, () => this.#judge(voter));
    });
  }

  fault(untilMs: number): void {
    const { random } = this.#stage;
    const voter = this.#voters[random.below(VOTERS)] as Voter;
    switch (random.below(4)) {
      case 0:
        this.#stage.tell(() => `no majority until ${untilMs}`);
        this.#quorumFromMs = untilMs;
        return;
      case 1:
        this.#stage.tell(() => `a voter stands still until ${untilMs}`);
        voter.pausedUntilMs = untilMs;
        return;
      case 2:
        // The one before may believe to lead for long.
        for (const other of this.#voters) {
          if (other !== voter && random.unit() < 0.7) other.leads = false;
        }
        this.#lead(voter);
        return;
      default: {
        const other = this.#voters[random.below(VOTERS)] as Voter;
        voter.table.restore(JSON.parse(JSON.stringify(other.table.snapshot())));
        voter.applied = other.applied;
        voter.isRestored = true;
        this.#catchUp(voter, []);
      }
    }
  }

  deathsChanged(): void {
    for (const voter of this.#voters) this.#judge(voter);
  }

  #lead(voter: Voter): void {
    this.#catchUp(voter, []);
    voter.leads = true;
    this.#judge(voter);
  }

  heal(): void {
    this.#quorumFromMs = 0;
    for (const voter of this.#voters) {
      voter.pausedUntilMs = Math.min(voter.pausedUntilMs, this.#stage.nowMs);
      voter.leads = false;
    }
    this.#lead(this.#voters[0] as Voter);
  }

  tables(): LockTable[] {
    return this.#voters.map(({ table }) => table);
  }
}

/** As texts are dear to make, lists are looked through. */
function isSame(a: Answer, b: Answer): boolean {
  if (a.type !== 'view' || b.type !== 'view') return JSON.stringify(a) === JSON.stringify(b);
  return (
    a.session === b.session &&
    a.turn === b.turn &&
    a.answers.length === b.answers.length &&
    a.answers.every((answer, at) => answer === b.answers[at]) &&
    a.grants.length === b.grants.length &&
    a.grants.every(([claim, token], at) => claim === b.grants[at]?.[0] && token === b.grants[at]?.[1])
  );
}
