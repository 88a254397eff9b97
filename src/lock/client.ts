/**
 * A client of the lock table: one session with the voters, and the claims in it. A pure machine: inputs and the time in, what
 * to do out. It has one call under way at a time and repeats it until it is answered, and it counts from when that call was
 * first sent: whatever it believes ends before the voters may give it to somebody else.
 */
import type { GossipErrorCode } from '../errors.js';
import { type Answer, type Call, LOCK_LIMITS, type Operation } from './commands.js';

/**
 * How much of a session's time its client believes in. The voters count from a later moment, all of it; so clocks may run a tenth
 * too fast or too slow before two clients believe at once: 0.9 / 1.1 is above it. Source: as the leases of a quorum.
 */
const BELIEVED = 0.8;
/** A sign of life is due after this part of the session's time. Source: a third, as the keep-alives of etcd's leases. */
const BEAT = 1 / 3;
/** How long one call is tried before it is sent anew, and the pause before that; parts of the session's time. Source: guess. */
const ATTEMPT = 1 / 4;
const PAUSE = 1 / 20;

/** What happens to a client. `claim`: a number of the caller's, each greater than the one before. */
export type ClientInput =
  | {
      readonly type: 'acquire';
      readonly claim: number;
      readonly name: string;
      /** Only if nobody has it. */
      readonly isTry: boolean;
      readonly timeoutMs: number;
    }
  /** Gives it back, or waits no longer. */
  | { readonly type: 'release'; readonly claim: number }
  | { readonly type: 'extend'; readonly claim: number }
  /** `call`: the number in the effect that asked for it. */
  | { readonly type: 'answer'; readonly call: number; readonly answer: Answer }
  /** The voters did not answer; what was asked may yet happen. */
  | { readonly type: 'failed'; readonly call: number }
  /** What a voter told without being asked. */
  | { readonly type: 'told'; readonly answer: Answer }
  | { readonly type: 'close' }
  | { readonly type: 'tick' };

/** What a client wants done. */
export type ClientEffect =
  | { readonly type: 'call'; readonly call: number; readonly what: Call; readonly timeoutMs: number }
  | { readonly type: 'granted'; readonly claim: number; readonly token: number }
  | { readonly type: 'refused'; readonly claim: number; readonly code: RefusalCode | 'held' }
  /** It was held, and is not any longer. */
  | { readonly type: 'lost'; readonly claim: number }
  | { readonly type: 'extended'; readonly claim: number }
  /** The voters have it back, or will when the session's time is over there. */
  | { readonly type: 'released'; readonly claim: number }
  | { readonly type: 'closed' };

/** Why a lock was not granted, but for a try: there `held` is an answer. `ERR_TIMEOUT`: others had it all the time. */
export type RefusalCode = Extract<GossipErrorCode, 'ERR_TIMEOUT' | 'ERR_NO_QUORUM' | 'ERR_OVERLOADED' | 'ERR_CLOSED'>;

interface Claim {
  readonly name: string;
  readonly isTry: boolean;
  readonly deadlineMs: number;
  state: 'asking' | 'waiting' | 'held';
}

/** A call that has not been answered. */
interface Flight {
  /** Of its latest attempt. */
  call: number;
  readonly what: Call;
  readonly firstSentMs: number;
  sentMs: number;
  /** When it is sent anew, after a failure. */
  retryAtMs: number;
  readonly extending: readonly number[];
}

export interface ClientOptions {
  readonly ttlMs: number;
  /** A new name for each session. */
  readonly newKey: () => string;
}

export class LockClient {
  readonly #options: ClientOptions;
  readonly #claims = new Map<number, Claim>();
  #todo: Operation[] = [];
  #extending: number[] = [];
  #flight: Flight | undefined;
  /** Number of the latest attempt of a call. */
  #calls = 0;
  /** 0: there is none. */
  #session = 0;
  #previous = 0;
  #turn = 0;
  #seen = 0;
  /** When the last call that was answered was first sent. */
  #heardMs = 0;
  /** How long no call has been answered. */
  #silentMs = 0;
  #isClosing = false;
  #isClosed = false;
  #effects: ClientEffect[] = [];

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Until when what is held is ours, by our own clock; in the past when there is no session. */
  get untilMs(): number {
    return this.#session > 0 ? this.#heardMs + this.#options.ttlMs * BELIEVED : Number.NEGATIVE_INFINITY;
  }

  get claims(): number {
    return this.#claims.size;
  }

  /** Whether a claim holds its lock at this moment. */
  holds(claim: number, nowMs: number): boolean {
    return this.#claims.get(claim)?.state === 'held' && nowMs < this.untilMs;
  }

  /** When it must be told the time. */
  get wakeAtMs(): number {
    let atMs = this.#flight ? this.#flight.retryAtMs : Number.POSITIVE_INFINITY;
    if (this.#claims.size === 0) return atMs;
    if (this.#session > 0) atMs = Math.min(atMs, this.untilMs, this.#flight ? atMs : this.#beatAtMs);
    for (const { state, deadlineMs } of this.#claims.values()) {
      if (state !== 'held' && deadlineMs < atMs) atMs = deadlineMs;
    }
    return atMs;
  }

  get #beatAtMs(): number {
    return this.#heardMs + this.#options.ttlMs * BEAT;
  }

  handle(input: ClientInput, nowMs: number): readonly ClientEffect[] {
    this.#effects = [];
    // First: nothing that comes late may be believed.
    this.#lapse(nowMs);
    this.#route(input, nowMs);
    this.#lapse(nowMs);
    this.#timeOut(nowMs);
    this.#proceed(nowMs);
    return this.#effects;
  }

  #route(input: ClientInput, nowMs: number): void {
    switch (input.type) {
      case 'acquire':
        this.#acquire(input, nowMs);
        return;
      case 'release':
        this.#release(input.claim);
        return;
      case 'extend':
        if (this.#claims.get(input.claim)?.state === 'held') this.#extending.push(input.claim);
        return;
      case 'answer':
        if (this.#flight?.call === input.call) this.#answered(this.#flight, input.answer, nowMs);
        return;
      case 'failed':
        if (this.#flight?.call === input.call) this.#failed(this.#flight, nowMs);
        return;
      case 'told':
        if (input.answer.type === 'view' && input.answer.session === this.#session) this.#grants(input.answer);
        return;
      case 'close':
        this.#close();
        return;
      case 'tick':
        return;
    }
  }

  #acquire({ claim, name, isTry, timeoutMs }: Extract<ClientInput, { type: 'acquire' }>, nowMs: number): void {
    if (this.#isClosing || this.#claims.size >= LOCK_LIMITS.claimsPerSessionMax) {
      const code = this.#isClosing ? 'ERR_CLOSED' : 'ERR_OVERLOADED';
      this.#effects.push({ type: 'refused', claim, code });
      return;
    }
    // Silence of before counts for those who asked then.
    if (this.#claims.size === 0 && !this.#flight) this.#silentMs = 0;
    this.#claims.set(claim, { name, isTry, deadlineMs: nowMs + timeoutMs, state: 'asking' });
    this.#todo.push({ type: isTry ? 'try' : 'acquire', claim, name });
  }

  #release(claim: number): void {
    if (!this.#claims.delete(claim)) return;
    const unsent = this.#todo.findIndex((operation) => 'claim' in operation && operation.claim === claim);
    if (unsent < 0 && this.#session > 0) {
      this.#todo.push({ type: 'release', claim });
      return;
    }
    if (unsent >= 0) this.#todo.splice(unsent, 1);
    this.#effects.push({ type: 'released', claim });
  }

  #close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    for (const [claim, { state }] of this.#claims) {
      this.#effects.push(state === 'held' ? { type: 'lost', claim } : { type: 'refused', claim, code: 'ERR_CLOSED' });
    }
    this.#claims.clear();
    this.#todo = this.#todo.filter(({ type }) => type === 'release');
    this.#todo.push({ type: 'close' });
  }

  #answered(flight: Flight, answer: Answer, nowMs: number): void {
    this.#silentMs = 0;
    this.#flight = undefined;
    if (answer.type === 'opened' && flight.what.type === 'open') {
      this.#session = answer.session;
      this.#heardMs = flight.firstSentMs;
      this.#turn = 0;
      this.#seen = 0;
    } else if (answer.type === 'view' && flight.what.type === 'turn' && answer.turn === flight.what.turn) {
      this.#heardMs = flight.firstSentMs;
      // An answer that took too long confirms nothing that is worth anything.
      if (nowMs < this.untilMs) this.#settle(flight, flight.what.operations, answer);
      else this.#abandon(flight);
    } else if (answer.type === 'refused' && flight.what.type === 'open') {
      this.#refuse('ERR_OVERLOADED');
    } else this.#abandon(flight);
  }

  #settle(flight: Flight, operations: readonly Operation[], view: Extract<Answer, { type: 'view' }>): void {
    for (const [at, operation] of operations.entries()) {
      if (operation.type === 'close') {
        this.#session = 0;
        continue;
      }
      const { claim } = operation;
      const answer = view.answers[at];
      if (operation.type === 'release') this.#effects.push({ type: 'released', claim });
      // Who has withdrawn has said so by a release that follows.
      else if (typeof answer === 'number') this.#granted(claim, answer);
      else if (answer === 'waiting') {
        const waiting = this.#claims.get(claim);
        if (waiting?.state === 'asking') waiting.state = 'waiting';
      } else if (this.#claims.delete(claim)) {
        const code = answer === 'held' ? answer : 'ERR_OVERLOADED';
        this.#effects.push({ type: 'refused', claim, code });
      }
    }
    this.#grants(view);
    for (const claim of flight.extending) {
      if (this.#claims.get(claim)?.state === 'held') this.#effects.push({ type: 'extended', claim });
    }
  }

  #grants({ grants }: Extract<Answer, { type: 'view' }>): void {
    for (const [claim, token] of grants) {
      this.#seen = Math.max(this.#seen, token);
      this.#granted(claim, token);
    }
  }

  #granted(claim: number, token: number): void {
    const granted = this.#claims.get(claim);
    if (!granted || granted.state === 'held') return;
    granted.state = 'held';
    this.#effects.push({ type: 'granted', claim, token });
  }

  #failed(flight: Flight, nowMs: number): void {
    const { ttlMs } = this.#options;
    // Who stood still for a while has not asked for so long.
    this.#silentMs += Math.min(nowMs - flight.sentMs, ttlMs * ATTEMPT) + ttlMs * PAUSE;
    flight.retryAtMs = nowMs + ttlMs * PAUSE;
    if (this.#silentMs < ttlMs) return;
    this.#silentMs = 0;
    this.#refuse('ERR_NO_QUORUM');
    if (this.#session === 0) this.#flight = undefined;
  }

  /** Refuses all claims that wait. */
  #refuse(code: RefusalCode): void {
    for (const [claim, { state }] of this.#claims) {
      if (state === 'held') continue;
      this.#effects.push({ type: 'refused', claim, code });
      this.#release(claim);
    }
  }

  /** Our time is over, by our own clock. */
  #lapse(nowMs: number): void {
    if (this.#session > 0 && nowMs >= this.untilMs) this.#abandon(this.#flight);
  }

  /** There is no session any longer: what it held is lost, who waits asks again in the next. */
  #abandon(flight: Flight | undefined): void {
    if (this.#session > 0) this.#previous = this.#session;
    this.#session = 0;
    this.#flight = undefined;
    const operations = flight?.what.type === 'turn' ? [...flight.what.operations, ...this.#todo] : this.#todo;
    for (const operation of operations) {
      if (operation.type === 'release') this.#effects.push({ type: 'released', claim: operation.claim });
    }
    this.#todo = [];
    this.#extending = [];
    for (const [claim, held] of this.#claims) {
      if (held.state === 'held') {
        this.#claims.delete(claim);
        this.#effects.push({ type: 'lost', claim });
        continue;
      }
      held.state = 'asking';
      this.#todo.push({ type: held.isTry ? 'try' : 'acquire', claim, name: held.name });
    }
  }

  #timeOut(nowMs: number): void {
    for (const [claim, { state, deadlineMs }] of this.#claims) {
      if (state === 'held' || nowMs < deadlineMs) continue;
      this.#effects.push({ type: 'refused', claim, code: state === 'waiting' ? 'ERR_TIMEOUT' : 'ERR_NO_QUORUM' });
      this.#release(claim);
    }
  }

  /** Sends what there is to send. */
  #proceed(nowMs: number): void {
    const { ttlMs } = this.#options;
    const flight = this.#flight;
    if (flight) {
      if (nowMs >= flight.retryAtMs) this.#send(flight, nowMs);
      return;
    }
    if (this.#session === 0) {
      if (this.#isClosing && !this.#isClosed) {
        this.#isClosed = true;
        this.#effects.push({ type: 'closed' });
      }
      if (this.#claims.size > 0) {
        const { newKey } = this.#options;
        this.#fly({ type: 'open', key: newKey(), ttlMs, previous: this.#previous }, [], nowMs);
      }
      return;
    }
    const isBeatDue = this.#claims.size > 0 && nowMs >= this.#beatAtMs;
    if (this.#todo.length === 0 && this.#extending.length === 0 && !isBeatDue) return;
    const operations = this.#todo.splice(0, LOCK_LIMITS.operationsMax);
    const extending = this.#extending;
    this.#extending = [];
    this.#turn++;
    const { session, turn, seen } = { session: this.#session, turn: this.#turn, seen: this.#seen };
    this.#fly({ type: 'turn', session, turn, seen, operations }, extending, nowMs);
  }

  #fly(what: Call, extending: readonly number[], nowMs: number): void {
    this.#flight = { call: 0, what, firstSentMs: nowMs, sentMs: nowMs, retryAtMs: 0, extending };
    this.#send(this.#flight, nowMs);
  }

  #send(flight: Flight, nowMs: number): void {
    flight.call = ++this.#calls;
    flight.sentMs = nowMs;
    flight.retryAtMs = Number.POSITIVE_INFINITY;
    const timeoutMs = this.#options.ttlMs * ATTEMPT;
    this.#effects.push({ type: 'call', call: flight.call, what: flight.what, timeoutMs });
  }
}
