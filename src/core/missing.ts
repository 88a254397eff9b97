/**
 * Broadcasts that others have announced and that have not come: after a moment whoever announced one is asked for it, one
 * after the other. @source Plumtree (2007) §3.5, algorithm 2
 */
import type { MessageName } from '../wire/packet.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';

/** Messages that are waited for at most. Source: guess. */
const MISSING_MAX = 16_384;
/**
 * A message that was announced may take an interval of announcing, and up to this many times longer by chance: in a part of the
 * tree that is cut off one member asks, and the others hear it from that one. Source: simulation.
 */
const WAIT_SPREAD = 3;
/** … a share of it, for so long after a link of the tree has gone: here is where the tree is broken. Source: guess; there may be no broadcasts for a while. */
const HURRY_SHARE = 0.1;
const HURRY_MS = 60_000;
/** Who is remembered to have one. Source: guess, more than there are neighbours. */
const SOURCES_MAX = 16;

interface Waited {
  readonly origin: MemberId;
  readonly messageId: bigint;
  readonly sources: MemberId[];
  /** When the next of them is asked. */
  dueMs: number;
}

export class Missing {
  readonly #waited = new Map<string, Waited>();
  #armedMs = Number.POSITIVE_INFINITY;
  /** When a link of the tree last went. */
  #brokenMs = Number.NEGATIVE_INFINITY;
  /** Which new message came last, and when. */
  #origin: MemberId = '';
  #messageId = 0n;
  #arrivedMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly core: Core,
    /** Asks a member for all that are missing {@link of} it. */
    private readonly ask: (source: MemberId) => void,
  ) {}

  get size(): number {
    return this.#waited.size;
  }

  /** A message was announced that we do not have. */
  add(origin: MemberId, messageId: bigint, source: MemberId): void {
    const key = `${origin}${messageId}`;
    const waited = this.#waited.get(key);
    if (waited) {
      if (waited.sources.length < SOURCES_MAX && !waited.sources.includes(source)) waited.sources.push(source);
      return;
    }
    if (this.#waited.size >= MISSING_MAX) {
      this.core.drop('missingOverLimit', source);
      return;
    }
    const { nowMs, timing, random } = this.core;
    const waitMs = timing.gossipIntervalMs * (1 + random.unit() * (WAIT_SPREAD - 1));
    const dueMs = nowMs + waitMs * (nowMs - this.#brokenMs < HURRY_MS ? HURRY_SHARE : 1);
    this.#waited.set(key, { origin, messageId, sources: [source], dueMs });
    this.#arm(dueMs);
  }

  /** The tree is broken here. */
  hurry(): void {
    this.#brokenMs = this.core.nowMs;
  }

  arrived(origin: MemberId, messageId: bigint): void {
    if (this.#waited.size > 0) this.#waited.delete(`${origin}${messageId}`);
    this.#arrivedMs = this.core.nowMs;
    this.#origin = origin;
    this.#messageId = messageId;
  }

  /** One timer for all, for the first that is due: one that was armed for later means nothing any more. */
  #arm(dueMs: number): void {
    if (dueMs >= this.#armedMs) return;
    this.#armedMs = dueMs;
    this.core.schedule(dueMs - this.core.nowMs, () => {
      if (this.#armedMs !== dueMs) return;
      this.#armedMs = Number.POSITIVE_INFINITY;
      this.#askDue();
      this.#arm(Math.min(...[...this.#waited.values()].map((waited) => waited.dueMs)));
    });
  }

  #askDue(): void {
    const { nowMs, timing } = this.core;
    const comes = nowMs - this.#arrivedMs < timing.gossipIntervalMs && this.#arrivedMs > this.#brokenMs;
    for (const [key, waited] of this.#waited) {
      const { origin, messageId, sources, dueMs } = waited;
      if (dueMs > nowMs) continue;
      // A link keeps the order: behind what still comes by a slow one it is on its way. To ask for it would only add to that.
      if (comes && origin === this.#origin && messageId > this.#messageId) {
        waited.dueMs = nowMs + timing.gossipIntervalMs;
        continue;
      }
      const source = sources.find((one) => this.core.neighbours.get(one)?.lazy === false) ?? sources[0];
      if (source === undefined) {
        this.#waited.delete(key);
        this.core.count('broadcastsMissed');
        continue;
      }
      this.ask(source);
    }
  }

  /** What a member has announced, which is asked for now: all of it, as it is to be one link that mends the tree. */
  of(source: MemberId): MessageName[] {
    const asked: Waited[] = [];
    for (const waited of this.#waited.values()) {
      const at = waited.sources.indexOf(source);
      if (at < 0) continue;
      waited.sources.splice(at, 1);
      // Time for an answer, before another one is asked.
      waited.dueMs = this.core.nowMs + this.core.timing.probeTimeoutMs;
      asked.push(waited);
    }
    return asked;
  }
}
