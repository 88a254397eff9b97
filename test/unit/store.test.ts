/** The store as an application uses it: on members that talk by memory, in virtual time. */
import { describe, expect, test } from 'vitest';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { msgpackRaw } from '../../src/codec/msgpack-raw.js';
import { type Cluster, defineMessage } from '../../src/index.js';
import type { Store, StoreChange, StoredChange, StoreOptions, StorePersistence } from '../../src/store/store.js';
import { Harness } from './cluster-harness.js';
import { closeStores, storeOn } from './open-stores.js';

closeStores();

async function stores(
  count: number,
  options: StoreOptions = {},
): Promise<{ h: Harness; all: Store[]; members: Cluster[] }> {
  const h = new Harness();
  const members = await h.members(count);
  const all: Store[] = [];
  for (const member of members) all.push(await storeOn(h, member, options));
  return { h, all, members };
}

const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe('registers', () => {
  test('what is written is here at once and everywhere soon, as it was', async () => {
    const { h, all } = await stores(3);
    const [a, b] = all as [Store, Store];
    const value = { text: 'hello', n: 2n ** 60n, bytes: new Uint8Array([1, 2]), at: new Date(7), list: [null, 1.5] };
    a.set('greeting', value);
    expect(a.get('greeting')).toEqual(value);
    await h.clock.advance(200);
    expect(all.map((store) => store.get('greeting'))).toEqual([value, value, value]);
    expect(b.entries({ prefix: 'greet' })).toEqual([['greeting', value]]);
    expect(b.keys({ prefix: 'other' })).toEqual([]);
    b.delete('greeting');
    await h.clock.advance(200);
    expect(all.map((store) => store.get('greeting'))).toEqual([undefined, undefined, undefined]);
    expect(all.map((store) => store.keys())).toEqual([[], [], []]);
  });

  test('nobody changes what is kept by changing what they gave or got', async () => {
    const { all } = await stores(1);
    const [a] = all as [Store];
    const value = { list: [1] };
    a.set('k', value);
    value.list.push(2);
    expect(a.get('k')).toEqual({ list: [1] });
    expect(() => a.get<{ list: number[] }>('k')?.list.push(3)).toThrow(TypeError);
    // Its `slice` would be a view.
    const bytes = Buffer.from([1, 2]);
    a.set('bytes', bytes);
    bytes[0] = 0;
    expect(a.get('bytes')).toEqual(new Uint8Array([1, 2]));
  });

  test.each([msgpack(), msgpackRaw(), json()])('a newcomer has them by every codec: $name', async (codec) => {
    const h = new Harness();
    const [m0, m1] = (await h.members(2, () => ({ codec }))) as [Cluster, Cluster];
    const a = await storeOn(h, m0);
    for (let i = 0; i < 100; i++) a.set(`k${i}`, { text: 'hello', n: i });
    a.setOf('s').add('x');
    a.delete('k0');
    await h.clock.advance(100);
    const b = await storeOn(h, m1);
    await h.within(b.ready, 5000);
    expect(b.entries().sort()).toEqual(a.entries().sort());
    expect([b.keys().length, b.setOf('s').values(), b.stats().cells]).toEqual([99, ['x'], 101]);
  });

  test('what no other would take is refused by who writes it', async () => {
    const { h, all } = await stores(2);
    const [a, b] = all as [Store, Store];
    for (const bad of [new Date(Number.NaN), new Date(Date.UTC(10_000, 0)), Number.NaN, Number.NEGATIVE_INFINITY]) {
      expect(() => a.set('k', { bad })).toThrow(code('ERR_CODEC'));
    }
    a.counter('c').increment(1e308);
    expect(() => a.counter('c').increment(1e308)).toThrow(code('ERR_TOO_LARGE'));
    for (const ttlMs of [Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER, Number.NaN]) {
      expect(() => a.set('k', 1, { ttlMs })).toThrow(code('ERR_OPTION'));
    }
    // A hole is as large as a null.
    expect(() => a.set('k', new Array(70_000))).toThrow(code('ERR_TOO_LARGE'));
    a.set('l', new Array(3));
    await h.clock.advance(200);
    expect([b.keys(), b.get('l'), b.counter('c').value]).toEqual([['l'], [null, null, null], 1e308]);
  });

  test('of concurrent writes the last by the clock is everywhere', async () => {
    const { h, all } = await stores(3);
    const [a, b, c] = all as [Store, Store, Store];
    a.set('k', 'first');
    await h.clock.advance(1);
    b.set('k', 'second');
    c.set('other', null);
    await h.clock.advance(200);
    expect(all.map((store) => store.get('k'))).toEqual(['second', 'second', 'second']);
    expect(a.get('other')).toBe(null);
  });

  test('what has a time to live is gone after it, and those who watch are told', async () => {
    const { h, all } = await stores(2);
    const [a, b] = all as [Store, Store];
    const heard: unknown[] = [];
    b.register('k').watch((value) => heard.push(value));
    a.set('k', 'soon gone', { ttlMs: 1000 });
    await h.clock.advance(500);
    expect(b.get('k')).toBe('soon gone');
    await h.clock.advance(700);
    expect([a.get('k'), b.get('k'), heard]).toEqual([undefined, undefined, ['soon gone', undefined]]);
    expect(a.stats().cellsEmpty).toBe(1);
  });
});

describe('sets, maps and counters', () => {
  test('what is added while somebody else removes it stays', async () => {
    const { h, all } = await stores(2);
    const [a, b] = all as [Store, Store];
    a.setOf('s').add('x');
    a.setOf<number>('n').add(7);
    a.map('m').set('f', 1);
    await h.clock.advance(200);
    expect([b.setOf('s').values(), b.setOf<number>('n').values(), b.map('m').entries()]).toEqual([
      ['x'],
      [7],
      [['f', 1]],
    ]);
    // Neither has heard of the other's.
    a.setOf('s').delete('x');
    a.map('m').clear();
    b.setOf('s').add('x');
    b.map('m').set('f', 2);
    expect([a.setOf('s').has('x'), a.map('m').has('f')]).toEqual([false, false]);
    await h.clock.advance(200);
    for (const store of all) expect([store.setOf('s').size, store.map('m').get('f')]).toEqual([1, 2]);
    b.setOf('s').clear();
    b.setOf<number>('n').delete(7);
    b.map('m').delete('f');
    await h.clock.advance(200);
    for (const store of all) {
      expect([store.setOf('s').size, store.setOf<number>('n').has(7), store.map('m').size]).toEqual([0, false, 0]);
    }
  });

  test('no increment is lost to another one', async () => {
    const { h, all } = await stores(3);
    const sums: number[] = [];
    all[0]?.counter('c').watch((value) => sums.push(value));
    for (const store of all) store.counter('c').increment(2);
    all[1]?.counter('c').decrement();
    expect(all.map((store) => store.counter('c').value)).toEqual([2, 1, 2]);
    await h.clock.advance(200);
    expect(all.map((store) => store.counter('c').value)).toEqual([5, 5, 5]);
    expect(sums.at(-1)).toBe(5);
    all[2]?.counter('c').delete();
    all[2]?.counter('c').increment();
    await h.clock.advance(200);
    expect(all.map((store) => store.counter('c').value)).toEqual([1, 1, 1]);
  });

  test('keys of different kinds are different keys', async () => {
    const { all } = await stores(1);
    const [a] = all as [Store];
    a.set('k', 1);
    a.setOf('k').add('x');
    a.map('k').set('y', 2);
    a.counter('k').increment(3);
    a.delete('k');
    expect([a.get('k'), a.setOf('k').values(), a.map('k').keys(), a.counter('k').value]).toEqual([
      undefined,
      ['x'],
      ['y'],
      3,
    ]);
  });
});

describe('who watches', () => {
  test('hears each change once, of a key or of a prefix, with whose it is', async () => {
    const { h, all } = await stores(2);
    const [a, b] = all as [Store, Store];
    const heard: StoreChange[] = [];
    const stop = b.watch({ prefix: 'user/' }, (change) => heard.push(change));
    a.set('user/1', 'Ada');
    a.setOf('user/tags').add('admin');
    a.map('user/map').set('f', 1);
    a.set('elsewhere', 1);
    b.set('user/2', 'Ben');
    await h.clock.advance(200);
    a.delete('user/1');
    a.set('user/2', 'Ben');
    await h.clock.advance(200);
    stop();
    a.set('user/3', 'Cleo');
    await h.clock.advance(200);
    expect(heard).toEqual([
      { kind: 'register', key: 'user/2', field: undefined, value: 'Ben', local: true },
      { kind: 'register', key: 'user/1', field: undefined, value: 'Ada', local: false },
      { kind: 'set', key: 'user/tags', field: 'admin', value: true, local: false },
      { kind: 'map', key: 'user/map', field: 'f', value: 1, local: false },
      { kind: 'register', key: 'user/1', field: undefined, value: undefined, local: false },
    ]);
  });

  test('may write from the handler, may fail, and may be an iterator until a signal', async () => {
    const { h, all } = await stores(2);
    const [a, b] = all as [Store, Store];
    b.watch('k', () => {
      throw new Error('mine');
    });
    b.watch('k', ({ value }) => b.set('answer', value));
    const abort = new AbortController();
    const values: unknown[] = [];
    const reading = (async () => {
      for await (const { key, value } of a.changes({ prefix: '' }, { signal: abort.signal })) values.push([key, value]);
    })();
    a.set('k', 1);
    await h.clock.advance(200);
    a.set('k', 2);
    await h.clock.advance(200);
    abort.abort();
    await reading;
    expect(values).toEqual([
      ['k', 1],
      ['answer', 1],
      ['k', 2],
      ['answer', 2],
    ]);
    expect(b.stats().handlersFailed).toBe(2);
    const open = a.changes('k');
    const next = open.next();
    await a.close();
    expect((await next).done).toBe(true);
  });
});

describe('members that come, go and miss something', () => {
  test('who comes later has everything when it is ready, page by page', async () => {
    const h = new Harness();
    const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
    const a = await storeOn(h, m0);
    for (let i = 0; i < 900; i++) a.set(`k${i}`, 'x'.repeat(1000));
    await h.clock.advance(100);
    const b = await storeOn(h, m1);
    await h.within(b.ready, 5000);
    expect(b.keys()).toHaveLength(900);
    expect(b.stats()).toMatchObject({ cells: 900, comparisonsDiffering: 1 });
  });

  test('who opens it first is ready when the others have said that they have none', async () => {
    const h = new Harness();
    const members = await h.members(4);
    const a = await storeOn(h, members[0] as Cluster);
    await h.within(a.ready, 5000);
    a.set('k', 1);
    // Some have another one, and know of none with that name.
    await storeOn(h, members[1] as Cluster, { name: 'other' });
    const b = await storeOn(h, members[2] as Cluster);
    await h.within(b.ready, 5000);
    expect(b.get('k')).toBe(1);
  });

  test('peers of the Go library are told nothing: each other member is, by itself', async () => {
    const h = new Harness();
    const members = (await h.members(3)) as [Cluster, Cluster, Cluster];
    const go = { ...members[0].self, id: '00000000-0000-4000-8000-000000000001', protocol: 'v1' as const };
    const known = members[0].members.bind(members[0]);
    const broadcasts: unknown[] = [];
    Object.assign(members[0], {
      members: () => [...known(), go],
      broadcast: async (type: unknown) => void broadcasts.push(type),
    });
    const all: Store[] = [];
    for (const member of members) all.push(await storeOn(h, member));
    await h.clock.advance(2000);
    all[0]?.set('k', 1);
    await h.clock.advance(50);
    expect(all.map((store) => store.get('k'))).toEqual([1, 1, 1]);
    expect(broadcasts).toEqual([]);
  });

  test('what was lost on the way is found by comparing', async () => {
    const { h, all, members } = await stores(3);
    const [a, b] = all as [Store, Store];
    await h.clock.advance(2000);
    Object.assign(members[0] as Cluster, { broadcast: async () => {} });
    a.set('k', 'lost');
    await h.clock.advance(100);
    expect(b.get('k')).toBe(undefined);
    await h.clock.advance(30_000);
    expect(all.map((store) => store.get('k'))).toEqual(['lost', 'lost', 'lost']);
  });

  test('only members of its tag keep a store, and it must be one of them', async () => {
    const h = new Harness();
    const members = await h.members(3, (i) => (i < 2 ? { tags: ['db'] } : {}));
    const a = await storeOn(h, members[0] as Cluster, { tag: 'db' });
    const b = await storeOn(h, members[1] as Cluster, { tag: 'db' });
    await expect(storeOn(h, members[2] as Cluster, { tag: 'db' })).rejects.toEqual(code('ERR_OPTION'));
    const outside = await storeOn(h, members[2] as Cluster);
    a.set('k', 1);
    outside.set('k', 'not of the group');
    await h.clock.advance(30_000);
    expect([b.get('k'), outside.get('k')]).toEqual([1, 'not of the group']);
    expect(a.stats().strangers).toBeGreaterThan(0);
  });

  test('members may be chosen one by one, and stores have names', async () => {
    const h = new Harness();
    const members = (await h.members(3)) as [Cluster, Cluster, Cluster];
    const two = [members[0].id, members[1].id];
    const options = { name: 'two', members: ({ id }: { id: string }) => two.includes(id) };
    const a = await storeOn(h, members[0], options);
    const b = await storeOn(h, members[1], options);
    const c = await storeOn(h, members[2], { name: 'other' });
    const other = await storeOn(h, members[0], { name: 'other' });
    await expect(storeOn(h, members[0], options)).rejects.toEqual(code('ERR_OPTION'));
    a.set('k', 1);
    other.set('k', 2);
    await h.clock.advance(500);
    expect([b.get('k'), c.get('k'), other.get('k')]).toEqual([1, 2, 2]);
  });

  test('a bad message is counted and harms nobody', async () => {
    const { h, all, members } = await stores(2);
    const [a, b] = all as [Store, Store];
    const type = { ...defineMessage(128), type: 104 };
    for (const bad of [
      null,
      7,
      { n: 'default' },
      { n: 'default', w: [], c: [[0, 'k', '', 0, 1, 0]] },
      { n: 'default', c: {} },
    ]) {
      members[0]?.broadcast(type, bad);
    }
    members[0]?.broadcast(type, {
      n: 'default',
      w: ['0123456789abcdef'],
      c: [[0, 'k', '', 0, 2 ** 52, 0, 0, 'of the year 3000']],
    });
    await h.clock.advance(200);
    expect(b.stats()).toMatchObject({ messagesMalformed: 2, cellsMalformed: 1, clockDrift: 1, cells: 0 });
    a.set('k', 1);
    await h.clock.advance(200);
    expect(b.get('k')).toBe(1);
  });
});

describe('writes that are waited for', () => {
  test('resolve when a majority has them, and say so when it has not', async () => {
    const { h, all, members } = await stores(3);
    const [a, b] = all as [Store, Store];
    await h.within(a.set('k', 1, { acks: 'majority' }), 5000);
    await h.within(a.setOf('s').add('x', { acks: 2 }), 5000);
    expect(b.setOf('s').has('x')).toBe(true);
    await members[1]?.close();
    await members[2]?.close();
    const late = a.set('k', 2, { acks: 'majority', timeoutMs: 2000 });
    await expect(h.within(late, 5000)).rejects.toEqual(code('ERR_TIMEOUT'));
    expect(a.get('k')).toBe(2);
    const waiting = a.set('k', 3, { acks: 1 });
    await a.close();
    await expect(waiting).rejects.toEqual(code('ERR_CLOSED'));
  });

  test('of one alone the majority is itself', async () => {
    const { h, all } = await stores(1);
    const [a] = all as [Store];
    await h.within(a.ready, 100);
    await h.within(a.set('k', 1, { acks: 'majority' }), 100);
    expect(await a.flush()).toEqual({ members: 0 });
  });
});

describe('limits', () => {
  test('a write above one is refused by its name, and changes nothing', async () => {
    const { h, all } = await stores(2, {
      limits: { cellsMax: 3, keyBytesMax: 10, valueBytesMax: 100, writesPerSecond: 5 },
    });
    const [a, b] = all as [Store, Store];
    const refused = (message: RegExp) => expect.objectContaining({ message: expect.stringMatching(message) });
    expect(() => a.set('much too long', 1)).toThrow(refused(/limits.keyBytesMax \(10\)/));
    expect(() => a.set('nul\0', 1)).toThrow(refused(/no NUL/));
    expect(() => a.map('m').set('half\ud83d', 1)).toThrow(refused(/half of a character/));
    expect(() => a.set('k', 'x'.repeat(101))).toThrow(refused(/limits.valueBytesMax \(100/));
    expect(() => a.set('k', () => 1)).toThrow(code('ERR_CODEC'));
    expect(() => a.set('k', undefined)).toThrow(code('ERR_OPTION'));
    expect(() => a.set(undefined as never, 1)).toThrow(code('ERR_OPTION'));
    for (const key of ['a', 'b', 'c']) a.set(key, 1);
    expect(() => a.set('d', 1)).toThrow(refused(/limits.cellsMax \(3\)/));
    a.set('a', 2);
    a.delete('b');
    expect(() => a.set('a', 3)).toThrow(refused(/limits.writesPerSecond \(5\)/));
    await h.clock.advance(1000);
    a.set('a', 3);
    await h.clock.advance(200);
    expect([a.get('a'), b.get('a'), b.get('b'), b.stats().cells]).toEqual([3, 3, undefined, 3]);
  });

  test('what others have above ours is refused and counted, here', async () => {
    const h = new Harness();
    const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
    const a = await storeOn(h, m0);
    const b = await storeOn(h, m1, { limits: { cellsMax: 2, valueBytesMax: 50 } });
    for (const key of ['a', 'b', 'c']) a.set(key, 1);
    a.set('large', 'x'.repeat(60));
    await h.clock.advance(30_000);
    expect(b.keys()).toHaveLength(2);
    expect(b.stats().refusedFull).toBeGreaterThan(0);
    expect(b.stats().valuesTooLarge).toBeGreaterThan(0);
    await expect(h.within(a.set('d', 1, { acks: 1, timeoutMs: 2000 }), 5000)).rejects.toEqual(code('ERR_TIMEOUT'));
  });

  test('options that cannot work are refused by name', async () => {
    const h = new Harness();
    const member = await h.member();
    for (const bad of [{ name: '' }, { syncIntervalMs: 0 }, { limits: { cellsMax: -1 } }, { tombstoneMs: 1000 }]) {
      await expect(storeOn(h, member, bad)).rejects.toEqual(code('ERR_OPTION'));
    }
    for (const unknown of [{ persistance: {} }, { limits: { cells: 1 } }]) {
      await expect(storeOn(h, member, unknown as object)).rejects.toThrow(/^option .* is unknown; there are /);
    }
  });
});

describe('what was removed', () => {
  test('is forgotten when all have seen it, and nobody has it again', async () => {
    const { h, all } = await stores(3, { tombstoneMs: 2000, clockDriftMaxMs: 1000 });
    const [a, b, c] = all as [Store, Store, Store];
    for (let i = 0; i < 20; i++) a.setOf('s').add(`${i}`);
    a.set('k', 1);
    await h.clock.advance(100);
    b.setOf('s').clear();
    b.delete('k');
    await h.clock.advance(500);
    expect(c.stats().cellsEmpty).toBe(21);
    await h.clock.advance(180_000);
    for (const store of all) expect(store.stats()).toMatchObject({ cells: 0, cellsEmpty: 0, bytes: 0 });
  });
});

describe('a place that keeps it', () => {
  /** One that keeps in memory, and fails when it is told to. */
  function place() {
    const kept: StoredChange[] = [];
    let [fails, release] = [false, () => {}];
    let held = Promise.resolve();
    const persistence: StorePersistence = {
      open: async () => structuredClone(kept),
      async save(change) {
        await held;
        if (fails) throw new Error('the disk is full');
        kept.push(structuredClone(change));
      },
      close: async () => {},
    };
    return {
      persistence,
      kept,
      fail: (on: boolean) => {
        fails = on;
      },
      hold: () => {
        held = new Promise((resolve) => {
          release = resolve;
        });
      },
      release: () => release(),
    };
  }

  test('is given what changes, together what comes together, and gives it back', async () => {
    const h = new Harness();
    const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
    const { persistence, kept } = place();
    const a = await storeOn(h, m0, { persistence });
    const b = await storeOn(h, m1);
    a.set('k', 1);
    a.set('k', 2);
    b.set('of b', 1);
    await h.clock.advance(200);
    expect(kept.map(({ put }) => put.size)).toEqual([1, 1]);
    await a.close();
    const again = await storeOn(h, m0, { persistence });
    expect(again.entries()).toEqual([
      ['k', 2],
      ['of b', 1],
    ]);
    // Nothing is saved that was read.
    await h.clock.advance(200);
    expect(kept).toHaveLength(2);
  });

  test('that fails is tried again, and loses nothing', async () => {
    const h = new Harness();
    const { persistence, kept, fail } = place();
    const a = await storeOn(h, await h.member(), { persistence });
    fail(true);
    a.set('k', 1);
    a.set('l', 1);
    const flushed = a.flush();
    await h.clock.advance(1500);
    a.set('k', 2);
    expect(a.stats()).toMatchObject({ saves: 0, savesFailed: 2, unsaved: 2 });
    fail(false);
    await h.within(flushed, 3000);
    expect(kept.map(({ put }) => [...put.values()].map((cell) => [cell[1], cell[7]]))).toEqual([
      [
        ['k', 2],
        ['l', 1],
      ],
    ]);
    // That it has failed once is over: closing waits for what is to be saved.
    a.set('k', 3);
    await a.close();
    expect([...(kept.at(-1)?.put.values() ?? [])].map((cell) => cell[7])).toEqual([3]);
  });

  test('is read before anything else is heard, so that all of it is kept', async () => {
    const h = new Harness();
    const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
    const a = await storeOn(h, m0);
    const { persistence, kept } = place();
    let read = () => {};
    const reading = new Promise<void>((resolve) => {
      read = resolve;
    });
    const slow: StorePersistence = { ...persistence, open: (whole) => reading.then(() => persistence.open(whole)) };
    const opening = storeOn(h, m1, { persistence: slow });
    let confirmed = false;
    const written = a.set('k', 1, { acks: 1 }).then(() => {
      confirmed = true;
    });
    await h.clock.advance(3000);
    expect([confirmed, kept.length]).toEqual([false, 0]);
    read();
    const b = await opening;
    await h.within(written, 5000);
    expect([b.get('k'), kept.length]).toEqual([1, 1]);
  });

  test('has what a member confirms', async () => {
    const h = new Harness();
    const [m0, m1] = (await h.members(2)) as [Cluster, Cluster];
    const { persistence, hold, release, kept } = place();
    const a = await storeOn(h, m0);
    await storeOn(h, m1, { persistence });
    hold();
    let confirmed = false;
    const written = a.set('k', 1, { acks: 1 }).then(() => {
      confirmed = true;
    });
    await h.clock.advance(500);
    expect([confirmed, kept.length]).toEqual([false, 0]);
    release();
    await h.within(written, 1000);
    expect(kept).toHaveLength(1);
  });
});

describe('snapshots', () => {
  test('hold all there is, and bring back what is not there', async () => {
    const { h, all } = await stores(2);
    const [a, b] = all as [Store, Store];
    a.set('k', { n: 1 });
    a.setOf('s').add('x');
    a.counter('c').increment(4);
    const snapshot = structuredClone(a.snapshot());
    a.set('k', { n: 2 });
    const fresh = await stores(2);
    const [c, d] = fresh.all as [Store, Store];
    c.restore(snapshot);
    await fresh.h.clock.advance(200);
    expect([d.get('k'), d.setOf('s').values(), d.counter('c').value]).toEqual([{ n: 1 }, ['x'], 4]);
    b.restore(snapshot);
    await h.clock.advance(200);
    expect(b.get('k')).toEqual({ n: 2 });
    expect(() => b.restore({} as never)).toThrow(code('ERR_INVALID_DATA'));
    const [good] = snapshot.cells as [unknown[]];
    const fresher = (time: unknown) => good.map((one, i) => (i === 1 ? 'other' : i === 4 ? time : one));
    const before = b.snapshot();
    for (const bad of [null, 7, [], [null, null, null, {}], fresher(Number.NaN), fresher(2 ** 53 - 1)]) {
      const cells = [fresher(1), bad] as never;
      expect(() => b.restore({ version: 1, cells })).toThrow(code('ERR_INVALID_DATA'));
      expect(b.snapshot()).toEqual(before);
    }
    b.restore({ version: 1, cells: [fresher(1)] });
    expect(b.get('other')).toEqual({ n: 1 });
  });
});
