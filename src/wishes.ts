/** What the application waits for: each wish has a number, under which the core tells how it ended. */
import type { Input } from './core/input.js';
import { GossipError } from './errors.js';

export class Wishes {
  readonly #waiting = new Map<number | undefined, (value: unknown, error?: GossipError) => void>();
  #ref = 0;

  constructor(private readonly owner: { input(input: Input): void }) {}

  /** Hands a wish to the core and waits for its end. */
  ask(wish: (ref: number) => Input, signal?: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ref = ++this.#ref;
      const onAbort = () => {
        this.owner.input({ type: 'cancel', ref });
        const cause = signal?.reason;
        this.settle(ref, undefined, new GossipError('ERR_ABORTED', 'the signal fired', { cause }));
      };
      signal?.addEventListener('abort', onAbort);
      this.#waiting.set(ref, (value, error) => {
        signal?.removeEventListener('abort', onAbort);
        if (error) reject(error);
        else resolve(value);
      });
      if (signal?.aborted) onAbort();
      else this.owner.input(wish(ref));
    });
  }

  /** Ends a wish. Without a `ref` nobody waits. */
  settle(ref: number | undefined, value: unknown, error?: GossipError): void {
    const settle = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    settle?.(value, error);
  }

  /** Ends them all. */
  fail(error: GossipError): void {
    for (const ref of this.#waiting.keys()) this.settle(ref, undefined, error);
  }
}
