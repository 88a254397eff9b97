/**
 * What must hold at every moment of every run, whatever the network does. Each rule has a name and a sentence; a run that
 * breaks one has found a mistake in the protocol, or in the rule.
 */
import { outranks } from '../../src/core/row.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import type { MemberState } from '../../src/wire/packet.js';
import type { Bounds } from './bounds.js';

/** The rules. */
export const RULES = {
  'healthy-declared-dead':
    'No member that is up, on time and connected both ways to most others is ever declared dead by a member that is too; nor, for longer than it takes to be sure, by itself.',
  'crash-unnoticed': 'A crashed member is dead or unknown to every healthy member within the bound of its preset.',
  'merge-law':
    "What a member holds of another's incarnation and state never goes back, and never beyond the other's own.",
  'incarnation-back': "A member's own incarnation never goes back, not even over a restart.",
  'delivered-twice': 'No process is given the same broadcast twice.',
  'message-from-nobody': 'Every message that is delivered was sent, by whom it says.',
  'not-delivered': 'A broadcast sent when all is well and all know each other reaches everybody.',
  'no-convergence': 'When the faults are over, all views become equal within the bound of the preset.',
  'queue-over-limit': 'Nothing that a member keeps is larger than its limit.',
  threw: 'Nothing that happens makes a member throw.',
} as const satisfies Record<string, string>;

/** A rule's name. */
export type Rule = keyof typeof RULES;

/** A rule that did not hold. */
export interface Violation {
  rule: Rule;
  atMs: number;
  text: string;
  /** Whom it is about: what is printed of a replay. */
  members: readonly number[];
}

/** What somebody holds of a member, or that member of itself. */
export interface Opinion {
  incarnation: bigint;
  state: MemberState;
}

/** Where a leaf has its table from that is on its way to a gateway, or waits for the table. */
export const NOWHERE = 'nowhere';

/** What the rules look at; a run's members, or what a test makes up. */
export interface Facts {
  nowMs(): number;
  /** Whether a member has been well for so long. */
  isWell(member: number, forMs: number): boolean;
  /** Of a leaf: which life of which gateway it has its table from, or {@link NOWHERE}. */
  tableFrom(member: number): string | undefined;
  /** Since when a member's process has run; infinity when it does not. */
  upSinceMs(member: number): number;
  /** Our own kind, leaves included, that run. */
  observers(): readonly number[];
  /** What an observer holds of somebody now. */
  opinion(at: number, about: number): Opinion | undefined;
  /** Sizes of everything that a member keeps. */
  sizes(member: number): Record<string, number>;
}

/**
 * What a member may keep of each thing that `stats()` has a size of. Source: `limits.ts`, and the constants beside each
 * queue in `core/`.
 */
const SIZES_MAX = Object.entries({
  members: DEFAULT_LIMITS.membersMax,
  newsWaiting: DEFAULT_LIMITS.membersMax * 2,
  // Those for others, one of our own each interval, and one for each member met.
  probesOpen: 1024 + DEFAULT_LIMITS.pendingContactsMax + 64,
  suspicionsRunning: DEFAULT_LIMITS.membersMax,
  contactsPending: DEFAULT_LIMITS.pendingContactsMax + 64,
  strangersWaiting: 128,
  historySize: DEFAULT_LIMITS.historyMax,
  requestsPending: DEFAULT_LIMITS.pendingRequestsMax,
  requestsIncoming: DEFAULT_LIMITS.incomingRequestsMax,
  localHealth: 8,
  neighbours: 64,
  broadcastsHeld: 65_536,
  // What came in one packet stays until the next has come.
  broadcastsHeldBytes: DEFAULT_LIMITS.broadcastCacheBytesMax + DEFAULT_LIMITS.frameBytesMax,
  broadcastsMissing: 16_384,
});

interface Message {
  from: number;
  atMs: number;
  /** When it was first delivered to each. */
  got: Map<number, number>;
}

/** Violations kept; a broken run has thousands. */
const VIOLATIONS_MAX = 100;

/** Watches one run. */
export class Checker {
  readonly violations: Violation[] = [];
  readonly messages = new Map<number, Message>();
  /** How often anything was looked at, by rule. */
  readonly looks: Partial<Record<Rule, number>> = {};
  /** By observer, then by whom it is about. */
  readonly #held = new Map<number, Map<number, Opinion>>();
  readonly #tableFrom = new Map<number, string>();
  readonly #own = new Map<number, bigint>();
  /** Declared dead, with the incarnation, so that only the first to hold it counts as having declared it. */
  readonly #declared = new Map<number, bigint>();
  readonly #crashed = new Map<number, number>();

  constructor(
    private readonly facts: Facts,
    private readonly bounds: Bounds,
    /** Whether all clocks are equal: a clock that was ahead may leave an incarnation behind that a new process has not reached. */
    private readonly clocksAgree: boolean,
  ) {}

  /** An observer's view of a member's state has changed. */
  changed(at: number, about: number, state: string): void {
    if (about < 0 || at === about) return;
    this.heldBy(at, about, state === 'removed');
    if (state !== 'dead') return;
    const opinion = this.facts.opinion(at, about);
    if (!opinion || this.#declared.get(about) === opinion.incarnation) return;
    this.#declared.set(about, opinion.incarnation);
    this.#look('healthy-declared-dead');
    // Its link was ill, and it is not sure yet that it is well; for how long that may be is looked at below.
    if (this.facts.opinion(about, about)?.state === 'dead') return;
    const { recoveryMs } = this.bounds;
    if (!this.facts.isWell(at, recoveryMs) || !this.facts.isWell(about, recoveryMs)) return;
    this.#break('healthy-declared-dead', `${at} declared ${about} dead`, [at, about]);
  }

  /** Compares what an observer holds of a member with what it held before. @param forgotten - it may begin anew. */
  heldBy(at: number, about: number, forgotten = false): void {
    const held = this.#held.get(at) ?? new Map<number, Opinion>();
    if (held.size === 0) this.#held.set(at, held);
    // A leaf takes over what its gateway holds, which may be less than another held.
    const from = this.facts.tableFrom(at);
    if (from !== undefined && this.#tableFrom.get(at) !== from) {
      held.clear();
      this.#tableFrom.set(at, from);
    }
    if (from === NOWHERE) return;
    const opinion = forgotten ? undefined : this.facts.opinion(at, about);
    if (!opinion) {
      held.delete(about);
      return;
    }
    this.#look('merge-law');
    const { incarnation, state } = opinion;
    const before = held.get(about);
    // It was looked at when it came, and the other's own does not go back.
    if (before && before.state === state && before.incarnation === incarnation) return;
    if (before && outranks(before.incarnation, before.state, incarnation, state)) {
      this.#break('merge-law', `${at} held ${about} ${text(before)}, now ${text(opinion)}`, [at, about]);
    }
    const own = this.#own.get(about);
    if (this.clocksAgree && own !== undefined && opinion.incarnation > own) {
      const now = this.facts.opinion(about, about);
      if (now && opinion.incarnation > now.incarnation) {
        this.#break('merge-law', `${at} holds ${about} ${text(opinion)}, which itself is at ${now.incarnation}`, [
          at,
          about,
        ]);
      }
    }
    held.set(about, { incarnation, state });
  }

  /** A process has begun: it knows nobody, and is not gone any more. */
  started(member: number): void {
    this.#crashed.delete(member);
    this.#held.delete(member);
    if (!this.clocksAgree) this.#own.delete(member);
  }

  /** A process has ended without coming back at once. */
  gone(member: number): void {
    this.#crashed.set(member, this.facts.nowMs());
  }

  /** Looks at a member's own incarnation. Only for those that mint it themselves: no leaves, no v1 peers. */
  own(member: number): void {
    const opinion = this.facts.opinion(member, member);
    if (!opinion) return;
    this.#look('incarnation-back');
    const before = this.#own.get(member);
    if (before !== undefined && before > opinion.incarnation) {
      this.#break('incarnation-back', `${member} was at ${before} and is at ${opinion.incarnation}`, [member]);
    }
    this.#own.set(member, opinion.incarnation);
    if (opinion.state === 'dead' && this.facts.isWell(member, this.bounds.illMs)) {
      this.#break('healthy-declared-dead', `${member} says that it is dead itself`, [member]);
    }
  }

  sent(n: number, from: number): void {
    this.messages.set(n, { from, atMs: this.facts.nowMs(), got: new Map() });
  }

  /** A broadcast was delivered. @param n - what its data says it is. */
  delivered(to: number, from: number, n: unknown): void {
    this.#look('message-from-nobody');
    const message = typeof n === 'number' ? this.messages.get(n) : undefined;
    if (!message || message.from !== from) {
      this.#break('message-from-nobody', `${to} got ${String(n)} from ${from}`, [to, from]);
      return;
    }
    this.#look('delivered-twice');
    const before = message.got.get(to);
    // A new process does not know what the former one has heard.
    if (before !== undefined && before >= this.facts.upSinceMs(to)) {
      this.#break('delivered-twice', `${to} got ${n} of ${from} at ${Math.round(before)} ms and again`, [to, from]);
    }
    message.got.set(to, this.facts.nowMs());
  }

  /** A broadcast's time is up: these should have got it. */
  due(n: number, to: readonly number[]): void {
    this.#look('not-delivered');
    const message = this.messages.get(n);
    const missed = to.filter((member) => member !== message?.from && !message?.got.has(member));
    if (missed.length === 0) return;
    this.#break(
      'not-delivered',
      `${missed.length} of ${to.length - 1} have not got ${n} of ${message?.from}: ${missed}`,
      [message?.from ?? -1, ...missed.slice(0, 5)],
    );
  }

  /** The time to become equal is up. @param difference - what is not, if anything. */
  settled(difference: string | undefined, members: readonly number[] = []): void {
    this.#look('no-convergence');
    if (difference !== undefined) this.#break('no-convergence', `still ${difference}`, members);
  }

  /** Something was thrown out of the simulation; the run is over. */
  threw(error: unknown): void {
    this.#break('threw', error instanceof Error ? (error.stack ?? error.message) : String(error), []);
  }

  /** Looks at sizes. */
  sizes(member: number): void {
    this.#look('queue-over-limit');
    const sizes = this.facts.sizes(member);
    for (const [name, max] of SIZES_MAX) {
      const size = sizes[name];
      if (size !== undefined && size > max) this.#break('queue-over-limit', `${member} has ${size} ${name}`, [member]);
    }
  }

  /** Looks whether everybody knows of those that crashed long enough ago. */
  crashes(): void {
    const { deathMs } = this.bounds;
    const nowMs = this.facts.nowMs();
    for (const [member, crashedMs] of this.#crashed) {
      if (nowMs - crashedMs < deathMs) continue;
      this.#crashed.delete(member);
      this.#look('crash-unnoticed');
      for (const at of this.facts.observers()) {
        const state = this.facts.opinion(at, member)?.state;
        if ((state !== 'alive' && state !== 'suspect') || !this.facts.isWell(at, deathMs)) continue;
        this.#break('crash-unnoticed', `${at} holds ${member} ${state} ${Math.round(nowMs - crashedMs)} ms later`, [
          at,
          member,
        ]);
      }
    }
  }

  #look(rule: Rule): void {
    this.looks[rule] = (this.looks[rule] ?? 0) + 1;
  }

  #break(rule: Rule, text: string, members: readonly number[]): void {
    if (this.violations.length < VIOLATIONS_MAX)
      this.violations.push({ rule, atMs: this.facts.nowMs(), text, members });
  }
}

function text({ incarnation, state }: Opinion): string {
  return `${state} at ${incarnation}`;
}
