/** Locks on real clusters in virtual time: what an application sees, with voters, other members and leaves. */
import { getEventListeners } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { Random } from '../../src/core/random.js';
import { createGateway, type Gateway } from '../../src/gateway.js';
import type { Cluster } from '../../src/index.js';
import { createLocks, type Lock, type Locks } from '../../src/lock/index.js';
import type { QuorumStorage } from '../../src/quorum/index.js';
import { Harness } from '../unit/cluster-harness.js';
import { stage, TTL_MS, VOTERS, watch } from './members.js';

describe('what everybody sees', () => {
  test('one after the other has it, in the order in which they asked, each with a higher token', async () => {
    const { harness, locks } = await stage(4);
    const [ada, ben, cyd, dan] = locks as [Locks, Locks, Locks, Locks];
    const first = await harness.within(dan.acquire('a'), 5000);
    const order: string[] = [];
    const waiting: Promise<Lock>[] = [];
    for (const [name, one] of Object.entries({ cyd, ada, ben })) {
      const lock = one.acquire('a');
      void lock.then(() => order.push(name));
      waiting.push(lock);
      await harness.clock.advance(200);
    }
    expect(order).toEqual([]);
    let last = first;
    for (const [at, lock] of waiting.entries()) {
      await harness.within(last.release(), 1000);
      const next = await harness.within(lock, 1000);
      expect(order.length).toBe(at + 1);
      expect(next.token).toBeGreaterThan(last.token);
      last = next;
    }
    expect(order).toEqual(['cyd', 'ada', 'ben']);
    await harness.within(last.release(), 1000);
    expect(await harness.within(dan.tryAcquire('a'), 1000)).toMatchObject({ name: 'a' });
  });

  test('a try is answered at once, and locks of other names and other kinds are others', async () => {
    const { harness, clusters, locks, on } = await stage();
    const [ada, ben] = locks as [Locks, Locks];
    const lock = await harness.within(ada.acquire('a'), 5000);
    expect(await harness.within(ben.tryAcquire('a'), 1000)).toBeUndefined();
    expect(await harness.within(ben.tryAcquire('b'), 1000)).toMatchObject({ name: 'b' });
    const others: Locks[] = [];
    for (const cluster of clusters) others.push(await on(cluster, { name: 'others' }));
    expect(await harness.within((others[1] as Locks).tryAcquire('a', { timeoutMs: 5000 }), 6000)).toBeDefined();
    expect(lock.remainingMs).toBeGreaterThan(0);
  });

  test('voters may be named by their ids: who waits is told by them as well', async () => {
    const { harness, clusters, on } = await stage(4);
    const voters = clusters.slice(0, 3).map(({ id }) => id);
    const locks: Locks[] = [];
    for (const cluster of clusters) locks.push(await on(cluster, { name: 'by id', voters }));
    const [ada, , , dan] = locks as [Locks, Locks, Locks, Locks];
    const lock = await harness.within(ada.acquire('a'), 5000);
    const next = watch(dan.acquire('a'));
    await harness.clock.advance(200);
    await harness.within(lock.release(), 200);
    await harness.until(() => next.done, 200);
  });

  test('withLock gives back whatever comes, and passes the token and both signals', async () => {
    const { harness, locks } = await stage();
    const [ada] = locks as [Locks];
    const within = <T>(promise: Promise<T>) => harness.within(promise, 5000);
    expect(await within(ada.withLock('a', (token) => token > 0))).toBe(true);
    await expect(within(ada.withLock('a', () => Promise.reject(new Error('mine'))))).rejects.toThrow('mine');
    const caller = new AbortController();
    const stopped = ada.withLock(
      'a',
      async (_token, signal) => {
        caller.abort('enough');
        await new Promise((_, reject) => {
          if (signal.aborted) reject(signal.reason);
          else signal.addEventListener('abort', () => reject(signal.reason));
        });
      },
      { signal: caller.signal },
    );
    await expect(within(stopped)).rejects.toBe('enough');
    expect(await within(ada.tryAcquire('a'))).toBeDefined();
  });

  test('it is held as long as it is wanted, without anybody doing anything', async () => {
    const { harness, locks } = await stage(4);
    const dan = locks[3] as Locks;
    const lock = await harness.within(dan.acquire('a'), 5000);
    for (let i = 0; i < 20; i++) {
      await harness.clock.advance(TTL_MS / 2);
      expect(lock.remainingMs).toBeGreaterThan(TTL_MS / 4);
    }
    expect(lock.signal.aborted).toBe(false);
    expect(await harness.within(lock.extend(), 1000)).toBeGreaterThan(TTL_MS * 0.7);
    await harness.within(lock.release(), 1000);
    expect(lock.remainingMs).toBe(0);
    await expect(lock.extend()).rejects.toMatchObject({ code: 'ERR_LOCK_LOST' });
    // Who holds nothing sends nothing.
    const { locksWaiting, sessions } = (locks[0] as Locks).stats();
    expect([locksWaiting, sessions]).toEqual([0, 1]);
    // By the clock of the one that leads.
    expect(locks.map((one) => one.stats().sessionsWatched).sort()).toEqual([0, 0, 0, 1]);
    await harness.clock.advance(2 * TTL_MS);
    expect((locks[0] as Locks).stats().sessions).toBe(0);
  });

  test('who gives up waiting, by a deadline or a signal, is passed over', async () => {
    const { harness, locks } = await stage();
    const [ada, ben, cyd] = locks as [Locks, Locks, Locks];
    const lock = await harness.within(ada.acquire('a'), 5000);
    const stop = new AbortController();
    const aborted = watch(ben.acquire('a', { signal: stop.signal }));
    const late = watch(ben.acquire('a', { timeoutMs: 1000 }));
    await harness.clock.advance(100);
    const patient = watch(cyd.acquire('a'));
    await harness.clock.advance(100);
    stop.abort();
    await harness.clock.advance(1000);
    expect(aborted.error).toMatchObject({ code: 'ERR_ABORTED' });
    expect(late.error).toMatchObject({ code: 'ERR_TIMEOUT' });
    await harness.within(lock.release(), 1000);
    await harness.until(() => patient.done, 1000);
    expect(patient.value?.token).toBeGreaterThan(lock.token);
    await expect(ben.acquire('a', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  test('what cannot be is refused by name', async () => {
    const { harness, clusters, locks } = await stage();
    const [ada] = locks as [Locks];
    await expect(ada.acquire('')).rejects.toMatchObject({ code: 'ERR_OPTION' });
    await expect(ada.acquire('x'.repeat(101))).rejects.toMatchObject({ code: 'ERR_OPTION' });
    // Some voters would read it as another name.
    await expect(ada.acquire('\ud83d')).rejects.toMatchObject({ code: 'ERR_OPTION' });
    await expect(ada.acquire('a', { timeoutMs: 0 })).rejects.toMatchObject({ code: 'ERR_OPTION' });
    for (const wrong of [{ sessionTtlMs: 10 }, { ttlMs: 1000 }]) {
      const options = { voters: VOTERS, ...wrong };
      await expect(createLocks(clusters[0] as Cluster, options)).rejects.toMatchObject({ code: 'ERR_OPTION' });
    }
    await harness.within(ada.close(), 2000);
    await expect(ada.acquire('a')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('when something fails', () => {
  test('the lock of a holder that has died passes on within its time, with a higher token', async () => {
    const { harness, clusters, locks } = await stage(5);
    const [, ben, , dan, eve] = locks as [Locks, Locks, Locks, Locks, Locks];
    const lock = await harness.within(dan.acquire('a'), 5000);
    const waitingToo = watch(eve.acquire('a'));
    await harness.clock.advance(300);
    const next = watch(ben.acquire('a'));
    // A waiter that dies with the holder is not given it first.
    await (clusters[3] as Cluster).close();
    await (clusters[4] as Cluster).close();
    await harness.until(() => next.done, TTL_MS + 1500);
    expect(next.value?.token).toBeGreaterThan(lock.token);
    expect(lock.remainingMs).toBe(0);
    expect(waitingToo.value).toBeUndefined();
  });

  test('a change of the leading voter is not noticed by who holds', async () => {
    const { harness, clusters, locks } = await stage(4);
    const dan = locks[3] as Locks;
    const lock = await harness.within(dan.acquire('a'), 5000);
    const waiting = watch(dan.acquire('a'));
    await harness.clock.advance(300);
    const leader = locks.findIndex((one) => one.stats().locksHeld === 1);
    await (clusters[leader] as Cluster).close();
    await harness.clock.advance(4 * TTL_MS);
    expect(lock.signal.aborted).toBe(false);
    expect(lock.remainingMs).toBeGreaterThan(0);
    await harness.within(lock.release(), 1000);
    await harness.until(() => waiting.done, 1000);
    expect(waiting.value?.token).toBeGreaterThan(lock.token);
  });

  test('without a majority the answer is no, and what is held is lost', async () => {
    const { harness, clusters, locks } = await stage(4);
    const dan = locks[3] as Locks;
    const lock = await harness.within(dan.acquire('a'), 5000);
    await (clusters[0] as Cluster).close();
    await (clusters[1] as Cluster).close();
    const quick = watch(dan.acquire('b', { timeoutMs: 500 }));
    const patient = watch(dan.acquire('c'));
    const tried = watch(dan.tryAcquire('d'));
    await harness.clock.advance(600);
    expect(quick.error).toMatchObject({ code: 'ERR_NO_QUORUM' });
    await harness.clock.advance(TTL_MS);
    expect(lock.remainingMs).toBe(0);
    expect(lock.signal.aborted && lock.signal.reason).toMatchObject({ code: 'ERR_LOCK_LOST' });
    await harness.clock.advance(TTL_MS);
    expect([patient.error, tried.error]).toMatchObject([{ code: 'ERR_NO_QUORUM' }, { code: 'ERR_NO_QUORUM' }]);
  });

  test('work whose lock was lost fails, however well it ended', async () => {
    const { harness, clusters, locks } = await stage(4);
    const dan = locks[3] as Locks;
    let lost = false;
    const work = watch(
      dan.withLock('a', async (_token, signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        lost = true;
      }),
    );
    await harness.clock.advance(4000);
    await (clusters[0] as Cluster).close();
    await (clusters[1] as Cluster).close();
    await harness.until(() => work.done, 2 * TTL_MS);
    expect(lost).toBe(true);
    expect(work.error).toMatchObject({ code: 'ERR_LOCK_LOST' });
  });

  test('who closes its locks, or leaves after that, gives everything back at once', async () => {
    const { harness, clusters, locks } = await stage(4);
    const [ada, , , dan] = locks as [Locks, Locks, Locks, Locks];
    const lock = await harness.within(dan.acquire('a'), 5000);
    const waiting = watch(dan.acquire('a'));
    await harness.clock.advance(100);
    const next = watch(ada.acquire('a'));
    await harness.within(dan.close(), 1000);
    await (clusters[3] as Cluster).leave();
    await harness.until(() => next.done, 500);
    expect(next.value?.token).toBeGreaterThan(lock.token);
    expect(lock.signal.aborted).toBe(true);
    expect(waiting.error).toMatchObject({ code: 'ERR_CLOSED' });
  });

  test.each(['its locks are', 'its cluster is'] as const)(
    'giving back ends when %s closed before it was answered',
    async (what) => {
      const { harness, clusters, locks } = await stage(4);
      const dan = locks[3] as Locks;
      const lock = await harness.within(dan.acquire('a'), 5000);
      const end = new AbortController();
      const ended = new Promise((resolve) => end.signal.addEventListener('abort', resolve));
      const work = watch(dan.withLock('b', () => ended));
      await harness.clock.advance(200);
      for (const voter of clusters.slice(0, 2)) await voter.close();
      const released = watch(lock.release());
      end.abort();
      await harness.clock.advance(100);
      expect([released.done, work.done]).toEqual([false, false]);
      if (what === 'its locks are') await harness.within(dan.close(), 1100);
      else await (clusters[3] as Cluster).close();
      await harness.until(() => released.done && work.done, 1100);
      expect([released.error, work.error]).toEqual([undefined, undefined]);
    },
  );

  test('a holder ends with its cluster: it holds nothing any more, and nothing of it goes on', async () => {
    const harness = new Harness();
    const [voter, cluster] = await harness.pair();
    const { clock } = harness;
    const options = { voters: ['m0'], clock, random: () => 0.5, leaseMs: 500 };
    const keeper = await createLocks(voter, options);
    const locks = await createLocks(cluster, options);
    const lock = await harness.within(locks.acquire('a'), 5000);
    await cluster.close();
    await harness.clock.advance(100);
    expect([lock.signal.aborted, lock.remainingMs]).toEqual([true, 0]);
    await expect(locks.acquire('a')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await harness.within(keeper.close(), 2000);
    await voter.close();
    await clock.advance(100);
    expect(clock.pending).toBe(0);
  });

  test('the signal given to it closes it', async () => {
    const harness = new Harness();
    const [cluster] = (await harness.members(1)) as [Cluster];
    const stop = new AbortController();
    const { clock } = harness;
    const locks = await createLocks(cluster, {
      voters: ['m0'],
      clock,
      random: () => 0.5,
      leaseMs: 500,
      signal: stop.signal,
    });
    const lock = await harness.within(locks.acquire('a'), 5000);
    stop.abort();
    await harness.clock.advance(1100);
    expect(lock.remainingMs).toBe(0);
    await expect(locks.acquire('a')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('what is closed listens to its signal no more', async () => {
    const { harness, clusters, on } = await stage();
    const { signal } = new AbortController();
    const locks = await on(clusters[0] as Cluster, { name: 'others', signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await harness.within(locks.close(), 2000);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('when all voters start again', () => {
  /** A disk. */
  const disk = () => {
    let saved: unknown;
    const storage: QuorumStorage = {
      load: () => structuredClone(saved),
      save: (state) => {
        saved = structuredClone(state);
      },
    };
    return storage;
  };

  /** Three voters and somebody who holds a lock; then the voters are killed, and others start at their addresses. */
  async function restarted(disks: readonly (QuorumStorage | undefined)[]) {
    const harness = new Harness();
    const clusters = await harness.members(4);
    const random = new Random(1);
    const start = async (cluster: Cluster, storage?: QuorumStorage) => {
      const { clock } = harness;
      const options = { voters: VOTERS, sessionTtlMs: 8000, leaseMs: 300, clock, random: () => random.unit() };
      return harness.within(createLocks(cluster, { ...options, ...(storage && { storage }) }), 1000);
    };
    for (const [at, storage] of disks.entries()) await start(clusters[at] as Cluster, storage);
    const dan = await start(clusters[3] as Cluster);
    const lock = await harness.within(dan.acquire('a'), 5000);
    for (const cluster of clusters.slice(0, 3)) await cluster.close();
    await harness.clock.advance(100);
    const again: Locks[] = [];
    for (const [at, storage] of disks.entries()) {
      const cluster = await harness.member({ transport: harness.network.transport({ address: `m${at}` }) });
      await harness.within(cluster.join('m3'), 3000);
      again.push(await start(cluster, storage));
    }
    return { harness, lock, again };
  }

  test('with storage they know who holds', async () => {
    const { harness, lock, again } = await restarted([disk(), disk(), disk()]);
    const ada = again[0] as Locks;
    expect(await harness.within(ada.tryAcquire('a'), 6000)).toBeUndefined();
    await harness.clock.advance(9000);
    expect(lock.signal.aborted).toBe(false);
    await harness.within(lock.release(), 1000);
    expect((await harness.within(ada.acquire('a'), 1000)).token).toBeGreaterThan(lock.token);
  });

  test('without they have forgotten, and tokens grow all the same: the holder of before is kept out by its own', async () => {
    const { harness, lock, again } = await restarted([undefined, undefined, undefined]);
    const next = await harness.within((again[0] as Locks).acquire('a'), 10_000);
    expect(next.token).toBeGreaterThan(lock.token);
    await harness.clock.advance(8000);
    expect(lock.remainingMs).toBe(0);
  });
});

test('a holder whose machine has slept knows that its time is over before anything tells it', async () => {
  const { harness, on } = await stage();
  const { clock } = harness;
  let aheadMs = 0;
  // As the platform's where it sleeps: the clock of timers stands still, the time of day does not.
  const sleeping = {
    epochMs: clock.epochMs,
    now: () => clock.now(),
    schedule: (delayMs: number, run: () => void) => clock.schedule(delayMs, run),
    aheadMs: () => aheadMs,
  };
  const dan = await harness.member();
  await harness.within(dan.join('m0'), 3000);
  const locks = await on(dan, { clock: sleeping });
  const lock = await harness.within(locks.acquire('a'), 5000);
  aheadMs = TTL_MS;
  expect(lock.remainingMs).toBe(0);
  // The time of day was set back meanwhile: what has passed has passed.
  aheadMs = 0;
  expect(lock.remainingMs).toBe(0);
  await expect(lock.extend()).rejects.toMatchObject({ code: 'ERR_LOCK_LOST' });
  expect(lock.signal.aborted).toBe(true);
});

test('a member that holds and wants nothing says nothing', async () => {
  const { harness, clusters, locks } = await stage(4);
  const dan = locks[3] as Locks;
  await harness.within(
    dan.withLock('a', () => {}),
    5000,
  );
  const asked = vi.spyOn(clusters[3] as Cluster, 'request');
  await harness.clock.advance(10 * TTL_MS);
  expect(asked).not.toHaveBeenCalled();
});

describe('leaves', () => {
  test('a leaf holds and waits as any member; one that vanishes is waited for no longer than its time', async () => {
    const { harness, clusters, locks, on } = await stage();
    const [ada] = locks as [Locks];
    const gateways = new Map<string, Gateway>();
    gateways.set('wss://a/', await createGateway(clusters[1] as Cluster, { url: 'wss://a/' }));
    const leaf = await harness.leaf(gateways);
    await harness.within(leaf.join(), 5000);
    const page = await on(leaf);
    const first = await harness.within(page.acquire('a'), 5000);
    expect(await harness.within(ada.tryAcquire('a'), 1000)).toBeUndefined();
    const second = watch(ada.acquire('a'));
    await harness.clock.advance(100);
    const third = watch(page.acquire('a'));
    await harness.clock.advance(2 * TTL_MS);
    expect([second.done, third.done]).toEqual([false, false]);
    await harness.within(first.release(), 1000);
    await harness.until(() => second.done, 200);
    await harness.within(second.value?.release() as Promise<void>, 1000);
    // It is told, it need not ask.
    await harness.until(() => third.done, 200);
    expect(third.value?.token).toBeGreaterThan(second.value?.token as number);
    const next = watch(ada.acquire('a'));
    await harness.clock.advance(100);
    await leaf.close();
    await harness.until(() => next.done, TTL_MS + 1000);
    expect(next.value?.token).toBeGreaterThan(third.value?.token as number);
  });

  test('a voter that leads anew counts the time of those who fell silent before', async () => {
    const { harness, clusters, locks, on } = await stage();
    let isMute = false;
    const policy = { send: () => !isMute };
    const gateway = await createGateway(clusters[1] as Cluster, { url: 'wss://a/', policy });
    const leaf = await harness.leaf(new Map([['wss://a/', gateway]]));
    await harness.within(leaf.join(), 5000);
    const lock = await harness.within((await on(leaf)).acquire('a'), 5000);
    const leads = locks.find((one) => one.stats().sessionsWatched) as Locks;
    const next = watch((locks.find((one) => one !== leads) as Locks).acquire('a'));
    await harness.clock.advance(200);
    isMute = true;
    // Its cluster lives on, so that nothing else wakes the others.
    await harness.within(leads.close(), 2000);
    await harness.until(() => next.done, 2 * TTL_MS);
    expect(next.value?.token).toBeGreaterThan(lock.token);
  });

  test('its gateway says which leaf may use locks, by the types of messages that the guide names', async () => {
    const { harness, clusters, locks, on } = await stage();
    const [ada] = locks as [Locks];
    const gateway = await createGateway(clusters[1] as Cluster, {
      url: 'wss://a/',
      policy: {
        send: (leaf, { type }) => type !== 96 && type !== 100 && (type !== 97 || leaf.tags.includes('clerk')),
      },
    });
    const leaf = async (tags: string[]) => {
      const made = await harness.leaf(new Map([['wss://a/', gateway]]), { tags });
      await harness.within(made.join(), 5000);
      return on(made);
    };
    const [clerk, guest] = [await leaf(['clerk']), await leaf([])];
    const refused = () => clusters[1]?.stats().leafNotAllowed ?? 0;
    const first = await harness.within(ada.acquire('a'), 5000);
    const second = watch(clerk.acquire('a'));
    await harness.clock.advance(200);
    await harness.within(first.release(), 1000);
    await harness.until(() => second.done, 200);
    await harness.clock.advance(2 * TTL_MS);
    expect(second.value?.remainingMs).toBeGreaterThan(0);
    await harness.within(clerk.close(), 2000);
    // Nothing else was needed.
    expect(refused()).toBe(0);
    await expect(harness.within(guest.acquire('a'), 2 * TTL_MS)).rejects.toMatchObject({ code: 'ERR_NO_QUORUM' });
    expect(refused()).toBeGreaterThan(0);
  });
});
