/** The shell of a store: its disk when it fails or closes, who watches, and questions to no store; in virtual time. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Cluster } from '../../src/index.js';
import { createStore, type Store, type StoreOptions, type StorePersistence } from '../../src/store/store.js';
import { Harness, settled } from './cluster-harness.js';

const open = new Set<Store>();
afterEach(async () => {
  for (const store of open) await store.close();
  open.clear();
});

async function storeOn(h: Harness, cluster: Cluster, options: StoreOptions = {}): Promise<Store> {
  const store = await createStore(cluster, { clock: h.clock, ...options });
  open.add(store);
  return store;
}

const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe('a disk', () => {
  /** One whose saves end when they are told to, each as it is told. */
  function place(kept: readonly unknown[] = []) {
    const log: string[] = [];
    const ends: ((works: boolean) => void)[] = [];
    const persistence: StorePersistence = {
      open: async () => {
        log.push('open');
        return kept as never;
      },
      save: async () => {
        log.push('save');
        const works = await new Promise<boolean>((resolve) => ends.push(resolve));
        log.push(works ? 'saved' : 'failed');
        if (!works) throw new Error('the disk is full');
      },
      close: async () => void log.push('close'),
    };
    const end = async (works: boolean) => {
      ends.shift()?.(works);
      await settled();
    };
    return { persistence, log, end };
  }

  test('whose save fails while the store closes is closed all the same, after it', async () => {
    const h = new Harness();
    const { persistence, log, end } = place();
    const a = await storeOn(h, await h.member(), { persistence });
    a.set('k', 1);
    const flushed = expect(a.flush()).rejects.toEqual(code('ERR_CLOSED'));
    await settled();
    const closed = a.close();
    await settled();
    expect(log).toEqual(['open', 'save']);
    await end(false);
    await h.within(closed, 100);
    await h.within(flushed, 100);
    expect(log).toEqual(['open', 'save', 'failed', 'close']);
    expect(a.stats()).toMatchObject({ unsaved: 1, savesFailed: 1 });
  });

  test('that has failed is tried once more by the end of the store, and closed after that', async () => {
    for (const works of [true, false]) {
      const h = new Harness();
      const { persistence, log, end } = place();
      const a = await storeOn(h, await h.member(), { persistence });
      a.set('k', 1);
      await settled();
      await end(false);
      const flushed = a.flush().then(
        () => 'flushed',
        ({ code }) => code,
      );
      const closed = a.close();
      await settled();
      expect(log).toEqual(['open', 'save', 'failed', 'save']);
      await end(works);
      await h.within(closed, 100);
      expect(log.slice(3)).toEqual(['save', works ? 'saved' : 'failed', 'close']);
      expect([await flushed, a.stats().unsaved]).toEqual(works ? ['flushed', 0] : ['ERR_CLOSED', 1]);
    }
  });

  test('that does not save any more confirms nothing', async () => {
    const h = new Harness();
    const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
    const { persistence, end } = place();
    const a = await storeOn(h, m0);
    const b = await storeOn(h, m1, { persistence });
    await h.clock.advance(2000);
    const written = a.set('k', 1, { acks: 1, timeoutMs: 3000 });
    await h.clock.advance(100);
    await end(false);
    const closed = b.close();
    await settled();
    await end(false);
    await h.within(closed, 100);
    expect(b.stats().unsaved).toBe(1);
    await expect(h.within(written, 5000)).rejects.toEqual(code('ERR_TIMEOUT'));
  });
});
