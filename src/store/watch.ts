/** Who watches which keys: handlers, and iterators with a bounded memory. */
import { GossipError } from '../index.js';
import { AsyncQueue } from '../subscribers.js';
import type { Kind } from './cell.js';
import type { Change } from './machine.js';

/** A change of what is to be seen in a store. */
export interface StoreChange {
  readonly kind: Kind;
  readonly key: string;
  /** The field of a map, or the element of a set. */
  readonly field: string | number | undefined;
  /** What is there now; `undefined`: nothing any more. Of a set's element `true`, of a counter its sum. */
  readonly value: unknown;
  /** Written by this member. */
  readonly local: boolean;
}

/** One key, all that begin with something, or all. */
export type Watched = string | { readonly prefix: string };

/** Changes that an iterator may be behind. Source: `limits.eventQueueMax` of a cluster. */
const BEHIND_MAX = 10_000;

interface Watcher {
  readonly what: Watched;
  readonly kind: Kind | undefined;
  readonly handler: (change: StoreChange) => unknown;
}

export class Watchers {
  readonly #watchers = new Set<Watcher>();
  readonly #queues = new Set<AsyncQueue<StoreChange>>();
  #closed = false;
  failed = 0;
  dropped = 0;

  get size(): number {
    return this.#watchers.size;
  }

  /** @throws GossipError `ERR_CLOSED` */
  add(what: Watched, kind: Kind | undefined, handler: Watcher['handler'], signal?: AbortSignal): () => void {
    if (this.#closed) throw closed();
    const watcher = { what, kind, handler };
    const stop = () => {
      this.#watchers.delete(watcher);
      signal?.removeEventListener('abort', stop);
    };
    if (signal?.aborted) return stop;
    this.#watchers.add(watcher);
    signal?.addEventListener('abort', stop);
    return stop;
  }

  tell({ kind, key, field, value, local }: Change): void {
    if (this.#watchers.size === 0) return;
    const change: StoreChange = Object.freeze({
      kind,
      key,
      field: kind === 'set' ? elementOf(field) : kind === 'map' ? field : undefined,
      value,
      local,
    });
    for (const one of [...this.#watchers]) {
      // An earlier handler may have removed it.
      if (!this.#watchers.has(one)) continue;
      if (one.kind !== undefined && one.kind !== kind) continue;
      if (typeof one.what === 'string' ? one.what !== key : !key.startsWith(one.what.prefix)) continue;
      const failed = () => {
        this.failed++;
      };
      try {
        const result = one.handler(change);
        if (typeof result === 'object' && result) Promise.resolve(result).catch(failed);
      } catch {
        failed();
      }
    }
  }

  /** Changes from now on, until the signal or the end of the store; who is too far behind loses the oldest. */
  iterate(what: Watched, signal?: AbortSignal): AsyncIterableIterator<StoreChange> {
    let stop = () => {};
    const queue = new AsyncQueue<StoreChange>(
      BEHIND_MAX,
      () => {
        this.dropped++;
      },
      (ended) => {
        stop();
        this.#queues.delete(ended);
        signal?.removeEventListener('abort', end);
      },
    );
    const end = () => queue.end();
    if (this.#closed || signal?.aborted) {
      end();
      return queue;
    }
    this.#queues.add(queue);
    stop = this.add(what, undefined, (change) => queue.push(change));
    signal?.addEventListener('abort', end);
    return queue;
  }

  close(): void {
    this.#closed = true;
    for (const queue of [...this.#queues]) queue.end();
    this.#watchers.clear();
  }
}

/** What all say that need a store that is open. */
export function closed(): GossipError {
  return new GossipError('ERR_CLOSED', 'this store is closed');
}

/** An element of a set as the text that it is kept under. */
export function fieldOf(element: string | number): string {
  return typeof element === 'number' ? `n${element}` : `s${element}`;
}

/** The element that a text stands for. */
export function elementOf(field: string): string | number {
  return field.startsWith('n') ? Number(field.slice(1)) : field.slice(1);
}
