/**
 * Which messages have been seen: each is delivered at most once. Bounded by age and by count; what is older than the
 * memory reaches is refused rather than delivered twice.
 */
import type { Machine } from './machine.js';
import type { MemberId } from './member-id.js';

export class History {
  /** Insertion order is age order, so the oldest is always first. */
  readonly #seen = new Map<string, number>();
  /**
   * Stands behind the oldest, which it has shown. Why not a new look from the start each time: a map keeps the places of what was
   * deleted for a while, and to walk past a hundred thousand of them takes 90 µs, measured.
   */
  #walk = this.#seen.entries();
  #oldest: [key: string, atMs: number] | undefined;
  /** Nothing minted at or before this HLC time is accepted: ids that old may have been forgotten for their number. */
  #floor = 0n;

  constructor(private readonly core: Machine) {}

  get size(): number {
    return this.#seen.size;
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
    const key = `${sender}${messageId}`;
    if (this.#seen.has(key)) {
      if (direct) this.core.drop('replays', sender);
      else this.core.count('duplicates');
      return false;
    }
    this.#seen.set(key, this.core.nowMs);
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
      this.#seen.has(`${sender}${messageId}`)
    );
  }

  /**
   * Forgets the oldest. An id may have come from as far ahead as a clock may be; once it is refused for its age it need
   * not be remembered.
   */
  #prune(): void {
    const before = this.core.nowMs - this.core.limits.historyAgeMs - this.core.timing.clockDriftMaxMs;
    for (;;) {
      this.#oldest ??= this.#walk.next().value;
      if (!this.#oldest) break;
      const [key, atMs] = this.#oldest;
      if (atMs > before) {
        if (this.#seen.size <= this.core.limits.historyMax) return;
        const forgotten = BigInt(key.slice(36));
        if (forgotten > this.#floor) this.#floor = forgotten;
      }
      this.#seen.delete(key);
      this.#oldest = undefined;
    }
    // A walk that has come to the end shows nothing that is added later.
    this.#walk = this.#seen.entries();
  }
}
