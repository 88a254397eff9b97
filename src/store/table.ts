/**
 * The cells of one replica: merged one by one, found by key and field, counted, and summed up in fingerprints by which two tables
 * are compared. What has been removed, or has expired, is kept as an empty cell up to the **floor**: everybody has seen everything
 * up to that time, so of what is older and not here one knows that it was removed.
 */
import { type Cell, compareCells, expiredCell, isLive, type Kind, PARTS } from './cell.js';

/** What became of a cell that was offered. */
export type Merged =
  /** It is the one that is held now. */
  | 'taken'
  /** The same, or a newer one, is held already. */
  | 'known'
  /** It was removed so long ago that this has been forgotten. */
  | 'collected'
  /** There is no room. */
  | 'full';

export class Table {
  readonly #cells = new Map<string, Cell>();
  /** By kind and key, then by field. */
  readonly #keys = new Map<string, Map<string, Map<string, Cell>>>();
  readonly #parts: (Set<string> | undefined)[] = [];
  readonly #expiring = new Map<string, Cell>();
  readonly #empty = new Set<string>();
  /** One for each part. */
  readonly fingerprints = new Uint32Array(PARTS);
  /** Of the whole table. */
  readonly root: [low: number, high: number] = [0, 0];
  bytes = 0;
  floor = 0;
  /** No cell expires before. */
  expiresAtMs = Number.POSITIVE_INFINITY;

  constructor(private readonly limits: { readonly cellsMax: number; readonly bytesMax: number }) {}

  get size(): number {
    return this.#cells.size;
  }

  /** Cells that hold nothing but the fact that they are empty. */
  get empty(): number {
    return this.#empty.size;
  }

  get(id: string): Cell | undefined {
    return this.#cells.get(id);
  }

  all(): Iterable<Cell> {
    return this.#cells.values();
  }

  /** The cells of one of so many parts. */
  *inPart(part: number, of: number): Iterable<Cell> {
    for (let at = part; at < PARTS; at += of) {
      for (const id of this.#parts[at] ?? []) yield this.#cells.get(id) as Cell;
    }
  }

  /** The cells of a field, one for each writer. */
  field(kind: Kind, key: string, field: string): Iterable<Cell> {
    return this.#keys.get(`${kind}\0${key}`)?.get(field)?.values() ?? [];
  }

  /** The fields of a key, those that are empty too. */
  fields(kind: Kind, key: string): Iterable<string> {
    return this.#keys.get(`${kind}\0${key}`)?.keys() ?? [];
  }

  /** The keys of a kind, those that are empty too. */
  *keys(kind: Kind): Iterable<string> {
    for (const name of this.#keys.keys()) if (name.startsWith(`${kind}\0`)) yield name.slice(kind.length + 1);
  }

  /** What is to be seen of a field: of concurrent writes the latest; the sum of a counter. */
  visible(kind: Kind, key: string, field: string, nowMs: number): unknown {
    let best: Cell | undefined;
    let sum: number | undefined;
    for (const cell of this.field(kind, key, field)) {
      if (!isLive(cell, nowMs)) continue;
      if (kind === 'counter') sum = (sum ?? 0) + (cell.value as number);
      else if (!best || compareCells(cell, best) > 0) best = cell;
    }
    return kind === 'counter' ? sum : best?.value;
  }

  /** Whether there is room for cells that would be new. */
  hasRoom(cells: readonly Cell[]): boolean {
    let [count, bytes] = [0, 0];
    for (const cell of cells) {
      const held = this.#cells.get(cell.id);
      if (!held) count++;
      bytes += cell.bytes - (held?.bytes ?? 0);
    }
    const { cellsMax, bytesMax } = this.limits;
    return (count === 0 || this.size + count <= cellsMax) && (bytes <= 0 || this.bytes + bytes <= bytesMax);
  }

  merge(cell: Cell): Merged {
    const held = this.#cells.get(cell.id);
    if (held && compareCells(held, cell) >= 0) return 'known';
    if (!held && cell.time <= this.floor) return 'collected';
    if (!this.hasRoom([cell])) return 'full';
    this.#put(cell, held);
    return 'taken';
  }

  /** Empties the cells whose time is over. @returns them as they were. */
  expire(nowMs: number): Cell[] {
    if (nowMs < this.expiresAtMs) return [];
    const over: Cell[] = [];
    this.expiresAtMs = Number.POSITIVE_INFINITY;
    for (const cell of this.#expiring.values()) {
      if (cell.expiresAtMs <= nowMs) over.push(cell);
      else if (cell.expiresAtMs < this.expiresAtMs) this.expiresAtMs = cell.expiresAtMs;
    }
    for (const cell of over) {
      if (cell.time <= this.floor) this.drop(cell);
      else this.#put(expiredCell(cell), cell);
    }
    return over;
  }

  /** Moves the floor, and forgets the empty cells below it. @returns them. */
  collect(floor: number): Cell[] {
    if (floor <= this.floor) return [];
    this.floor = floor;
    const gone = Array.from(this.#empty, (id) => this.#cells.get(id) as Cell).filter(({ time }) => time <= floor);
    for (const cell of gone) this.drop(cell);
    return gone;
  }

  /** Forgets a cell. */
  drop(cell: Cell): void {
    this.#cells.delete(cell.id);
    this.#parts[cell.part]?.delete(cell.id);
    this.#expiring.delete(cell.id);
    this.#empty.delete(cell.id);
    this.#sum(cell, -1);
    const name = `${cell.kind}\0${cell.key}`;
    const fields = this.#keys.get(name);
    const writers = fields?.get(cell.field);
    writers?.delete(cell.id);
    if (writers?.size === 0) fields?.delete(cell.field);
    if (fields?.size === 0) this.#keys.delete(name);
  }

  #put(cell: Cell, held: Cell | undefined): void {
    if (held) this.#sum(held, -1);
    this.#sum(cell, 1);
    this.#cells.set(cell.id, cell);
    const part = this.#parts[cell.part] ?? new Set<string>();
    this.#parts[cell.part] = part.add(cell.id);
    if (cell.value === undefined) this.#empty.add(cell.id);
    else this.#empty.delete(cell.id);
    if (cell.expiresAtMs > 0 && cell.value !== undefined) {
      this.#expiring.set(cell.id, cell);
      if (cell.expiresAtMs < this.expiresAtMs) this.expiresAtMs = cell.expiresAtMs;
    } else this.#expiring.delete(cell.id);
    const name = `${cell.kind}\0${cell.key}`;
    const fields = this.#keys.get(name) ?? new Map<string, Map<string, Cell>>();
    const writers = fields.get(cell.field) ?? new Map<string, Cell>();
    this.#keys.set(name, fields.set(cell.field, writers.set(cell.id, cell)));
  }

  #sum(cell: Cell, sign: 1 | -1): void {
    const [low, high] = cell.hash;
    this.bytes += sign * cell.bytes;
    this.fingerprints[cell.part] = ((this.fingerprints[cell.part] as number) ^ low) >>> 0;
    this.root[0] = (this.root[0] ^ low) >>> 0;
    this.root[1] = (this.root[1] ^ high) >>> 0;
  }
}
