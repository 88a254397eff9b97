/** The shell of the locks: it drives the client's machine by the clock and the quorum, and makes promises of its effects. */
import { isWhole } from '../carried.js';
import { errorMessage, GossipError } from '../errors.js';
import type { Cluster, Member, MemberId, MessageType } from '../index.js';
import type { LeaseClock } from '../quorum/clock.js';
import type { Quorum } from '../quorum/index.js';
import { whenOver } from '../subscribers.js';
import { type ClientEffect, type ClientInput, LockClient, type RefusalCode } from './client.js';
import { type Answer, type Call, type Command, hasControl, isAnswer, LOCK_LIMITS } from './commands.js';
import { Lock } from './lock.js';
import type { LockVoter } from './voter.js';

/** How long one waits for a lock. */
export interface AcquireOptions {
  /** Default: as long as it takes. */
  timeoutMs?: number;
  /** Gives up waiting. */
  signal?: AbortSignal;
}

interface Told {
  locks: string;
  answer: unknown;
}

/** What a leading voter tells whom a lock was granted. Source: docs/protocol.md, the types of our own modules. */
const TOLD: MessageType<Told> = { type: 100, schema: undefined };

/** How long closing waits for the voters. Source: guess, as a cluster's farewell. */
const CLOSE_MS = 1000;

interface Waiting {
  readonly name: string;
  settle(lock: Lock | undefined, error?: GossipError): void;
}

interface ResolvedOptions {
  readonly name: string;
  readonly sessionTtlMs: number;
  readonly clock: LeaseClock;
  readonly signal: AbortSignal | undefined;
}

/** Locks as one member sees them. Made by `createLocks`. */
export class Locks implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #clock: LeaseClock;
  /** By how much the time of day has run ahead of the clock, at most: the machine slept. */
  #aheadMs = Number.NEGATIVE_INFINITY;
  readonly #name: string;
  readonly #quorum: Quorum<Command, Answer>;
  readonly #voter: LockVoter;
  readonly #client: LockClient;
  readonly #counts: Record<string, number> = {};
  readonly #waiting = new Map<number, Waiting>();
  readonly #held = new Map<number, Lock>();
  readonly #extending = new Map<number, ((error?: GossipError) => void)[]>();
  readonly #releasing = new Map<number, () => void>();
  #claim = 0;
  #lastFailure = 'nobody was asked yet';
  #cancelTimer = () => {};
  #timerAtMs = Number.POSITIVE_INFINITY;
  #closing: Promise<void> | undefined;
  #onClosed = () => {};
  readonly #stop: () => void;
  #isOver = false;

  /** @internal Use `createLocks`. */
  constructor(cluster: Cluster, quorum: Quorum<Command, Answer>, voter: LockVoter, options: ResolvedOptions) {
    const { name, clock, sessionTtlMs: ttlMs, signal } = options;
    const close = () => void this.close();
    this.#cluster = cluster;
    this.#quorum = quorum;
    this.#voter = voter;
    this.#name = name;
    this.#clock = clock;
    this.#client = new LockClient({ ttlMs, newKey });
    const untell = cluster.on(TOLD, ({ data, from }) => {
      if (data?.locks !== name) return;
      if (this.isVoter(from)) this.#told(data.answer);
      else this.count('lockAnswersUnwelcome');
    });
    signal?.addEventListener('abort', close);
    // A timer of ours would keep the process.
    const stay = whenOver(cluster.events(), () => {
      if (!this.#closing) this.#end();
    });
    this.#stop = () => {
      stay();
      signal?.removeEventListener('abort', close);
      untell();
      voter.stop();
      this.#cancelTimer();
    };
  }

  /**
   * Waits for a lock, in the order in which all ask for it.
   * @param name - 1 to 100 characters, none of them a control character. The same name asked for twice by one member are two claims: the second waits for the first.
   * @throws GossipError `ERR_TIMEOUT`: others had it all the time. `ERR_NO_QUORUM`: no majority of the voters answered within `timeoutMs`, or
   *   within `sessionTtlMs`. `ERR_ABORTED`, `ERR_OVERLOADED` (a limit of the table), `ERR_OPTION`, `ERR_CLOSED`. In no case it is held
   *   afterwards: what may have been granted meanwhile is given back.
   */
  async acquire(name: string, options: AcquireOptions = {}): Promise<Lock> {
    return (await this.#ask(name, false, options)) as Lock;
  }

  /**
   * Takes a lock if nobody has it and nobody waits for it.
   * @returns undefined when it is held; that takes a majority of the voters, as a yes does.
   * @throws GossipError as {@link acquire}.
   */
  tryAcquire(name: string, options: AcquireOptions = {}): Promise<Lock | undefined> {
    return this.#ask(name, true, options);
  }

  /**
   * Waits for a lock, calls a function while it is held, and gives the lock back when that has ended, however it has.
   * @param run - is given the token to pass along, and a signal that fires when the lock is lost or `options.signal` fires.
   * @returns what the function returned.
   * @throws what the function threw; GossipError `ERR_LOCK_LOST`: it ended well, but the lock was lost before; and as {@link acquire}.
   */
  async withLock<T>(
    name: string,
    run: (token: number, signal: AbortSignal) => T | Promise<T>,
    options: AcquireOptions = {},
  ): Promise<T> {
    const lock = await this.acquire(name, options);
    const either = new AbortController();
    const sources = [lock.signal, ...(options.signal ? [options.signal] : [])];
    for (const source of sources) {
      const pass = () => either.abort(source.reason);
      if (source.aborted) pass();
      else source.addEventListener('abort', pass, { signal: either.signal });
    }
    try {
      const result = await run(lock.token, either.signal);
      if (lock.remainingMs === 0)
        throw new GossipError('ERR_LOCK_LOST', `lock ${name} was lost before its work was done`);
      return result;
    } finally {
      // What listens to the caller's signal must not outlive this.
      either.abort();
      await lock.release();
    }
  }

  /** Counters, and the present size of what can grow; those of the quorum too. */
  stats(): Record<string, number> {
    const claims = this.#client.claims;
    return { ...this.#quorum.stats(), ...this.#counts, ...this.#voter.stats(), claims };
  }

  /** Gives all locks back, ends the session and stops; a voter that leads hands over. Takes a second at most, and half a `leaseMs` for that. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const asked = new Promise<void>((resolve) => {
        const cancel = this.#clock.schedule(CLOSE_MS, resolve);
        this.#onClosed = () => {
          cancel();
          resolve();
        };
      });
      this.#input({ type: 'close' });
      if (this.#isOver) this.#onClosed();
      await asked;
      this.#isOver = true;
      this.#stop();
      // Nobody answers any more; the voters' time for it ends in any case.
      for (const released of this.#releasing.values()) released();
      this.#releasing.clear();
      await this.#quorum.close();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  isVoter({ id, address }: Member): boolean {
    return this.#quorum.voters.some((name) => name === id || name === address);
  }

  /** @internal Tells who waited that it was granted a lock. */
  tell(member: MemberId, answer: Answer): void {
    const data = { locks: this.#name, answer };
    if (member === this.#cluster.id) this.#told(answer);
    else this.#cluster.send(member, TOLD, data, { reliable: true }).catch(() => this.count('tellsFailed'));
  }

  /** What a voter tells without having been asked. */
  #told(answer: unknown): void {
    if (isAnswer(answer)) this.#input({ type: 'told', answer });
    else this.count('lockAnswersMalformed');
  }

  /** @internal */
  count(name: string): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }

  async #ask(name: string, isTry: boolean, options: AcquireOptions): Promise<Lock | undefined> {
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
    const { nameLengthMax } = LOCK_LIMITS;
    if (typeof name !== 'string' || name.length < 1 || name.length > nameLengthMax) {
      throw new GossipError('ERR_OPTION', `the name of a lock must be 1 to ${nameLengthMax} characters`);
    }
    if (hasControl(name)) throw new GossipError('ERR_OPTION', 'the name of a lock must not have control characters');
    if (!isWhole(name))
      throw new GossipError('ERR_OPTION', 'the name of a lock must not have half a surrogate pair: cut it elsewhere');
    if (!(timeoutMs > 0)) throw new GossipError('ERR_OPTION', `timeoutMs is ${timeoutMs}; it must be a number above 0`);
    if (this.#closing) throw closed();
    const aborted = () => new GossipError('ERR_ABORTED', 'the signal fired', { cause: signal?.reason });
    if (signal?.aborted) throw aborted();
    const claim = ++this.#claim;
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#waiting.get(claim)?.settle(undefined, aborted());
        this.#input({ type: 'release', claim });
      };
      signal?.addEventListener('abort', giveUp);
      this.#waiting.set(claim, {
        name,
        settle: (lock, error) => {
          this.#waiting.delete(claim);
          signal?.removeEventListener('abort', giveUp);
          if (error) reject(error);
          else resolve(lock);
        },
      });
      this.#input({ type: 'acquire', claim, name, isTry, timeoutMs });
    });
  }

  #input(input: ClientInput): void {
    if (this.#isOver && input.type !== 'close') return;
    for (const effect of this.#client.handle(input, this.#now())) this.#perform(effect);
    if (!this.#isOver) this.#arm();
  }

  /** Time as a holder has to take it: as late as any clock here says. Where a machine sleeps, the one of timers may stand still. */
  #now(): number {
    this.#aheadMs = Math.max(this.#aheadMs, this.#clock.aheadMs?.() ?? 0);
    return this.#clock.now() + this.#aheadMs;
  }

  #arm(): void {
    const atMs = this.#client.wakeAtMs;
    if (atMs === this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#clock.schedule(Math.max(0, atMs - this.#now()), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#input({ type: 'tick' });
    });
  }

  #perform(effect: ClientEffect): void {
    switch (effect.type) {
      case 'call':
        void this.#call(effect.call, effect.what, effect.timeoutMs);
        return;
      case 'granted': {
        const waiting = this.#waiting.get(effect.claim);
        if (!waiting) return;
        const lock = new Lock(this, effect.claim, waiting.name, effect.token);
        this.#held.set(effect.claim, lock);
        this.count('locksGranted');
        waiting.settle(lock);
        return;
      }
      case 'refused': {
        const { claim, code } = effect;
        const waiting = this.#waiting.get(claim);
        waiting?.settle(undefined, code === 'held' ? undefined : this.#refusal(waiting.name, code));
        return;
      }
      case 'lost': {
        this.count('locksLost');
        const lock = this.#held.get(effect.claim);
        this.#held.delete(effect.claim);
        lock?.lose();
        this.#extended(effect.claim, lock?.signal.reason);
        return;
      }
      case 'extended':
        this.#extended(effect.claim);
        return;
      case 'released':
        this.#releasing.get(effect.claim)?.();
        this.#releasing.delete(effect.claim);
        return;
      case 'closed':
        this.#onClosed();
        return;
    }
  }

  #refusal(name: string, code: RefusalCode): GossipError {
    const why = {
      ERR_TIMEOUT: `lock ${name} was held by others until the deadline`,
      ERR_NO_QUORUM: `lock ${name}: no majority of the voters answered in time: ${this.#lastFailure}`,
      ERR_OVERLOADED: `lock ${name}: the table of locks is full, or this member asks for too many`,
      ERR_CLOSED: 'the locks were closed',
    };
    return new GossipError(code, why[code]);
  }

  async #call(call: number, what: Call, timeoutMs: number): Promise<void> {
    const command: Command = { ...what, member: this.#cluster.id };
    let answer: Answer | undefined;
    try {
      const result = await this.#quorum.propose(command, { timeoutMs, idempotent: true });
      if (isAnswer(result)) answer = result;
      else this.count('lockAnswersMalformed');
    } catch (error) {
      this.#lastFailure = errorMessage(error);
      if (error instanceof GossipError && error.code === 'ERR_CLOSED') {
        this.#end();
        return;
      }
    }
    this.#input(answer ? { type: 'answer', call, answer } : { type: 'failed', call });
  }

  /** The cluster is closed: there is nobody to give anything back to. */
  #end(): void {
    this.#isOver = true;
    this.#onClosed();
    void this.close();
  }

  /** @internal */
  remainingMs(claim: number): number {
    const nowMs = this.#now();
    return this.#client.holds(claim, nowMs) ? this.#client.untilMs - nowMs : 0;
  }

  /** @internal */
  extend(claim: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: GossipError) => (error ? reject(error) : resolve());
      this.#extending.set(claim, [...(this.#extending.get(claim) ?? []), settle]);
      this.#input({ type: 'extend', claim });
    });
  }

  #extended(claim: number, error?: GossipError): void {
    const waiting = this.#extending.get(claim) ?? [];
    this.#extending.delete(claim);
    for (const settle of waiting) settle(error);
  }

  /** @internal */
  release(claim: number): Promise<void> {
    const lock = this.#held.get(claim);
    if (!lock) return Promise.resolve();
    this.#held.delete(claim);
    this.#extended(claim, new GossipError('ERR_LOCK_LOST', `lock ${lock.name} was released`));
    return new Promise((resolve) => {
      this.#releasing.set(claim, resolve);
      this.#input({ type: 'release', claim });
    });
  }
}

/** A name that no other session has. `randomUUID` is not there in pages without TLS. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join('');
}

function closed(): GossipError {
  return new GossipError('ERR_CLOSED', 'the locks were closed');
}
