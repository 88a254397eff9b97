/**
 * What replicas tell each other, and how it is read: everything that comes in is checked before anything is made of it. The numbers
 * of the messages are of the range that the protocol keeps for modules of this package (`docs/protocol.md`).
 */
import { isWhole, utf8Bytes } from '../carried.js';
import { GossipError, type MessageType, type RequestType } from '../index.js';
import { type Cell, type CellData, KINDS, makeCell } from './cell.js';
import { REPLICAS_MAX } from './known.js';
import type { StoredCell } from './persistence.js';
import { keep } from './value.js';

/** `[kind, key, field, number of the writer, time, 0 live or 1 removed or 2 expired, expiresAtMs, value]`. */
type CellTuple = readonly unknown[];

/** Cells, with their writers named once. */
export interface CellsMessage {
  /** The name of the store. */
  readonly n: string;
  readonly w: readonly string[];
  readonly c: readonly CellTuple[];
}

/** What a replica has: through which time of each writer, its own among them, nothing is missing. */
export interface CompareMessage {
  readonly n: string;
  readonly w: readonly string[];
  readonly k: readonly number[];
  /** The floor. */
  readonly f: number;
  /** The fingerprint of the whole table. */
  readonly r: readonly [number, number];
}

export interface CompareAnswer extends CompareMessage {
  /** The fingerprints of parts, as many as it chooses; left out when the tables are the same. */
  readonly p?: readonly number[];
}

export interface PullMessage extends CellsMessage {
  readonly f: number;
  /** How many parts there are, a power of two. */
  readonly m: number;
  /** Which of them; `c` are the versions that the asker has in them, without their values. */
  readonly p: readonly number[];
}

export interface PullAnswer extends CellsMessage {
  /** How many of the parts are answered in whole. */
  readonly d: number;
  /** Places in the asker's list of what has been removed and forgotten. */
  readonly x: readonly number[];
}

export interface PutAnswer {
  /** How many of the cells had to be refused, or are taken for removed long ago. */
  readonly x: number;
}

/** What a member asks another one. */
export type Question = 'compare' | 'pull' | 'put';

/** Of the cells in one message. Source: guess, well below what gateways allow a leaf. */
export const PAGE_BYTES = 128 * 1024;

/** What was written, told at once. */
export const CHANGED: MessageType<CellsMessage> = Object.freeze({ type: 104, schema: undefined });

const question = (type: number): RequestType<object, object | null> =>
  Object.freeze({ type, schema: undefined, answerSchema: undefined });

/** Questions, and answers; `null` of who has no such store. */
export const QUESTIONS: Readonly<Record<Question, RequestType<object, object | null>>> = Object.freeze({
  compare: question(105),
  pull: question(106),
  put: question(107),
});

/** Puts cells into a message. */
export function tellCells(name: string, cells: Iterable<CellData>, withValues = true): CellsMessage {
  const places = new Map<string, number>();
  const place = (writer: string) => {
    const at = places.get(writer) ?? places.size;
    places.set(writer, at);
    return at;
  };
  const c = Array.from(cells, (one): CellTuple => {
    const state = one.removed ? 1 : one.value === undefined ? 2 : 0;
    const tuple: unknown[] = [KINDS.indexOf(one.kind), one.key, one.field, place(one.writer), one.time, state];
    if (withValues && !one.removed) tuple.push(one.expiresAtMs);
    if (withValues && state === 0) tuple.push(one.value);
    return tuple;
  });
  return { n: name, w: [...places.keys()], c };
}

/** What may come in. */
export interface CellLimits {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

/** Why a cell of a message is left out, as it is counted. */
export type Refusal = 'keysTooLong' | 'valuesTooLarge' | 'cellsMalformed';

/**
 * Reads cells. Those that are above a limit or are none are left out, each by itself, and told to `refused`.
 * @throws GossipError `ERR_INVALID_DATA`: no message of cells.
 */
export function readCells(message: unknown, limits: CellLimits, refused: (reason: Refusal) => void): Cell[] {
  const { w, c } = record(message);
  const writers = list(w);
  return list(c).flatMap((tuple) => {
    try {
      const data = readVersion(writers, tuple, limits);
      if (data) return [readCell(data, tuple as CellTuple, limits)];
      refused('keysTooLong');
    } catch (error) {
      refused((error as GossipError).code === 'ERR_TOO_LARGE' ? 'valuesTooLarge' : 'cellsMalformed');
    }
    return [];
  });
}

function readCell(data: CellData, tuple: CellTuple, limits: CellLimits): Cell {
  const [, , , , , state, expires = 0, value] = tuple;
  const expiresAtMs = number(expires);
  if (state !== 0) return makeCell({ ...data, expiresAtMs }, 0);
  if (data.kind === 'counter') check(Number.isFinite(value));
  if (data.kind === 'set') check(value === true);
  const kept = keep(value, limits.valueBytesMax);
  return makeCell({ ...data, expiresAtMs, value: kept.value }, kept.bytes);
}

/** Reads the versions of cells, each in its place; `undefined` where a key is too long. @throws GossipError `ERR_INVALID_DATA` */
export function readVersions(message: unknown, limits: CellLimits): (CellData | undefined)[] {
  const { w, c } = record(message);
  const writers = list(w);
  return list(c).map((tuple) => readVersion(writers, tuple, limits));
}

function readVersion(writers: readonly unknown[], tuple: unknown, limits: CellLimits): CellData | undefined {
  const [kind, key, field, place, time, state] = list(tuple);
  check(number(kind) < KINDS.length && typeof key === 'string' && typeof field === 'string');
  check(state === 0 || state === 1 || state === 2);
  if (!fits(key as string, limits) || !fits(field as string, limits)) return undefined;
  return {
    kind: KINDS[kind as number] as CellData['kind'],
    key: key as string,
    field: field as string,
    writer: writerOf(writers[number(place)]),
    time: number(time),
    removed: state === 1,
    expiresAtMs: 0,
    value: undefined,
  };
}

/** Whether a text can be a key or a field. */
export function fits(text: string, { keyBytesMax }: CellLimits): boolean {
  return text.length <= keyBytesMax && utf8Bytes(text) <= keyBytesMax && !text.includes('\0') && isWhole(text);
}

/** Reads through when somebody has what of whom, no more than what can be. @throws GossipError `ERR_INVALID_DATA` */
export function readHas(message: unknown, latest: number): { writer: string; has: Map<string, number>; floor: number } {
  const { w, k, f } = record(message);
  const [writers, times] = [list(w), list(k)];
  check(writers.length <= REPLICAS_MAX);
  const has = new Map<string, number>();
  for (let i = 0; i < writers.length; i++) has.set(writerOf(writers[i]), Math.min(number(times[i]), latest));
  return { writer: writerOf(writers[0]), has, floor: number(f) };
}

/** Reads a list of whole numbers below a bound. @throws GossipError `ERR_INVALID_DATA` */
export function readNumbers(value: unknown, below: number): number[] {
  return list(value).map((one) => {
    check(number(one) < below);
    return one as number;
  });
}

/** @throws GossipError `ERR_INVALID_DATA`: it is no object. */
export function record(value: unknown): Record<string, unknown> {
  check(typeof value === 'object' && value !== null);
  return value as Record<string, unknown>;
}

function list(value: unknown): unknown[] {
  check(Array.isArray(value));
  return value as unknown[];
}

/** A whole number that is not negative. */
export function number(value: unknown): number {
  check(Number.isSafeInteger(value) && (value as number) >= 0);
  return value as number;
}

function writerOf(value: unknown): string {
  check(typeof value === 'string' && /^[0-9a-f]{16}$/.test(value));
  return value as string;
}

/** @throws GossipError `ERR_INVALID_DATA` when it does not hold. */
export function check(holds: boolean): void {
  if (!holds) throw new GossipError('ERR_INVALID_DATA', 'not a message of a store');
}

/** A cell as it is kept on a disk. */
export function storedCell(cell: CellData): StoredCell {
  const [tuple] = tellCells('', [cell]).c as [CellTuple];
  return tuple.map((one, i) => (i === 3 ? cell.writer : one));
}

/** Cells of a disk as a message. @throws GossipError `ERR_INVALID_DATA` */
export function tellStored(cells: Iterable<StoredCell>): CellsMessage {
  const all = Array.from(cells, list);
  return {
    n: '',
    w: all.map((one) => one[3] as string),
    c: all.map((one, place) => one.map((x, i) => (i === 3 ? place : x))),
  };
}
