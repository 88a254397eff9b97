/** Handlers and queues by themselves. What a cluster makes of them is tried in cluster*.test.ts. */
import { describe, expect, test } from 'vitest';
import { AsyncQueue, Subscribers } from '../../src/subscribers.js';
import { settled } from './cluster-harness.js';

describe('subscribers', () => {
  test('a failure is told with its key, and reaches nobody else', async () => {
    const failed: unknown[] = [];
    const subscribers = new Subscribers({ failed: (error, key) => failed.push([key, error]) });
    const heard: unknown[] = [];
    subscribers.add('a', () => {
      throw 'at once';
    });
    subscribers.add('a', async () => {
      throw 'later';
    });
    subscribers.add('a', (value) => heard.push(value));
    subscribers.call('a', 1);
    subscribers.call('b', 2);
    await settled();
    expect(heard).toEqual([1]);
    expect(failed).toEqual([
      ['a', 'at once'],
      ['a', 'later'],
    ]);
  });

  test('one that is added while the others are called hears the next', () => {
    const subscribers = new Subscribers({ failed() {} });
    const heard: unknown[] = [];
    const stop = subscribers.add('a', () => {
      subscribers.add('a', (value) => heard.push(value));
    });
    subscribers.call('a', 1);
    stop();
    subscribers.call('a', 2);
    expect(heard).toEqual([2]);
  });
});

describe('a queue', () => {
  function queue(max: number) {
    const ended: unknown[] = [];
    let dropped = 0;
    const items = new AsyncQueue<number>(
      max,
      () => dropped++,
      (one) => ended.push(one),
    );
    return { items, ended, dropped: () => dropped };
  }

  test('gives to those that wait first, in their order, then keeps up to its limit', async () => {
    const { items, dropped } = queue(2);
    const waiting = [items.next(), items.next()];
    for (const n of [1, 2, 3, 4, 5]) items.push(n);
    expect((await Promise.all(waiting)).map(({ value }) => value)).toEqual([1, 2]);
    expect(dropped()).toBe(1);
    expect([await items.next(), await items.next()].map(({ value }) => value)).toEqual([4, 5]);
  });

  test('ends once: those that wait are told, what is there can be read, nothing more is taken', async () => {
    const { items, ended } = queue(5);
    items.push(1);
    items.end();
    items.end();
    items.push(2);
    expect(ended).toEqual([items]);
    const all: number[] = [];
    for await (const item of items) all.push(item);
    expect(all).toEqual([1]);
  });

  test('leaving a loop early lets go of it', async () => {
    const { items, ended } = queue(5);
    items.push(1);
    items.push(2);
    for await (const item of items) {
      expect(item).toBe(1);
      break;
    }
    expect(ended).toEqual([items]);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });
});
