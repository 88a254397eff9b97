/**
 * A voter as a pure state machine: what came in and what time it is, to what is to be done. This file is Raft's follower and
 * candidate; `leader.ts` is what a leader does. A replica's id is its name, `#`, and a part that is new whenever it has forgotten
 * what it knew: who forgets is somebody else, and is let in as such.
 * @source Ongaro and Ousterhout, In Search of an Understandable Consensus Algorithm (2014); Ongaro's thesis, 3.10, 4.2.3, 6.4, 9.6
 */
import type { Refusal, ReplicaEffect, ReplicaInput, ReplicaOptions } from './input.js';
import { Leader } from './leader.js';
import { type Configuration, type Entry, isQuorum, Log, nameOf, votersOf } from './log.js';
import type { Leadership } from './machine.js';
import type { QuorumMessage, SavedState, Unsigned } from './messages.js';

/** How much longer than a lease nobody votes after hearing its holder. Source: clocks that run apart by 10 %: 1.1 / 0.9, rounded up. */
const ELECTION_PER_LEASE = 1.25;
/** Entries that are applied before they become a snapshot. Source: guess; a message with as many is small. */
const LOG_MAX = 64;

/** Our standing for election. */
interface Candidacy {
  /** Only asks who would. */
  pre: boolean;
  /** Begins anew if all follow us. */
  anew: boolean;
  /** The names of those who were asked. */
  asked: ReadonlySet<string>;
  /** The ids of those who vote for us, by name. */
  votes: Map<string, string>;
}

export class Replica {
  id: string;
  term = 0;
  log: Log;
  votedFor: string | undefined;
  committed: number;
  applied: number;
  nowMs: number;
  eligible = true;
  leader: Leader | undefined;
  /** Whom we follow in this term, and whether it says that it leads. */
  following: { id: string; leads: boolean } | undefined;
  readonly counters: Record<string, number> = {};
  readonly electionMs: number;
  /** As long as this we have promised a leader to vote for nobody else. */
  #promisedUntilMs: number;
  #electionAtMs: number;
  #candidacy: Candidacy | undefined;
  #dirty = false;
  #effects: ReplicaEffect[] = [];

  constructor(
    readonly options: ReplicaOptions,
    nowMs: number,
  ) {
    const { saved, name, boot, leaseMs } = options;
    this.nowMs = nowMs;
    this.id = saved?.id ?? `${name}#${boot}`;
    this.log = new Log(saved?.snapshot, [...(saved?.entries ?? [])]);
    this.term = saved?.term ?? 0;
    this.votedFor = saved?.votedFor;
    this.committed = this.applied = this.log.snapshot.index;
    if (this.applied > 0) options.machine.restore(this.log.snapshot.state);
    this.electionMs = leaseMs * ELECTION_PER_LEASE;
    // Whom we have promised what we have forgotten.
    this.#promisedUntilMs = saved ? nowMs + this.electionMs : Number.NEGATIVE_INFINITY;
    this.#electionAtMs = nowMs;
    if (saved) this.#waitForElection();
  }

  /** Our name among the voters. */
  get name(): string {
    return nameOf(this.id);
  }

  /** We know of no agreement: whatever is told to us, we have not seen other than that. */
  get fresh(): boolean {
    return this.log.lastIndex === 0;
  }

  /** When the next tick is wanted. */
  get wakeAtMs(): number {
    return this.leader ? this.leader.wakeAtMs : this.#electionAtMs;
  }

  /** The name of who leads, and its token, as far as we know at a time. */
  leadershipAt(nowMs: number): Leadership | undefined {
    if (this.leads(nowMs)) return { leader: this.name, token: this.term, mine: true };
    if (!this.following?.leads || nowMs >= this.#promisedUntilMs) return undefined;
    return { leader: nameOf(this.following.id), token: this.term, mine: false };
  }

  /** Whether we lead at a time, which may be later than the last input's. */
  leads(nowMs: number): boolean {
    return this.leader?.leads === true && nowMs < this.leader.leaseUntilMs;
  }

  /** Takes one input. @returns what is to be done. */
  handle(input: ReplicaInput, nowMs: number): ReplicaEffect[] {
    this.nowMs = nowMs;
    // Whoever slept learns it before anything else.
    if (this.leader && nowMs >= this.leader.leaseUntilMs) this.follow(this.term, 'leasesLost');
    switch (input.type) {
      case 'message':
        this.#onMessage(input.message);
        break;
      case 'propose':
        if (this.leader) this.leader.propose(input.command, input.ref);
        else this.settle(input.ref, 'not-leader');
        break;
      case 'change-voters':
        if (this.leader) this.leader.change(input.names, input.ref);
        else this.settle(input.ref, 'not-leader');
        break;
      case 'resign':
        this.leader?.resign();
        break;
      case 'slept':
        if (this.leader) this.follow(this.term, 'leasesSlept');
        break;
      case 'eligible':
        // Who has led in a term and may not any more does not come back in it: its token has been seen to end.
        if (this.leader?.leads && !input.eligible) this.leader.resign();
        this.eligible = input.eligible;
        break;
      case 'called':
        this.#takeName(input.name);
    }
    if (this.leader) this.leader.tick();
    else if (nowMs >= this.#electionAtMs) this.#timeOut();
    if (this.#dirty && this.options.durable) this.#effects.unshift({ type: 'save', state: this.#state() });
    this.#dirty = false;
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #state(): SavedState {
    const { id, term, votedFor, log } = this;
    return { id, term, votedFor, snapshot: log.snapshot, entries: [...log.entries] };
  }

  count(name: string): void {
    this.counters[name] = (this.counters[name] ?? 0) + 1;
  }

  send(message: Unsigned): void {
    this.#effects.push({ type: 'send', message: { from: this.id, ...message } });
  }

  settle(ref: number, refused?: Refusal, result?: unknown): void {
    this.#effects.push(refused ? { type: 'settled', ref, refused } : { type: 'settled', ref, result });
  }

  #waitForElection(): void {
    // Who could only hand over, or save what is left when all voters have forgotten, lets the others try first.
    const patience = this.eligible && this.votes ? 1 : 3;
    this.#electionAtMs = this.nowMs + this.electionMs * (patience + this.options.random());
  }

  /** Follows in a term, no later than ours. */
  follow(term: number, why?: string): void {
    if (why) this.count(why);
    if (term > this.term) {
      this.term = term;
      this.votedFor = undefined;
      this.#dirty = true;
    }
    if (this.leader || this.#candidacy) this.#waitForElection();
    this.leader?.end();
    this.leader = undefined;
    this.#candidacy = undefined;
    this.following = undefined;
  }

  /** Takes another name, unless we are counted under ours, or may be when all begin. We forget nothing: called by the former one we are who we were. */
  #takeName(name: string): void {
    const counted = this.options.names.includes(this.name) || votersOf(this.log.configuration).includes(this.id);
    if (counted || this.leader) return;
    this.follow(this.term);
    this.id = name + this.id.slice(this.name.length);
    this.#dirty = true;
  }

  /** Nobody has been heard for long. */
  #timeOut(): void {
    this.following = undefined;
    if (this.votes || !this.fresh) this.#stand({ pre: true });
    else this.#waitForElection();
  }

  /** We count, as far as we know. */
  get votes(): boolean {
    return this.fresh ? this.options.names.includes(this.name) : votersOf(this.log.configuration).includes(this.id);
  }

  /** May begin anew when all follow: where nobody has a disk, and at first. */
  get #mayBegin(): boolean {
    return this.fresh || !this.options.durable;
  }

  #onMessage(message: QuorumMessage): void {
    const { type, to, from } = message;
    const forName = nameOf(to) === this.name && from !== this.id;
    if (type === 'who' && forName) this.send({ type: 'here', to: from });
    // Who has forgotten is asked as well, instead of its former self.
    const forUs = to === this.id || (type === 'vote' && forName);
    if (!forUs || from === this.id) {
      if (type !== 'who') this.count('messagesForOthers');
      return;
    }
    switch (type) {
      case 'here':
        this.leader?.met(from);
        return;
      case 'vote':
        this.#onVote(message);
        return;
      case 'vote-reply':
        this.#onVoteReply(message);
        return;
      case 'append':
        this.#onAppend(message);
        return;
      case 'append-reply':
        this.leader?.onReply(message);
        return;
      case 'timeout-now':
        if (message.term === this.term && !this.leader && !this.fresh) this.#stand({ forced: true });
    }
  }

  #stand({ pre = false, forced = false, anew = false }): void {
    const { names, wallMs } = this.options;
    this.#waitForElection();
    this.following = undefined;
    let term = this.term + 1;
    if (!pre) {
      // Those who may have given out higher tokens are no more.
      if (anew) term = Math.max(term, Math.floor(wallMs()));
      this.term = term;
      this.votedFor = this.id;
      this.#dirty = true;
    }
    this.count(pre ? 'preVotes' : 'candidacies');
    const { lastIndex, lastTerm } = this.log;
    const known = votersOf(this.log.configuration);
    const others = this.#mayBegin ? names.filter((name) => !known.some((id) => nameOf(id) === name)) : [];
    const all = [...known, ...others.map((name) => `${name}#`)];
    this.#candidacy = { pre, anew, asked: new Set([this.name, ...all.map(nameOf)]), votes: new Map() };
    for (const to of all) {
      if (nameOf(to) !== this.name) {
        this.send({ type: 'vote', to, term, lastIndex, lastTerm, pre, forced, anew, names });
      }
    }
    this.#onVoteReply({ type: 'vote-reply', from: this.id, to: this.id, term, pre, granted: true });
  }

  #onVote({ from, term, lastIndex, lastTerm, pre, forced, anew, names }: QuorumMessage & { type: 'vote' }): void {
    const { log } = this;
    // We have promised not to: a leader leads, or may.
    if (!forced && (this.leader || this.nowMs < this.#promisedUntilMs)) {
      this.count('votesRefused');
      return;
    }
    if ((anew || this.fresh) && listOf(names) !== listOf(this.options.names)) {
      this.count('votersDiffer');
      return;
    }
    const complete = lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.lastIndex);
    if (pre) {
      const granted = term > this.term && complete;
      this.send({ type: 'vote-reply', to: from, term: granted ? term : this.term, pre, granted });
      return;
    }
    if (term > this.term) this.follow(term);
    const granted = term === this.term && complete && (this.votedFor ?? from) === from;
    if (granted) {
      this.votedFor = from;
      this.#dirty = true;
      this.#waitForElection();
    }
    this.send({ type: 'vote-reply', to: from, term: this.term, pre, granted });
  }

  #onVoteReply({ from, term, pre, granted }: QuorumMessage & { type: 'vote-reply' }): void {
    const candidacy = this.#candidacy;
    // Terms are nobody's to set whom we have not asked.
    if (!candidacy?.asked.has(nameOf(from))) return;
    if (!granted && term > this.term) this.follow(term);
    if (!granted || candidacy.pre !== pre || term !== this.term + (pre ? 1 : 0)) return;
    const { votes, anew } = candidacy;
    votes.set(nameOf(from), from);
    const elected = isQuorum(this.log.configuration, (id) => votes.get(nameOf(id)) === id);
    const beginning = elected ? undefined : this.#beginning(votes);
    if (!elected && !(beginning && (pre || anew))) return;
    if (pre) {
      this.#stand({ anew: !elected });
      return;
    }
    this.#candidacy = undefined;
    this.count(elected ? 'elections' : 'beginnings');
    this.leader = new Leader(this);
    this.leader.begin(beginning);
  }

  /**
   * How we may begin anew with what we have: when all voters, those at first and those that we know, follow us in this term, whoever
   * they are by now. None of them knows more, so that what others knew is lost; nothing else can be agreed upon until all
   * of them have agreed to this.
   */
  #beginning(votes: ReadonlyMap<string, string>): Configuration | undefined {
    if (!this.#mayBegin) return undefined;
    const { voters, next = voters } = this.log.configuration;
    const { names } = this.options;
    const idsOf = (some: readonly string[]) => [...new Set(some.map((name) => votes.get(name) ?? ''))];
    const all = idsOf([...names, ...votersOf(this.log.configuration).map(nameOf)]);
    return all.includes('') ? undefined : { voters: idsOf(this.fresh ? names : next.map(nameOf)), all };
  }

  #onAppend(message: QuorumMessage & { type: 'append' }): void {
    const { from, term, sentAtMs, previousIndex, previousTerm, entries, snapshot } = message;
    const reply = (match: number) => {
      const { lastIndex } = this.log;
      this.send({
        type: 'append-reply',
        to: from,
        term: this.term,
        sentAtMs,
        match,
        lastIndex,
        eligible: this.eligible,
      });
    };
    if (term < this.term) {
      reply(-1);
      return;
    }
    if (this.leader && term === this.term) {
      this.count('leadersTwice');
      return;
    }
    const installs = snapshot && snapshot.index > this.committed;
    if (installs) {
      try {
        this.options.machine.restore(snapshot.state);
      } catch {
        this.count('snapshotsMalformed');
        return;
      }
    }
    if (term > this.term || this.#candidacy) this.follow(term);
    this.following = { id: from, leads: message.leads };
    this.#promisedUntilMs = this.nowMs + this.electionMs;
    this.#waitForElection();
    if (installs) {
      this.log.install(snapshot);
      this.committed = this.applied = snapshot.index;
      this.#effects.push({ type: 'restored' });
      this.#dirty = true;
    }
    const merged = this.log.merge(previousIndex, previousTerm, entries, this.committed);
    if (merged === undefined) {
      reply(-1);
      return;
    }
    if (merged) this.#dirty = true;
    const match = previousIndex + entries.length;
    this.commit(Math.min(message.commit, match));
    reply(match);
  }

  append(entry: Entry): number {
    this.#dirty = true;
    return this.log.append(entry);
  }

  /** Everything up to an index is agreed upon: applies it. */
  commit(index: number): void {
    const { machine } = this.options;
    if (index > this.committed) this.committed = index;
    while (this.applied < this.committed) {
      const at = ++this.applied;
      const entry = this.log.entry(at) as Entry;
      if (entry.type !== 'command') continue;
      const { term, command } = entry;
      const result = machine.apply(command, { index: at, term });
      this.#effects.push({ type: 'applied', command, result, index: at, term });
      this.leader?.applied(at, result);
    }
    if (this.applied - this.log.snapshot.index >= LOG_MAX) {
      this.log.compact(this.applied, machine.snapshot());
      this.#dirty = true;
    }
  }
}

function listOf(names: readonly string[]): string {
  return [...names].sort().join(' ');
}
