/** A lock as its holder has it in hand. */

import { GossipError } from '../errors.js';
import type { Locks } from './locks.js';

/** What a lock needs of those that granted it. */
export interface LockOwner {
  remainingMs(claim: number): number;
  extend(claim: number): Promise<void>;
  release(claim: number): Promise<void>;
}

/**
 * A lock that is held: it stays so by itself, until it is released or lost. Made by {@link Locks.acquire}.
 *
 * That it is held is a belief that may be over a moment later, for instance when this process stands still. Where it matters, pass
 * {@link token} along with whatever you do to what the lock protects, and let that refuse a token below the highest it has seen.
 */
export class Lock implements AsyncDisposable {
  readonly #owner: LockOwner;
  readonly #claim: number;
  readonly #lost = new AbortController();
  #released: Promise<void> | undefined;

  /** @internal Use {@link Locks.acquire}. */
  constructor(
    owner: LockOwner,
    claim: number,
    /** The lock's name. */
    readonly name: string,
    /** The fencing token: greater than every token that was given before, for whatever lock of these voters. */
    readonly token: number,
  ) {
    this.#owner = owner;
    this.#claim = claim;
  }

  /** Fires when the lock is lost, with an `ERR_LOCK_LOST`; not when it is released. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * For how long it is ours for certain, in milliseconds by our own clock; 0 when it is not. It grows again with each sign of life that
   * the voters confirm. After a pause it is right before {@link signal} can fire.
   */
  get remainingMs(): number {
    return this.#released || this.signal.aborted ? 0 : this.#owner.remainingMs(this.#claim);
  }

  /**
   * Has the voters confirm that we hold it, and that we go on to. There is no need for it but before something long that must not be
   * interrupted: a lock is extended by itself.
   * @returns {@link remainingMs} after that, at most four fifths of `sessionTtlMs`.
   * @throws GossipError `ERR_LOCK_LOST`: it was lost, or released.
   */
  async extend(): Promise<number> {
    if (this.#released || this.signal.aborted) throw this.#lostError();
    await this.#owner.extend(this.#claim);
    return this.remainingMs;
  }

  /**
   * Gives it back. From the call on it is not ours. Idempotent; never rejects.
   * @returns when the voters have it back, or when their time for it ends in any case.
   */
  release(): Promise<void> {
    this.#released ??= this.#owner.release(this.#claim);
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** @internal */
  lose(): void {
    this.#lost.abort(this.#lostError());
  }

  #lostError(): GossipError {
    const how = this.#released ? 'was released' : 'was lost: no majority of the voters confirmed it in time';
    return new GossipError('ERR_LOCK_LOST', `lock ${this.name} ${how}`);
  }
}
