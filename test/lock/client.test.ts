/** The client's half of a lock's session: what it believes, and until when. */
import { expect, test } from 'vitest';
import { type ClientEffect, type ClientInput, LockClient } from '../../src/lock/client.js';
import type { Answer, Call } from '../../src/lock/commands.js';

const TTL_MS = 1000;
const NEVER = Number.POSITIVE_INFINITY;

/** A client whose calls are answered by hand. */
function setup() {
  let keys = 0;
  const machine = new LockClient({ ttlMs: TTL_MS, newKey: () => `key${keys++}` });
  const calls: { call: number; what: Call; timeoutMs: number }[] = [];
  const heard: ClientEffect[] = [];
  const input = (input: ClientInput, nowMs: number) => {
    for (const effect of machine.handle(input, nowMs)) {
      if (effect.type === 'call') calls.push(effect);
      else heard.push(effect);
    }
  };
  const last = () => calls.at(-1) as { call: number; what: Call };
  const view = (turn: number, answers: Extract<Answer, { type: 'view' }>['answers'], grants: [number, number][] = []) =>
    ({ type: 'view', session: 7, turn, answers, grants }) as const;
  return {
    machine,
    calls,
    heard: () => heard.splice(0),
    input,
    last,
    view,
    acquire: (claim: number, nowMs: number, more: { isTry?: boolean; timeoutMs?: number } = {}) =>
      input({ type: 'acquire', claim, name: 'a', isTry: false, timeoutMs: NEVER, ...more }, nowMs),
    answer: (answer: Answer, nowMs: number) => input({ type: 'answer', call: last().call, answer }, nowMs),
    fail: (nowMs: number) => input({ type: 'failed', call: last().call }, nowMs),
    /** Lets it have lock `a` by claim 1 at 0. */
    hold() {
      this.acquire(1, 0);
      this.answer({ type: 'opened', session: 7 }, 0);
      this.answer(view(1, [50]), 0);
      expect(heard.splice(0)).toEqual([{ type: 'granted', claim: 1, token: 50 }]);
    },
  };
}

test('it opens a session when it wants something, and asks in it', () => {
  const it = setup();
  expect(it.machine.wakeAtMs).toBe(NEVER);
  it.acquire(1, 0);
  it.answer({ type: 'opened', session: 7 }, 5);
  it.answer(it.view(1, ['waiting']), 10);
  it.input({ type: 'told', answer: it.view(1, ['waiting'], [[1, 99]]) }, 20);
  expect(it.heard()).toEqual([{ type: 'granted', claim: 1, token: 99 }]);
  // The same told again changes nothing; the next turn says that it was seen.
  it.input({ type: 'told', answer: it.view(1, ['waiting'], [[1, 99]]) }, 30);
  it.input({ type: 'tick' }, 400);
  expect(it.heard()).toEqual([]);
  expect(it.calls.map(({ what }) => what)).toEqual([
    { type: 'open', key: 'key0', ttlMs: TTL_MS, previous: 0 },
    { type: 'turn', session: 7, turn: 1, seen: 0, operations: [{ type: 'acquire', claim: 1, name: 'a' }] },
    { type: 'turn', session: 7, turn: 2, seen: 99, operations: [] },
  ]);
});

test('its belief counts from when the call was first sent, however often it was repeated', () => {
  const it = setup();
  it.hold();
  it.input({ type: 'tick' }, 340);
  it.fail(590);
  it.input({ type: 'tick' }, 640);
  it.answer(it.view(2, []), 700);
  expect(it.machine.untilMs).toBe(340 + 800);
});

test('it is over before the voters can give the lock away, and everything late is not believed', () => {
  const it = setup();
  it.hold();
  it.acquire(2, 10);
  expect(it.machine.wakeAtMs).toBe(800);
  expect(it.machine.holds(1, 799)).toBe(true);
  expect(it.machine.holds(1, 800)).toBe(false);
  // It stood still; the grant and the sign of life that waited for it are void.
  it.input({ type: 'told', answer: it.view(2, ['waiting'], [[2, 60]]) }, 5000);
  expect(it.heard()).toEqual([{ type: 'lost', claim: 1 }]);
  // Who waited asks anew, in a new session that gives up the former.
  expect(it.last().what).toEqual({ type: 'open', key: 'key1', ttlMs: TTL_MS, previous: 7 });
});

test('an answer that took longer than the session has time confirms nothing', () => {
  const it = setup();
  it.acquire(1, 0);
  it.answer({ type: 'opened', session: 7 }, 10);
  it.answer(it.view(1, [50]), 811);
  expect(it.heard()).toEqual([]);
  expect(it.last().what).toMatchObject({ type: 'open', previous: 7 });
});

test('a session that is gone loses what it holds at once; who waits asks in the next', () => {
  const it = setup();
  it.hold();
  it.acquire(2, 10);
  it.answer(it.view(2, ['waiting']), 20);
  it.input({ type: 'tick' }, 350);
  it.answer({ type: 'gone' }, 360);
  expect(it.heard()).toEqual([{ type: 'lost', claim: 1 }]);
  it.answer({ type: 'opened', session: 8 }, 370);
  const acquire = { type: 'acquire', claim: 2, name: 'a' };
  expect(it.last().what).toEqual({ type: 'turn', session: 8, turn: 1, seen: 0, operations: [acquire] });
});

test('signs of life are sent while there is something to keep, and only then', () => {
  const it = setup();
  it.hold();
  expect(it.machine.wakeAtMs).toBeCloseTo(TTL_MS / 3);
  it.input({ type: 'release', claim: 1 }, 100);
  expect(it.last().what).toMatchObject({ turn: 2, operations: [{ type: 'release', claim: 1 }] });
  it.answer(it.view(2, ['done']), 110);
  expect(it.heard()).toEqual([{ type: 'released', claim: 1 }]);
  expect(it.machine.wakeAtMs).toBe(NEVER);
  // The next one uses the session as long as it has time, and a new one after.
  it.acquire(2, 700);
  expect(it.last().what).toMatchObject({ type: 'turn', session: 7 });
});

test('without an answer for as long as a session lasts there is no quorum', () => {
  const it = setup();
  it.acquire(1, 0);
  let nowMs = 0;
  for (let attempts = 0; it.machine.claims > 0; attempts++) {
    expect(attempts).toBeLessThan(10);
    nowMs += 250;
    it.fail(nowMs);
    nowMs += 50;
    it.input({ type: 'tick' }, nowMs);
  }
  expect(it.heard()).toMatchObject([{ type: 'refused', claim: 1, code: 'ERR_NO_QUORUM' }, { type: 'released' }]);
  expect(nowMs).toBeLessThanOrEqual(1.5 * TTL_MS);
  // It does not go on asking for nobody.
  expect(it.machine.wakeAtMs).toBe(NEVER);
});

test('who stood still has not been without a quorum for so long', () => {
  const it = setup();
  it.acquire(1, 0);
  it.fail(60_000);
  expect(it.heard()).toEqual([]);
  it.input({ type: 'tick' }, 60_050);
  // What was opened so long ago is no good any more.
  it.answer({ type: 'opened', session: 6 }, 60_060);
  expect(it.last().what).toMatchObject({ type: 'open', previous: 6 });
  it.answer({ type: 'opened', session: 7 }, 60_070);
  it.answer(it.view(1, [50]), 60_080);
  expect(it.heard()).toEqual([{ type: 'granted', claim: 1, token: 50 }]);
});

test('a deadline says whether others had the lock or nobody answered, and gives back what may come', () => {
  const it = setup();
  it.acquire(1, 0, { timeoutMs: 200 });
  it.input({ type: 'tick' }, 200);
  expect(it.heard()).toEqual([
    { type: 'refused', claim: 1, code: 'ERR_NO_QUORUM' },
    { type: 'released', claim: 1 },
  ]);
  it.acquire(2, 210, { timeoutMs: 200 });
  it.answer({ type: 'opened', session: 7 }, 220);
  it.answer(it.view(1, ['waiting']), 230);
  it.input({ type: 'tick' }, 410);
  expect(it.heard()).toEqual([{ type: 'refused', claim: 2, code: 'ERR_TIMEOUT' }]);
  expect(it.last().what).toMatchObject({ operations: [{ type: 'release', claim: 2 }] });
  // The grant was under way.
  it.answer(it.view(2, ['done'], [[2, 70]]), 420);
  expect(it.heard()).toEqual([{ type: 'released', claim: 2 }]);
});

test('a claim that is given up while its call is under way is given back by the next', () => {
  const it = setup();
  it.acquire(1, 0);
  it.answer({ type: 'opened', session: 7 }, 5);
  it.input({ type: 'release', claim: 1 }, 10);
  it.answer(it.view(1, [50]), 20);
  expect(it.heard()).toEqual([]);
  expect(it.last().what).toMatchObject({ turn: 2, operations: [{ type: 'release', claim: 1 }] });
});

test('a try is answered either way', () => {
  const it = setup();
  it.acquire(1, 0, { isTry: true });
  it.answer({ type: 'opened', session: 7 }, 5);
  it.answer(it.view(1, ['held']), 10);
  expect(it.heard()).toEqual([{ type: 'refused', claim: 1, code: 'held' }]);
  expect(it.machine.claims).toBe(0);
});

test('extending waits for a turn that was begun afterwards', () => {
  const it = setup();
  it.hold();
  it.acquire(2, 10);
  it.input({ type: 'extend', claim: 1 }, 20);
  it.answer(it.view(2, ['waiting']), 30);
  expect(it.heard()).toEqual([]);
  it.answer(it.view(3, []), 40);
  expect(it.heard()).toEqual([{ type: 'extended', claim: 1 }]);
  expect(it.machine.untilMs).toBe(30 + 800);
});

test('closing gives everything back and ends the session', () => {
  const it = setup();
  it.hold();
  it.acquire(2, 10);
  it.answer(it.view(2, ['waiting']), 20);
  it.input({ type: 'close' }, 30);
  expect(it.heard()).toEqual([
    { type: 'lost', claim: 1 },
    { type: 'refused', claim: 2, code: 'ERR_CLOSED' },
  ]);
  expect(it.last().what).toMatchObject({ operations: [{ type: 'close' }] });
  it.acquire(3, 35);
  it.answer(it.view(3, ['done']), 40);
  expect(it.heard()).toEqual([{ type: 'refused', claim: 3, code: 'ERR_CLOSED' }, { type: 'closed' }]);
});

test('that voters were silent for others long ago does not shorten how long one is waited for', () => {
  const it = setup();
  it.hold();
  for (let nowMs = 400; nowMs < 800; nowMs += 100) {
    it.input({ type: 'tick' }, nowMs);
    it.fail(nowMs + 40);
  }
  it.input({ type: 'tick' }, 800);
  expect(it.heard()).toEqual([{ type: 'lost', claim: 1 }]);
  it.acquire(2, 10_000);
  for (let nowMs = 10_000; nowMs < 10_700; nowMs += 300) {
    it.fail(nowMs + 250);
    it.input({ type: 'tick' }, nowMs + 300);
    expect(it.heard()).toEqual([]);
  }
  it.fail(11_150);
  expect(it.heard()).toMatchObject([{ code: 'ERR_NO_QUORUM' }, { type: 'released' }]);
});
