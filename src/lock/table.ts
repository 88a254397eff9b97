/**
 * Who holds which lock and who waits for it: the state that the voters replicate. A pure function of the commands in their
 * log: it knows no clock, no member and no network. That a session has outlived its time the leader decides, by its own
 * clock, and says so by a command. One counter numbers sessions and tokens, so that no number is given twice.
 */
import {
  type Answer,
  type Command,
  isCommand,
  LOCK_LIMITS,
  type Operation,
  type OperationAnswer,
  readState,
  type SessionState,
  type TableState,
} from './commands.js';

/** A claim to a lock: the session's number and, within the session, the claim's. */
interface Claim {
  readonly session: number;
  readonly claim: number;
}

/** A lock that is held; those that are not have no row. */
interface LockRow {
  holder: Claim;
  token: number;
  /** In the order in which they asked, by their names in {@link nameOf}. */
  readonly queue: Map<string, Claim>;
}

interface Session extends SessionState {
  /** Lock names by claim, in ascending order: all that the session holds or waits for. */
  readonly claims: Map<number, string>;
}

/** What came of a command. */
export interface Applied {
  readonly answer: Answer;
  /** Sessions that live and were given a lock for which they had waited; their clients do not know it yet. */
  readonly granted: readonly number[];
}

export class LockTable {
  /** The last number given to a session or as a token. */
  #last = 0;
  readonly #sessions = new Map<number, Session>();
  readonly #byKey = new Map<string, number>();
  readonly #locks = new Map<string, LockRow>();
  #claims = 0;
  #granted: number[] = [];

  /**
   * Carries out one command of the log. What is no command is refused, by every voter in the same way.
   * @param term - of the leadership that took it. Numbers are above it: where all voters have forgotten everything, the first term is
   *   the time of day, so that they grow all the same.
   */
  apply(value: unknown, term: number): Applied {
    this.#granted = [];
    this.#last = Math.max(this.#last, term);
    const answer = isCommand(value) ? this.#apply(value) : ({ type: 'refused', why: 'malformed' } as const);
    // A session may be given a lock and be closed within one turn.
    return { answer, granted: this.#granted.filter((number) => this.#sessions.has(number)) };
  }

  #apply(command: Command): Answer {
    switch (command.type) {
      case 'open':
        return this.#open(command);
      case 'turn':
        return this.#turn(command);
      case 'end': {
        const session = this.#untouched(command);
        if (session) this.#withdraw(session);
        return { type: 'gone' };
      }
      case 'expire': {
        const session = this.#untouched(command);
        if (session) this.#remove(session);
        return { type: 'gone' };
      }
    }
  }

  #open({ key, member, ttlMs, previous }: Extract<Command, { type: 'open' }>): Answer {
    const known = this.#byKey.get(`${member} ${key}`);
    if (known !== undefined) return { type: 'opened', session: known };
    // Its client has given it up.
    const before = this.#sessions.get(previous);
    if (before?.member === member) this.#remove(before);
    if (this.#sessions.size >= LOCK_LIMITS.sessionsMax) return { type: 'refused', why: 'limit' };
    const session: Session = {
      number: ++this.#last,
      key,
      member,
      ttlMs,
      beats: 0,
      turn: 0,
      answers: [],
      grants: [],
      claimed: 0,
      ended: false,
      claims: new Map(),
    };
    this.#add(session);
    return { type: 'opened', session: session.number };
  }

  #turn({ session: number, member, turn, seen, operations }: Extract<Command, { type: 'turn' }>): Answer {
    const session = this.#sessions.get(number);
    if (!session || session.ended || session.member !== member) return { type: 'gone' };
    // Else it has come twice; an answer to a turn before the last one nobody waits for.
    if (turn > session.turn) {
      session.turn = turn;
      session.beats++;
      session.grants = session.grants.filter(([, token]) => token > seen);
      session.answers = operations.map((operation) => this.#operate(session, operation));
      if (operations.some(({ type }) => type === 'close')) this.#remove(session);
    }
    return this.#view(session);
  }

  #operate(session: Session, operation: Operation): OperationAnswer {
    if (operation.type === 'close') return 'done';
    const { claim } = operation;
    if (operation.type === 'release') {
      this.#release(session, claim);
      return 'done';
    }
    // A claim's number is used once, so that what releases an old one never meets a new one.
    if (claim <= session.claimed) return 'old';
    session.claimed = claim;
    const { name } = operation;
    const row = this.#locks.get(name);
    if (row && operation.type === 'try') return 'held';
    if (
      this.#claims >= LOCK_LIMITS.claimsMax ||
      session.claims.size >= LOCK_LIMITS.claimsPerSessionMax ||
      (row && row.queue.size >= LOCK_LIMITS.waitersMax)
    ) {
      return 'limit';
    }
    session.claims.set(claim, name);
    this.#claims++;
    const mine = { session: session.number, claim };
    if (row) {
      row.queue.set(nameOf(mine), mine);
      return 'waiting';
    }
    const token = ++this.#last;
    this.#locks.set(name, { holder: mine, token, queue: new Map() });
    return token;
  }

  /** Lets go of a claim, whether it holds or waits. */
  #release(session: Session, claim: number): void {
    const name = session.claims.get(claim);
    if (name === undefined) return;
    session.claims.delete(claim);
    this.#claims--;
    const row = this.#locks.get(name) as LockRow;
    if (!isHolder(row, session, claim)) {
      row.queue.delete(nameOf({ session: session.number, claim }));
      return;
    }
    session.grants = session.grants.filter(([granted]) => granted !== claim);
    const [next] = row.queue.values();
    if (!next) {
      this.#locks.delete(name);
      return;
    }
    row.queue.delete(nameOf(next));
    row.holder = next;
    row.token = ++this.#last;
    const heir = this.#sessions.get(next.session) as Session;
    // Anew: the former one may be on its way as an answer.
    heir.grants = [...heir.grants, [next.claim, row.token]];
    this.#granted.push(next.session);
  }

  /** The session of a leader's verdict, unless it has been heard since. */
  #untouched({ session: number, beats }: { session: number; beats: number }): Session | undefined {
    const session = this.#sessions.get(number);
    return session?.beats === beats ? session : undefined;
  }

  /** Ends a session, but for the locks it holds: somebody may still believe in them. */
  #withdraw(session: Session): void {
    session.ended = true;
    for (const [claim, name] of session.claims) {
      if (!isHolder(this.#locks.get(name) as LockRow, session, claim)) this.#release(session, claim);
    }
  }

  #remove(session: Session): void {
    this.#withdraw(session);
    for (const claim of [...session.claims.keys()]) this.#release(session, claim);
    this.#sessions.delete(session.number);
    this.#byKey.delete(`${session.member} ${session.key}`);
  }

  #view({ number, turn, answers, grants }: Session): Answer {
    return { type: 'view', session: number, turn, answers, grants };
  }

  /** What a session's member is told when it was granted something. */
  view(number: number): { readonly member: string; readonly view: Answer } | undefined {
    const session = this.#sessions.get(number);
    return session && { member: session.member, view: this.#view(session) };
  }

  /** The sessions, as the leader's clock watches them. */
  sessions(): Iterable<Readonly<Pick<Session, 'number' | 'member' | 'ttlMs' | 'ended'>>> {
    return this.#sessions.values();
  }

  /** How often a session has been heard, if there is one. */
  beats(number: number): number | undefined {
    return this.#sessions.get(number)?.beats;
  }

  /** Who holds a lock. */
  holder(name: string): { session: number; claim: number; token: number; member: string } | undefined {
    const row = this.#locks.get(name);
    if (!row) return undefined;
    const { session, claim } = row.holder;
    return { session, claim, token: row.token, member: this.#sessions.get(session)?.member as string };
  }

  stats(): { sessions: number; locksHeld: number; locksWaiting: number } {
    const locksHeld = this.#locks.size;
    return { sessions: this.#sessions.size, locksHeld, locksWaiting: this.#claims - locksHeld };
  }

  /** Everything, as a plain value: equal for voters that have applied the same commands. */
  snapshot(): TableState {
    const sessions = Array.from(this.#sessions.values(), ({ claims: _, ...session }) => session);
    const locks = Array.from(this.#locks, ([name, { holder, token, queue }]) => ({
      name,
      token,
      holder,
      queue: [...queue.values()],
    }));
    return { last: this.#last, sessions, locks };
  }

  /**
   * Takes a snapshot for what was.
   * @throws GossipError `ERR_PACKET`: it is none; nothing was changed.
   */
  restore(value: unknown): void {
    const { last, sessions, locks } = readState(value);
    this.#last = last;
    this.#sessions.clear();
    this.#byKey.clear();
    this.#locks.clear();
    const claims: (Claim & { name: string })[] = [];
    for (const { name, holder, token, queue } of locks) {
      this.#locks.set(name, { holder, token, queue: new Map(queue.map((claim) => [nameOf(claim), claim])) });
      for (const claim of [holder, ...queue]) claims.push({ ...claim, name });
    }
    this.#claims = claims.length;
    for (const session of sessions) this.#add({ ...session, claims: new Map() });
    for (const { session, claim, name } of claims.sort((a, b) => a.claim - b.claim)) {
      this.#sessions.get(session)?.claims.set(claim, name);
    }
  }

  #add(session: Session): void {
    this.#sessions.set(session.number, session);
    this.#byKey.set(`${session.member} ${session.key}`, session.number);
  }
}

function nameOf({ session, claim }: Claim): string {
  return `${session}/${claim}`;
}

function isHolder({ holder }: LockRow, { number }: { number: number }, claim: number): boolean {
  return holder.session === number && holder.claim === claim;
}
