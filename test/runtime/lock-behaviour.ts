/** What members of every kind do with locks: they add to a number that whoever asks them keeps, one at a time, and pass their tokens. */
import { type Cluster, defineRequest } from '../../src/index.js';
import { createLocks, type Locks } from '../../src/lock/index.js';

/** Begins to take part, as a voter if it is one. */
export const lockStart = defineRequest<{ voters: string[] }, null>(140);
/** Adds one, so many times. @returns the tokens with which it did. */
export const lockAdd = defineRequest<{ times: number }, number[]>(141);
/** Reads the number that the asked keeps, or writes it by a token. */
const number = defineRequest<{ write: number | null; token: number }, number>(142);

/** @returns a function that ends it. */
export function takesPart(cluster: Cluster): () => Promise<void> {
  let locks: Locks | undefined;
  cluster.handle(lockStart, async ({ data: { voters } }) => {
    locks = await createLocks(cluster, { voters, sessionTtlMs: 5000, leaseMs: 500 });
    return null;
  });
  cluster.handle(lockAdd, async ({ data: { times }, from }) => {
    const tokens: number[] = [];
    for (let i = 0; i < times; i++) {
      await locks?.withLock('number', async (token) => {
        const read = await cluster.request(from.id, number, { write: null, token });
        await cluster.request(from.id, number, { write: read + 1, token });
        tokens.push(token);
      });
    }
    return tokens;
  });
  return async () => locks?.close();
}

/** Keeps a number that is refused to who comes with a lower token than another before. @returns a function that reads it. */
export function keepsNumber(cluster: Cluster): () => number {
  let [value, highest] = [0, 0];
  cluster.handle(number, ({ data: { write, token } }) => {
    if (token < highest) throw new Error('the lock is another’s');
    highest = token;
    if (write !== null) value = write;
    return value;
  });
  return () => value;
}

/** Leaves whoever wants to read its number waiting, with the lock in hand. */
export function keepsWaiting(cluster: Cluster): void {
  cluster.handle(number, () => new Promise<never>(() => {}));
}
