/**
 * One moment after which an operation gives up: a timeout, the caller's signal and the closing of the transport in one
 * place. Every dial, lookup and exchange of a transport runs under one, so that none can hang or leave a timer behind.
 */
import { GossipError } from '../errors.js';

/** Something to give up on. Call `done()` when the operation has ended, however it ended. */
export interface Deadline {
  /** Aborts with a `GossipError` as its reason: `ERR_TIMEOUT`, `ERR_ABORTED`, or what `cancel` was given. */
  readonly signal: AbortSignal;
  /** Milliseconds left, never negative. */
  leftMs(): number;
  /** Settles as `work` does, or rejects with the signal's reason if that comes first. */
  race<T>(work: Promise<T>): Promise<T>;
  /** Gives up now, with this error. */
  cancel(error: GossipError): void;
  /** Releases the timer and the caller's signal. */
  done(): void;
}

/**
 * Starts a deadline.
 * @param what - completes the sentence "… within 500 ms" of the timeout's message.
 */
export function createDeadline(timeoutMs: number, what: string, callerSignal?: AbortSignal): Deadline {
  const controller = new AbortController();
  const { signal } = controller;
  const endMs = performance.now() + timeoutMs;
  const onAbort = () =>
    controller.abort(new GossipError('ERR_ABORTED', `aborted: ${what}`, { cause: callerSignal?.reason }));
  const timer = setTimeout(() => {
    controller.abort(new GossipError('ERR_TIMEOUT', `${what} within ${timeoutMs} ms`));
  }, timeoutMs);
  if (callerSignal?.aborted) onAbort();
  else callerSignal?.addEventListener('abort', onAbort, { once: true });
  const done = () => {
    clearTimeout(timer);
    callerSignal?.removeEventListener('abort', onAbort);
  };
  return {
    signal,
    leftMs: () => Math.max(0, endMs - performance.now()),
    race: (work) =>
      new Promise((resolve, reject) => {
        const give = () => reject(signal.reason);
        if (signal.aborted) give();
        else signal.addEventListener('abort', give, { once: true });
        work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
      }),
    cancel: (error) => controller.abort(error),
    done,
  };
}
