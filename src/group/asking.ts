/** Questions to members of a group: to all, or to one after the other until one answers. */
import { GossipError, type GossipErrorCode } from '../errors.js';
import type { Cluster, Member, MemberId, RequestType } from '../index.js';

/** How members are asked, as of `Cluster.request`. */
export interface AskOptions {
  /** How long each member may take. Default: `requestTimeoutMs` of the cluster. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** What became of a question to one member. */
export type GroupAnswer<A> =
  | { readonly member: Member; readonly answer: A; readonly error?: undefined }
  | { readonly member: Member; readonly answer?: undefined; readonly error: GossipError };

/** Failures of the member that was asked: another may answer. */
const ITS_OWN = ['ERR_UNREACHABLE', 'ERR_UNKNOWN_MEMBER', 'ERR_TIMEOUT', 'ERR_NO_HANDLER', 'ERR_REFUSED'] as const;

/** Whether something thrown is an error with one of these codes. */
export function isOf(error: unknown, ...codes: readonly GossipErrorCode[]): error is GossipError {
  return error instanceof GossipError && codes.includes(error.code);
}

/** Does something with each, with so many at a time that neither sockets nor deadlines suffer. Rejects with the first failure. */
export async function pooled<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  /** Source: guess, well below `pendingRequestsMax` and the files a process may open. */
  const AT_A_TIME = 256;
  const left = items.entries();
  const worker = async () => {
    for (const [index, item] of left) await work(item, index);
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, items.length) }, worker));
}

export class Asking {
  /** Who is being asked by {@link any}, and how each such question is given up. */
  readonly #asked = new Map<MemberId, Set<(why: GossipError) => void>>();
  /** Goes round the members, and sees those who come and go meanwhile. */
  #round: Iterator<Member> | undefined;
  /** How often another member was asked after a failure. */
  again = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly members: ReadonlyMap<MemberId, Member>,
  ) {}

  /** Questions of {@link any} under way. */
  get pending(): number {
    let sum = 0;
    for (const { size } of this.#asked.values()) sum += size;
    return sum;
  }

  async all<Q, A>(
    members: readonly Member[],
    request: RequestType<Q, A>,
    data: Q,
    options: AskOptions,
  ): Promise<GroupAnswer<A>[]> {
    const answers: GroupAnswer<A>[] = [];
    await pooled(members, async (member, index) => {
      try {
        answers[index] = { member, answer: await this.cluster.request(member, request, data, options) };
      } catch (error) {
        if (!isOf(error, ...ITS_OWN, 'ERR_HANDLER', 'ERR_INVALID_DATA', 'ERR_OVERLOADED')) throw error;
        answers[index] = { member, error };
      }
    });
    return answers;
  }

  async any<Q, A>(request: RequestType<Q, A>, data: Q, options: AskOptions): Promise<A> {
    const tried = new Set<MemberId>();
    let failure = new GossipError('ERR_UNKNOWN_MEMBER', 'no other member is in the group');
    for (;;) {
      const member = this.#next(tried);
      if (!member) throw failure;
      if (tried.size > 0) this.again++;
      tried.add(member.id);
      try {
        return await this.#ask(member, request, data, options);
      } catch (error) {
        if (!isOf(error, ...ITS_OWN)) throw error;
        failure = error;
      }
    }
  }

  /** Asks one that is given up when it goes. */
  async #ask<Q, A>(member: Member, request: RequestType<Q, A>, data: Q, options: AskOptions): Promise<A> {
    const { signal } = options;
    const attempt = new AbortController();
    let why: GossipError | undefined;
    const giveUp = (reason: GossipError) => {
      why = reason;
      attempt.abort();
    };
    const abort = () => attempt.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    const asked = this.#asked.get(member.id) ?? new Set();
    this.#asked.set(member.id, asked.add(giveUp));
    try {
      return await this.cluster.request(member, request, data, { ...options, signal: attempt.signal });
    } catch (error) {
      throw why ?? error;
    } finally {
      signal?.removeEventListener('abort', abort);
      asked.delete(giveUp);
      if (asked.size === 0 && this.#asked.get(member.id) === asked) this.#asked.delete(member.id);
    }
  }

  /** The next in the round that was not tried: one that is alive, if there is one. */
  #next(tried: ReadonlySet<MemberId>): Member | undefined {
    let suspect: Member | undefined;
    for (let left = this.members.size; left > 0; left--) {
      const member = this.#turn();
      if (member.id === this.cluster.id || tried.has(member.id)) continue;
      if (member.state === 'alive') return member;
      suspect ??= member;
    }
    return suspect;
  }

  /** There is at least one. */
  #turn(): Member {
    let next = this.#round?.next();
    if (!next || next.done) {
      const first = !this.#round;
      this.#round = this.members.values();
      // All have the same members first: each begins somewhere else, by its own id.
      const skip = first ? Number.parseInt(this.cluster.id.slice(-6), 16) % this.members.size : 0;
      for (let left = skip; left > 0; left--) this.#round.next();
      next = this.#round.next();
    }
    return next.value;
  }

  /** A member is not there any more. */
  gone(id: MemberId): void {
    this.#giveUp(this.#asked.get(id), new GossipError('ERR_UNREACHABLE', `${id} has gone`));
  }

  close(): void {
    for (const asked of this.#asked.values())
      this.#giveUp(asked, new GossipError('ERR_CLOSED', 'this group is closed'));
  }

  #giveUp(asked: ReadonlySet<(why: GossipError) => void> | undefined, why: GossipError): void {
    for (const giveUp of [...(asked ?? [])]) giveUp(why);
  }
}
