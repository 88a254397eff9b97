/** The stores of one cluster: its messages are heard once, and go to the store that they name. */
import type { Cluster, Member } from '../index.js';
import { CHANGED, QUESTIONS, type Question } from './messages.js';

/** What a store does with what comes. */
export interface Receiver {
  told(from: Member, message: unknown): void;
  /** @returns the answer; `undefined`: none. */
  asked(from: Member, what: Question, message: unknown): Promise<object | undefined>;
}

const HUBS = new WeakMap<Cluster, Map<string, Receiver>>();

/** Whether a store of the name is open. */
export function isOpen(cluster: Cluster, name: string): boolean {
  return HUBS.get(cluster)?.has(name) ?? false;
}

/** Lets a store hear what is for it. @returns a function that ends it. */
export function receive(cluster: Cluster, name: string, receiver: Receiver): () => void {
  const stores = HUBS.get(cluster) ?? open(cluster);
  stores.set(name, receiver);
  return () => {
    stores.delete(name);
  };
}

function open(cluster: Cluster): Map<string, Receiver> {
  const stores = new Map<string, Receiver>();
  HUBS.set(cluster, stores);
  const named = (data: unknown) => stores.get((data as { n?: unknown } | null)?.n as string);
  cluster.on(CHANGED, ({ data, from }) => named(data)?.told(from, data));
  for (const what of ['compare', 'pull', 'put'] as const) {
    cluster.handle(QUESTIONS[what], async ({ data, from }) => {
      const store = named(data);
      // Who has no such store answers with null; what is no question gets no answer.
      return store ? ((await store.asked(from, what, data)) ?? {}) : null;
    });
  }
  return stores;
}
