/** Brings what changes to a store's persistence: one save at a time, with all that came meanwhile in the next. */
import type { CellData } from './cell.js';
import { idOf } from './cell.js';
import { storedCell } from './messages.js';
import type { StoredCell, StorePersistence } from './persistence.js';

/** After a save has failed. Source: guess; a full disk does not empty itself at once. */
const AGAIN_MS = 1000;

export class Keeper {
  #put = new Map<string, StoredCell>();
  #drop = new Set<string>();
  #floor = 0;
  #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #failing = false;
  #closed = false;
  saves = 0;
  failed = 0;

  constructor(
    private readonly place: StorePersistence,
    private readonly later: (delayMs: number, run: () => void) => () => void,
  ) {}

  /** Changes that are not safe yet. */
  get unsaved(): number {
    return this.#put.size + this.#drop.size;
  }

  save(put: readonly CellData[], drop: readonly CellData[], floor: number): void {
    for (const cell of put) {
      const id = idOf(cell);
      this.#drop.delete(id);
      this.#put.set(id, storedCell(cell));
    }
    for (const cell of drop) {
      const id = idOf(cell);
      this.#put.delete(id);
      this.#drop.add(id);
    }
    this.#floor = floor;
    this.#running ??= this.#run();
  }

  /** Resolves when all that has come until now is safe; never, when it cannot be. */
  saved(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #run(): Promise<void> {
    // What comes in the same turn is saved together.
    await undefined;
    while (this.unsaved > 0 && !this.#closed) {
      const [put, drop, waiting] = [this.#put, this.#drop, this.#waiting];
      this.#put = new Map();
      this.#drop = new Set();
      this.#waiting = [];
      try {
        await this.place.save({ put, drop: [...drop], floor: this.#floor });
        this.saves++;
        this.#failing = false;
        for (const resolve of waiting) resolve();
      } catch {
        this.failed++;
        this.#failing = true;
        // What has come meanwhile is newer.
        for (const [id, cell] of put) if (!this.#put.has(id) && !this.#drop.has(id)) this.#put.set(id, cell);
        for (const id of drop) if (!this.#put.has(id)) this.#drop.add(id);
        this.#waiting = [...waiting, ...this.#waiting];
        if (!this.#closed) await new Promise<void>((resolve) => this.later(AGAIN_MS, resolve));
      }
    }
    this.#running = undefined;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Saves what there is, once, and closes the place. */
  async close(): Promise<void> {
    // One that waits to try again is not waited for.
    if (!this.#failing) await this.#running;
    this.#closed = true;
    await this.place.close();
  }
}
