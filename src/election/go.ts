/**
 * The Go library's own leader election, for clusters that have Go peers with one: who leads as its heartbeats (type 65) say and,
 * when asked to, a candidate that keeps to the Go library's rules. Those rules know no votes: they cannot prevent two leaders.
 * @source github.com/paularlott/gossip v0.12.7, leader/election.go; its defaults are the defaults here
 */
import { GossipError } from '../errors.js';
import type { Clock, Cluster, Member, MemberId, MessageType } from '../index.js';
import { whenOver } from '../subscribers.js';

/** What {@link followGoLeader} takes. */
export interface GoElectionOptions {
  /**
   * Takes part: the one with the lowest id of those that are alive and may lead, leads. Needed at each member that the Go peers take for a
   * candidate: they know no other way than to wait for the lowest id, whether it stands or not. Default: only follows.
   */
  stand?: boolean;
  /** Who may lead: as `MetadataCriteria` of the Go peers says, the same at all. Default: everybody. */
  eligible?: (member: Member) => boolean;
  /** How often a leader says so. Default 1000 ms, `LeaderCheckInterval`. */
  checkIntervalMs?: number;
  /** How long a leader is believed in without a word. Default 3000 ms, `LeaderTimeout`. */
  leaderTimeoutMs?: number;
  /** Closes it. */
  signal?: AbortSignal;
  /** Monotonic time, for tests. Default: the platform's. */
  clock?: Clock;
}

/** Who leads, by the Go library's rules. */
export interface GoLeader {
  readonly member: Member;
  /** Of this leader's election; **no fencing token**: two leaders may have the same, and it begins at 1 when Go peers start again. */
  readonly term: number;
}

/** Who leads has changed; `undefined`: nobody is heard of. */
export interface GoLeaderChange {
  readonly leader: GoLeader | undefined;
  readonly before: GoLeader | undefined;
}

/** The Go library's election as this member sees it. Made by {@link followGoLeader}. */
export interface GoElection extends Disposable {
  /** Whom the latest heartbeat names, as long as it is alive and no older than `leaderTimeoutMs`. */
  readonly leader: GoLeader | undefined;
  /** We lead, by rules that cannot prevent that somebody else does, too. */
  readonly isLeader: boolean;
  /** Hears each change of who leads. @returns a function that stops it. */
  on(event: 'changed', handler: (change: GoLeaderChange) => unknown): () => void;
  /** Counters. */
  stats(): Record<string, number>;
  /** Takes part no more; a leader falls silent. Idempotent; happens by itself when the cluster is closed. */
  close(): void;
}

/** The Go library's `ReservedMsgsStart + 1`. */
const HEARTBEAT: MessageType<{ ts: unknown; term: unknown }> = { type: 65, schema: undefined };

/** Follows the leader that Go peers elect, or stands as one of them. @throws GossipError `ERR_OPTION` */
export function followGoLeader(cluster: Cluster, options: GoElectionOptions = {}): GoElection {
  for (const name of ['checkIntervalMs', 'leaderTimeoutMs'] as const) {
    const value = options[name] ?? 1;
    if (!(value > 0)) throw new GossipError('ERR_OPTION', `option ${name} is ${value}; it must be a number above 0`);
  }
  return new GoElectionMember(cluster, options);
}

class GoElectionMember implements GoElection {
  readonly #counters: Record<string, number> = { heartbeatsSent: 0, heartbeatsHeard: 0, heartbeatsMalformed: 0 };
  readonly #handlers = new Set<{ handler: (change: GoLeaderChange) => unknown }>();
  readonly #stops: (() => void)[] = [];
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #startedAtMs: number;
  #term = 0;
  #leader: { id: MemberId; heardAtMs: number; saidAtMs: number } | undefined;
  #told: GoLeader | undefined;
  #cancel = () => {};
  #closed = false;

  constructor(
    private readonly cluster: Cluster,
    private readonly options: GoElectionOptions,
  ) {
    const { checkIntervalMs = 1000, leaderTimeoutMs = 3000, clock = platformClock(), signal } = options;
    this.#clock = clock;
    this.#intervalMs = checkIntervalMs;
    this.#timeoutMs = Math.max(checkIntervalMs, leaderTimeoutMs);
    this.#stops.push(cluster.on(HEARTBEAT, ({ from, data }) => this.#onHeartbeat(from, data)));
    for (const event of ['state', 'left', 'removed'] as const) this.#stops.push(cluster.on(event, () => this.#look()));
    const close = () => this.close();
    signal?.addEventListener('abort', close);
    this.#stops.push(() => signal?.removeEventListener('abort', close));
    // A timer of ours would keep the process.
    this.#stops.push(whenOver(cluster.events(), close));
    this.#startedAtMs = clock.now();
    if (signal?.aborted) close();
    else this.#check();
  }

  get leader(): GoLeader | undefined {
    const member = this.#valid();
    return member && { member, term: this.#term };
  }

  get isLeader(): boolean {
    return this.#valid()?.id === this.cluster.id;
  }

  #mayLead(member: Member): boolean {
    try {
      return this.options.eligible?.(member) ?? true;
    } catch {
      this.#count('handlersFailed');
      return false;
    }
  }

  #count(name: string): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + 1;
  }

  /** The leader, while there is reason to believe in it. */
  #valid(): Member | undefined {
    const leader = this.#leader;
    if (!leader || this.#closed || this.#clock.now() - leader.heardAtMs > this.#timeoutMs) return undefined;
    const member = leader.id === this.cluster.id ? this.cluster.self : this.cluster.member(leader.id);
    return member?.state === 'alive' && this.#mayLead(member) ? member : undefined;
  }

  /** Every interval, as the Go library's `checkAndElectLeader`; but who leads already is heard before anybody is elected. */
  #check(): void {
    this.#cancel = this.#clock.schedule(this.#intervalMs, () => this.#check());
    if (this.options.stand && this.#mayLead(this.cluster.self)) {
      if (!this.#valid() && this.#clock.now() - this.#startedAtMs >= this.#timeoutMs) this.#elect();
      if (this.isLeader) this.#say();
    }
    this.#look();
  }

  #elect(): void {
    const candidates = this.cluster.members().filter((member) => member.state === 'alive' && this.#mayLead(member));
    const ids = candidates.map(({ id }) => id).sort();
    const [id = this.cluster.id] = ids;
    this.#term++;
    // While they wait for us, Go peers count on, each by itself, and do not hear lower terms: not faster than seconds pass.
    if (id === this.cluster.id) this.#term = Math.max(this.#term, Math.floor(this.#wallMs() / 1000));
    this.#follow(id, this.#wallMs());
  }

  #wallMs(): number {
    return this.#clock.epochMs + this.#clock.now();
  }

  #follow(id: MemberId, saidAtMs: number): void {
    this.#leader = { id, heardAtMs: this.#clock.now(), saidAtMs };
  }

  #say(): void {
    const saidAtMs = this.#wallMs();
    this.#follow(this.cluster.id, saidAtMs);
    this.#count('heartbeatsSent');
    this.cluster.broadcast(HEARTBEAT, { ts: new Date(saidAtMs), term: this.#term }).catch(() => {});
  }

  /** As the Go library's `handleLeaderHeartbeat`. */
  #onHeartbeat(from: Member, data: unknown): void {
    const { ts, term: said } = (data ?? {}) as { ts?: unknown; term?: unknown };
    const saidAtMs = ts instanceof Date ? ts.getTime() : Date.parse(typeof ts === 'string' ? ts : '');
    // What is made a number of an object is the object's to say.
    const term = typeof said === 'object' ? Number.NaN : Number(said);
    if (!Number.isSafeInteger(term) || term < 0 || Number.isNaN(saidAtMs)) {
      this.#count('heartbeatsMalformed');
      return;
    }
    this.#count('heartbeatsHeard');
    if (!this.#mayLead(from)) return;
    const leader = this.#leader;
    const later = !leader || saidAtMs > leader.saidAtMs || (saidAtMs === leader.saidAtMs && from.id < leader.id);
    // Unlike the Go library we hear whom we wait for, whatever its term, and a cluster that has begun again.
    const awaited = !this.isLeader && ((leader?.id === from.id && later) || !this.#valid());
    if (!(term > this.#term || (term === this.#term && later) || awaited)) return;
    this.#term = term;
    this.#follow(from.id, saidAtMs);
    this.#look();
  }

  /** Tells of a change, when there is one. A leader that is gone is none any more, also when it comes back. */
  #look(): void {
    if (!this.#valid()) this.#leader = undefined;
    const { leader } = this;
    const before = this.#told;
    if (leader?.member.id === before?.member.id) return;
    this.#told = leader;
    for (const { handler } of [...this.#handlers]) {
      try {
        Promise.resolve(handler({ leader, before })).catch(() => this.#count('handlersFailed'));
      } catch {
        this.#count('handlersFailed');
      }
    }
  }

  on(_event: 'changed', handler: (change: GoLeaderChange) => unknown): () => void {
    const entry = { handler };
    this.#handlers.add(entry);
    return () => void this.#handlers.delete(entry);
  }

  stats(): Record<string, number> {
    return { ...this.#counters, term: this.#term };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancel();
    for (const stop of this.#stops) stop();
    this.#look();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function platformClock(): Clock {
  return {
    epochMs: Date.now() - performance.now(),
    now: () => performance.now(),
    schedule(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
