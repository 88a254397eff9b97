/**
 * What every state machine of ours is made of: time, a clock for messages, randomness, timers, counters and the list of
 * things to do. A member's core and a leaf's are such machines, and so the shell drives both alike.
 */

import type { Limits } from '../limits.js';
import type { MemberRecord } from '../wire/packet.js';
import type { MachineConfig, Timing } from './config.js';
import type { ForeignDialect } from './dialect.js';
import type { Effect, VisibleState } from './effect.js';
import { History } from './history.js';
import { Hlc, type HlcTime } from './hlc.js';
import type { Input, Packet } from './input.js';
import type { MemberId } from './member-id.js';
import type { Generator } from './random.js';
import { Requests } from './requests.js';
import { type Timer, Timers } from './timers.js';

/** What a machine knows of a member: at least what is told about it. */
export type KnownMember = Readonly<MemberRecord>;

/** The members a machine knows, itself included. */
export interface MemberTable {
  readonly self: KnownMember;
  get(id: MemberId): KnownMember | undefined;
  all(): IterableIterator<KnownMember>;
  /** Something that cannot be an old packet sent again came from a member itself. */
  heard(id: MemberId): void;
}

export abstract class Machine {
  abstract readonly members: MemberTable;
  abstract readonly random: Generator;
  readonly hlc: Hlc;
  readonly history: History;
  readonly requests: Requests;
  /** Monotonic time of the input being handled. */
  nowMs: number;
  /** We have left; nothing is taken, sent or answered any more. */
  left = false;
  readonly timers = new Timers();
  readonly #counters = new Map<string, number>();
  #effects: Effect[] = [];

  constructor(
    readonly config: MachineConfig,
    nowMs: number,
  ) {
    this.nowMs = nowMs;
    this.hlc = new Hlc(config.epochMs);
    this.history = new History(this);
    this.requests = new Requests(this);
  }

  /** Takes one input. */
  protected abstract route(input: Input): void;
  /** A timer fired far too late: we were suspended or blocked, and what was silent may be us. */
  protected abstract woke(): void;
  /**
   * Sends one packet to a member.
   * @param ref - of the application's wish, which is settled when the carrier has taken the packet.
   */
  abstract send(to: KnownMember, packet: Packet, reliable: boolean, ref?: number): void;
  /** The rules by which a member is spoken to, when it is not by ours. */
  abstract foreignOf(row: KnownMember): ForeignDialect | undefined;
  /** Why nothing can be sent to a member, if so. */
  abstract whyNot(row: KnownMember): string | undefined;

  get timing(): Timing {
    return this.config.timing;
  }

  get limits(): Limits {
    return this.config.limits;
  }

  /** A new time, later than all that we have minted or heard of. */
  mint(): HlcTime {
    return this.hlc.now(this.nowMs);
  }

  get self(): KnownMember {
    return this.members.self;
  }

  /** When the machine wants its next tick; monotonic milliseconds. */
  get wakeAtMs(): number {
    return this.left ? Number.POSITIVE_INFINITY : this.timers.nextMs;
  }

  /**
   * Takes one input.
   * @param nowMs - monotonic milliseconds, never less than before.
   * @returns what is to be done, in order. The array is the caller's.
   */
  handle(input: Input, nowMs: number): Effect[] {
    this.nowMs = nowMs;
    // @source Lifeguard's slow message processing
    if (nowMs - this.timers.nextMs >= this.timing.probeIntervalMs) this.woke();
    if (!this.left) this.route(input);
    while (!this.left) {
      const run = this.timers.takeDue(nowMs);
      if (!run) break;
      run();
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  emitState(row: KnownMember, state: VisibleState, previous: VisibleState): void {
    this.emit({ type: 'change', change: { kind: 'state', row, state, previous } });
  }

  schedule(delayMs: number, run: () => void): Timer {
    return this.timers.schedule(this.nowMs + Math.max(0, delayMs), run);
  }

  /** A time from elsewhere that lies too far in our future is not believed: it would drag every clock along. */
  tooFarAhead(time: bigint): boolean {
    const aheadMs = this.hlc.aheadMs(time, this.nowMs);
    if (aheadMs <= this.timing.clockDriftMaxMs) return false;
    this.drop('clockDrift', `${Math.round(aheadMs)} ms ahead`);
    return true;
  }

  count(name: string, by = 1): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
  }

  /** Counts something refused, and tells the log of the first of its kind. */
  drop(name: string, detail: string): void {
    if (!this.#counters.has(name)) {
      const message = `dropped: ${name} (told once, counted in stats)`;
      this.emit({ type: 'log', level: 'warn', message, fields: { detail } });
    }
    this.count(name);
  }

  /** How often something was counted. */
  counted(name: string): number {
    return this.#counters.get(name) ?? 0;
  }

  /** Every counter and the present sizes of everything that can grow. */
  stats(): Record<string, number> {
    return Object.assign(Object.fromEntries([...this.#counters].sort()), this.sizes());
  }

  sizes(): Record<string, number> {
    return {
      historySize: this.history.size,
      requestsPending: this.requests.pending,
      requestsIncoming: this.requests.incoming,
    };
  }
}
