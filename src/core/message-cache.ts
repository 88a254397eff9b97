/**
 * The broadcasts of the last minute, for members whom they have not reached. Bounded by age, by count and by bytes; the
 * oldest go first.
 */
import type { BroadcastMessage } from '../wire/packet.js';
import type { Machine } from './machine.js';
import type { MemberId } from './member-id.js';

/** How long a message is kept. Source: guess, several times as long as it takes to find a dead relay and another way. */
const AGE_MS = 60_000;
/** Messages kept at most. Source: guess, some seconds of what one member can send. */
const COUNT_MAX = 65_536;

/** A broadcast that we have, and who has it. */
export interface Held extends BroadcastMessage {
  /** Who pushed it to us; absent: it entered the tree here. */
  from: MemberId | undefined;
  atMs: number;
  /** Whom we have pushed it to. */
  pushed: readonly MemberId[];
  /** Who else has told us of it. */
  known: readonly MemberId[];
}

export class MessageCache {
  readonly #byOrigin = new Map<MemberId, Map<bigint, Held>>();
  /** Oldest first, from `#first` on. */
  #order: Held[] = [];
  #first = 0;
  #bytes = 0;

  constructor(private readonly core: Machine) {}

  get size(): number {
    return this.#order.length - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(origin: MemberId, messageId: bigint): Held | undefined {
    return this.#byOrigin.get(origin)?.get(messageId);
  }

  add(held: Held): void {
    let ofOrigin = this.#byOrigin.get(held.origin);
    if (!ofOrigin) {
      ofOrigin = new Map();
      this.#byOrigin.set(held.origin, ofOrigin);
    }
    ofOrigin.set(held.messageId, held);
    this.#order.push(held);
    this.#bytes += held.payload.length;
    this.prune();
  }

  /** The youngest, at most so many, oldest first. */
  latest(count: number): Held[] {
    return this.#order.slice(Math.max(this.#first, this.#order.length - count));
  }

  /** Lets go of what is above a limit. */
  prune(): void {
    const bytesMax = this.core.limits.broadcastCacheBytesMax;
    const before = this.core.nowMs - AGE_MS;
    for (let oldest = this.#order[this.#first]; oldest; oldest = this.#order[this.#first]) {
      if (oldest.atMs > before && this.#bytes <= bytesMax && this.size <= COUNT_MAX) break;
      this.#first++;
      this.#bytes -= oldest.payload.length;
      const ofOrigin = this.#byOrigin.get(oldest.origin);
      ofOrigin?.delete(oldest.messageId);
      if (ofOrigin?.size === 0) this.#byOrigin.delete(oldest.origin);
    }
    if (this.#first < 1024 || this.#first * 2 < this.#order.length) return;
    this.#order = this.#order.slice(this.#first);
    this.#first = 0;
  }
}
