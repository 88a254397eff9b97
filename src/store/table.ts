/**
 * The cells of one replica: merged one by one, found by key and field, counted, and summed up in fingerprints by which two tables
 * are compared. What has been removed, or has expired, is kept as an empty cell up to the **floor**: everybody has seen everything
 * up to that time, so of what is older and not here one knows that it was removed.
 */
import { type Cell, compareCells, expiredCell, idOf, isLive, type Kind, PARTS } from './cell.js';

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
  /** By kind and key, then by field; without registers, each of which is one cell. */
  readonly #keys = new Map<string, Map<string, Cell[]>>();
  readonly #parts: (Set<string> | undefined)[] = new Array(PARTS).fill(undefined);
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

  /** The fingerprints of so many parts; as numbers, which every codec brings back as they were. */
  digest(parts: number): number[] {
    const sums = new Uint32Array(parts);
    if (this.size < PARTS) {
      for (const { part, hashLow } of this.#cells.values())
        sums[part % parts] = (sums[part % parts] as number) ^ hashLow;
      return [...sums];
    }
    // Not by an iterator, which takes ten times as long.
    for (let part = 0; part < PARTS; part++) {
      const at = part % parts;
      sums[at] = (sums[at] as number) ^ (this.fingerprints[part] as number);
    }
    return [...sums];
  }

  /** The cells of one of so many parts. */
  *inPart(part: number, of: number): Iterable<Cell> {
    if (this.size < PARTS / of) {
      for (const cell of this.#cells.values()) if (cell.part % of === part) yield cell;
      return;
    }
    for (let at = part; at < PARTS; at += of) {
      const ids = this.#parts[at];
      if (ids) for (const id of ids) yield this.#cells.get(id) as Cell;
    }
  }

  /** The cells of a field, one for each writer. */
  field(kind: Kind, key: string, field: string): readonly Cell[] {
    if (kind !== 'register') return this.#keys.get(`${kind}\0${key}`)?.get(field) ?? [];
    const cell = this.#cells.get(idOf({ kind, key, field, writer: '' }));
    return cell ? [cell] : [];
  }

  /** The fields of a key, those that are empty too. */
  fields(kind: Kind, key: string): Iterable<string> {
    if (kind === 'register') return [''];
    return this.#keys.get(`${kind}\0${key}`)?.keys() ?? [];
  }

  /** The keys of a kind, those that are empty too. */
  *keys(kind: Kind): Iterable<string> {
    if (kind === 'register') {
      for (const cell of this.#cells.values()) if (cell.kind === kind) yield cell.key;
    } else {
      for (const name of this.#keys.keys()) if (name.startsWith(`${kind}\0`)) yield name.slice(kind.length + 1);
    }
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

  /** Forgets a cell, if it is held. */
  drop(cell: Cell): void {
    if (this.#cells.get(cell.id) !== cell) return;
    this.#cells.delete(cell.id);
    this.#parts[cell.part]?.delete(cell.id);
    this.#expiring.delete(cell.id);
    this.#empty.delete(cell.id);
    this.#sum(cell, -1);
    if (cell.kind !== 'register') this.#index(cell, undefined);
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
    if (cell.kind !== 'register') this.#index(cell, cell);
  }

  /** Puts a cell, or nothing, in the place of the one with the same id. */
  #index({ kind, key, field, id }: Cell, now: Cell | undefined): void {
    const name = `${kind}\0${key}`;
    const fields = this.#keys.get(name) ?? new Map<string, Cell[]>();
    const cells = (fields.get(field) ?? []).filter((one) => one.id !== id);
    if (now) cells.push(now);
    if (cells.length > 0) fields.set(field, cells);
    else fields.delete(field);
    if (fields.size > 0) this.#keys.set(name, fields);
    else this.#keys.delete(name);
  }

  #sum(cell: Cell, sign: 1 | -1): void {
    const { hashLow: low, hashHigh: high } = cell;
    this.bytes += sign * cell.bytes;
    this.fingerprints[cell.part] = ((this.fingerprints[cell.part] as number) ^ low) >>> 0;
    this.root[0] = (this.root[0] ^ low) >>> 0;
    this.root[1] = (this.root[1] ^ high) >>> 0;
  }
}
