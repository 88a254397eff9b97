/** Who wants to hear what: handlers by name or message type, and iterators with a bounded memory. */

type Handler = (value: never) => unknown;

/** Handlers in the order they were added. A failure of one is reported and does not reach the others. */
export class Subscribers {
  /** Each call of `add` has an entry of its own, so that the same function may be added twice and removed once; lists never change. */
  readonly #entries = new Map<string | number, readonly { handler?: Handler | undefined }[]>();

  constructor(private readonly owner: { failed(error: unknown, key: string | number): void }) {}

  #of(key: string | number) {
    return this.#entries.get(key) ?? [];
  }

  /** @returns a function that removes the handler again. */
  add(key: string | number, handler: Handler): () => void {
    const entry: { handler?: Handler | undefined } = { handler };
    this.#entries.set(key, [...this.#of(key), entry]);
    return () => {
      // Also for a call that is under way.
      entry.handler = undefined;
      this.#entries.set(
        key,
        this.#of(key).filter((one) => one !== entry),
      );
    };
  }

  get size(): number {
    return this.#entries.size;
  }

  call(key: string | number, value: unknown): void {
    const failed = (error: unknown) => this.owner.failed(error, key);
    for (const { handler } of this.#of(key)) {
      try {
        const result = handler?.(value as never);
        // Only then it may be a promise; one for each message would cost more than the rest.
        if (typeof result === 'object' && result) Promise.resolve(result).catch(failed);
      } catch (error) {
        failed(error);
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
    this.#items.push(item);
    this.#serve();
    if (this.#items.length > this.max) {
      this.#items.shift();
      this.dropped();
    }
  }

  /** No more will come; what is queued can still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#serve();
    this.onEnd(this);
  }

  next(): Promise<IteratorResult<T>> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#serve();
    });
  }

  /** Gives those who wait what there is, in their order. */
  #serve(): void {
    const items = this.#items;
    while (this.#waiting.length > 0 && (this.#ended || items.length > 0)) {
      const done = items.length === 0;
      this.#waiting.shift()?.({ done, value: items.shift() } as IteratorResult<T>);
    }
  }

  return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.end();
    return this.next();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * Calls `run` when an iteration has come to its end by itself: a cluster's events do when it is closed, and whoever closes it has done
 * with what stands on it.
 * @returns a function that ends the iteration; `run` is not called then.
 */
export function whenOver(events: AsyncIterableIterator<unknown>, run: () => void): () => void {
  let stopped = false;
  const wait = async () => {
    for await (const _ of events);
    if (!stopped) run();
  };
  void wait();
  return () => {
    stopped = true;
    void events.return?.();
  };
}
