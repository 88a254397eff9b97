/**
 * The one thing that a store is made of. A **cell** is a value with a version, `(time, writer)`: the greater version wins, and of the
 * same version the removed one. That merge is commutative, associative and idempotent, so replicas that have seen the same cells, in
 * whatever order and how often, hold the same. The kinds differ only in whose cells there are:
 *
 * - a register is one cell that all write: the last writer wins;
 * - an element of a set or a field of a map has a cell for each writer, which that one alone renews. Who removes marks the cells it
 *   has seen, under the versions it has seen: what is added meanwhile has a newer version and stays (observed-remove);
 * - a counter has a cell for each writer, with that one's own sum.
 */
import { utf8Bytes } from '../carried.js';

/** What a key holds. Keys of different kinds are different keys. */
export type Kind = 'register' | 'set' | 'map' | 'counter';

/** Their numbers in messages and files. */
export const KINDS: readonly Kind[] = ['register', 'set', 'map', 'counter'];

/** What is told of a cell, stored and sent. */
export interface CellData {
  readonly kind: Kind;
  readonly key: string;
  /** The field of a map, or the element of a set; otherwise empty. */
  readonly field: string;
  /** Who gave it its version: an id made at random for each start of a store. */
  readonly writer: string;
  /** When, by the hybrid clock of the writer. */
  readonly time: number;
  /** Deleted: what is left keeps older versions from coming back. */
  readonly removed: boolean;
  /** Unix milliseconds; 0: never. */
  readonly expiresAtMs: number;
  /** `undefined` when removed or expired. */
  readonly value: unknown;
}

/** A cell as a replica holds it. */
export interface Cell extends CellData {
  readonly id: string;
  /** What it counts against the limits. */
  readonly bytes: number;
  /** Which part of the table it is compared in. */
  readonly part: number;
  /** Two times 32 bits of its id and version. */
  readonly hashLow: number;
  readonly hashHigh: number;
}

/** How many parts tables are compared by. Source: guess, at 100,000 cells some 100 in each, and a digest of 4 KiB. */
export const PARTS = 1024;

/** What a cell takes beside its texts and value. Source: measured, 100,000 registers with a number in Node. */
const CELL_BYTES = 280;

/** Two cells with the same id are versions of each other. */
export function idOf({ kind, key, field, writer }: Pick<CellData, 'kind' | 'key' | 'field' | 'writer'>): string {
  return kind === 'register' ? `r\0${key}` : `${kind[0]}\0${key}\0${field}\0${writer}`;
}

/** Makes a cell of what is told. */
export function makeCell(data: CellData, valueBytes: number): Cell {
  const { kind, key, field, writer, time, removed, expiresAtMs, value } = data;
  const id = idOf(data);
  const [low, high] = hash(id, 0x811c9dc5, 0x9e3779b9);
  const [hashLow, hashHigh] = hash(`${time}${removed ? '-' : '+'}${writer}`, low, high);
  const bytes = CELL_BYTES + utf8Bytes(id) + valueBytes;
  // One literal, so that all cells are of one hidden class.
  return {
    kind,
    key,
    field,
    writer,
    time,
    removed,
    expiresAtMs,
    value,
    id,
    bytes,
    part: low % PARTS,
    hashLow,
    hashHigh,
  };
}

/** The same version, marked as removed. */
export function removedCell(cell: Cell): Cell {
  return makeCell({ ...cell, removed: true, expiresAtMs: 0, value: undefined }, 0);
}

/** What is left of it when its time is over; its version, and so its hash, stay. */
export function expiredCell(cell: Cell): Cell {
  return makeCell({ ...cell, value: undefined }, 0);
}

/** The same content under a newer version; a register's of the same writer. */
export function renewedCell(cell: Cell, time: number): Cell {
  const { bytes } = cell;
  return { ...makeCell({ ...cell, time }, 0), bytes };
}

/** Above 0: `a` is to be kept; 0: they are the same. */
export function compareCells(a: CellData, b: CellData): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.writer !== b.writer) return a.writer > b.writer ? 1 : -1;
  return Number(a.removed) - Number(b.removed);
}

/** Whether it has something to show. */
export function isLive(cell: Cell, nowMs: number): boolean {
  return cell.value !== undefined && (cell.expiresAtMs === 0 || cell.expiresAtMs > nowMs);
}

/** Two multiplications beside each other, mixed at the end. @source FNV-1a; its prime and that of MurmurHash3 */
function hash(text: string, a: number, b: number): [number, number] {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
  }
  return [mix(a), mix(b)];
}

function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
