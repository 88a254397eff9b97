/**
 * The one error type of isogossip. Everything a caller can meet is a {@link GossipError} with a `code` from a closed
 * union, so that a program can branch on it; the message names the option or address concerned and the way out.
 */

/**
 * What went wrong. Each line says what happened to the state.
 *
 * - `ERR_OPTION`: an option has a value that cannot work; nothing was started.
 * - `ERR_CLOSED`: the cluster or carrier has been closed; nothing was sent.
 * - `ERR_ABORTED`: the caller's `AbortSignal` fired; a frame already on the wire is not called back.
 * - `ERR_TIMEOUT`: no answer within the deadline; the peer may or may not have acted.
 * - `ERR_ADDRESS`: an address cannot be read; nothing was sent.
 * - `ERR_RESOLVE`: a name has no usable address right now; nothing was sent.
 * - `ERR_UNREACHABLE`: the peer refused, reset or could not be dialled; nothing is known to have arrived.
 * - `ERR_ADDRESS_IN_USE`: the bind address is taken; nothing was started.
 * - `ERR_OVERLOADED`: a queue or table is at its limit; the newest item was dropped and counted.
 * - `ERR_TOO_LARGE`: a payload or frame is above a limit; nothing was sent, or the frame was dropped.
 * - `ERR_FRAME`: bytes that are not a frame (truncated, bad flags, bad lengths); dropped.
 * - `ERR_PACKET`: a well-framed packet whose fields are wrong; dropped.
 * - `ERR_CODEC`: a value cannot be encoded, or bytes cannot be decoded, by the codec; dropped.
 * - `ERR_COMPRESSED`: bytes the decompressor refuses; dropped before anything large was allocated.
 * - `ERR_CIPHER`: no key of the keyring opens the frame, or it is not sealed at all; dropped.
 * - `ERR_KEY`: a key of the wrong size, a missing key, or removing the last one; the keyring is unchanged.
 * - `ERR_JOIN_FAILED`: no address answered; they are retried in the background while the member is alone.
 * - `ERR_JOIN_REJECTED`: a peer answered and refused, with its reason; it is not retried by itself.
 * - `ERR_UNKNOWN_MEMBER`: no member with that id; nothing was sent.
 * - `ERR_NO_HANDLER`: the peer has no handler for the request's type; it did nothing.
 * - `ERR_HANDLER`: the peer's handler failed; why, its own log says.
 * - `ERR_REFUSED`: a leaf's gateway did not let it through, by its policy or for a limit; nothing was sent on.
 * - `ERR_STORAGE`: what is kept cannot be opened or read, or another process has it; nothing was started.
 * - `ERR_CLOCK`: a store's clock has been ahead by more than others accept; nothing was written.
 * - `ERR_INVALID_DATA`: a message's schema refused the data; nothing was sent or delivered.
 * - `ERR_NO_QUORUM`: no majority of the voters answered in time; a lock was not granted.
 * - `ERR_LOCK_LOST`: the lock's time ran out before the voters confirmed it again; others may have it.
 */
export type GossipErrorCode =
  | 'ERR_OPTION'
  | 'ERR_CLOSED'
  | 'ERR_ABORTED'
  | 'ERR_TIMEOUT'
  | 'ERR_ADDRESS'
  | 'ERR_RESOLVE'
  | 'ERR_UNREACHABLE'
  | 'ERR_ADDRESS_IN_USE'
  | 'ERR_OVERLOADED'
  | 'ERR_TOO_LARGE'
  | 'ERR_FRAME'
  | 'ERR_PACKET'
  | 'ERR_CODEC'
  | 'ERR_COMPRESSED'
  | 'ERR_CIPHER'
  | 'ERR_KEY'
  | 'ERR_JOIN_FAILED'
  | 'ERR_JOIN_REJECTED'
  | 'ERR_UNKNOWN_MEMBER'
  | 'ERR_NO_HANDLER'
  | 'ERR_HANDLER'
  | 'ERR_REFUSED'
  | 'ERR_STORAGE'
  | 'ERR_NO_QUORUM'
  | 'ERR_LOCK_LOST'
  | 'ERR_CLOCK'
  | 'ERR_INVALID_DATA';

/** The error every part of isogossip throws or rejects with; `cause` holds the underlying one, if any. */
export class GossipError extends Error {
  override readonly name = 'GossipError';
  readonly code: GossipErrorCode;

  constructor(code: GossipErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Checks that a name is known: one that is misspelt would be as good as left out.
 * @param what - says what it is the name of.
 * @throws GossipError `ERR_OPTION`
 */
export function checkName(what: string, name: string, known: object): void {
  if (Object.hasOwn(known, name)) return;
  throw new GossipError('ERR_OPTION', `option ${what} is unknown; there are ${Object.keys(known).join(', ')}`);
}

/** Checks all names of some options. @param group - goes before each. @throws GossipError `ERR_OPTION` */
export function checkNames(options: object, known: object, group = ''): void {
  for (const name of Object.keys(options)) checkName(group + name, name, known);
}

/** A GossipError as it is; anything else that was thrown as the cause of a new one, its message after `about`. */
export function toGossipError(error: unknown, code: GossipErrorCode, about = ''): GossipError {
  return error instanceof GossipError ? error : new GossipError(code, about + errorMessage(error), { cause: error });
}

/** Calls a plug-in; whatever it throws, or rejects with, becomes a GossipError that names it. */
export function attempt<T>(plugin: string, code: GossipErrorCode, call: () => T): T {
  const failed = (error: unknown): never => {
    throw toGossipError(error, code, `${plugin}: `);
  };
  try {
    const result = call();
    return result instanceof Promise ? (result.catch(failed) as T) : result;
  } catch (error) {
    return failed(error);
  }
}

/** Why there was no joining; who refused us is not asked again. */
export function joinFailure(text: string, refused = false): GossipError {
  return new GossipError(refused ? 'ERR_JOIN_REJECTED' : 'ERR_JOIN_FAILED', text);
}

/** Compares a size with its limit. @throws GossipError `ERR_TOO_LARGE`, which names the limit. */
export function checkBytes(what: string, bytes: number, max: number, limit: string): void {
  if (bytes > max) {
    throw new GossipError('ERR_TOO_LARGE', `${what} of ${bytes} bytes is above limits.${limit} (${max})`);
  }
}

/** Returns the message of anything that was thrown; never throws itself. */
export function errorMessage(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'no text';
  }
}

/**
 * Tells a dial that was refused, because nobody listens there, from every other failure; looks at what caused the error.
 * @param depth - errors within errors that are looked at. Source: guess; those of Node have two.
 */
export function isRefused(error: unknown, depth = 8): boolean {
  return (
    error instanceof Error &&
    depth > 0 &&
    ((error as { code?: unknown }).code === 'ECONNREFUSED' || isRefused(error.cause, depth - 1))
  );
}
