/**
 * The words of the lock table: commands in the voters' log, what they are answered, and the table as a plain value. All of it
 * comes by the network, so each is checked before it is believed.
 */
import { GossipError } from '../errors.js';

/**
 * What the table holds at most. All voters must agree on them, as they decide what a command does: constants, no options.
 * Sources: guesses; a snapshot of a full table is below `limits.frameBytesMax`.
 */
export const LOCK_LIMITS = {
  /** Members that hold or wait at the same time. */
  sessionsMax: 2000,
  /** Locks held and waiting, of all sessions. */
  claimsMax: 8000,
  claimsPerSessionMax: 1000,
  /** Who waits for one lock. */
  waitersMax: 2000,
  /** UTF-16 units of a lock's name, which has no control characters. */
  nameLengthMax: 100,
  /** Operations in one turn. */
  operationsMax: 32,
  ttlMsMin: 500,
  ttlMsMax: 600_000,
} as const;

/** What a client does in a turn. `claim` is its own number for one acquisition; never used twice in a session. */
export type Operation =
  /** `try`: only if nobody has it. */
  | { readonly type: 'acquire' | 'try'; readonly claim: number; readonly name: string }
  | { readonly type: 'release'; readonly claim: number }
  /** Ends the session. */
  | { readonly type: 'close' };

/** What a client asks of the voters. Both can be repeated without harm until they are answered. */
export type Call =
  /** Begins a session. `key` names it until its number is known; `previous` is one that this client has given up, or 0. */
  | { readonly type: 'open'; readonly key: string; readonly ttlMs: number; readonly previous: number }
  /**
   * The next step of a session, and a sign of life even without operations.
   *
   * - `turn`: 1, 2, 3 …; the next only after this one was answered.
   * - `seen`: the highest token among the grants that the client has been told of.
   */
  | {
      readonly type: 'turn';
      readonly session: number;
      readonly turn: number;
      readonly seen: number;
      readonly operations: readonly Operation[];
    };

/** What stands in the log: a client's call as its leader passes it on, or a verdict of the leader. */
export type Command =
  /** `member`: whose it is. */
  | (Call & { readonly member: string })
  /**
   * Void when the session has been heard since `beats`. `expire`: its time is over. `end`: its member is dead, so it is given
   * nothing more; what it holds waits for `expire`, as the member may live and believe that it holds it.
   */
  | { readonly type: 'end' | 'expire'; readonly session: number; readonly beats: number };

/** A token: it is held. `old`: the claim's number was used. */
export type OperationAnswer = number | 'waiting' | 'held' | 'limit' | 'done' | 'old';

/** A claim and the token with which it was granted after it had waited. */
type Grant = readonly [claim: number, token: number];

export type Answer =
  | { readonly type: 'opened'; readonly session: number }
  /** `answers` to the operations of `turn`; `grants`: all that the client has not said to have seen. */
  | {
      readonly type: 'view';
      readonly session: number;
      readonly turn: number;
      readonly answers: readonly OperationAnswer[];
      readonly grants: readonly Grant[];
    }
  /** There is no such session, or no longer. */
  | { readonly type: 'gone' }
  | { readonly type: 'refused'; readonly why: 'malformed' | 'limit' };

/** A session as a plain value. */
export interface SessionState {
  readonly number: number;
  readonly key: string;
  readonly member: string;
  readonly ttlMs: number;
  /** How often it has been heard. */
  beats: number;
  /** Its last turn, and what that was answered: a repeated one is answered the same. */
  turn: number;
  answers: readonly OperationAnswer[];
  grants: readonly Grant[];
  /** The highest claim so far. */
  claimed: number;
  /** It is given nothing more. */
  ended: boolean;
}

/** The table as a plain value. */
export interface TableState {
  readonly last: number;
  readonly sessions: readonly SessionState[];
  readonly locks: readonly {
    readonly name: string;
    readonly token: number;
    readonly holder: { readonly session: number; readonly claim: number };
    readonly queue: readonly { readonly session: number; readonly claim: number }[];
  }[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a command. */
export function isCommand(value: unknown): value is Command {
  if (!isFields(value)) return false;
  const { type, session, beats } = value;
  if (type === 'open') return isOpen(value);
  if (type === 'turn') return isTurn(value);
  const isVerdict = type === 'end' || type === 'expire';
  return isVerdict && has(value, ['type', 'session', 'beats']) && isCount(session) && isCount(beats);
}

/** Exactly these fields, its own: what has more, or has them from elsewhere, might be read in two ways. */
function has(value: Fields, names: readonly string[]): boolean {
  const own = Object.keys(value);
  return own.length === names.length && own.every((name) => names.includes(name));
}

function isOpen(value: Fields): boolean {
  const { key, member, ttlMs, previous } = value;
  const { ttlMsMin, ttlMsMax } = LOCK_LIMITS;
  if (!has(value, ['type', 'key', 'member', 'ttlMs', 'previous']) || !isText(key, 64) || !isText(member, 64))
    return false;
  return isCount(ttlMs) && ttlMs >= ttlMsMin && ttlMs <= ttlMsMax && isCount(previous);
}

function isTurn(value: Fields): boolean {
  const { session, member, turn, seen, operations } = value;
  if (!has(value, ['type', 'session', 'member', 'turn', 'seen', 'operations']) || !isText(member, 64)) return false;
  if (!isCount(session) || !isCount(turn) || !isCount(seen) || !Array.isArray(operations)) return false;
  return operations.length <= LOCK_LIMITS.operationsMax && operations.every(isOperation);
}

function isOperation(value: unknown): boolean {
  if (!isFields(value)) return false;
  const { type, claim, name } = value;
  if (type === 'close') return has(value, ['type']);
  if (type === 'release') return has(value, ['type', 'claim']) && isCount(claim);
  if (type !== 'acquire' && type !== 'try') return false;
  return has(value, ['type', 'claim', 'name']) && isCount(claim) && isText(name, LOCK_LIMITS.nameLengthMax);
}

const WORDS: readonly unknown[] = ['waiting', 'held', 'limit', 'done', 'old'];
const REFUSALS: readonly unknown[] = ['malformed', 'limit'];

/** Whether a value is an answer of the voters. */
export function isAnswer(value: unknown): value is Answer {
  if (!isFields(value)) return false;
  const { type, session, turn, answers, grants, why } = value;
  if (type === 'gone') return true;
  if (type === 'refused') return REFUSALS.includes(why);
  if (!isCount(session)) return false;
  return type === 'opened' || (type === 'view' && isCount(turn) && areAnswers(answers) && areGrants(grants));
}

/**
 * Reads a snapshot.
 * @throws GossipError `ERR_PACKET`
 */
export function readState(value: unknown): TableState {
  if (!isFields(value) || !isCount(value.last)) throw notState();
  const { last, sessions, locks } = value;
  if (!areAll(sessions, isSession) || !areAll(locks, isLock)) throw notState();
  const numbers = new Set(sessions.map(({ number }) => number));
  const claims = locks.flatMap(({ holder, queue }) => [holder, ...queue]);
  const names = new Set(claims.map(({ session, claim }) => `${session}/${claim}`));
  // Each claim is one of a session that is there, and is made once; so is each lock.
  const fits = names.size === claims.length && new Set(locks.map(({ name }) => name)).size === locks.length;
  if (!fits || numbers.size < sessions.length || !claims.every(({ session }) => numbers.has(session))) throw notState();
  return { last, sessions, locks };
}

function notState(): GossipError {
  return new GossipError('ERR_PACKET', 'not a snapshot of a lock table');
}

function isSession(value: unknown): value is SessionState {
  if (!isFields(value)) return false;
  const { number, key, member, ttlMs, beats, turn, answers, grants, claimed, ended } = value;
  return (
    [number, ttlMs, beats, turn, claimed].every(isCount) &&
    isText(key, 64) &&
    isText(member, 64) &&
    typeof ended === 'boolean' &&
    areAnswers(answers) &&
    areGrants(grants)
  );
}

function isLock(value: unknown): value is TableState['locks'][number] {
  return (
    isFields(value) &&
    isText(value.name, LOCK_LIMITS.nameLengthMax) &&
    isCount(value.token) &&
    isClaim(value.holder) &&
    areAll(value.queue, isClaim)
  );
}

function isClaim(value: unknown): value is { session: number; claim: number } {
  return isFields(value) && isCount(value.session) && isCount(value.claim);
}

function areAnswers(value: unknown): value is OperationAnswer[] {
  return areAll(value, (one): one is OperationAnswer => isCount(one) || WORDS.includes(one));
}

function areGrants(value: unknown): value is Grant[] {
  return areAll(value, (one): one is Grant => Array.isArray(one) && one.length === 2 && one.every(isCount));
}

function areAll<T>(value: unknown, is: (one: unknown) => one is T): value is T[] {
  return Array.isArray(value) && value.every(is);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

/** An integer from 0 on that no sum makes inexact. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A text of three bytes for each unit at most, in every codec: JSON makes six of a control character. */
function isText(value: unknown, lengthMax: number): value is string {
  return typeof value === 'string' && value.length <= lengthMax && !hasControl(value);
}

/** Whether a text has control characters. */
export function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
