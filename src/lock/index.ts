/** `isogossip/lock`: locks that a majority of voters keeps, each acquisition with a fencing token that only grows. */
export { LOCK_LIMITS } from './commands.js';
export { createLocks, type LocksOptions } from './create-locks.js';
export type { Lock } from './lock.js';
export type { AcquireOptions, Locks } from './locks.js';
