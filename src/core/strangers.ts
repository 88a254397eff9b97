/**
 * Messages of members that are not known yet. Whoever has just joined may speak before the news of it has reached
 * everyone: what it says waits a moment, and is taken when the sender turns out to be a member.
 */
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';

/** How long a message waits. Source: guess; news reaches everyone within a second or two. */
const WAIT_MS = 5000;
/** Messages that wait, and bytes of one, at most. Source: guess; a joiner's first words, not its life's work. */
const WAITING_MAX = 128;
const BYTES_MAX = 64 * 1024;

interface Waiting {
  from: MemberId;
  retry: () => void;
}

export class Strangers {
  readonly #waiting = new Map<string, Waiting>();

  constructor(private readonly core: Core) {}

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Lets a message wait for its sender, or drops it when too many wait; what has waited in vain is dropped as well.
   * @param retry - takes the message; called at most once, from inside `core.handle`.
   */
  hold(from: MemberId, messageId: bigint, bytes: number, retry: () => void): void {
    const key = `${from}${messageId}`;
    if (this.#waiting.has(key) || this.#waiting.size >= WAITING_MAX || bytes > BYTES_MAX) {
      this.core.drop('unknownSenders', from);
      return;
    }
    const waiting = { from, retry };
    this.#waiting.set(key, waiting);
    this.core.schedule(WAIT_MS, () => {
      if (this.#waiting.get(key) !== waiting) return;
      this.#waiting.delete(key);
      this.core.drop('unknownSenders', from);
    });
  }

  /** Somebody has become a member: takes what waits for it, after whatever made it one. */
  met(id: MemberId): void {
    for (const [key, waiting] of this.#waiting) {
      if (waiting.from !== id) continue;
      this.#waiting.delete(key);
      this.core.schedule(0, waiting.retry);
    }
  }
}
