/** What a store is made with: options, defaults, and what is wrong with a value. */
import { checkNames } from '../errors.js';
import { type Clock, GossipError, type Member } from '../index.js';
import type { StoreLimits } from './machine.js';
import type { StorePersistence } from './persistence.js';

/** Options of {@link createStore}. */
export interface StoreOptions {
  /** Stores of the same name are one. Default `default`. */
  name?: string;
  /** Only members with this tag keep the store, ourselves included. */
  tag?: string;
  /** Which members keep the store; by default all of our own kind, or those with the tag. Ourselves are not asked about. */
  members?: (member: Member) => boolean;
  /** Keeps the store on a disk, too. Without, a member that starts anew gets everything from the others. */
  persistence?: StorePersistence;
  /** Upper bounds; see {@link StoreLimits}. */
  limits?: Partial<StoreLimits>;
  /** How often a table is compared with another member's, give or take half. Default 10,000. Source: guess. */
  syncIntervalMs?: number;
  /** How long what was removed is remembered at least; members that are away for longer fetch everything anew. Default a day. Source: guess, as Riak. */
  tombstoneMs?: number;
  /** Writes dated further into the future are refused. Default 60,000. Source: guess, far above what NTP leaves. */
  clockDriftMaxMs?: number;
  /** Time, for tests; `epochMs` is read anew each time, as a clock on a wall may be set. */
  clock?: Clock;
  /** Numbers in [0, 1), for tests. */
  random?: () => number;
}

/** The limits of a store that sets none; where each comes from stands at {@link StoreLimits}. */
export const DEFAULT_STORE_LIMITS: StoreLimits = Object.freeze({
  cellsMax: 100_000,
  keyBytesMax: 1024,
  valueBytesMax: 64 * 1024,
  bytesMax: 64 * 1024 * 1024,
  writesPerSecond: 1000,
  toldPerSecond: 10_000,
});

/** All of the options, checked. */
export type ResolvedStoreOptions = ReturnType<typeof resolveStoreOptions>;

/** Their names. */
const OPTIONS: Record<keyof StoreOptions, 1> = {
  name: 1,
  tag: 1,
  members: 1,
  persistence: 1,
  limits: 1,
  syncIntervalMs: 1,
  tombstoneMs: 1,
  clockDriftMaxMs: 1,
  clock: 1,
  random: 1,
};

/** The whole of the options. @throws GossipError `ERR_OPTION` */
export function resolveStoreOptions(options: StoreOptions) {
  const positive = (name: string, value: number) => {
    if (!(value > 0)) throw new GossipError('ERR_OPTION', `${name} must be above 0, not ${value}`);
    return value;
  };
  checkNames(options, OPTIONS);
  const { name = 'default', tag, limits = {} } = options;
  checkNames(limits, DEFAULT_STORE_LIMITS, 'limits.');
  if (typeof name !== 'string' || name === '' || name.length > 255) {
    throw new GossipError('ERR_OPTION', 'name must be a string of 1 to 255 characters');
  }
  const { tombstoneMs = 86_400_000, clockDriftMaxMs = 60_000 } = options;
  // Who starts anew may have a clock so far behind its former one.
  if (!(tombstoneMs > clockDriftMaxMs)) {
    throw new GossipError(
      'ERR_OPTION',
      `tombstoneMs (${tombstoneMs}) must be above clockDriftMaxMs (${clockDriftMaxMs})`,
    );
  }
  if (tag === '') throw new GossipError('ERR_OPTION', 'tag of a store is empty; leave it out for members of any tag');
  if (tag && options.members) throw new GossipError('ERR_OPTION', 'give tag or members, not both');
  for (const [limit, value] of Object.entries(limits)) positive(`limits.${limit}`, value);
  return {
    name,
    tag,
    members:
      options.members ?? ((one: Member) => one.protocol === 'native' && (tag === undefined || one.tags.includes(tag))),
    /** Whether a broadcast reaches no others. */
    broadcasts: options.members === undefined,
    persistence: options.persistence,
    limits: { ...DEFAULT_STORE_LIMITS, ...limits },
    syncIntervalMs: positive('syncIntervalMs', options.syncIntervalMs ?? 10_000),
    tombstoneMs: positive('tombstoneMs', tombstoneMs),
    clockDriftMaxMs: positive('clockDriftMaxMs', clockDriftMaxMs),
    clock: options.clock ?? PLATFORM,
    random: options.random ?? secureRandom,
  };
}

/** `performance.now` and `setTimeout`, which no setting of the wall's clock moves; what that one says is looked up each time. */
const PLATFORM: Clock = {
  get epochMs() {
    return Date.now() - performance.now();
  },
  now: () => performance.now(),
  schedule(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

function secureRandom(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] as number) / 0x1_0000_0000;
}
