/** Who wants to hear what: handlers by name or message type, and iterators with a bounded memory. */

type Handler = (value: never) => unknown;

/** Handlers in the order they were added. A failure of one is reported and does not reach the others. */
export class Subscribers<K> {
  readonly #handlers = new Map<K, Set<Handler>>();

  constructor(private readonly failed: (error: unknown, key: K) => void) {}

  /** @returns a function that removes the handler again. */
  add(key: K, handler: Handler): () => void {
    // Each call has an entry of its own, so that the same function may be added twice and removed once.
    const entry: Handler = (value) => handler(value);
    const handlers = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, handlers.add(entry));
    return () => {
      handlers.delete(entry);
      if (handlers.size === 0 && this.#handlers.get(key) === handlers) this.#handlers.delete(key);
    };
  }

  call(key: K, value: unknown): void {
    const handlers = this.#handlers.get(key);
    if (!handlers) return;
    for (const handler of [...handlers]) {
      // An earlier handler may have removed it.
      if (!handlers.has(handler)) continue;
      try {
        const result = handler(value as never);
        if (result instanceof Promise) result.catch((error) => this.failed(error, key));
      } catch (error) {
        this.failed(error, key);
      }
    }
  }
}

/** A queue that can be iterated while it is being filled; beyond `max` the oldest is dropped and told. */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  #items: T[] = [];
  #waiting: ((result: IteratorResult<T>) => void)[] = [];
  #ended = false;

  constructor(
    private readonly max: number,
    private readonly dropped: () => void,
    private readonly onEnd: (queue: AsyncQueue<T>) => void,
  ) {}

  push(item: T): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting({ done: false, value: item });
      return;
    }
    this.#items.push(item);
    if (this.#items.length > this.max) {
      this.#items.shift();
      this.dropped();
    }
  }

  /** No more will come; what is queued can still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
    this.onEnd(this);
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
