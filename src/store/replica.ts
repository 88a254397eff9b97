/**
 * The state machine of a store: one member's replica. It is a function of what comes in and what time it is, and answers with what
 * is to be done. It keeps the cells, tells what is written here, takes what others tell, and sees to it that writes get where they
 * were wanted; `comparison.ts` finds what was missed.
 */
import { GossipError } from '../index.js';
import { Acks } from './acks.js';
import { type Cell, type CellData, expiredCell, isLive, type Kind, makeCell, removedCell } from './cell.js';
import { Comparison } from './comparison.js';
import { earlier, HybridClock, timeAt, unixMsOf } from './hybrid-clock.js';
import { Known } from './known.js';
import type { Change, Effect, Input, ReplicaOptions, Write } from './machine.js';
import { check, fits, number, PAGE_BYTES, type PutAnswer, readCells, readHas, tellCells } from './messages.js';
import { Table } from './table.js';
import { keep } from './value.js';

/** Writes within this time are told together. Source: guess, above the turn of an event loop, below what anybody notices. */
const TELL_AFTER_MS = 5;
/** Cells that expire are looked for this often at most. Source: guess. */
const EXPIRE_EVERY_MS = 100;
/** The floor is moved this often at most. Source: guess; it takes a look at what each knows of each. */
const COLLECT_EVERY_MS = 1000;

export class Replica {
  readonly table: Table;
  readonly known: Known;
  readonly counters: Record<string, number> = {};
  readonly effects: Effect[] = [];
  /** The wall's time of what is handled. */
  unixMs = 0;
  alive: readonly string[] = [];
  all: readonly string[] = [];
  readonly #clock = new HybridClock();
  readonly #outbox = new Map<string, Cell>();
  readonly #comparison: Comparison;
  readonly #acks: Acks;
  #tellAtMs = Number.POSITIVE_INFINITY;
  #expireAtMs = 0;
  #collectAtMs = 0;
  #lastRef = 0;
  /** All that was written here is of this time or before. */
  writtenThrough = 0;
  /** By how much the wall was ahead of the other clock. */
  #wallAheadMs = 0;
  readonly #written: Bucket;
  readonly #told: Bucket;

  constructor(readonly options: ReplicaOptions) {
    const { limits } = options;
    this.table = new Table(limits);
    this.known = new Known(options.writer);
    this.#written = new Bucket(limits.writesPerSecond);
    this.#told = new Bucket(limits.toldPerSecond);
    this.#comparison = new Comparison(this);
    this.#acks = new Acks(this);
  }

  /** When `tick` is to be called. */
  get wakeAtMs(): number {
    const expireAtMs = Math.max(this.table.expiresAtMs - this.#wallAheadMs, this.#expireAtMs);
    const collectAtMs = this.table.empty > 0 ? this.#collectAtMs : Number.POSITIVE_INFINITY;
    return Math.min(this.#tellAtMs, expireAtMs, collectAtMs, this.#comparison.wakeAtMs, this.#acks.wakeAtMs);
  }

  /**
   * @param nowMs - never goes back; what is to be done in time goes by it.
   * @param unixMs - the wall's, which may be set: what is written is dated by it, and over by it.
   * @throws GossipError for a write that is refused; nothing was changed.
   */
  handle(input: Input, nowMs: number, unixMs: number): Effect[] {
    this.unixMs = unixMs;
    this.#wallAheadMs = unixMs - nowMs;
    switch (input.type) {
      case 'write': {
        const cells = this.#cellsOf(input.write);
        this.write(cells, nowMs);
        if (input.wanted) this.#acks.want(cells, input.wanted, nowMs);
        break;
      }
      case 'restore': {
        const { cells } = this.read(input.cells, true);
        if (input.told && cells.some(({ time }) => this.#aheadMs(time) > 0)) {
          throw new GossipError(
            'ERR_INVALID_DATA',
            `a cell of it is dated more than clockDriftMaxMs (${this.options.clockDriftMaxMs}) into the future; nothing was restored`,
          );
        }
        const { taken } = this.take(cells, true);
        this.drop(input.drop.flatMap((id) => this.table.get(id) ?? []));
        this.collect(number(input.floor));
        if (input.told) this.tell(taken, nowMs);
        break;
      }
      case 'members': {
        const { alive, all } = input;
        const before = new Set(this.alive);
        const fresh = alive.filter((one) => !before.has(one));
        this.alive = alive;
        this.all = all;
        this.known.keep(new Set(all));
        this.#comparison.met(fresh, nowMs);
        break;
      }
      case 'told':
        this.#reading(() => {
          const { cells } = this.read(input.message);
          if (this.#told.take(cells.length, nowMs)) this.take(cells, false);
          else this.count('toldTooFast', cells.length);
        });
        break;
      case 'asked':
        this.#reading(() => {
          const { from, what, message, ref } = input;
          const answer =
            what === 'compare'
              ? this.#comparison.compared(from, message, nowMs)
              : what === 'pull'
                ? this.#comparison.pulled(message)
                : this.#put(message);
          this.effects.push({ type: 'answer', ref, message: answer });
        });
        break;
      case 'answered':
        this.#reading(() => {
          const { from, message, ref } = input;
          if (!this.#comparison.answered(message, ref, nowMs)) this.#acks.answered(from, message, ref);
        });
        break;
      case 'missed':
        this.#comparison.met(this.alive, nowMs);
        break;
      case 'closing':
        this.#tellAtMs = nowMs;
        break;
      case 'tick':
        break;
    }
    this.#tick(nowMs);
    return this.effects.splice(0);
  }

  /** A number for a question. */
  nextRef(): number {
    return ++this.#lastRef;
  }

  count(name: string, times = 1): void {
    this.counters[name] = (this.counters[name] ?? 0) + times;
  }

  /** A time later than all that was written here. */
  mint(): number {
    return this.#clock.mint(this.unixMs);
  }

  /**
   * Reads cells of a message, or of a disk or snapshot. @returns them, and how many are left out. @throws GossipError; for a disk or
   * snapshot also when one of them is no cell.
   */
  read(message: unknown, stored = false): { cells: Cell[]; refused: number } {
    let refused = 0;
    const cells = readCells(message, this.options.limits, (reason) => {
      check(!stored || reason !== 'cellsMalformed');
      this.count(reason);
      refused++;
    });
    return { cells, refused };
  }

  /** Reads what somebody has. It needs no more of each than what can be written yet. @throws GossipError */
  readHas(message: unknown): ReturnType<typeof readHas> {
    const read = readHas(message, timeAt(this.unixMs + this.options.clockDriftMaxMs));
    // Tombstones are kept for longer than clocks may differ, so no floor is later than now.
    check(read.floor <= timeAt(this.unixMs));
    // And nobody has forgotten what is younger than that, whatever it says: it may not have got here yet.
    const floor = earlier(timeAt(this.unixMs + this.options.clockDriftMaxMs), this.options.tombstoneMs);
    return { ...read, floor: Math.min(read.floor, floor) };
  }

  /** Merges cells. @returns those that were taken, how many had to be refused, and how many were removed so long ago. */
  take(cells: readonly Cell[], local: boolean): { taken: Cell[]; refused: number; collected: number } {
    const taken: Cell[] = [];
    let [refused, collected] = [0, 0];
    for (const given of cells) {
      // What is over when it comes is never seen.
      const cell = given.value === undefined || isLive(given, this.unixMs) ? given : expiredCell(given);
      if (!local && this.#aheadMs(cell.time) > 0) {
        this.count('clockDrift');
        refused++;
        continue;
      }
      const { kind, key, field } = cell;
      // As it was told: also what is over, and will be told with the next that are.
      const before = this.table.visible(kind, key, field, 0);
      const merged = this.table.merge(cell);
      if (merged === 'taken') {
        this.#clock.observe(cell.time);
        taken.push(cell);
        this.#changed(kind, key, field, before, local);
      } else if (merged === 'full') {
        this.count('refusedFull');
        refused++;
      } else if (merged === 'collected') {
        this.count('refusedCollected');
        collected++;
      }
    }
    if (taken.length > 0) this.#save(taken, []);
    if (local && taken.length > 0) this.writtenThrough = this.#clock.last;
    return { taken, refused, collected };
  }

  /** Forgets cells that were removed elsewhere, so long ago that nothing is left of it. */
  drop(cells: readonly Cell[]): void {
    for (const cell of cells) {
      const { kind, key, field } = cell;
      const before = this.table.visible(kind, key, field, this.unixMs);
      this.table.drop(cell);
      this.#changed(kind, key, field, before, false);
    }
    if (cells.length > 0) this.#save([], cells);
  }

  /** Writes cells of ours and has them told. @throws GossipError `ERR_OVERLOADED`: nothing was written. */
  write(cells: readonly Cell[], nowMs: number): void {
    const { cellsMax, bytesMax, writesPerSecond } = this.options.limits;
    // Without the room that what is removed gives: it comes first.
    const added = cells.filter(({ removed }) => !removed);
    if (added.length > 0 && !this.table.hasRoom(added)) {
      throw new GossipError(
        'ERR_OVERLOADED',
        `the store is full: ${this.table.size} of limits.cellsMax (${cellsMax}), ${this.table.bytes} of limits.bytesMax (${bytesMax})`,
      );
    }
    if (!this.#written.take(added.length > 0 ? cells.length : 1, nowMs)) {
      throw new GossipError('ERR_OVERLOADED', `more writes than limits.writesPerSecond (${writesPerSecond})`);
    }
    this.tell(this.take(cells, true).taken, nowMs);
  }

  /** Has the others told of cells, soon. */
  tell(cells: readonly Cell[], nowMs: number): void {
    if (cells.length === 0) return;
    for (const cell of cells) this.#outbox.set(cell.id, cell);
    this.#tellAtMs = Math.min(this.#tellAtMs, nowMs + TELL_AFTER_MS);
  }

  /** Moves the floor up to a time through which we have everything. */
  collect(floor: number): void {
    if (floor <= this.table.floor) return;
    // What is written here is never below it, not even by a clock that is behind.
    this.#clock.observe(floor);
    const gone = this.table.collect(floor);
    this.count('collected', gone.length);
    this.#save([], gone);
  }

  /** Cells in pages that a message holds. */
  pages(cells: Iterable<Cell>): Cell[][] {
    const pages: Cell[][] = [];
    let bytes = PAGE_BYTES;
    for (const cell of cells) {
      if (bytes + cell.bytes > PAGE_BYTES) {
        pages.push([]);
        bytes = 0;
      }
      bytes += cell.bytes;
      pages.at(-1)?.push(cell);
    }
    return pages;
  }

  #tick(nowMs: number): void {
    if (nowMs >= this.#expireAtMs && this.unixMs >= this.table.expiresAtMs) {
      this.#expireAtMs = nowMs + EXPIRE_EVERY_MS;
      const over = this.table.expire(this.unixMs);
      for (const { kind, key, field, value } of over) this.#changed(kind, key, field, value, false);
      const left = over.flatMap(({ id }) => this.table.get(id) ?? []);
      this.#save(
        left,
        over.filter(({ id }) => !this.table.get(id)),
      );
    }
    if (this.table.empty > 0 && nowMs >= this.#collectAtMs) {
      this.#collectAtMs = nowMs + Math.max(COLLECT_EVERY_MS, this.options.syncIntervalMs);
      const stable = this.known.stable(this.mint(), this.all);
      // What a member that is no more wrote may have come to one of us late, but not as late as that.
      this.collect(earlier(stable, this.options.tombstoneMs));
    }
    if (nowMs >= this.#tellAtMs) {
      for (const page of this.pages(this.#outbox.values())) {
        this.effects.push({ type: 'tell', message: tellCells(this.options.name, page) });
      }
      this.#outbox.clear();
      this.#tellAtMs = Number.POSITIVE_INFINITY;
    }
    this.#comparison.tick(nowMs);
    this.#acks.tick(nowMs);
  }

  /** Somebody wants to be sure that we have cells. */
  #put(message: unknown): PutAnswer {
    const read = this.read(message);
    const { refused, collected } = this.take(read.cells, false);
    return { x: read.refused + refused + collected };
  }

  #changed(kind: Kind, key: string, field: string, before: unknown, local: boolean): void {
    const value = this.table.visible(kind, key, field, this.unixMs);
    if (value === before) return;
    const change: Change = { kind, key, field, value, local };
    this.effects.push({ type: 'changed', change });
  }

  #save(put: readonly CellData[], drop: readonly CellData[]): void {
    this.effects.push({ type: 'save', put, drop, floor: this.table.floor });
  }

  /** The cells that a write makes or marks. @throws GossipError */
  #cellsOf(write: Write): Cell[] {
    const { limits, writer } = this.options;
    const { key } = write;
    const kind = write.type === 'increment' ? 'counter' : write.kind;
    const field = write.type === 'increment' ? '' : write.field;
    for (const text of [key, field ?? '']) {
      if (typeof text !== 'string') throw new GossipError('ERR_OPTION', `a key must be a text, not ${String(text)}`);
      if (!fits(text, limits)) {
        throw new GossipError(
          'ERR_TOO_LARGE',
          `a key has at most limits.keyBytesMax (${limits.keyBytesMax}) bytes, no NUL and no half of a character`,
        );
      }
    }
    const own = (value: unknown, bytes: number, removed = false, expiresAtMs = 0) => {
      const time = this.mint();
      const aheadMs = this.#aheadMs(time);
      if (aheadMs > 0) {
        throw new GossipError(
          'ERR_CLOCK',
          `the clock of this member was ahead, and others would refuse what is dated after it; nothing was written; it can be in ${aheadMs} ms, or by a store that is opened anew with nothing of that time`,
        );
      }
      return makeCell({ kind, key, field: field ?? '', writer, time, removed, expiresAtMs, value }, bytes);
    };
    if (write.type === 'remove') {
      const fields = write.field === undefined ? [...this.table.fields(kind, key)] : [write.field];
      const held = fields.flatMap((one) => [...this.table.field(kind, key, one)]).filter(({ removed }) => !removed);
      if (kind === 'register') return held.length > 0 ? [own(undefined, 0, true)] : [];
      return held.map(removedCell);
    }
    const seen = [...this.table.field(kind, key, field ?? '')].filter(({ removed }) => !removed);
    if (write.type === 'increment') {
      const sum = (seen.find((one) => one.writer === writer)?.value as number | undefined) ?? 0;
      if (!Number.isFinite(sum + write.by)) throw new GossipError('ERR_TOO_LARGE', 'a sum beyond the largest number');
      return [own(sum + write.by, 9)];
    }
    const { value, bytes } = keep(write.value, limits.valueBytesMax);
    const expiresAtMs = write.ttlMs > 0 ? Math.ceil(this.unixMs + write.ttlMs) : 0;
    if (!Number.isSafeInteger(expiresAtMs)) {
      throw new GossipError('ERR_OPTION', `ttlMs is too long: ${write.ttlMs}; leave it out for what is to stay`);
    }
    const cell = own(value, bytes, false, expiresAtMs);
    if (kind === 'register') return [cell];
    return [cell, ...seen.filter((one) => one.writer !== writer).map(removedCell)];
  }

  /** How many milliseconds a time is later than others take it. */
  #aheadMs(time: number): number {
    return unixMsOf(time) - (this.unixMs + this.options.clockDriftMaxMs);
  }

  /** What cannot be read is counted, and changes nothing. */
  #reading(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (!(error instanceof GossipError)) throw error;
      this.count('messagesMalformed');
    }
  }
}

/** So many in a second, and as many at once. */
class Bucket {
  #left: number;
  #atMs = 0;

  constructor(private readonly perSecond: number) {
    this.#left = perSecond;
  }

  take(count: number, nowMs: number): boolean {
    this.#left = Math.min(this.perSecond, this.#left + (Math.max(0, nowMs - this.#atMs) / 1000) * this.perSecond);
    this.#atMs = nowMs;
    // More than fit at once may begin when there is all of the room.
    if (this.#left < Math.min(count, this.perSecond)) return false;
    this.#left -= count;
    return true;
  }
}
