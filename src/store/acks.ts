/** Writes that are to be at other members before they count: each is told directly, and again, until enough have it. */
import { GossipError } from '../index.js';
import type { Cell } from './cell.js';
import type { Wanted } from './machine.js';
import { record, tellCells } from './messages.js';
import type { Replica } from './replica.js';

/** Who has not answered is told again after this. Source: guess, above the round trip of any network. */
const AGAIN_MS = 1000;
/** Writes that wait at the same time. Source: as `limits.pendingRequestsMax` of a cluster. */
const WAITING_MAX = 10_000;

interface Waiting {
  readonly pages: readonly (readonly Cell[])[];
  readonly need: number;
  readonly untilMs: number;
  againAtMs: number;
  /** Pages that a member has. */
  readonly had: Map<string, Set<number>>;
  readonly wanted: Wanted;
}

export class Acks {
  readonly #waiting = new Set<Waiting>();
  readonly #asked = new Map<number, { readonly waiting: Waiting; readonly page: number }>();

  constructor(private readonly replica: Replica) {}

  get wakeAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const { untilMs, againAtMs } of this.#waiting) atMs = Math.min(atMs, untilMs, againAtMs);
    return atMs;
  }

  want(cells: readonly Cell[], wanted: Wanted, nowMs: number): void {
    const others = this.replica.all.length;
    // Of all of us more than half, ourselves among them.
    const need = wanted.acks === 'majority' ? Math.floor((others + 1) / 2) : wanted.acks;
    const pages = this.replica.pages(cells);
    if (need <= 0 || pages.length === 0) {
      this.replica.effects.push({ type: 'settled', ref: wanted.ref, error: undefined });
      return;
    }
    if (this.#waiting.size >= WAITING_MAX) {
      const error = new GossipError(
        'ERR_OVERLOADED',
        `${WAITING_MAX} writes wait for acks; this one is written and not waited for`,
      );
      this.replica.effects.push({ type: 'settled', ref: wanted.ref, error });
      return;
    }
    const waiting = { pages, need, untilMs: nowMs + wanted.timeoutMs, againAtMs: nowMs, had: new Map(), wanted };
    this.#waiting.add(waiting);
  }

  answered(from: string, message: unknown, ref: number): void {
    const asked = this.#asked.get(ref);
    this.#asked.delete(ref);
    if (
      !asked ||
      message === undefined ||
      message === null ||
      record(message).x !== 0 ||
      !this.#waiting.has(asked.waiting)
    )
      return;
    const { waiting, page } = asked;
    waiting.had.set(from, (waiting.had.get(from) ?? new Set()).add(page));
    if (this.#whole(waiting) >= waiting.need) this.#settle(waiting, undefined);
  }

  tick(nowMs: number): void {
    for (const waiting of this.#waiting) {
      if (nowMs >= waiting.untilMs) {
        const has = `${this.#whole(waiting)} of ${waiting.need} members`;
        this.#settle(waiting, new GossipError('ERR_TIMEOUT', `${has} have the write in time; it stays, and spreads`));
      } else if (nowMs >= waiting.againAtMs) {
        waiting.againAtMs = nowMs + AGAIN_MS;
        this.#ask(waiting);
      }
    }
  }

  #ask(waiting: Waiting): void {
    const { alive, options, effects } = this.replica;
    for (const to of alive) {
      waiting.pages.forEach((cells, page) => {
        if (waiting.had.get(to)?.has(page)) return;
        const ref = this.replica.nextRef();
        this.#asked.set(ref, { waiting, page });
        effects.push({ type: 'ask', to, what: 'put', message: tellCells(options.name, cells), ref });
      });
    }
  }

  #whole({ had, pages }: Waiting): number {
    return [...had.values()].filter(({ size }) => size === pages.length).length;
  }

  #settle(waiting: Waiting, error: GossipError | undefined): void {
    this.#waiting.delete(waiting);
    this.replica.effects.push({ type: 'settled', ref: waiting.wanted.ref, error });
  }
}
