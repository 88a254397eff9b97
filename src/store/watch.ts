/** Who watches which keys: handlers, and iterators with a bounded memory. */
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
  readonly #iterators = new Set<() => void>();
  failed = 0;
  dropped = 0;

  get size(): number {
    return this.#watchers.size;
  }

  add(what: Watched, kind: Kind | undefined, handler: Watcher['handler'], signal?: AbortSignal): () => void {
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
  async *iterate(what: Watched, signal?: AbortSignal): AsyncGenerator<StoreChange, void, void> {
    let changes: StoreChange[] = [];
    let ended = signal?.aborted ?? false;
    let wake = () => {};
    const end = () => {
      ended = true;
      wake();
    };
    const stop = this.add(what, undefined, (change) => {
      if (changes.push(change) > BEHIND_MAX) {
        changes.shift();
        this.dropped++;
      }
      wake();
    });
    this.#iterators.add(end);
    signal?.addEventListener('abort', end);
    try {
      for (;;) {
        const taken = changes;
        changes = [];
        yield* taken;
        if (changes.length > 0) continue;
        if (ended) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      stop();
      this.#iterators.delete(end);
      signal?.removeEventListener('abort', end);
    }
  }

  close(): void {
    this.#watchers.clear();
    for (const end of this.#iterators) end();
  }
}

/** An element of a set as the text that it is kept under. */
export function fieldOf(element: string | number): string {
  return typeof element === 'number' ? `n${element}` : `s${element}`;
}

/** The element that a text stands for. */
export function elementOf(field: string): string | number {
  return field.startsWith('n') ? Number(field.slice(1)) : field.slice(1);
}
