/** What a replica is made of, what comes in, and what it says is to be done: the border between it and its shell. */
import type { ReplicatedMachine } from './machine.js';
import type { QuorumMessage, SavedState } from './messages.js';

/** What a replica is made of. */
export interface ReplicaOptions {
  /** Ours among the voters, at first. */
  name: string;
  /** The voters at first. */
  names: readonly string[];
  machine: ReplicatedMachine<unknown, unknown, unknown, unknown>;
  leaseMs: number;
  /** In [0, 1). */
  random: () => number;
  /** The wall's milliseconds now, which a sleeping machine's own clock loses: the first term of all, so that tokens go on after all was lost. */
  wallMs: () => number;
  /** A part of our id that no former process of our name had. */
  boot: string;
  /** Whether what is to be saved is told. */
  durable: boolean;
  saved?: SavedState | undefined;
}

/** What comes in. */
export type ReplicaInput =
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly message: QuorumMessage }
  | { readonly type: 'propose'; readonly command: unknown; readonly ref: number }
  | { readonly type: 'change-voters'; readonly names: readonly string[]; readonly ref: number }
  | { readonly type: 'resign' }
  /** Our clock has stood still, for we do not know how long. */
  | { readonly type: 'slept' }
  /** Whether this replica may lead from now on. */
  | { readonly type: 'eligible'; readonly eligible: boolean }
  /** Somebody calls us by another name that is ours. */
  | { readonly type: 'called'; readonly name: string };

/** Why a wish was not granted. `lost`: it may be, or not. All others: it will not. */
export type Refusal =
  | 'not-leader'
  | 'lost'
  | 'overloaded'
  | 'busy'
  | 'unreachable'
  | 'strangers'
  | 'too-large'
  | 'not-carried'
  | 'unwelcome';

/** What is to be done, in order; what follows a `save` waits until that is safe. */
export type ReplicaEffect =
  | { readonly type: 'save'; readonly state: SavedState }
  | { readonly type: 'send'; readonly message: QuorumMessage }
  | { readonly type: 'settled'; readonly ref: number; readonly result?: unknown; readonly refused?: Refusal }
  | {
      readonly type: 'applied';
      readonly command: unknown;
      readonly result: unknown;
      readonly index: number;
      readonly term: number;
    }
  | { readonly type: 'restored' };
