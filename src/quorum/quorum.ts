/**
 * One quorum at one member: a voter, or a client of the voters, and the API of both. Whoever is no voter watches: it asks one of
 * them who leads, and is answered when that changes.
 */
import { GossipError } from '../errors.js';
import type { Cluster, Member } from '../index.js';
import type { ProposeOptions, Quorum } from './api.js';
import { type Ask, isTold, isWish, refusal, type Told, type Wish } from './ask.js';
import { type LeaseClock, platformClock } from './clock.js';
import type { ReplicaEffect, ReplicaOptions } from './input.js';
import { nameOf, votersOf } from './log.js';
import type { Leadership, ReplicatedMachine } from './machine.js';
import { readSavedState } from './messages.js';
import { bad, checkQuorumOptions, checkVoters, type QuorumOptions } from './options.js';
import { readCommand } from './size.js';
import { findMember, type Outcome, Voter } from './voter.js';
import { ASK, listen } from './wire.js';

/**
 * Starts a quorum at this member.
 * @throws GossipError `ERR_OPTION`, `ERR_STORAGE` (what was saved is spoilt), and what `storage.load` or `machine.restore` throws.
 */
export async function createQuorum<C, R, Q = never, A = never>(
  cluster: Cluster,
  options: QuorumOptions<C, R, Q, A>,
): Promise<Quorum<C, R, Q, A>> {
  checkQuorumOptions(options);
  const value = (await options.storage?.load()) ?? undefined;
  const saved = readSavedState(value);
  // Whoever takes it for nothing forgets what it has promised.
  if (value !== undefined && !saved) throw new GossipError('ERR_STORAGE', 'what storage.load returned was never saved');
  const quorum = new QuorumMember(cluster, options as unknown as AnyOptions);
  try {
    quorum.start(saved);
  } catch (error) {
    await quorum.close();
    throw error;
  }
  return quorum as unknown as Quorum<C, R, Q, A>;
}

type AnyOptions = QuorumOptions<unknown, unknown, unknown, unknown>;
type Handler = (event: never) => unknown;

class QuorumMember implements Quorum<unknown, unknown, unknown, unknown> {
  readonly name: string;
  readonly clock: LeaseClock;
  readonly storage: AnyOptions['storage'];
  readonly #leaseMs: number;
  readonly #counters: Record<string, number> = {};
  readonly #handlers = new Map<string, Set<{ handler: Handler }>>();
  readonly #closing = new AbortController();
  /** Who waits for a change of who leads. */
  readonly #waiting = new Set<() => void>();
  #voter: Voter | undefined;
  #told: { leadership: Leadership | undefined; untilMs: number } = { leadership: undefined, untilMs: 0 };
  #voters: readonly string[];
  #last: Leadership | undefined;
  #stopListening: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    readonly cluster: Cluster,
    private readonly options: AnyOptions,
  ) {
    this.name = options.name;
    this.clock = options.clock ?? platformClock();
    this.storage = options.storage;
    this.#leaseMs = options.leaseMs ?? 2000;
    this.#voters = options.voters;
  }

  start(saved: ReplicaOptions['saved']): void {
    const { cluster, options } = this;
    this.#stopListening = listen(cluster, this.name, this);
    if (!this.#stopListening) bad('name', `"${this.name}" is in use at this member`);
    const own = saved ? nameOf(saved.id) : options.voters.find((name) => this.isOurs(name));
    if (own !== undefined) this.#vote(own, saved);
    if (options.watches ?? true) void this.#watch();
    const { signal } = options;
    const stop = () => void this.close();
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { signal: this.#closing.signal });
  }

  #vote(name: string, saved?: ReplicaOptions['saved']): Voter {
    const { voters: names, machine, random = Math.random } = this.options;
    const { clock } = this;
    const wallMs = () => clock.epochMs + clock.now() + (clock.aheadMs?.() ?? 0);
    this.#voter = new Voter(this, {
      name,
      names,
      machine: machine as ReplicatedMachine<unknown, unknown, unknown, unknown>,
      leaseMs: this.#leaseMs,
      random,
      wallMs,
      boot: `${Math.floor(wallMs()).toString(36)}${Math.floor(random() * 2 ** 32).toString(36)}`,
      durable: this.storage !== undefined,
      saved,
    });
    this.#voter.start();
    return this.#voter;
  }

  eligible(): boolean {
    try {
      return this.options.eligible?.() ?? true;
    } catch {
      this.count('handlersFailed');
      return false;
    }
  }

  #welcomes({ do: what, value }: Wish, from: Member): boolean {
    // A leaf may be anybody's page: unless it votes, who does is not for it to say.
    if (what !== 'propose') return what === 'query' || !from.via || this.voters.includes(from.id);
    try {
      if (this.options.accepts?.(value, from) ?? true) return true;
      this.count('commandsUnwelcome');
    } catch {
      this.count('handlersFailed');
    }
    return false;
  }

  count(counter: string): void {
    this.#counters[counter] = (this.#counters[counter] ?? 0) + 1;
  }

  get leadership(): Leadership | undefined {
    const nowMs = this.clock.now();
    const replica = this.#voter?.replica;
    if (this.#closed) return undefined;
    const own = this.#voter?.leadershipAt(nowMs);
    if (own) return own;
    // We may have been voted out without having been told so.
    const { leadership, untilMs } = this.#told;
    return nowMs < untilMs && leadership && leadership.token >= (replica?.term ?? 0) ? leadership : undefined;
  }

  get voters(): readonly string[] {
    const replica = this.#voter?.replica;
    if (!replica || replica.fresh) return this.#voters;
    const { voters, next = voters } = replica.log.configuration;
    return next.map(nameOf);
  }

  isLeader(): boolean {
    return !this.#closed && (this.#voter?.leads() ?? false);
  }

  // What the voter calls.

  isOurs(name: string): boolean {
    return name === this.cluster.id || name === this.cluster.address;
  }

  handled(effects: readonly ReplicaEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'applied') this.#tell('applied', effect);
      if (effect.type === 'restored') this.#tell('restored', {});
    }
    this.#look();
  }

  failed(): void {
    this.count('storageFailed');
    this.ended();
  }

  ended(): void {
    void this.close();
  }

  /** Tells of a change of who leads, when there is one. */
  #look(): void {
    const now = this.leadership;
    const before = this.#last;
    if (now?.leader === before?.leader && now?.token === before?.token) return;
    this.#last = now;
    for (const wake of this.#waiting) wake();
    this.#tell('leadership', { now, before });
  }

  on(event: string, handler: Handler): () => void {
    const entry = { handler };
    const entries = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, entries.add(entry));
    return () => void entries.delete(entry);
  }

  #tell(event: string, value: unknown): void {
    for (const { handler } of [...(this.#handlers.get(event) ?? [])]) {
      Promise.resolve()
        .then(() => handler(value as never))
        .catch(() => this.count('handlersFailed'));
    }
  }

  // What other members say and ask.

  said(value: unknown, from: Member): void {
    const to = (value as { to?: unknown } | null)?.to;
    const name = typeof to === 'string' ? nameOf(to) : '';
    // A leaf may be anybody's page: unless it votes, it answers and says nothing else.
    if (from.via && !this.#maySay(value, from)) {
      this.count('messagesUnwelcome');
      return;
    }
    // Somebody wants us for a voter.
    const voter = this.#voter ?? (this.isOurs(name) ? this.#vote(name) : undefined);
    voter?.said(value, from);
  }

  #maySay(value: unknown, from: Member): boolean {
    const { type } = (value ?? {}) as { type?: unknown };
    if (type === 'here' || type === 'append-reply') return true;
    const configuration = this.#voter?.replica.log.configuration ?? { voters: [] };
    const known = [...this.options.voters, ...this.#voters, ...votersOf(configuration).map(nameOf)];
    return known.includes(from.id);
  }

  async asked(value: unknown, from: Member, signal: AbortSignal): Promise<Told | undefined> {
    const ask = value as Partial<Ask> | null;
    const voter = this.#voter;
    if (!voter || this.#closed || !ask) return undefined;
    if (ask.do === 'watch') {
      if ((this.leadership?.token ?? 0) === ask.token) await this.#changed(2 * this.#leaseMs, signal);
      return this.#tells();
    }
    if (!isWish(ask)) return undefined;
    return this.#tells(this.#welcomes(ask, from) ? await voter.grant(ask) : { refused: 'unwelcome' });
  }

  #tells(outcome?: Outcome): Told {
    const { leadership, voters } = this;
    return { outcome, leader: leadership?.leader, token: leadership?.token ?? 0, voters };
  }

  /** Until who leads has changed, as we see it, or time has passed. */
  #changed(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closing.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.clock.schedule(ms, done);
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  /** As long as no leader speaks to us, voters are asked, one at a time: who has answered is asked again. */
  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    for (let at = 0; !signal.aborted; ) {
      const { voters } = this;
      const follows = this.#voter?.leadershipAt(this.clock.now()) !== undefined;
      const target = follows ? undefined : findMember(this.cluster, voters[at % voters.length] as string);
      let told: Told | undefined;
      let pauseMs = this.#leaseMs / 4;
      if (target && target.id !== this.cluster.id) {
        const { token = 0 } = this.leadership ?? {};
        told = await this.#ask(target, { do: 'watch', token }, 4 * this.#leaseMs).catch((error) => {
          const { code } = error as GossipError;
          if (code === 'ERR_CLOSED') this.ended();
          // Once a second at most: a gateway expels a leaf that goes on with what it may not do.
          if (code === 'ERR_REFUSED') pauseMs = 10 * this.#leaseMs;
          return undefined;
        });
      }
      const heard = told && this.#hear(told);
      this.#look();
      if (heard) continue;
      at++;
      await this.#changed(follows ? 4 * this.#leaseMs : pauseMs, signal);
    }
  }

  /** @returns whether it is worth to ask the same one again. */
  #hear({ leader, token, voters }: Told): boolean {
    this.#voters = voters;
    const known = this.#told.leadership;
    // That we led once we know better.
    if (leader === undefined || leader === this.#voter?.name || token < (known?.token ?? 0)) return false;
    const leadership = known?.token === token ? known : { leader, token, mine: false };
    this.#told = { leadership, untilMs: this.clock.now() + 4 * this.#leaseMs };
    // We may go by a higher term, and would be answered at once, again and again.
    return this.leadership?.token === token;
  }

  async #ask(target: Member, ask: Ask, timeoutMs: number, signal = this.#closing.signal): Promise<Told | undefined> {
    const told = await this.cluster.request(target, ASK, { q: this.name, m: ask }, { timeoutMs, signal });
    return isTold(told) ? told : undefined;
  }

  // What the application asks.

  async propose(command: unknown, options: ProposeOptions = {}): Promise<unknown> {
    const read = readCommand(command);
    if ('refused' in read) throw refusal(read);
    return this.#wish({ do: 'propose', value: read.command }, options);
  }

  query(question: unknown, options: ProposeOptions = {}): Promise<unknown> {
    return this.#wish({ do: 'query', value: question }, { ...options, idempotent: true });
  }

  async changeVoters(voters: readonly string[], options: ProposeOptions = {}): Promise<void> {
    checkVoters(voters);
    await this.#wish({ do: 'change', value: [...voters] }, options);
  }

  /** Brings a wish to whoever leads: those who do not say who does. What certainly was not done is tried again until the deadline. */
  async #wish(ask: Wish, options: ProposeOptions): Promise<unknown> {
    const { timeoutMs = 10_000, signal, idempotent = false } = options;
    if (!(timeoutMs > 0)) bad('timeoutMs', `is ${timeoutMs}; it must be a number above 0`);
    const untilMs = this.clock.now() + timeoutMs;
    let unknown: unknown;
    let hint: string | undefined;
    for (let at = 0; ; at++) {
      if (this.#closed) throw new GossipError('ERR_CLOSED', `the quorum "${this.name}" is closed`);
      if (signal?.aborted) throw new GossipError('ERR_ABORTED', 'the signal fired', { cause: signal.reason });
      const leftMs = untilMs - this.clock.now();
      if (leftMs <= 0) break;
      const { voters } = this;
      const name = hint ?? this.leadership?.leader ?? (voters[at % voters.length] as string);
      hint = undefined;
      let told: Told | undefined;
      try {
        told = await this.#bring(name, ask, idempotent ? Math.min(leftMs, 2 * this.#leaseMs) : leftMs, signal);
      } catch (error) {
        const { code } = error as GossipError;
        const closing = code === 'ERR_ABORTED' && this.#closing.signal.aborted && !signal?.aborted;
        if (closing || code === 'ERR_TIMEOUT' || code === 'ERR_HANDLER' || code === 'ERR_UNREACHABLE') unknown = error;
        else if (code !== 'ERR_UNKNOWN_MEMBER' && code !== 'ERR_NO_HANDLER') throw error;
      }
      const { outcome, leader } = told ?? {};
      if (outcome && !('refused' in outcome)) return outcome.result;
      const refused = refusal(outcome);
      if (refused) throw refused;
      if (outcome?.refused === 'lost')
        unknown = new GossipError('ERR_TIMEOUT', 'the leader lost its leadership meanwhile');
      if (unknown && !idempotent) break;
      if (leader !== undefined && leader !== name) hint = leader;
      if (hint === undefined) await this.#changed(Math.min(leftMs, this.#leaseMs / 8), signal ?? this.#closing.signal);
    }
    if (unknown) throw new GossipError('ERR_TIMEOUT', 'nobody knows whether it was done', { cause: unknown });
    throw new GossipError(
      'ERR_UNREACHABLE',
      `no leader of "${this.name}" was found within ${timeoutMs} ms; nothing was done`,
    );
  }

  async #bring(name: string, ask: Wish, timeoutMs: number, signal?: AbortSignal): Promise<Told | undefined> {
    const voter = this.#voter;
    if (voter?.name === name) return this.#tells(await this.#within(voter.grant(ask), timeoutMs, signal));
    const target = findMember(this.cluster, name);
    if (!target || target.id === this.cluster.id) return undefined;
    return this.#within(this.#ask(target, ask, timeoutMs, signal), timeoutMs, signal);
  }

  /** What becomes of a wish, or that nobody knows. */
  async #within<T>(outcome: Promise<T>, timeoutMs: number, signal?: AbortSignal): Promise<T> {
    const signals = signal ? [signal, this.#closing.signal] : [this.#closing.signal];
    let cancel = () => {};
    let aborted = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.clock.schedule(timeoutMs, () =>
        reject(new GossipError('ERR_TIMEOUT', `not within ${timeoutMs} ms`)),
      );
      aborted = () => reject(new GossipError('ERR_ABORTED', 'the signal fired', { cause: signal?.reason }));
      for (const each of signals) each.addEventListener('abort', aborted);
    });
    try {
      return await Promise.race([outcome, late]);
    } finally {
      cancel();
      for (const each of signals) each.removeEventListener('abort', aborted);
    }
  }

  async resign(): Promise<void> {
    const voter = this.#voter;
    const leader = voter?.replica.leader;
    if (!leader || !voter.resign()) return;
    // A disk may take its time.
    const untilMs = this.clock.now() + this.#leaseMs;
    while (voter.replica.leader === leader && this.clock.now() < untilMs && !this.#closing.signal.aborted)
      await this.#changed(this.#leaseMs / 8, this.#closing.signal);
  }

  stats(): Record<string, number> {
    return { ...this.#counters, ...this.#voter?.stats(), watchersWaiting: this.#waiting.size };
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.resign();
      this.#voter?.stop();
      this.#stopListening?.();
      this.#closing.abort();
      for (const wake of this.#waiting) wake();
      this.#look();
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
