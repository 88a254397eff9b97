/**
 * Which messages have been seen: each is delivered at most once. Bounded by age and by count; what is older than the
 * memory reaches is refused rather than delivered twice.
 */
import type { Machine } from './machine.js';
import type { MemberId } from './member-id.js';

export class History {
  readonly #seen = new Map<MemberId, Set<bigint>>();
  /** All of them, oldest first, from `#first` on. */
  #order: { sender: MemberId; messageId: bigint; atMs: number }[] = [];
  #first = 0;
  /** Nothing minted at or before this HLC time is accepted: ids that old may have been forgotten for their number. */
  #floor = 0n;

  constructor(private readonly core: Machine) {}

  get size(): number {
    return this.#order.length - this.#first;
  }

  /**
   * Notes a message as seen.
   * @param direct - sent to us alone, by one way: seen twice, it is a replay and not a second relay's copy.
   * @returns `true` when it is new; `false` for a duplicate (counted `duplicates` or `replays`), one from before our
   *   memory (`messagesTooOld`) or one from the future (`clockDrift`).
   */
  accept(sender: MemberId, messageId: bigint, direct = false): boolean {
    if (this.core.tooFarAhead(messageId)) return false;
    if (
      messageId <= this.#floor ||
      this.core.hlc.aheadMs(messageId, this.core.nowMs) < -this.core.limits.historyAgeMs
    ) {
      this.core.drop('messagesTooOld', sender);
      return false;
    }
    let ofSender = this.#seen.get(sender);
    if (!ofSender) {
      ofSender = new Set();
      this.#seen.set(sender, ofSender);
    }
    if (ofSender.has(messageId)) {
      if (direct) this.core.drop('replays', sender);
      else this.core.count('duplicates');
      return false;
    }
    ofSender.add(messageId);
    this.#order.push({ sender, messageId, atMs: this.core.nowMs });
    this.#prune();
    return true;
  }

  /** Whether a message would not be accepted: it was seen, or is from before our memory or from the future. */
  knows(sender: MemberId, messageId: bigint): boolean {
    const aheadMs = this.core.hlc.aheadMs(messageId, this.core.nowMs);
    return (
      messageId <= this.#floor ||
      aheadMs < -this.core.limits.historyAgeMs ||
      aheadMs > this.core.timing.clockDriftMaxMs ||
      (this.#seen.get(sender)?.has(messageId) ?? false)
    );
  }

  /**
   * Forgets the oldest. An id may have come from as far ahead as a clock may be; once it is refused for its age it need
   * not be remembered.
   */
  #prune(): void {
    const before = this.core.nowMs - this.core.limits.historyAgeMs - this.core.timing.clockDriftMaxMs;
    for (let oldest = this.#order[this.#first]; oldest; oldest = this.#order[++this.#first]) {
      const { sender, messageId, atMs } = oldest;
      if (atMs > before) {
        if (this.size <= this.core.limits.historyMax) break;
        if (messageId > this.#floor) this.#floor = messageId;
      }
      const ofSender = this.#seen.get(sender);
      ofSender?.delete(messageId);
      if (ofSender?.size === 0) this.#seen.delete(sender);
    }
    // Not at each one: that would move all of them each time.
    if (this.#first < 1024 || this.#first * 2 < this.#order.length) return;
    this.#order = this.#order.slice(this.#first);
    this.#first = 0;
  }
}
