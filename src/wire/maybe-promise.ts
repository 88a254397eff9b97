/**
 * Values that may be here now or later. A cipher may answer at once or with a promise; what is built on one stays
 * synchronous as long as the cipher is, so that a frame costs no turn of the event loop it does not need.
 */

/** A value, or a promise of it. */
export type MaybePromise<T> = T | Promise<T>;

/** Applies `next` at once to a value, later to a promise; an error stays what it was: thrown, or a rejection. */
export function andThen<T, R>(value: MaybePromise<T>, next: (value: T) => R): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
