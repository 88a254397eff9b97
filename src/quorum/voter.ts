/**
 * The shell around a replica: gives it time and messages, one after the other, and does what it says. What has to be saved is
 * saved before anything else happens.
 */
import type { GossipError } from '../errors.js';
import type { Cluster, Member, MemberId } from '../index.js';
import type { Wish } from './ask.js';
import type { LeaseClock } from './clock.js';
import type { Refusal, ReplicaEffect, ReplicaInput, ReplicaOptions } from './input.js';
import type { Leader } from './leader.js';
import { nameOf } from './log.js';
import type { Leadership } from './machine.js';
import { type QuorumMessage, readMessage } from './messages.js';
import type { QuorumStorage } from './options.js';
import { Replica } from './replica.js';
import { readCommand } from './size.js';
import { SAY } from './wire.js';

/** What became of a wish. */
export type Outcome = { readonly result: unknown } | { readonly refused: Refusal };

/** What a voter stands on. */
interface VoterOwner {
  readonly cluster: Cluster;
  readonly clock: LeaseClock;
  /** The quorum's. */
  readonly name: string;
  readonly storage: QuorumStorage | undefined;
  /** Whether it is this member's address or id. */
  isOurs(name: string): boolean;
  eligible(): boolean;
  count(counter: string): void;
  /** Something was done: who leads may have changed. */
  handled(effects: readonly ReplicaEffect[]): void;
  /** The storage failed. */
  failed(): void;
  /** The cluster was closed. */
  ended(): void;
}

/** Things that wait while something is being saved. Source: guess, several seconds of messages. */
const QUEUE_MAX = 1024;
/** Names of which we know whose they are. Source: some more than voters there can be. */
const IDS_MAX = 64;
/** No member's id. */
const NOBODY = '00000000-0000-0000-0000-000000000000' as MemberId;

export class Voter {
  readonly #replica: Replica;
  readonly #queue: (() => readonly ReplicaEffect[])[] = [];
  readonly #wishes = new Map<number, (outcome: Outcome) => void>();
  readonly #ids = new Map<string, { id: MemberId | undefined; atMs: number }>();
  /** The leadership of which everything is saved. */
  #saved: Leader | undefined;
  /** Our clock has stood still, and the replica has not heard of it. */
  #slept = false;
  /** The cluster was handed something since we were woken last. */
  #spoke = false;
  #busy = false;
  #stopped = false;
  #refs = 0;
  #aheadMs: number;
  #cancelTimer = () => {};

  constructor(
    private readonly owner: VoterOwner,
    options: ReplicaOptions,
  ) {
    this.#replica = new Replica(options, owner.clock.now());
    this.#aheadMs = owner.clock.aheadMs?.() ?? 0;
  }

  start(): void {
    this.#input({ type: 'tick' });
  }

  get name(): string {
    return this.#replica.name;
  }

  get replica(): Replica {
    return this.#replica;
  }

  leads(): boolean {
    this.#look();
    return this.leadershipAt(this.owner.clock.now())?.mine === true;
  }

  /** Who leads, as far as we know: ours counts only when no crash can make us forget it, and not when we may have slept. */
  leadershipAt(nowMs: number): Leadership | undefined {
    const leadership = this.#replica.leadershipAt(nowMs);
    const holds = !this.#stopped && !this.#slept && this.#saved === this.#replica.leader;
    return leadership?.mine && !holds ? undefined : leadership;
  }

  /** Looks at what can change without anything having happened. */
  #look(): void {
    const { owner } = this;
    const eligible = owner.eligible();
    if (eligible !== this.#replica.eligible) this.#input({ type: 'eligible', eligible });
    const aheadMs = owner.clock.aheadMs?.() ?? 0;
    const sleptMs = aheadMs - this.#aheadMs;
    this.#aheadMs = aheadMs;
    // As much as the promise of those who vote is longer than the lease, less what clocks may run apart.
    if (sleptMs > this.#replica.options.leaseMs / 50) {
      this.#slept = true;
      this.#input({ type: 'tick' });
    }
  }

  /** A message from another member. */
  said(value: unknown, from: Member): void {
    const message = readMessage(value);
    const name = message && nameOf(message.from);
    if (!message || (name !== from.id && name !== from.address)) {
      this.owner.count('messagesMalformed');
      return;
    }
    if (this.#ids.has(name)) this.#ids.set(name, { id: from.id, atMs: this.owner.clock.now() });
    this.#look();
    const called = nameOf(message.to);
    if (called !== this.name && this.owner.isOurs(called)) this.#input({ type: 'called', name: called });
    this.#input({ type: 'message', message });
  }

  async #propose(given: unknown): Promise<Outcome> {
    const read = readCommand(given);
    if ('refused' in read) return read;
    const { command } = read;
    return this.#wish((ref) => this.#input({ type: 'propose', command, ref }));
  }

  /** Grants a wish, of ours or of somebody else. */
  async grant(wish: Wish): Promise<Outcome> {
    if (wish.do === 'propose') return this.#propose(wish.value);
    return wish.do === 'query' ? this.#query(wish.value) : this.#change(wish.value);
  }

  #change(names: readonly string[]): Promise<Outcome> {
    return this.#wish((ref) => this.#input({ type: 'change-voters', names, ref }));
  }

  /** Answered in its turn: what the machine knows by then is safe. */
  #query(question: unknown): Promise<Outcome> {
    const answer = (): Outcome =>
      this.leads() ? { result: this.#replica.options.machine.query?.(question) } : { refused: 'not-leader' };
    return this.#wish((ref) =>
      this.#enqueue(() => {
        this.#settle(ref, answer());
        return [];
      }),
    );
  }

  /** @returns whether it will. */
  resign(): boolean {
    return this.#input({ type: 'resign' });
  }

  /** @param takes - whether there was room for it. */
  #wish(takes: (ref: number) => boolean): Promise<Outcome> {
    return new Promise((resolve) => {
      const ref = ++this.#refs;
      this.#wishes.set(ref, resolve);
      if (!takes(ref)) this.#settle(ref, { refused: 'overloaded' });
    });
  }

  #settle(ref: number, outcome: Outcome): void {
    this.#wishes.get(ref)?.(outcome);
    this.#wishes.delete(ref);
  }

  #input(input: ReplicaInput): boolean {
    return this.#enqueue(() => {
      const nowMs = this.owner.clock.now();
      if (!this.#slept) return this.#replica.handle(input, nowMs);
      this.#slept = false;
      return [...this.#replica.handle({ type: 'slept' }, nowMs), ...this.#replica.handle(input, nowMs)];
    });
  }

  /** @returns whether there was room. */
  #enqueue(run: () => readonly ReplicaEffect[]): boolean {
    if (this.#stopped || this.#queue.length >= QUEUE_MAX) {
      this.owner.count('queueOverLimit');
      return false;
    }
    this.#queue.push(run);
    if (!this.#busy) void this.#work();
    return true;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    try {
      for (let run = this.#queue.shift(); run && !this.#stopped; run = this.#queue.shift()) {
        const effects = run();
        for (const effect of effects) {
          const saving = this.#perform(effect);
          if (saving) await saving;
          if (this.#stopped) return;
        }
        const { leader } = this.#replica;
        this.#saved = leader?.leads ? leader : undefined;
        this.owner.handled(effects);
      }
    } catch {
      this.stop();
      this.owner.failed();
      return;
    } finally {
      this.#busy = false;
    }
    this.#arm();
  }

  #arm(): void {
    this.#cancelTimer();
    if (this.#stopped) return;
    const { clock } = this.owner;
    this.#cancelTimer = clock.schedule(Math.max(0, this.#replica.wakeAtMs - clock.now()), () => {
      this.#look();
      // Where nobody else is there to be told anything: that the cluster was closed only sending says.
      if (!this.#spoke) this.#hand(NOBODY, null, false);
      this.#spoke = false;
      this.#input({ type: 'tick' });
    });
  }

  #perform(effect: ReplicaEffect): Promise<void> | void {
    switch (effect.type) {
      case 'save':
        return this.owner.storage?.save(effect.state);
      case 'send':
        this.#send(effect.message);
        return;
      case 'settled': {
        const { ref, refused, result } = effect;
        this.#settle(ref, refused ? { refused } : { result });
      }
    }
  }

  #send(message: QuorumMessage): void {
    const { owner } = this;
    const id = this.#memberOf(nameOf(message.to));
    if (id === undefined) {
      owner.count('votersNotFound');
      return;
    }
    const reliable = message.type === 'append' && (message.entries.length > 0 || message.snapshot !== undefined);
    this.#hand(id, message, reliable);
  }

  #hand(to: MemberId, m: QuorumMessage | null, reliable: boolean): void {
    const { owner } = this;
    this.#spoke = true;
    owner.cluster.send(to, SAY, { q: owner.name, m }, { reliable }).catch((error) => {
      if (m) owner.count('messagesNotSent');
      // Whoever closes a cluster has done with what stands on it.
      if ((error as GossipError).code === 'ERR_CLOSED') owner.ended();
    });
  }

  /** The member that bears a name now. */
  #memberOf(name: string): MemberId | undefined {
    const { cluster, clock } = this.owner;
    const nowMs = clock.now();
    const known = this.#ids.get(name);
    if (known?.id !== undefined && isThere(cluster.member(known.id))) return known.id;
    // A look at all members is dear where there are thousands.
    if (known && nowMs - known.atMs < this.#replica.options.leaseMs / 8) return undefined;
    const id = findMember(cluster, name)?.id;
    // Names are anybody's to make up; the oldest goes.
    if (this.#ids.size >= IDS_MAX) this.#ids.delete(this.#ids.keys().next().value as string);
    this.#ids.set(name, { id, atMs: nowMs });
    return id;
  }

  stats(): Record<string, number> {
    const { counters, log, term, committed } = this.#replica;
    return {
      ...counters,
      term,
      committed,
      logEntries: log.entries.length,
      wishesOpen: this.#wishes.size,
      queued: this.#queue.length,
      namesKnown: this.#ids.size,
    };
  }

  /** Does nothing more; what is open may be done, or not. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
    for (const settle of this.#wishes.values()) settle({ refused: 'lost' });
    this.#wishes.clear();
  }
}

function isThere(member: Member | undefined): boolean {
  return member?.state === 'alive' || member?.state === 'suspect';
}

/** The member that is there under a name: an id or an address. Of two at one address the one that is alive. */
export function findMember(cluster: Cluster, name: string): Member | undefined {
  const byId = cluster.member(name);
  if (byId && isThere(byId)) return byId;
  const there = cluster.members().filter((member) => member.address === name && isThere(member));
  return there.find(({ state }) => state === 'alive') ?? there[0];
}
