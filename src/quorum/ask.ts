/** What members ask voters, what they answer, and how an answer is read of which nothing is known. */
import { GossipError, type GossipErrorCode } from '../errors.js';
import type { Refusal } from './input.js';
import type { Outcome } from './voter.js';

/** What members want of the leader. */
export type Wish =
  | { readonly do: 'propose'; readonly value: unknown }
  | { readonly do: 'query'; readonly value: unknown }
  | { readonly do: 'change'; readonly value: readonly string[] };

/** What members ask voters. */
export type Ask =
  | Wish
  /** Who leads? Answered when it is not who we say, or after a while. */
  | { readonly do: 'watch'; readonly token: number };

/** What they answer: what came of it, and who leads. */
export interface Told {
  readonly outcome?: Outcome | undefined;
  readonly leader?: string | undefined;
  readonly token: number;
  readonly voters: readonly string[];
}

const REFUSED: Partial<Record<Refusal, [code: GossipErrorCode, text: string]>> = {
  'too-large': ['ERR_TOO_LARGE', 'a command takes at most 32 KiB'],
  'not-carried': [
    'ERR_CODEC',
    'a command takes plain values, 32 levels of them, neither NaN, Infinity nor half a surrogate pair',
  ],
  unwelcome: ['ERR_REFUSED', 'the voter does not take this from this member'],
  overloaded: ['ERR_OVERLOADED', 'too many commands wait to be agreed upon'],
  unreachable: ['ERR_UNREACHABLE', 'a new voter did not catch up; nothing was changed'],
  strangers: ['ERR_OPTION', 'without storage, voters must be among those that the option voters names'],
};

/** The error for a wish that was certainly not granted; `undefined`: it may be, if it is brought again. */
export function refusal(outcome: Outcome | undefined): GossipError | undefined {
  const refused = outcome && 'refused' in outcome ? outcome.refused : undefined;
  // It is somebody else's word, which may be that of a property that every object has.
  const why = refused !== undefined && Object.hasOwn(REFUSED, refused) ? REFUSED[refused] : undefined;
  return why && new GossipError(...why);
}

/** Whether it is a wish. */
export function isWish(ask: Partial<Ask>): ask is Wish {
  return ask.do === 'propose' || ask.do === 'query' || (ask.do === 'change' && isVoters(ask.value));
}

/** Names of voters, as somebody else says them. */
function isVoters(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) && value.length > 0 && value.length <= 9 && value.every((name) => typeof name === 'string')
  );
}

/** Whether it is an answer. */
export function isTold(value: unknown): value is Told {
  const told = value as Partial<Told> | null;
  const { outcome } = told ?? {};
  return (
    typeof told === 'object' &&
    told !== null &&
    Number.isSafeInteger(told.token) &&
    (told.leader === undefined || typeof told.leader === 'string') &&
    isVoters(told.voters) &&
    (outcome === undefined || isOutcome(outcome))
  );
}

function isOutcome(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return !('refused' in value) || typeof value.refused === 'string';
}
