/**
 * A group: the members of a cluster that have a tag or certain metadata, kept as the cluster's events tell of changes, with
 * messages and requests to them.
 */
import { GossipError } from '../errors.js';
import type { Cluster, ClusterEvent, Member, MemberId, MessageType, RequestType } from '../index.js';
import { Asking, type AskOptions, type GroupAnswer, isOf, pooled } from './asking.js';
import { type GroupCriteria, matcher } from './criteria.js';
import { type GroupEvent, isHere, Roster } from './roster.js';

/** After a leaf was away, what it is itself may have changed without another event. */
const CHANGES = ['joined', 'state', 'metadata', 'left', 'removed', 'resumed'] as const;

type Handler = (event: never) => unknown;

/**
 * The members of a cluster that match, ourselves included if we do; a suspect is in until it is dead. It follows the events of
 * its cluster, each at the cost of a look at one member. Made by {@link createGroup}.
 */
export class Group implements Disposable, Iterable<Member> {
  readonly #cluster: Cluster;
  readonly #criteria: GroupCriteria;
  readonly #roster: Roster;
  readonly #asking: Asking;
  readonly #handlers = new Map<GroupEvent['type'], Set<{ readonly handler: Handler }>>();
  readonly #subscriptions: readonly (() => void)[];
  readonly #counters = { entered: 0, changed: 0, left: 0, criteriaFailed: 0, handlersFailed: 0, sendsFailed: 0 };
  /** What came of handlers and criteria: the cluster is told with the event that it tells, or the next one, and reports failures. */
  readonly #results: Promise<unknown>[] = [];
  #self: Member;
  #closed = false;

  /** @internal Use {@link createGroup}. */
  constructor(cluster: Cluster, criteria: GroupCriteria) {
    const matches = matcher(criteria);
    this.#cluster = cluster;
    this.#criteria = criteria;
    this.#self = cluster.self;
    this.#roster = new Roster((member) => {
      try {
        return matches(member);
      } catch (error) {
        this.#failed('criteriaFailed', error);
        return false;
      }
    });
    this.#asking = new Asking(cluster, this.#roster.members);
    for (const member of cluster.members()) this.#roster.take(member);
    this.#subscriptions = CHANGES.map((name) => cluster.on(name, (event) => this.#hear(event)));
  }

  /** How many members are in. */
  get size(): number {
    return this.#roster.members.size;
  }

  /** Whether a member is in. */
  has(member: Member | MemberId): boolean {
    return this.#roster.members.has(typeof member === 'string' ? member : member.id);
  }

  /** Those who are in, in the order in which they came. */
  [Symbol.iterator](): IterableIterator<Member> {
    return this.#roster.members.values();
  }

  /**
   * Hears of changes from now on. `entered` and `left` of one member alternate; `changed` tells that it is in as before, and
   * that its metadata, state or address is another. Handlers that fail are reported by the cluster and harm nobody.
   * @returns a function that stops it.
   */
  on<K extends GroupEvent['type']>(
    event: K,
    handler: (event: Extract<GroupEvent, { type: K }>) => unknown,
  ): () => void {
    const entry = { handler };
    const entries = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, entries.add(entry));
    return () => {
      entries.delete(entry);
    };
  }

  /**
   * Sends a message to all that are in, ourselves excepted. A group by tag alone, or of everybody, is a broadcast of the cluster;
   * to others each member is sent it directly: that is a frame for each, where a broadcast is one for everybody.
   *
   * @param options - `reliable`: to peers of the Go library, too, by a carrier that repeats what is lost.
   * @returns when the carriers have taken it. Members that could not be reached are counted (`sendsFailed`).
   * @throws GossipError as {@link Cluster.broadcast}, or {@link Cluster.send} but for members that cannot be reached.
   */
  broadcast<T>(message: MessageType<T>, data: T, options: { reliable?: boolean } = {}): Promise<void> {
    this.#checkOpen();
    const { tag = '', where } = this.#criteria;
    if (!where) return this.#cluster.broadcast(message, data, { ...options, tag });
    return pooled(this.#others(), async (member) => {
      try {
        await this.#cluster.send(member, message, data, options);
      } catch (error) {
        if (!isOf(error, 'ERR_UNREACHABLE', 'ERR_UNKNOWN_MEMBER', 'ERR_OVERLOADED')) throw error;
        this.#counters.sendsFailed++;
      }
    });
  }

  /**
   * Asks all that are in, ourselves excepted, and waits for every answer or failure.
   * @param options - as of {@link Cluster.request}; `timeoutMs` is for each member. 256 are asked at a time.
   * @returns what became of each; an `error` is one of that member, as {@link Cluster.request} throws it.
   * @throws GossipError `ERR_ABORTED`, `ERR_CODEC`, `ERR_TOO_LARGE`, `ERR_OPTION`, `ERR_CLOSED`.
   */
  async request<Q, A>(request: RequestType<Q, A>, data: Q, options: AskOptions = {}): Promise<GroupAnswer<A>[]> {
    this.#checkOpen();
    return this.#asking.all(this.#others(), request, data, options);
  }

  /**
   * Asks one member, the next each time, and if it cannot answer the next, each once at most. It cannot when it cannot be reached, goes
   * while it is asked, does not answer in time or has no handler; so the question may have come to several, and should do no harm
   * when it is asked twice. A handler that fails is an answer. Suspects are asked last.
   * @param options - as of {@link Cluster.request}; `timeoutMs` is for each member.
   * @throws GossipError `ERR_UNKNOWN_MEMBER` (nobody else is in), and as {@link Cluster.request}: the failure of the last.
   */
  async requestAny<Q, A>(request: RequestType<Q, A>, data: Q, options: AskOptions = {}): Promise<A> {
    this.#checkOpen();
    return this.#asking.any(request, data, options);
  }

  /** Every counter, and how many members are in. */
  stats(): Record<string, number> {
    return { ...this.#counters, members: this.size, asked: this.#asking.pending, askedAgain: this.#asking.again };
  }

  /** Stops following the cluster, without a word to handlers; nobody is in, and what is being asked ends with `ERR_CLOSED`. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#subscriptions) stop();
    for (const entries of this.#handlers.values()) entries.clear();
    this.#roster.clear();
    this.#asking.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Looks at whom an event is about, as that member is now, and at ourselves: what a gateway makes of us is no event. */
  #hear({ member }: ClusterEvent): Promise<unknown> | undefined {
    const { self } = this.#cluster;
    if (self.id !== this.#self.id) this.#take(gone(this.#self));
    this.#self = self;
    this.#take(self);
    if (member.id !== self.id) this.#take(this.#cluster.member(member.id) ?? gone(member));
    return this.#settle();
  }

  #take(member: Member): void {
    if (this.#closed) return;
    if (!isHere(member)) this.#asking.gone(member.id);
    const event = this.#roster.take(member);
    if (!event) return;
    this.#counters[event.type]++;
    const entries = this.#handlers.get(event.type);
    for (const entry of [...(entries ?? [])]) {
      // An earlier handler may have removed it.
      if (entries?.has(entry)) this.call(entry.handler, event);
    }
  }

  /** @internal Calls a handler; what fails in it is counted, and told to the cluster. */
  protected call(handler: Handler, event: GroupEvent): void {
    try {
      const result = handler(event as never);
      // Only then it may be a promise.
      if (typeof result !== 'object' || !result) return;
      const failed = (error: unknown) => {
        this.#counters.handlersFailed++;
        throw error;
      };
      const settled = Promise.resolve(result).catch(failed);
      // Nobody waits for it when the group is closed first.
      settled.catch(() => {});
      this.#results.push(settled);
    } catch (error) {
      this.#failed('handlersFailed', error);
    }
  }

  #failed(name: 'criteriaFailed' | 'handlersFailed', error: unknown): void {
    this.#counters[name]++;
    const failure = Promise.reject(error);
    failure.catch(() => {});
    this.#results.push(failure);
  }

  #settle(): Promise<unknown> | undefined {
    if (this.#results.length === 0) return undefined;
    return Promise.all(this.#results.splice(0));
  }

  #others(): Member[] {
    return [...this].filter(({ id }) => id !== this.#cluster.id);
  }

  #checkOpen(): void {
    if (this.#closed) throw new GossipError('ERR_CLOSED', 'this group is closed');
  }
}

/** A member that is known no more, as it was. */
function gone(member: Member): Member {
  return { ...member, state: 'removed' };
}
