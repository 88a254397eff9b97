/**
 * What the application of a leaf wants done while it is at no gateway. It waits until there is one, not yet as packets:
 * only a gateway shows the time by which their ids are minted.
 */
import { GossipError, type GossipErrorCode } from '../errors.js';
import type { Input } from './input.js';
import type { Machine } from './machine.js';

/** What needs a gateway. */
export type Wish = Extract<Input, { type: 'broadcast' | 'send' | 'request' | 'reply' }>;

/** Source: guess, what a page asks for in a minute without a network. */
const WAITING_MAX = 256;

export class LeafWishes {
  #waiting: { wish: Wish; sinceMs: number }[] = [];

  constructor(private readonly core: Machine) {}

  get size(): number {
    return this.#waiting.length;
  }

  /** Lets a wish wait; a request no longer than until its deadline. */
  add(wish: Wish): void {
    const { core } = this;
    if (this.#waiting.length >= WAITING_MAX) {
      core.drop('waitingOverLimit', wish.type);
      this.#fail(wish, 'ERR_OVERLOADED', 'no gateway, and too much waits for one');
      return;
    }
    this.#waiting.push({ wish, sinceMs: core.nowMs });
    if (wish.type !== 'request') return;
    core.schedule(wish.timeoutMs, () => {
      if (this.#remove((waiting) => waiting === wish)) this.#fail(wish, 'ERR_TIMEOUT', 'there was no gateway in time');
    });
  }

  cancel(ref: number): void {
    this.#remove((wish) => 'ref' in wish && wish.ref === ref);
  }

  /** Takes all of them, in order, with what is left of their time. */
  take(): Wish[] {
    const { nowMs } = this.core;
    const all = this.#waiting.map(({ wish, sinceMs }) =>
      wish.type === 'request' ? { ...wish, timeoutMs: wish.timeoutMs - (nowMs - sinceMs) } : wish,
    );
    this.#waiting = [];
    return all;
  }

  #remove(which: (wish: Wish) => boolean): boolean {
    const left = this.#waiting.filter(({ wish }) => !which(wish));
    const removed = left.length < this.#waiting.length;
    this.#waiting = left;
    return removed;
  }

  #fail(wish: Wish, code: GossipErrorCode, why: string): void {
    if ('ref' in wish) this.core.emit({ type: 'settled', ref: wish.ref, error: new GossipError(code, why) });
  }
}
