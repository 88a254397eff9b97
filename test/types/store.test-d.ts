/** What the compiler promises about the store: the type of what is kept flows from a handle to every use. */

import type { Cluster } from 'isogossip';
import { createStore, type Store, type StoreChange } from 'isogossip/store';
import { expectTypeOf, test } from 'vitest';

declare const cluster: Cluster;
declare const store: Store;

test('a handle has the type of what is under its key', () => {
  expectTypeOf(createStore(cluster)).resolves.toEqualTypeOf<Store>();
  const register = store.register<{ n: number }>('k');
  expectTypeOf(register.get()).toEqualTypeOf<{ n: number } | undefined>();
  register.watch((value) => expectTypeOf(value).toEqualTypeOf<{ n: number } | undefined>());
  // @ts-expect-error: another type
  register.set({ n: 'one' });

  const numbers = store.setOf<number>('k');
  expectTypeOf(numbers.values()).toEqualTypeOf<number[]>();
  // @ts-expect-error: not a number
  numbers.add('one');
  // @ts-expect-error: elements are strings or numbers
  store.setOf<Date>('k');

  const map = store.map<Date>('k');
  expectTypeOf(map.entries()).toEqualTypeOf<[string, Date][]>();
  map.watch((field, value) => {
    expectTypeOf(field).toBeString();
    expectTypeOf(value).toEqualTypeOf<Date | undefined>();
  });
  expectTypeOf(store.counter('k').value).toBeNumber();
});

test('without a type a value is unknown, and so is that of a change', () => {
  expectTypeOf(store.get('k')).toBeUnknown();
  expectTypeOf(store.get<string>('k')).toEqualTypeOf<string | undefined>();
  expectTypeOf(store.entries<number>()).toEqualTypeOf<[string, number][]>();
  store.watch({ prefix: '' }, (change) => expectTypeOf(change).toEqualTypeOf<StoreChange>());
  expectTypeOf<StoreChange['value']>().toBeUnknown();
  // @ts-expect-error: neither a number nor a majority
  store.set('k', 1, { acks: 'all' });
});
