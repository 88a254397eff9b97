/**
 * `isogossip/store`: keys and values that all members of a cluster have, or those of a group, each in its own memory. Writes are seen here
 * at once and by the others soon; whoever was cut off has the same as all others when it is back. The rules are those of `replica.ts`, a
 * pure state machine, which `shell.ts` drives.
 */
// For users whose `lib` lacks it: TypeScript 5.2 and later know it.
/// <reference lib="esnext.disposable" preserve="true" />

import { type Cluster, GossipError } from '../index.js';
import { Counter, Register, type RegisterOptions, StoreMap, StoreSet, type WriteOptions } from './handles.js';
import { isOpen } from './hub.js';
import { resolveStoreOptions, type StoreOptions } from './options.js';
import type { StoredCell } from './persistence.js';
import { Shell } from './shell.js';
import type { StoreChange, Watched } from './watch.js';

export type { Kind } from './cell.js';
export { Counter, Register, type RegisterOptions, StoreMap, StoreSet, type WriteOptions } from './handles.js';
export type { StoreLimits } from './machine.js';
export { DEFAULT_STORE_LIMITS, type StoreOptions } from './options.js';
export type { StoredCell, StoredChange, StorePersistence } from './persistence.js';
export type { StoreChange, Watched } from './watch.js';

/** All that is in a store, as plain values that every codec carries. */
export interface StoreSnapshot {
  readonly version: 1;
  readonly cells: readonly StoredCell[];
}

/**
 * Opens a store on a member, be it a leaf or a full one.
 * @returns when what is kept on a disk has been read; what the others have comes later, see {@link Store.ready}.
 * @throws GossipError `ERR_OPTION`, `ERR_STORAGE`.
 */
export async function createStore(cluster: Cluster, options: StoreOptions = {}): Promise<Store> {
  const resolved = resolveStoreOptions(options);
  if (isOpen(cluster, resolved.name)) {
    throw new GossipError('ERR_OPTION', `this member has the store "${resolved.name}" open; name another one`);
  }
  if (resolved.tag && !cluster.self.tags.includes(resolved.tag)) {
    throw new GossipError(
      'ERR_OPTION',
      `this member has not the tag "${resolved.tag}" of the store; give it to createCluster`,
    );
  }
  const shell = new Shell(cluster, resolved);
  await shell.start();
  return new Store(shell);
}

/** A store of a member. Made by {@link createStore}. */
export class Store implements AsyncDisposable {
  readonly #shell: Shell;

  /** @internal Use {@link createStore}. */
  constructor(shell: Shell) {
    this.#shell = shell;
  }

  /** Settles when we have had everything that another member had; at once for who is alone. */
  get ready(): Promise<void> {
    return this.#shell.ready;
  }

  /** The value of a key; the same as `register(key).get()`. */
  get<T = unknown>(key: string): T | undefined {
    return this.register<T>(key).get();
  }

  /**
   * Writes a value; it need not be awaited. The same as `register(key).set(value)`.
   * @returns when the acks that were asked for are there, and it is on our own disk if there is one; by default at once.
   * @throws GossipError at once: `ERR_OPTION`, `ERR_TOO_LARGE`, `ERR_CODEC`, `ERR_OVERLOADED`, `ERR_CLOCK`, `ERR_CLOSED`: nothing was written. Rejects with
   *   `ERR_TIMEOUT`: it is written and spreads, but not so many members have confirmed it.
   */
  set<T>(key: string, value: T, options: RegisterOptions = {}): Promise<void> {
    return this.register<T>(key).set(value, options);
  }

  /** Removes the value of a key. */
  delete(key: string, options: WriteOptions = {}): Promise<void> {
    return this.register(key).delete(options);
  }

  /** The keys that have a value, those that begin with a prefix. */
  keys({ prefix = '' }: { prefix?: string } = {}): string[] {
    return this.entries({ prefix }).map(([key]) => key);
  }

  /** The keys and values of registers, those that begin with a prefix. */
  entries<T = unknown>({ prefix = '' }: { prefix?: string } = {}): [string, T][] {
    const found: [string, T][] = [];
    for (const key of this.#shell.keys('register')) {
      const value = key.startsWith(prefix) ? this.get<T>(key) : undefined;
      if (value !== undefined) found.push([key, value]);
    }
    return found;
  }

  /** A value under a key. */
  register<T = unknown>(key: string): Register<T> {
    return new Register(this.#shell, key);
  }

  /** A set under a key; it has nothing to do with a register or map of the same key. */
  setOf<T extends string | number = string>(key: string): StoreSet<T> {
    return new StoreSet(this.#shell, key);
  }

  /** A map under a key. */
  map<V = unknown>(key: string): StoreMap<V> {
    return new StoreMap(this.#shell, key);
  }

  /** A counter under a key. */
  counter(key: string): Counter {
    return new Counter(this.#shell, key);
  }

  /** Hears every change of a key, or of all that begin with a prefix. @returns a function that stops it, as the signal does. */
  watch(
    what: Watched,
    handler: (change: StoreChange) => unknown,
    { signal }: { signal?: AbortSignal } = {},
  ): () => void {
    return this.#shell.watchers.add(what, undefined, handler, signal);
  }

  /** Every change from now on, at the reader's pace; one that is 10,000 behind loses the oldest (`changesDropped`). */
  changes(
    what: Watched = { prefix: '' },
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncIterableIterator<StoreChange> {
    return this.#shell.watchers.iterate(what, signal);
  }

  /** All that is in the store, what was removed too. */
  snapshot(): StoreSnapshot {
    return { version: 1, cells: [...this.#shell.whole().put.values()] };
  }

  /**
   * Puts in what a snapshot has and we have not, here and at the others. What is newer stays, what was removed since stays removed.
   * @throws GossipError `ERR_INVALID_DATA`: it is no snapshot, or has something dated beyond `clockDriftMaxMs`; nothing was restored.
   */
  restore(snapshot: StoreSnapshot): void {
    if (snapshot?.version !== 1 || !Array.isArray(snapshot.cells)) {
      throw new GossipError('ERR_INVALID_DATA', 'this is no snapshot of a store');
    }
    this.#shell.restore(snapshot.cells);
  }

  /**
   * Waits until everything that is here is on the disk.
   * @returns how many others are known to have all that was written here; it takes a comparison with each to know.
   */
  async flush(): Promise<{ members: number }> {
    return { members: await this.#shell.flush() };
  }

  /** Every counter, and the present size of everything that can grow. */
  stats(): Record<string, number> {
    return this.#shell.stats();
  }

  /**
   * Tells the others what was written last, saves what there is and closes; they keep what they have. Idempotent; happens by itself,
   * and then nobody is told any more, when the cluster is closed.
   */
  close(): Promise<void> {
    return this.#shell.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
