/** Brings what changes to a store's persistence: one save at a time, with all that came meanwhile in the next. */
import { GossipError } from '../index.js';
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
  #waiting: { resolve(): void; reject(error: GossipError): void }[] = [];
  #running: Promise<void> | undefined;
  /** Ends the wait after a save that has failed. */
  #again = () => {};
  #closing = false;
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

  /** Resolves when all that has come until now is safe. @throws GossipError `ERR_CLOSED`: it was closed, and never will be. */
  async saved(): Promise<void> {
    if (this.#running) {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    } else if (this.unsaved > 0) throw unsafe();
  }

  async #run(): Promise<void> {
    // What comes in the same turn is saved together.
    await undefined;
    while (this.unsaved > 0) {
      const [put, drop, waiting] = [this.#put, this.#drop, this.#waiting];
      this.#put = new Map();
      this.#drop = new Set();
      this.#waiting = [];
      try {
        await this.place.save({ put, drop: [...drop], floor: this.#floor });
        this.saves++;
        for (const { resolve } of waiting) resolve();
      } catch {
        this.failed++;
        // What has come meanwhile is newer.
        for (const [id, cell] of put) if (!this.#put.has(id) && !this.#drop.has(id)) this.#put.set(id, cell);
        for (const id of drop) if (!this.#put.has(id)) this.#drop.add(id);
        this.#waiting = [...waiting, ...this.#waiting];
        if (this.#closing) break;
        await new Promise<void>((resolve) => {
          const cancel = this.later(AGAIN_MS, resolve);
          this.#again = () => {
            cancel();
            resolve();
          };
        });
      }
    }
    this.#running = undefined;
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.unsaved > 0) reject(unsafe());
      else resolve();
    }
  }

  /** Saves what there is, unless that fails, and closes the place. */
  async close(): Promise<void> {
    this.#closing = true;
    // A handler may close the store that is told of a change which comes to us after that.
    await undefined;
    // One that waits to try again does so now, for the last time.
    this.#again();
    await this.#running;
    await this.place.close();
  }
}

function unsafe(): GossipError {
  return new GossipError('ERR_CLOSED', 'this store was closed before all of it could be saved');
}
