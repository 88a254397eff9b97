/** The border of a replica: everything that comes in, everything that goes out, and what it is made with. */
import type { GossipError } from '../index.js';
import type { CellData, Kind } from './cell.js';
import type { CellsMessage, Question } from './messages.js';

/** A write of our own. */
export type Write =
  /** `ttlMs` 0: it stays. */
  | {
      readonly type: 'put';
      readonly kind: Kind;
      readonly key: string;
      readonly field: string;
      readonly value: unknown;
      readonly ttlMs: number;
    }
  /** Without a field all of the key's. */
  | { readonly type: 'remove'; readonly kind: Kind; readonly key: string; readonly field: string | undefined }
  | { readonly type: 'increment'; readonly key: string; readonly by: number };

/** How many members have to have a write, and until when. */
export interface Wanted {
  readonly acks: number | 'majority';
  readonly timeoutMs: number;
  readonly ref: number;
}

export type Input =
  | { readonly type: 'write'; readonly write: Write; readonly wanted: Wanted | undefined }
  /** Cells from a file or a snapshot; `told`: the others are to have them too. */
  | {
      readonly type: 'restore';
      readonly cells: CellsMessage;
      readonly drop: readonly string[];
      readonly floor: number;
      readonly told: boolean;
    }
  /** The other members of the group: those that can be asked, and all that are members. */
  | { readonly type: 'members'; readonly alive: readonly string[]; readonly all: readonly string[] }
  /** Somebody has written. */
  | { readonly type: 'told'; readonly from: string; readonly message: unknown }
  /** Somebody asks us. */
  | {
      readonly type: 'asked';
      readonly from: string;
      readonly what: Question;
      readonly message: unknown;
      readonly ref: number;
    }
  /** Somebody answers; `undefined`: there was no answer; `null`: it keeps no such store. */
  | { readonly type: 'answered'; readonly from: string; readonly message: unknown; readonly ref: number }
  /** We were out of touch, and may have missed something. */
  | { readonly type: 'missed' }
  /** It is the end: what was written is told now. */
  | { readonly type: 'closing' }
  | { readonly type: 'tick' };

/** What changed for those who look. */
export interface Change {
  readonly kind: Kind;
  readonly key: string;
  /** The field of a map or the element of a set, as it is kept; otherwise empty. */
  readonly field: string;
  /** What is there now; `undefined`: nothing. Of a set `true`, of a counter its sum. */
  readonly value: unknown;
  /** Written here. */
  readonly local: boolean;
}

export type Effect =
  /** To all others of the group. */
  | { readonly type: 'tell'; readonly message: CellsMessage }
  | {
      readonly type: 'ask';
      readonly to: string;
      readonly what: Question;
      readonly message: object;
      readonly ref: number;
    }
  /** The answer to who asked us, once all that was to be saved is. */
  | { readonly type: 'answer'; readonly ref: number; readonly message: object }
  | { readonly type: 'changed'; readonly change: Change }
  | {
      readonly type: 'save';
      readonly put: readonly CellData[];
      readonly drop: readonly CellData[];
      readonly floor: number;
    }
  /** A write has the members that were wanted, or not. */
  | { readonly type: 'settled'; readonly ref: number; readonly error: GossipError | undefined }
  /** We have had everything that another member had, or no other has any. */
  | { readonly type: 'synced' };

/** Upper bounds of a store. What comes in and is above is refused and counted. */
export interface StoreLimits {
  /** Registers, elements, fields and counters, each once for each writer; deleted ones, until they are forgotten. Source: guess. */
  readonly cellsMax: number;
  /** UTF-8 bytes of a key, and of a field. Source: guess; as long as a tag may be. */
  readonly keyBytesMax: number;
  /** Encoded size of one value. Source: guess, as metadata. */
  readonly valueBytesMax: number;
  /** Of all cells, with what it takes to keep them. Source: guess. */
  readonly bytesMax: number;
  /** Cells that are written here in a second, and as many at once. Source: guess. */
  readonly writesPerSecond: number;
  /** Cells that others tell of in a second; what is above comes by a comparison, later. Source: guess, ten busy writers. */
  readonly toldPerSecond: number;
}

/** What a replica is made with. Times in milliseconds. */
export interface ReplicaOptions {
  readonly name: string;
  /** 16 hexadecimal digits, never used before. */
  readonly writer: string;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly limits: StoreLimits;
  readonly syncIntervalMs: number;
  readonly tombstoneMs: number;
  readonly clockDriftMaxMs: number;
}
