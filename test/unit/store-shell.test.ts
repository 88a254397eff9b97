/** The shell of a store: its disk when it fails or closes, who watches, and questions to no store; in virtual time. */
import { describe, expect, test, vi } from 'vitest';
import type { Cluster } from '../../src/index.js';
import { indexedDbStorage } from '../../src/store/indexed-db.js';
import { QUESTIONS } from '../../src/store/messages.js';
import type { StoreChange, StorePersistence } from '../../src/store/store.js';
import { Harness, settled } from './cluster-harness.js';
import { closeStores, storeOn } from './open-stores.js';

closeStores();

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

  test('has what a handler hears that closes the store', async () => {
    const h = new Harness();
    const { persistence, log, end } = place();
    const a = await storeOn(h, await h.member(), { persistence });
    let closed: Promise<void> | undefined;
    a.watch('k', () => {
      closed = a.close();
    });
    a.set('k', 1);
    await settled();
    expect(log).toEqual(['open', 'save']);
    await end(true);
    await h.within(closed as Promise<void>, 100);
    expect([log, a.stats().unsaved]).toEqual([['open', 'save', 'saved', 'close'], 0]);
  });

  test('of our own has what is waited for, too, or there is no word of it in time', async () => {
    const h = new Harness();
    const { persistence, end } = place();
    const a = await storeOn(h, await h.member(), { persistence });
    let confirmed = false;
    const written = a.set('k', 1, { acks: 'majority' }).then(() => {
      confirmed = true;
    });
    await h.clock.advance(100);
    expect(confirmed).toBe(false);
    await end(true);
    await h.within(written, 100);
    const late = a.set('k', 2, { acks: 'majority', timeoutMs: 2000 });
    await expect(h.within(late, 3000)).rejects.toEqual(code('ERR_TIMEOUT'));
    await end(true);
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

  test('is let go when what it kept cannot be read', async () => {
    const h = new Harness();
    const { persistence, log } = place([{ put: new Map([['r', [99]]]), drop: [], floor: 0 }]);
    const member = await h.member();
    await expect(storeOn(h, member, { persistence })).rejects.toEqual(code('ERR_STORAGE'));
    expect(log).toEqual(['open', 'close']);
    expect((await storeOn(h, member)).keys()).toEqual([]);
  });

  test('that cannot be opened is not closed', async () => {
    const h = new Harness();
    const { persistence, log } = place();
    const broken = { ...persistence, open: () => Promise.reject(new Error('not today')) };
    await expect(storeOn(h, await h.member(), { persistence: broken })).rejects.toThrow('not today');
    expect(log).toEqual([]);
  });

  test('in a page that gets no lock is refused', async () => {
    const request = vi.fn(() => Promise.reject(new Error('the document is sandboxed')));
    vi.stubGlobal('navigator', { locks: { request } });
    const opening = indexedDbStorage({ name: 'kept' }).open(() => ({ put: new Map(), drop: [], floor: 0 }));
    const hangs = new Promise((_, reject) => setTimeout(() => reject(new Error('it hangs')), 1000));
    await expect(Promise.race([opening, hangs])).rejects.toMatchObject({
      code: 'ERR_STORAGE',
      message: expect.stringContaining('the document is sandboxed'),
    });
    vi.unstubAllGlobals();
  });
});

describe('who watches', () => {
  test('by an iterator hears all from the call on, and may go while it waits', async () => {
    const h = new Harness();
    const a = await storeOn(h, await h.member());
    const changes = a.changes('k');
    expect(a.stats().watchers).toBe(1);
    a.set('k', 1);
    a.set('other', 1);
    const values: unknown[] = [];
    const read = async () => values.push(((await changes.next()).value as StoreChange).value);
    await read();
    const reading = read();
    a.set('k', 2);
    await reading;
    expect(values).toEqual([1, 2]);
    const waiting = changes.next();
    await h.within(changes.return?.() as Promise<unknown>, 100);
    expect([(await waiting).done, a.stats().watchers]).toEqual([true, 0]);
  });

  test('by an iterator and is far behind loses the oldest, and it is counted', async () => {
    const h = new Harness();
    const a = await storeOn(h, await h.member(), { limits: { writesPerSecond: 20_000 } });
    const changes = a.changes();
    for (let i = 0; i <= 10_000; i++) a.set('k', i);
    expect([((await changes.next()).value as StoreChange).value, a.stats().changesDropped]).toEqual([1, 1]);
  });

  test('is let go by the signal, before it or after', async () => {
    const h = new Harness();
    const a = await storeOn(h, await h.member());
    const abort = new AbortController();
    const [before, after] = [a.changes('k', abort), a.changes('k', { signal: AbortSignal.abort() })];
    a.watch('k', () => {}, abort);
    expect(a.stats().watchers).toBe(2);
    abort.abort();
    expect([(await before.next()).done, (await after.next()).done, a.stats().watchers]).toEqual([true, true, 0]);
  });

  test('is not called any more once an earlier handler has let it go', async () => {
    const h = new Harness();
    const a = await storeOn(h, await h.member());
    const heard: unknown[] = [];
    let stop = () => {};
    a.watch('k', () => stop());
    stop = a.watch('k', ({ value }) => heard.push(value));
    a.set('k', 1);
    expect(heard).toEqual([]);
  });

  test('comes too late when the store is closed', async () => {
    const h = new Harness();
    const a = await storeOn(h, await h.member());
    const early = a.changes();
    await a.close();
    expect([(await early.next()).done, (await a.changes().next()).done]).toEqual([true, true]);
    expect(() => a.watch('k', () => {})).toThrow(code('ERR_CLOSED'));
    expect(() => a.setOf('k').watch(() => {})).toThrow(code('ERR_CLOSED'));
    expect(a.stats().watchers).toBe(0);
  });
});

test.each(['leave', 'close'] as const)(
  'a store ends with its cluster, by %s, and nothing of it goes on',
  async (end) => {
    const h = new Harness();
    const [one, other] = await h.pair();
    const log: string[] = [];
    const persistence = {
      open: async () => [],
      save: async () => void log.push('save'),
      close: async () => void log.push('close'),
    };
    const a = await storeOn(h, one, { persistence });
    const b = await storeOn(h, other);
    a.set('k', 1);
    await h.clock.advance(100);
    expect(b.get('k')).toBe(1);
    const left = one[end]();
    await h.clock.advance(100);
    await left;
    await other.close();
    await h.clock.advance(100);
    expect(() => a.set('k', 2)).toThrow(code('ERR_CLOSED'));
    expect([log.at(-1), h.clock.pending]).toEqual(['close', 0]);
    await a.close();
  },
);

test('a time that is none is no time to wait for acks', async () => {
  const h = new Harness();
  const a = await storeOn(h, await h.member());
  for (const timeoutMs of [Number.NaN, 0, -1, '5' as never]) {
    expect(() => a.set('k', 1, { acks: 1, timeoutMs })).toThrow(code('ERR_OPTION'));
    expect(() => a.set('k', 1, { timeoutMs })).toThrow(code('ERR_OPTION'));
  }
  expect(a.get('k')).toBe(undefined);
});

test('who keeps another store says that it has none of the name, and holds nobody up', async () => {
  const h = new Harness();
  const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
  await storeOn(h, m1, { name: 'other' });
  const asked = m0.request(m1.id, QUESTIONS.compare, { n: 'default' });
  expect(await h.within(asked, 1000)).toBe(null);
  const a = await storeOn(h, m0);
  await h.within(a.ready, 1000);
  expect(a.stats()).not.toHaveProperty('messagesMalformed');
});

test('what was written right before the end is told, to all or to each', async () => {
  for (const options of [{}, { members: () => true }]) {
    const h = new Harness();
    const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
    const a = await storeOn(h, m0, options);
    const b = await storeOn(h, m1, options);
    await h.clock.advance(2000);
    a.set('k', 1);
    await a.close();
    await m0.close();
    await h.clock.advance(1000);
    expect(b.get('k')).toBe(1);
  }
});

test('who becomes alone before it has heard of anything is ready', async () => {
  const h = new Harness();
  const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
  m0.handle(QUESTIONS.compare, () => new Promise(() => {}));
  const b = await storeOn(h, m1);
  let ready = false;
  b.ready.then(() => {
    ready = true;
  });
  await h.clock.advance(1000);
  expect(ready).toBe(false);
  await m0.close();
  await h.clock.advance(60_000);
  expect(m1.members().filter(({ state }) => state === 'alive')).toHaveLength(1);
  expect(ready).toBe(true);
});

test('a function of members that fails chooses nobody, is counted, and harms nothing', async () => {
  const h = new Harness();
  const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
  const a = await storeOn(h, m0, {
    members: () => {
      throw new Error('not today');
    },
  });
  const b = await storeOn(h, m1);
  b.set('k', 1);
  await h.clock.advance(2000);
  expect(a.keys()).toEqual([]);
  expect(a.stats().membersFailed).toBeGreaterThan(1);
});

test('a tag that is empty is refused by name', async () => {
  const h = new Harness();
  await expect(storeOn(h, await h.member(), { tag: '' })).rejects.toEqual(code('ERR_OPTION'));
});

test('a name that is none is the name of no store', async () => {
  const h = new Harness();
  const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
  await storeOn(h, m0);
  const asked = m1.request(m0.id, QUESTIONS.compare, { n: { toString: 1 } });
  expect(await h.within(asked, 5000)).toBe(null);
});
