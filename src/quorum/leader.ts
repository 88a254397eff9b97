/**
 * What a leader does in its term: repeats its log to the others, commits what a quorum holds, counts its lease from when the
 * word was sent that a quorum has answered, changes the voters, and hands over.
 */
import { type Configuration, nameOf, quorumValue, type Snapshot, votersOf } from './log.js';
import type { QuorumMessage } from './messages.js';
import type { Replica } from './replica.js';

/** What a leader knows of another replica. */
interface Progress {
  /** Up to here its log is ours. */
  match: number;
  /** What it is sent next. */
  next: number;
  /** When the latest word was sent that it has answered, by our clock. */
  ackedAtMs: number;
  /** When the latest word was sent, and that it is not answered. */
  sentAtMs: number;
  asked: boolean;
  eligible: boolean;
}

/** A change of voters that is under way: first the new ones catch up, then both sets decide, then the new one. */
interface Change {
  names: readonly string[];
  /** Who wished it; a voter that came back as somebody else is let in by ourselves. */
  ref: number | undefined;
  untilMs: number;
}

/** Commands that wait to be committed. Source: guess. */
const PENDING_MAX = 256;
/** Entries in one message. Source: as long as a log is. */
const ENTRIES_MAX = 64;

export class Leader {
  leaseUntilMs: number;
  #heartbeatAtMs: number;
  readonly #progress = new Map<string, Progress>();
  /** The first entry of our term: once it is committed we know all that was. */
  #start = Number.POSITIVE_INFINITY;
  /** Who waits for what becomes of an entry. */
  readonly #pending = new Map<number, number>();
  #change: Change | undefined;
  /** Voters to be, by name: of the change, and those that have forgotten and are somebody else. */
  readonly #newcomers = new Map<string, string>();
  /** Voters no more, which are still told so: until when at most. */
  readonly #dismissed = new Map<string, number>();
  /** We hand over; until then we wait for somebody who has all. */
  #leavingUntilMs: number | undefined;

  constructor(private readonly replica: Replica) {
    this.leaseUntilMs = replica.nowMs + replica.options.leaseMs;
    this.#heartbeatAtMs = replica.nowMs;
  }

  /** @param anew - the voters, when we begin anew instead of going on as those before us. */
  begin(anew?: Configuration): void {
    const { replica } = this;
    const { term } = replica;
    this.#start = replica.append(anew ? { type: 'voters', term, configuration: anew } : { type: 'start', term });
    this.#advance();
  }

  /** All that was committed before us is known to us. */
  get #ready(): boolean {
    return this.replica.committed >= this.#start;
  }

  /** Ready and allowed to lead; the lease is another question. */
  get leads(): boolean {
    return this.#ready && this.replica.eligible && this.#leavingUntilMs === undefined;
  }

  get wakeAtMs(): number {
    return Math.min(this.#heartbeatAtMs, this.leaseUntilMs, this.#leavingUntilMs ?? Number.POSITIVE_INFINITY);
  }

  get #configuration(): Configuration {
    return this.replica.log.configuration;
  }

  /** The voters are not being changed. */
  get #isPlain(): boolean {
    return !this.#configuration.next && !this.#configuration.all;
  }

  propose(command: unknown, ref: number): void {
    const { replica } = this;
    if (this.#leavingUntilMs !== undefined) {
      replica.settle(ref, 'not-leader');
      return;
    }
    if (this.#pending.size >= PENDING_MAX) {
      replica.settle(ref, 'overloaded');
      return;
    }
    this.#pending.set(replica.append({ type: 'command', term: replica.term, command }), ref);
    this.#advance();
  }

  /** An entry was committed. */
  applied(index: number, result: unknown): void {
    const ref = this.#pending.get(index);
    this.#pending.delete(index);
    if (ref !== undefined) this.replica.settle(ref, undefined, result);
  }

  /** We lead no more: what was not committed may be, or not. */
  end(): void {
    for (const ref of this.#pending.values()) this.replica.settle(ref, 'lost');
    this.#endChange('lost');
  }

  resign(): void {
    this.#leavingUntilMs ??= this.replica.nowMs + this.replica.options.leaseMs / 2;
  }

  change(names: readonly string[], ref: number): void {
    const { names: first, durable } = this.replica.options;
    // All of the first voters together may begin anew when they have forgotten. Nobody else may go on without them then.
    if (!durable && names.some((name) => !first.includes(name))) {
      this.replica.settle(ref, 'strangers');
      return;
    }
    if (this.#change || !this.#isPlain) {
      this.replica.settle(ref, 'busy');
      return;
    }
    this.#startChange(names, ref);
  }

  #startChange(names: readonly string[], ref?: number): void {
    const { nowMs, electionMs } = this.replica;
    this.#change = { names, ref, untilMs: nowMs + 2 * electionMs };
    this.#heartbeatAtMs = nowMs;
  }

  #endChange(refused?: 'lost' | 'unreachable'): void {
    if (this.#change?.ref !== undefined) this.replica.settle(this.#change.ref, refused);
    this.#change = undefined;
    this.#newcomers.clear();
  }

  /** Somebody says who it is. Who bears the name of a voter and is another one is what has become of it: it has forgotten. */
  met(id: string): void {
    const name = nameOf(id);
    const known = votersOf(this.#configuration);
    const former = known.find((other) => nameOf(other) === name);
    if (!this.#isPlain || known.includes(id) || this.#newcomers.get(name) === id) return;
    if (!former && !this.#change?.names.includes(name)) return;
    // Two processes have that name, or last words of the former one are under way.
    if (former && this.#heardWithin(former, this.replica.electionMs)) {
      this.replica.count('namesTwice');
      return;
    }
    this.#newcomers.set(name, id);
    if (!this.#change) this.#startChange(known.map(nameOf));
  }

  #heardWithin(id: string, ms: number): boolean {
    return id === this.replica.id || this.replica.nowMs - this.#of(id).ackedAtMs < ms;
  }

  /** Everything that has its time. */
  tick(): void {
    const { replica } = this;
    const { nowMs } = replica;
    if (nowMs >= this.#heartbeatAtMs) {
      this.#heartbeatAtMs = nowMs + replica.options.leaseMs / 4;
      if (this.#change && this.#isPlain && nowMs >= this.#change.untilMs) this.#endChange('unreachable');
      for (const id of this.#others()) this.#append(id);
      this.#lookForVoters();
      this.#renew();
    }
    if (this.#leavingUntilMs !== undefined || (this.#ready && !replica.eligible)) this.#handOver();
  }

  /** Asks under the names of voters that are silent, or wanted, who bears them now. */
  #lookForVoters(): void {
    const { replica } = this;
    const known = votersOf(this.#configuration);
    const silent = known.filter((id) => !this.#heardWithin(id, replica.electionMs)).map(nameOf);
    const wanted = this.#change?.names.filter((name) => !known.some((id) => nameOf(id) === name)) ?? [];
    for (const name of new Set([...silent, ...wanted])) {
      if (!this.#newcomers.has(name)) replica.send({ type: 'who', to: `${name}#` });
    }
  }

  /** Everybody who is told; who is told no more is forgotten. */
  #others(): string[] {
    const { log, nowMs } = this.replica;
    for (const [id, untilMs] of this.#dismissed) {
      if (nowMs >= untilMs || this.#of(id).match >= log.configurationIndex) this.#dismissed.delete(id);
    }
    const ids = new Set([...votersOf(this.#configuration), ...this.#newcomers.values(), ...this.#dismissed.keys()]);
    ids.delete(this.replica.id);
    for (const known of this.#progress.keys()) if (!ids.has(known)) this.#progress.delete(known);
    return [...ids];
  }

  #of(id: string): Progress {
    let progress = this.#progress.get(id);
    if (!progress) {
      const never = Number.NEGATIVE_INFINITY;
      const next = this.replica.log.lastIndex + 1;
      progress = { match: 0, next, ackedAtMs: never, sentAtMs: never, asked: false, eligible: false };
      this.#progress.set(id, progress);
    }
    return progress;
  }

  #append(to: string): void {
    const { log, term, nowMs, committed } = this.replica;
    const progress = this.#of(to);
    progress.asked = true;
    progress.sentAtMs = nowMs;
    let snapshot: Snapshot | undefined;
    let previousIndex = progress.next - 1;
    if (previousIndex < log.snapshot.index) {
      ({ snapshot } = log);
      previousIndex = snapshot.index;
    }
    this.replica.send({
      type: 'append',
      to,
      term,
      sentAtMs: nowMs,
      previousIndex,
      previousTerm: log.termAt(previousIndex) as number,
      // A snapshot may fill a frame by itself.
      entries: snapshot ? [] : log.from(previousIndex + 1, ENTRIES_MAX),
      commit: committed,
      leads: this.leads,
      ...(snapshot && { snapshot }),
    });
  }

  onReply({ from, term, sentAtMs, match, lastIndex, eligible }: QuorumMessage & { type: 'append-reply' }): void {
    const { log, nowMs } = this.replica;
    const progress = this.#progress.get(from);
    if (!progress || sentAtMs > nowMs || (term === this.replica.term && match > log.lastIndex)) {
      this.replica.count('repliesNobodyAskedFor');
      return;
    }
    if (term > this.replica.term) this.replica.follow(term, 'termsOverheard');
    if (term !== this.replica.term || this.replica.leader !== this) return;
    progress.eligible = eligible;
    progress.ackedAtMs = Math.max(progress.ackedAtMs, sentAtMs);
    const answered = sentAtMs === progress.sentAtMs;
    if (match >= 0) {
      if (answered) progress.asked = false;
      progress.match = Math.max(progress.match, match);
      progress.next = progress.match + 1;
    } else {
      const next = Math.max(progress.match + 1, Math.min(progress.next - 1, lastIndex + 1));
      // Who refuses what it must have is asked again with the heartbeat, not at once and again.
      if (answered) progress.asked = next === progress.next;
      progress.next = next;
    }
    this.#renew();
    this.#advance();
  }

  /** The lease lasts from when we sent what a quorum has answered: whoever did votes for nobody else for longer. */
  #renew(): void {
    const { nowMs, id, options } = this.replica;
    const heardMs = quorumValue(this.#configuration, (voter) => (voter === id ? nowMs : this.#of(voter).ackedAtMs));
    this.leaseUntilMs = Math.max(this.leaseUntilMs, heardMs + options.leaseMs);
  }

  /** Commits what a quorum holds, goes on with a change of voters, and sends what is new. */
  #advance(): void {
    const { replica } = this;
    const { log, id, term } = replica;
    const wasReady = this.#ready;
    const held = quorumValue(this.#configuration, (voter) => (voter === id ? log.lastIndex : this.#of(voter).match));
    // What is of former terms is committed with what is of ours, never by itself.
    if (held > replica.committed && log.termAt(held) === term) replica.commit(held);
    // Others shall know that we lead.
    if (this.#ready && !wasReady) this.#heartbeatAtMs = replica.nowMs;
    const next = this.#ready && this.#nextConfiguration();
    if (next) {
      const dismissed = votersOf(this.#configuration).filter((voter) => !votersOf(next).includes(voter));
      for (const voter of dismissed) this.#dismissed.set(voter, replica.nowMs + 2 * replica.electionMs);
      replica.append({ type: 'voters', term, configuration: next });
      this.#advance();
      return;
    }
    for (const other of this.#others()) {
      const progress = this.#of(other);
      if (!progress.asked && progress.next <= log.lastIndex) this.#append(other);
    }
  }

  #nextConfiguration(): Configuration | undefined {
    const { log, committed, id } = this.replica;
    const { voters, next = voters } = log.configuration;
    const change = this.#change;
    if (committed < log.configurationIndex) return undefined;
    if (!this.#isPlain) return { voters: next };
    if (!voters.includes(id)) this.resign();
    if (!change) return undefined;
    const ids = change.names.map((name) => this.#newcomers.get(name) ?? voters.find((other) => nameOf(other) === name));
    const target = ids.filter((other) => other !== undefined);
    if (target.length === voters.length && target.every((other) => voters.includes(other))) {
      this.#endChange();
      return undefined;
    }
    const caughtUp = (other: string) => voters.includes(other) || this.#of(other).match >= this.#start;
    return target.length === ids.length && target.every(caughtUp) ? { voters, next: target } : undefined;
  }

  /** Makes the one that has all, of those who may lead, the next leader. We lead no more in this term, whatever comes of it. */
  #handOver(): void {
    const { replica } = this;
    const { voters, next = voters } = this.#configuration;
    const able = next.filter(
      (id) => id !== replica.id && this.#of(id).eligible && this.#heardWithin(id, replica.options.leaseMs),
    );
    const heir = able.find((id) => this.#of(id).match === replica.log.lastIndex);
    if (heir) {
      replica.send({ type: 'timeout-now', to: heir, term: replica.term });
      replica.follow(replica.term, 'handOvers');
    } else if (this.#leavingUntilMs !== undefined && (able.length === 0 || replica.nowMs >= this.#leavingUntilMs)) {
      replica.follow(replica.term, 'handOversToNobody');
    }
  }
}
