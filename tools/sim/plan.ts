/**
 * What happens in a run, as plain data: a cluster, and a list of steps with their times. Because it is data it can be printed,
 * replayed, and made smaller piece by piece when a run fails.
 */
import type { FlipFlop, NetworkOptions } from '../../src/testing/index.js';

/** A network as data: a delay is a number of milliseconds or drawn evenly between two. */
export type PlainNetwork = Omit<NetworkOptions, 'delayMs'> & { delayMs?: number | readonly [number, number] };

/**
 * One thing that is done. Members are named by their numbers: full members from 0, then leaves, v1 peers from
 * {@link V1_FROM}.
 */
export type Action =
  /** Joins through another. */
  | { do: 'join'; member: number; through: number }
  /** Ends without a word; with `forMs` it starts anew and joins again after that. */
  | { do: 'crash'; member: number; how: 'killed' | 'silent' }
  /** A new process with the same id takes its place at once, without a disk. */
  | { do: 'restart'; member: number }
  /** Says farewell and ends; with `forMs` it is back after that. */
  | { do: 'leave'; member: number }
  /** Stands still for `forMs`. */
  | { do: 'suspend'; member: number }
  /** Does everything up to so much late. */
  | { do: 'slow'; member: number; lateMs: number }
  /** Its clocks, from the start of the run on. */
  | { do: 'clock'; member: number; aheadMs: number; drift: number }
  | { do: 'cut'; from: number; to: number; ways: 'one' | 'both' }
  /** Hears nothing (`in`), or is not heard (`out`). */
  | { do: 'deafen'; member: number; ways: FlipFlop['ways'] }
  | ({ do: 'flip-flop'; member: number } & FlipFlop)
  /** These reach each other, and all others reach each other. */
  | { do: 'partition'; members: readonly number[] }
  /** The whole network changes. */
  | { do: 'network'; network: PlainNetwork }
  /** All links from a member (`out`), to it (`in`), or both. */
  | { do: 'links'; member: number; ways: FlipFlop['ways']; network: PlainNetwork }
  /** So many messages, one each `everyMs`. */
  | {
      do: 'broadcast';
      member: number;
      bytes: number;
      times: number;
      everyMs: number;
      reliable: boolean;
    }
  | { do: 'metadata'; member: number; bytes: number }
  /** A gateway sends its leaves away. */
  | { do: 'close-gateway'; member: number }
  /** A leaf's connection ends. */
  | { do: 'disconnect'; member: number }
  /** A leaf's page is hidden. */
  | { do: 'hide'; member: number };

/** An action, when it is done and how long it lasts, in milliseconds since the cluster was whole. */
export type Step = Action & { atMs: number; forMs?: number };

/** A whole run. */
export interface Plan {
  scenario: string;
  seed: number;
  /** Full members of our own kind. */
  members: number;
  /** Members that are gateways, the first ones; and leaves, in turn at each of them. */
  gateways: number;
  leaves: number;
  /** Peers that behave as the Go library's. With some, every member speaks v1 as well. */
  v1: number;
  preset: 'local' | 'lan' | 'wan';
  /** `connected`: all know each other at the start. `apart`: nobody knows anybody. */
  start: 'connected' | 'apart';
  /** The network from the start to the end. */
  network: PlainNetwork;
  durationMs: number;
  steps: readonly Step[];
}

/** Numbers of v1 peers begin here. Source: the simulation's numbers of stations. */
export const V1_FROM = 1_000_000;

/** Everyone that an action is about. */
export function membersOf(action: Action): readonly number[] {
  if (action.do === 'partition') return action.members;
  if (action.do === 'cut') return [action.from, action.to];
  if (action.do === 'join') return [action.member, action.through];
  return action.do === 'network' ? [] : [action.member];
}
