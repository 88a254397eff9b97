/**
 * What others say of us: we refute it, with an incarnation that outranks theirs. But who is declared dead again soon after, and
 * gets few answers, has an ill link: it agrees, and is dead until its local health is perfect. So a member whose link comes and
 * goes is not dead and alive in turn for all.
 *
 * @source SWIM (2002) §4.2 (refutation); the agreement is ours, for Rapid's (2018) §7 flip-flop links.
 */
import type { MemberRecord, MemberState } from '../wire/packet.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';

/** What somebody says of us; in news of a state alone there is less. */
type Opinion = Pick<MemberRecord, 'incarnation' | 'state'> & Partial<Pick<MemberRecord, 'address' | 'version'>>;

/** For so long a death is remembered. Source: guess, several times what a link takes that fails again and again. */
const FRAIL_MS = 300_000;
/** What was said before somebody was back is answered within so many probe intervals. Source: simulation, halves of eight. */
const REUNION = 2;
/** Who has had all answers in time for so many probe intervals has a link that is well. Source: the slowest turn, twice. */
const UNANSWERED = 18;

export class Refutation {
  /** When we last heard that we had been dead, agreed to it, or were alive again. */
  backMs = Number.NEGATIVE_INFINITY;
  /** No incarnation after this one was declared dead. */
  #died: bigint;
  /** To be declared dead once more until then shows an ill link. */
  #frailMs = Number.NEGATIVE_INFINITY;
  /** When somebody was last back from the dead. */
  #reunitedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly core: Core) {
    // What a former life of ours died of says nothing about this one.
    this.#died = core.self.incarnation - 1n;
  }

  /** Whether few of our questions are answered, though there is somebody of our kind to answer. */
  get #isIll(): boolean {
    return this.core.suspicion.health > 0 && this.core.members.natives().length > 0;
  }

  /** Somebody is back from the dead. */
  reunited(): void {
    this.#reunitedMs = this.core.nowMs;
  }

  /** Our local health or who is there has changed: who is well, or has nobody to say otherwise, is alive. */
  recover(): void {
    if (this.core.self.state === 'dead' && !this.#isIll) this.#renew('alive');
  }

  #renew(state: MemberState): void {
    const { members, news, nowMs, self, suspicion, foreign } = this.core;
    if (self.state !== state) {
      this.#frailMs = nowMs + FRAIL_MS;
      this.backMs = nowMs;
      suspicion.restart();
      news.retract();
      foreign?.metadataChanged();
    }
    members.renewSelf(state);
    news.addState(self, self.id);
  }

  #agree(): void {
    // Until it is well there are more answers in turn than a link gives that comes and goes.
    this.core.suspicion.adjustHealth(Number.POSITIVE_INFINITY);
    this.#renew('dead');
    this.core.leaves.host?.receive({ kind: 'close' });
    const message = 'our link is ill: dead until it is well';
    this.core.emit({ type: 'log', level: 'warn', message });
  }

  /**
   * Somebody has an opinion about us.
   * @param by - who told us.
   */
  answer({ incarnation, state, address, version = 0n }: Opinion, by: MemberId): void {
    const { hlc, members, news, nowMs, pausedUntilMs, probe, self, suspicion, timing } = this.core;
    if (self.state === 'leaving') return;
    if (version > self.version) {
      // A former life of ours had a clock ahead of this one: what we say of ourselves now must be newer.
      hlc.observe(version);
      members.updateSelf();
    }
    hlc.observe(incarnation);
    // Neither who has stood still is ill, nor who was apart from others, nor who is told so by one that is dead, as from afar.
    const ill =
      this.#isIll && nowMs < this.#frailMs && nowMs < probe.unansweredMs + timing.probeIntervalMs * UNANSWERED;
    const believed =
      nowMs >= Math.max(pausedUntilMs, this.#reunitedMs + timing.probeIntervalMs * REUNION) &&
      (members.get(by)?.state ?? 'dead') !== 'dead';
    const died = state === 'dead' && incarnation > this.#died;
    if (died) {
      this.#died = hlc.last;
      this.backMs = nowMs;
      if (believed) this.#frailMs = nowMs + FRAIL_MS;
      news.retract();
    }
    if (self.state === 'dead') {
      if (state !== 'dead') news.addState(self, self.id);
      this.recover();
    } else if (ill && believed && died) {
      this.#agree();
    } else if (ill && state === 'suspect' && suspicion.readsWhatWaited) {
      // If it is true still we are told again.
    } else if (incarnation < self.incarnation && !died) {
      // Answered long ago, and somebody has not heard the answer: a partition may have lain between.
      if (state !== 'alive') news.addState(self, self.id);
    } else if (incarnation > self.incarnation || state !== 'alive') {
      if (state !== 'alive') {
        this.core.count('refutations');
        suspicion.adjustHealth(1);
        suspicion.restart();
      } else if (address !== undefined && address !== self.address) {
        this.core.drop('idConflicts', `${address} uses our id ${self.id}`);
      }
      this.#renew('alive');
    }
  }
}
