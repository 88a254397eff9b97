/**
 * The clock of the lock table: which sessions have outlived their time, as the leading voter sees it. It decides nothing by
 * itself: each verdict becomes a command of the log, and is void when the session was heard before it there. So a verdict of a
 * voter that leads no longer, or comes late, does no harm: since the beat that it names, all of the session's time has passed.
 */
import type { Command } from './commands.js';
import type { LockTable } from './table.js';

/**
 * A session whose member is dead ends after this part of its time without a sign of life, not before: a dead member that is still
 * heard has been buried alive. Source: guess, above the third at which a client is heard from.
 */
const DEAD = 1 / 2;
/** A verdict that had no effect is repeated after this part of the session's time. Source: guess. */
const AGAIN = 1 / 4;

interface Heard {
  beats: number;
  atMs: number;
  /** Not before then a verdict is told, again. */
  againMs: number;
}

export class LockKeeper {
  readonly #table: LockTable;
  readonly #heard = new Map<number, Heard>();

  constructor(table: LockTable) {
    this.#table = table;
  }

  /** How many sessions it remembers. */
  get size(): number {
    return this.#heard.size;
  }

  /** A command of this session has been applied. */
  heard(session: number, nowMs: number): void {
    const beats = this.#table.beats(session);
    if (beats === undefined) this.#heard.delete(session);
    else if (this.#heard.get(session)?.beats !== beats) {
      this.#heard.set(session, { beats, atMs: nowMs, againMs: Number.NEGATIVE_INFINITY });
    }
  }

  /**
   * Judges all sessions. One that has been heard elsewhere meanwhile, by a voter that led before us, has its whole time from now on.
   * @param isDead - whether a member is known to be dead or to have left.
   * @returns the verdicts to propose, and when to judge again.
   */
  judge(nowMs: number, isDead: (member: string) => boolean): { verdicts: Command[]; wakeAtMs: number } {
    const verdicts: Command[] = [];
    let wakeAtMs = Number.POSITIVE_INFINITY;
    // Some end without a command of their own: given up for another.
    for (const number of this.#heard.keys()) if (this.#table.beats(number) === undefined) this.#heard.delete(number);
    for (const { number, member, ttlMs, ended } of this.#table.sessions()) {
      this.heard(number, nowMs);
      const heard = this.#heard.get(number) as Heard;
      const { beats, atMs } = heard;
      const endMs = !ended && isDead(member) ? atMs + ttlMs * DEAD : Number.POSITIVE_INFINITY;
      const dueMs = Math.max(Math.min(endMs, atMs + ttlMs), heard.againMs);
      if (nowMs >= dueMs) {
        verdicts.push({ type: nowMs >= atMs + ttlMs ? 'expire' : 'end', session: number, beats });
        heard.againMs = nowMs + ttlMs * AGAIN;
        wakeAtMs = Math.min(wakeAtMs, heard.againMs);
      } else wakeAtMs = Math.min(wakeAtMs, dueMs);
    }
    return { verdicts, wakeAtMs };
  }
}
