/**
 * What replicas say to each other, and how it is read: bytes of the network have become values by then, of which nothing else
 * is known.
 */
import type { Configuration, Entry, Snapshot } from './log.js';

/** A replica's message. `from` and `to` are replica ids; `who` and `vote` may be for whoever bears the name now. */
export type QuorumMessage = { readonly from: string; readonly to: string } & Body;

/** A message without its sender. */
export type Unsigned = { readonly to: string } & Body;

type Body =
  /** Who bears this name now? */
  | { readonly type: 'who' }
  | { readonly type: 'here' }
  /**
   * `pre`: would you? `forced`: our leader has told us to, so that its lease binds nobody. `anew`: if all follow. `names`: the voters at
   * first, which must be the same for all who begin.
   */
  | {
      readonly type: 'vote';
      readonly term: number;
      readonly lastIndex: number;
      readonly lastTerm: number;
      readonly pre: boolean;
      readonly forced: boolean;
      readonly anew: boolean;
      readonly names: readonly string[];
    }
  | {
      readonly type: 'vote-reply';
      readonly term: number;
      readonly pre: boolean;
      readonly granted: boolean;
    }
  | Append
  | {
      readonly type: 'append-reply';
      readonly term: number;
      readonly sentAtMs: number;
      /** Up to where our log is the leader's; `-1`: the entry before is not ours. */
      readonly match: number;
      readonly lastIndex: number;
      readonly eligible: boolean;
    }
  | { readonly type: 'timeout-now'; readonly term: number };

/** The leader's word: alive, this is in the log, this is committed. */
interface Append {
  readonly type: 'append';
  readonly term: number;
  /** The leader's own clock, which the reply repeats: its lease counts from here. */
  readonly sentAtMs: number;
  readonly previousIndex: number;
  readonly previousTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  /** The leader is ready and may lead. */
  readonly leads: boolean;
  /** For a log that ends before ours begins. */
  readonly snapshot?: Snapshot;
}

type Reader<T> = (value: unknown) => value is T;
type Shape = Record<string, Reader<unknown>>;

const isText: Reader<string> = (value): value is string => typeof value === 'string' && value.length <= 2048;
const isFlag: Reader<boolean> = (value): value is boolean => typeof value === 'boolean';
const isCount: Reader<number> = (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isMatch: Reader<number> = (value): value is number => value === -1 || isCount(value);
const isTime: Reader<number> = (value): value is number => Number.isFinite(value);
const isAnything: Reader<unknown> = (value): value is unknown => true;
const fits = (value: unknown, shape: Shape): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  for (const key in shape) if (!shape[key]?.((value as Record<string, unknown>)[key])) return false;
  return true;
};

/** More voters than there may be, and both sets of a change. */
const LIST_MAX = 1024;
const isList =
  <T>(read: Reader<T>): Reader<T[]> =>
  (value): value is T[] =>
    Array.isArray(value) && value.length <= LIST_MAX && value.every(read);
const isOptional =
  <T>(read: Reader<T>): Reader<T | undefined> =>
  (value): value is T | undefined =>
    value === undefined || read(value);
const CONFIGURATION: Shape = {
  voters: isList(isText),
  next: isOptional(isList(isText)),
  all: isOptional(isList(isText)),
};
const isConfiguration: Reader<Configuration> = (value): value is Configuration => fits(value, CONFIGURATION);

const ENTRIES: Record<string, Shape> = {
  start: { term: isCount },
  voters: { term: isCount, configuration: isConfiguration },
  command: { term: isCount, command: isAnything },
};
const isEntry: Reader<Entry> = (value): value is Entry => {
  const shape = shapeOf(ENTRIES, value);
  return shape !== undefined && fits(value, shape);
};
const SNAPSHOT: Shape = { index: isCount, term: isCount, configuration: isConfiguration, state: isAnything };
const isSnapshot: Reader<Snapshot> = (value): value is Snapshot => fits(value, SNAPSHOT);

const ENVELOPE: Shape = { from: isText, to: isText };
const SHAPES: Record<QuorumMessage['type'], Shape> = {
  who: {},
  here: {},
  vote: {
    term: isCount,
    lastIndex: isCount,
    lastTerm: isCount,
    pre: isFlag,
    forced: isFlag,
    anew: isFlag,
    names: isList(isText),
  },
  'vote-reply': { term: isCount, pre: isFlag, granted: isFlag },
  append: {
    term: isCount,
    sentAtMs: isTime,
    previousIndex: isCount,
    previousTerm: isCount,
    entries: isList(isEntry),
    commit: isCount,
    leads: isFlag,
    snapshot: isOptional(isSnapshot),
  },
  'append-reply': { term: isCount, sentAtMs: isTime, match: isMatch, lastIndex: isCount, eligible: isFlag },
  'timeout-now': { term: isCount },
};

function shapeOf(shapes: Record<string, Shape>, value: unknown): Shape | undefined {
  const type = (value as { type?: unknown } | null)?.type;
  return typeof type === 'string' && Object.hasOwn(shapes, type) ? shapes[type] : undefined;
}

/** Reads a message. @returns `undefined` for what is none. */
export function readMessage(value: unknown): QuorumMessage | undefined {
  const shape = shapeOf(SHAPES, value);
  return shape && fits(value, ENVELOPE) && fits(value, shape) ? (value as QuorumMessage) : undefined;
}

/** What a replica keeps over restarts. */
export interface SavedState {
  readonly id: string;
  readonly term: number;
  readonly votedFor?: string | undefined;
  readonly snapshot: Snapshot;
  readonly entries: readonly Entry[];
}

/** Reads what was saved. @returns `undefined` for what is none. */
export function readSavedState(value: unknown): SavedState | undefined {
  const shape = {
    id: isText,
    term: isCount,
    votedFor: isOptional(isText),
    snapshot: isSnapshot,
    entries: isList(isEntry),
  };
  return fits(value, shape) ? (value as SavedState) : undefined;
}
