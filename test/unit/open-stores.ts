/** Stores of tests on members that talk by memory; all are closed after each test. */
import { afterEach } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { Cluster } from '../../src/index.js';
import { createStore, type Store, type StoreOptions } from '../../src/store/store.js';
import type { Harness } from './cluster-harness.js';

const open = new Set<Store>();

/** To be called once by each test file, as files share their modules. */
export function closeStores(): void {
  afterEach(async () => {
    for (const store of open) await store.close();
    open.clear();
  });
}

export async function storeOn(h: Harness, cluster: Cluster, options: StoreOptions = {}): Promise<Store> {
  const random = new Random(open.size + 1);
  const store = await createStore(cluster, { clock: h.clock, random: () => random.unit(), ...options });
  open.add(store);
  return store;
}
