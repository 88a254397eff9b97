/** What an application holds of a key: a register, a set, a map or a counter, each with the type of what is in it. */
import { GossipError } from '../index.js';
import type { Kind } from './cell.js';
import type { Write } from './machine.js';
import { elementOf, fieldOf, type StoreChange } from './watch.js';

/** How a write is to be done. */
export interface WriteOptions {
  /**
   * Resolve when so many other members have it, saved where they save and where we do; `majority`: more than half of all that keep the store, ourselves
   * among them. Default 0: at once.
   */
  acks?: number | 'majority';
  /** How long to wait for them. Default 10,000. Source: as a cluster's requests. */
  timeoutMs?: number;
}

/** How a register is to be written. */
export interface RegisterOptions extends WriteOptions {
  /** It is gone after this, by each member's own clock. Default: it stays. */
  ttlMs?: number;
}

/** What a handle needs of its store. */
export interface Backing {
  write(write: Write, options: WriteOptions): Promise<void>;
  visible(kind: Kind, key: string, field: string): unknown;
  /** Fields with something to be seen. */
  fields(kind: Kind, key: string): string[];
  watchKey(kind: Kind, key: string, handler: (change: StoreChange) => unknown): () => void;
}

/** One value; of concurrent writes the last by the clock wins. */
export class Register<T> {
  /** @internal */
  constructor(
    private readonly backing: Backing,
    readonly key: string,
  ) {}

  /** The value, frozen; `undefined` when there is none. */
  get(): T | undefined {
    return this.backing.visible('register', this.key, '') as T | undefined;
  }

  /** Writes the value. It is here at once, and with the others soon. @throws GossipError `ERR_TOO_LARGE`, `ERR_CODEC`, `ERR_OVERLOADED`, `ERR_CLOCK`, `ERR_CLOSED`; rejects with `ERR_TIMEOUT` without the acks. */
  set(value: T, options: RegisterOptions = {}): Promise<void> {
    if (value === undefined) throw new GossipError('ERR_OPTION', 'undefined is no value; use delete()');
    const { ttlMs = 0 } = options;
    if (!(ttlMs >= 0)) throw new GossipError('ERR_OPTION', `ttlMs must not be negative: ${ttlMs}`);
    return this.backing.write({ type: 'put', kind: 'register', key: this.key, field: '', value, ttlMs }, options);
  }

  /** Removes the value; a write that is later by the clock wins over that. */
  delete(options: WriteOptions = {}): Promise<void> {
    return this.backing.write({ type: 'remove', kind: 'register', key: this.key, field: '' }, options);
  }

  /** Hears each change. @returns a function that stops it. */
  watch(handler: (value: T | undefined, change: StoreChange) => unknown): () => void {
    return this.backing.watchKey('register', this.key, (change) => handler(change.value as T | undefined, change));
  }
}

/** Elements; what is added while somebody else removes it stays. */
export class StoreSet<T extends string | number> {
  /** @internal */
  constructor(
    private readonly backing: Backing,
    readonly key: string,
  ) {}

  has(element: T): boolean {
    return this.backing.visible('set', this.key, fieldOf(element)) === true;
  }

  /** The elements, in no order that means something. */
  values(): T[] {
    return this.backing.fields('set', this.key).map((field) => elementOf(field) as T);
  }

  get size(): number {
    return this.backing.fields('set', this.key).length;
  }

  /** Adds an element. @throws GossipError as {@link Register.set}. */
  add(element: T, options: WriteOptions = {}): Promise<void> {
    const field = fieldOf(element);
    return this.backing.write({ type: 'put', kind: 'set', key: this.key, field, value: true, ttlMs: 0 }, options);
  }

  /** Removes an element as it is seen here. */
  delete(element: T, options: WriteOptions = {}): Promise<void> {
    return this.backing.write({ type: 'remove', kind: 'set', key: this.key, field: fieldOf(element) }, options);
  }

  /** Removes all elements that are seen here. */
  clear(options: WriteOptions = {}): Promise<void> {
    return this.backing.write({ type: 'remove', kind: 'set', key: this.key, field: undefined }, options);
  }

  /** Hears of each element that comes or goes. @returns a function that stops it. */
  watch(handler: (element: T, present: boolean, change: StoreChange) => unknown): () => void {
    return this.backing.watchKey('set', this.key, (change) =>
      handler(change.field as T, change.value === true, change),
    );
  }
}

/** Fields with values; a field that is written while somebody else removes it stays, of concurrent writes the last wins. */
export class StoreMap<V> {
  /** @internal */
  constructor(
    private readonly backing: Backing,
    readonly key: string,
  ) {}

  get(field: string): V | undefined {
    return this.backing.visible('map', this.key, field) as V | undefined;
  }

  has(field: string): boolean {
    return this.get(field) !== undefined;
  }

  keys(): string[] {
    return this.backing.fields('map', this.key);
  }

  entries(): [string, V][] {
    return this.keys().map((field) => [field, this.get(field) as V]);
  }

  get size(): number {
    return this.keys().length;
  }

  /** Writes a field. @throws GossipError as {@link Register.set}. */
  set(field: string, value: V, options: WriteOptions = {}): Promise<void> {
    if (value === undefined) throw new GossipError('ERR_OPTION', 'undefined is no value; use delete()');
    return this.backing.write({ type: 'put', kind: 'map', key: this.key, field, value, ttlMs: 0 }, options);
  }

  /** Removes a field as it is seen here. */
  delete(field: string, options: WriteOptions = {}): Promise<void> {
    return this.backing.write({ type: 'remove', kind: 'map', key: this.key, field }, options);
  }

  /** Removes all fields that are seen here. */
  clear(options: WriteOptions = {}): Promise<void> {
    return this.backing.write({ type: 'remove', kind: 'map', key: this.key, field: undefined }, options);
  }

  /** Hears each change. @returns a function that stops it. */
  watch(handler: (field: string, value: V | undefined, change: StoreChange) => unknown): () => void {
    return this.backing.watchKey('map', this.key, (change) =>
      handler(change.field as string, change.value as V | undefined, change),
    );
  }
}

/** A sum to which everybody adds, and no increment is lost to another. */
export class Counter {
  /** @internal */
  constructor(
    private readonly backing: Backing,
    readonly key: string,
  ) {}

  /** The sum as it is seen here; 0 to begin with. */
  get value(): number {
    return (this.backing.visible('counter', this.key, '') as number | undefined) ?? 0;
  }

  /** Adds to it. @throws GossipError as {@link Register.set}. */
  increment(by = 1, options: WriteOptions = {}): Promise<void> {
    if (!Number.isFinite(by)) throw new GossipError('ERR_OPTION', `a counter cannot be incremented by ${by}`);
    return this.backing.write({ type: 'increment', key: this.key, by }, options);
  }

  /** Subtracts from it. */
  decrement(by = 1, options: WriteOptions = {}): Promise<void> {
    return this.increment(-by, options);
  }

  /**
   * Takes away what is seen here. Somebody who increments it at the same time brings back all that they have added to it themselves.
   */
  delete(options: WriteOptions = {}): Promise<void> {
    return this.backing.write({ type: 'remove', kind: 'counter', key: this.key, field: undefined }, options);
  }

  /** Hears each new sum. @returns a function that stops it. */
  watch(handler: (value: number, change: StoreChange) => unknown): () => void {
    return this.backing.watchKey('counter', this.key, (change) =>
      handler((change.value as number | undefined) ?? 0, change),
    );
  }
}
