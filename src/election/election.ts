/**
 * Leader election: of a known set of voters one leads at a time, by a lease that a majority has promised it, and with a token
 * that grows from leadership to leadership. It is a quorum without commands: what is agreed upon is who leads.
 */
import { GossipError } from '../errors.js';
import type { Clock, Cluster, Member } from '../index.js';
import { createQuorum, type Leadership, type Quorum, type QuorumStorage } from '../quorum/index.js';

/** What {@link createElection} takes. */
export interface ElectionOptions {
  /** Names the election; several may be held in one cluster. 1 to 64 characters, the same at all members. */
  name: string;
  /**
   * The voters at first, the same list at all members, in any order: 1 to 9 addresses or member ids, whichever stays the same when a
   * voter starts again. They vote and stand. Everybody else watches, until `changeVoters` makes it a voter.
   */
  voters: readonly string[];
  /**
   * Whether this member may lead, asked again and again with what it says of itself: `({ tags }) => tags.includes('db')`,
   * `({ metadata }) => metadata.zone === 'eu'`. A leader that may not any more hands over. Default: yes.
   */
  eligible?: (self: Member) => boolean;
  /**
   * How long a leader leads without hearing from a majority, in ms; 100 to 600,000, default 2000. A new leader is there 1.25 to 3 times
   * that after the old one has fallen silent. Clocks of voters may run apart by 10 %. The same at all members.
   */
  leaseMs?: number;
  /** Where a voter keeps what it must not forget; at all voters or at none: see the guide. */
  storage?: QuorumStorage;
  /** Resigns and closes. */
  signal?: AbortSignal;
  /** Monotonic time, for tests and simulations. Default: the platform's. */
  clock?: Clock;
  /** In [0, 1), for tests and simulations. Default: `Math.random`. */
  random?: () => number;
}

/** Who leads. */
export interface Leader {
  /** Its name among the voters: an address or a member id. */
  readonly name: string;
  /** The member, as long as it is known. */
  readonly member: Member | undefined;
  /** The fencing token of its leadership. */
  readonly token: number;
  /** We are it. */
  readonly mine: boolean;
}

/** A leadership of ours. */
export interface Lease {
  /**
   * The fencing token: greater than that of every leadership before. Pass it along with whatever the leader does to something outside,
   * and let that refuse a token lower than the highest it has seen: nothing else stops what was sent and comes late.
   */
  readonly token: number;
  /** Fires when the leadership is over. A process that stood still hears it late: what must not be done twice asks `isValid` before. */
  readonly signal: AbortSignal;
  /** Whether we lead at this very moment, by the clock. */
  isValid(): boolean;
}

/** What an election tells, by name. */
export interface ElectionEvents {
  /** We lead; told to whoever listens, also when we did before. */
  elected: Lease;
  /** We lead no more: resigned, replaced, or out of touch with the majority. */
  lost: Lease;
  /** Who leads has changed, as we see it; `undefined`: nobody is known to. */
  changed: { readonly leader: Leader | undefined; readonly before: Leader | undefined };
}

/** An election at one member. Made by {@link createElection}. */
export interface Election extends AsyncDisposable {
  /** Who leads, as far as we know: news of it takes a moment, and who has it may lead no more. */
  readonly leader: Leader | undefined;
  /** Our leadership, while we lead. */
  readonly lease: Lease | undefined;
  /** Its token, while we lead. */
  readonly token: number | undefined;
  /** Whether we lead at this very moment, by the clock: false as soon as the lease has run out, whatever else we have not heard yet. */
  isLeader(): boolean;
  /** The voters, as far as we know. */
  readonly voters: readonly string[];
  /** Hears an event. Handlers that fail are counted (`handlersFailed`) and harm nobody. @returns a function that stops it. */
  on<K extends keyof ElectionEvents>(event: K, handler: (event: ElectionEvents[K]) => unknown): () => void;
  /** When we lead, hands over to a voter that may lead. Resolves when we lead no more, within half a lease. We stand again later. */
  resign(): Promise<void>;
  /**
   * Replaces the set of voters, by joint consensus; from any member. Without `storage`, only among those that the option `voters` names.
   * @throws GossipError `ERR_OPTION` (the list), `ERR_REFUSED` (a leaf that does not vote), `ERR_UNREACHABLE` (no leader, or a new voter that has not caught up; nothing was changed),
   *   `ERR_TIMEOUT` (may or may not be done), `ERR_ABORTED`, `ERR_CLOSED`.
   */
  changeVoters(voters: readonly string[], options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<void>;
  /** Counters, and the present size of what can grow. */
  stats(): Record<string, number>;
  /** Resigns and takes part no more. Idempotent. */
  close(): Promise<void>;
}

/** There is nothing to agree upon but who leads. */
const NOTHING = { apply: () => null, snapshot: () => null, restore: () => {} };

/** Takes part in an election. @throws GossipError `ERR_OPTION`, `ERR_STORAGE` (what was saved is spoilt), and what `storage.load` rejects with. */
export async function createElection(cluster: Cluster, options: ElectionOptions): Promise<Election> {
  const { name, eligible, ...others } = options;
  if (typeof name !== 'string' || name.length < 1 || name.length > 64) {
    throw new GossipError('ERR_OPTION', 'option name must be a string of 1 to 64 characters');
  }
  const quorum = await createQuorum<never, null>(cluster, {
    ...others,
    name: `election ${name}`,
    machine: NOTHING,
    // What stood in the log would be everybody's to store and to send.
    accepts: () => false,
    ...(eligible && { eligible: () => eligible(cluster.self) }),
  });
  return new ElectionMember(cluster, quorum);
}

class ElectionMember implements Election {
  readonly #handlers = new Map<string, Set<{ handler: (event: never) => unknown }>>();
  #lease: (Lease & { end(): void }) | undefined;
  #known: Leadership | undefined;
  #handlersFailed = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly quorum: Quorum<never, null>,
  ) {
    quorum.on('leadership', ({ now }) => this.#changed(now));
    // It may be known from the start.
    this.#changed(quorum.leadership);
  }

  #changed(now: Leadership | undefined): void {
    const before = this.#known;
    if (now?.token === before?.token) return;
    this.#known = now;
    const ended = this.#lease;
    if (ended) {
      this.#lease = undefined;
      ended.end();
      this.#tell('lost', ended);
    }
    if (now?.mine) this.#tell('elected', this.#begin(now.token));
    this.#tell('changed', { leader: this.#leaderOf(now), before: this.#leaderOf(before) });
  }

  #begin(token: number): Lease {
    const over = new AbortController();
    const isValid = () => this.quorum.isLeader() && this.quorum.leadership?.token === token;
    const end = () => over.abort(new GossipError('ERR_ABORTED', 'the leadership is over'));
    this.#lease = { token, signal: over.signal, isValid, end };
    return this.#lease;
  }

  #leaderOf(leadership: Leadership | undefined): Leader | undefined {
    if (!leadership) return undefined;
    const { leader: name, token, mine } = leadership;
    const { cluster } = this;
    const member = mine
      ? cluster.self
      : (cluster.member(name) ?? cluster.members().find(({ address }) => address === name));
    return { name, token, mine, member };
  }

  get leader(): Leader | undefined {
    return this.#leaderOf(this.quorum.leadership);
  }

  get lease(): Lease | undefined {
    return this.#lease?.isValid() ? this.#lease : undefined;
  }

  get token(): number | undefined {
    return this.lease?.token;
  }

  isLeader(): boolean {
    return this.quorum.isLeader();
  }

  get voters(): readonly string[] {
    return this.quorum.voters;
  }

  on<K extends keyof ElectionEvents>(event: K, handler: (event: ElectionEvents[K]) => unknown): () => void {
    const entry = { handler };
    const entries = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, entries.add(entry));
    const lease = this.#lease;
    // A sole voter leads before anybody could listen.
    if (event === 'elected' && lease)
      queueMicrotask(() => entries.has(entry) && lease === this.#lease && this.#call(handler, lease as never));
    return () => void entries.delete(entry);
  }

  #tell<K extends keyof ElectionEvents>(event: K, value: ElectionEvents[K]): void {
    for (const { handler } of [...(this.#handlers.get(event) ?? [])]) this.#call(handler, value as never);
  }

  #call<T>(handler: (value: T) => unknown, value: T): void {
    const failed = () => {
      this.#handlersFailed++;
    };
    try {
      Promise.resolve(handler(value)).catch(failed);
    } catch {
      failed();
    }
  }

  resign(): Promise<void> {
    return this.quorum.resign();
  }

  changeVoters(voters: readonly string[], options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<void> {
    return this.quorum.changeVoters(voters, options);
  }

  stats(): Record<string, number> {
    const stats = this.quorum.stats();
    return { ...stats, handlersFailed: (stats.handlersFailed ?? 0) + this.#handlersFailed };
  }

  /** The quorum tells that it knows of no leader any more. */
  close(): Promise<void> {
    return this.quorum.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
