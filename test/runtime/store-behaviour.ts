/** What members of every kind write into their store, and how they tell what is in it, so that the same can be asked of all. */
import type { Store } from '../../src/store/store.js';

/** Writes of one member in one round: each kind of key, some of it into what all write, some of it taken away again. */
export function writeAs(store: Store, who: string, round: number): void {
  store.set(`of/${who}`, { who, round, big: 2n ** 60n, bytes: new Uint8Array([round]) });
  store.set('latest', `${who} ${round}`);
  store.setOf('all').add(`${who} ${round}`);
  store.setOf('all').delete(`${who} ${round - 1}`);
  store.map<number>('rounds').set(who, round);
  store.map<string>('rounds of all').set(`${round}`, who);
  store.counter('writes').increment(round);
  store.set(`passing/${who}`, round, { ttlMs: 1 });
}

/** What is in it, the same text for the same content. */
export function stateOf(store: Store): string {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, one) =>
      typeof one === 'bigint' ? `${one}` : one instanceof Uint8Array ? [...one] : one,
    );
  return text({
    registers: store.entries().sort(([a], [b]) => (a < b ? -1 : 1)),
    all: store.setOf('all').values().sort(),
    rounds: store
      .map('rounds')
      .entries()
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    roundsOfAll: store
      .map('rounds of all')
      .entries()
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    writes: store.counter('writes').value,
  });
}
