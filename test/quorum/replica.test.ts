/** What histories meet too rarely: single steps of one replica. */
import { expect, test } from 'vitest';
import type { QuorumMessage } from '../../src/quorum/messages.js';
import { Replica } from '../../src/quorum/replica.js';

const IDS = ['a#1', 'b#1', 'c#1'];
const names = ['a', 'b', 'c'];
const NOTHING = { apply: () => null, snapshot: () => null, restore: () => {} };

/** A voter with a disk that has started again at time 0: its lease is 1000, its promise 1250. */
function restarted(): Replica {
  const saved = {
    ...{ id: 'a#1', term: 3, votedFor: 'a#1' },
    snapshot: { index: 0, term: 0, configuration: { voters: [] }, state: null },
    entries: [
      { type: 'voters', term: 1, configuration: { voters: IDS } } as const,
      { type: 'command', term: 2, command: 'old' } as const,
    ],
  };
  const options = {
    name: 'a',
    names,
    machine: NOTHING,
    leaseMs: 1000,
    random: () => 0,
    wallMs: () => 0,
    boot: '2',
    durable: true,
  };
  return new Replica({ ...options, saved }, 0);
}

const hear = (replica: Replica, message: object, atMs: number) =>
  replica
    .handle({ type: 'message', message: { from: 'b#1', to: 'a#1', ...message } as QuorumMessage }, atMs)
    .flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));

test('a voter that has started again does not vote for as long as it may have promised somebody before', () => {
  const vote = { type: 'vote', term: 4, lastIndex: 9, lastTerm: 3, forced: false, anew: false, names };
  for (const pre of [true, false]) {
    expect(hear(restarted(), { ...vote, pre }, 1249)).toEqual([]);
    expect(hear(restarted(), { ...vote, pre }, 1251)).toContainEqual(
      expect.objectContaining({ type: 'vote-reply', to: 'b#1', pre, granted: true }),
    );
  }
  // Its leader has given its lease up itself.
  expect(hear(restarted(), { ...vote, pre: false, forced: true }, 1)).toHaveLength(1);
});

test('an entry of a former term is not committed because a majority has it, but with one of the leader’s own', () => {
  const replica = restarted();
  replica.handle({ type: 'tick' }, 1251);
  hear(replica, { type: 'vote-reply', term: 4, pre: true, granted: true }, 1252);
  const said = hear(replica, { type: 'vote-reply', term: 4, pre: false, granted: true }, 1253);
  expect(said.filter(({ type }) => type === 'append')).toHaveLength(2);
  const reply = { type: 'append-reply', term: 4, sentAtMs: 1253, lastIndex: 3, eligible: true };
  hear(replica, { ...reply, match: 2 }, 1254);
  expect([replica.committed, replica.leads(1254)]).toEqual([0, false]);
  hear(replica, { ...reply, match: 3 }, 1255);
  expect([replica.committed, replica.leads(1255)]).toEqual([3, true]);
  // From when the word was sent, not from the answer.
  expect([replica.leads(2252), replica.leads(2253)]).toEqual([true, false]);
});

test('whoever refuses what it must have is asked again with the next heartbeat, not at once', () => {
  const replica = restarted();
  replica.handle({ type: 'tick' }, 1251);
  hear(replica, { type: 'vote-reply', term: 4, pre: true, granted: true }, 1252);
  hear(replica, { type: 'vote-reply', term: 4, pre: false, granted: true }, 1253);
  const reply = { type: 'append-reply', term: 4, sentAtMs: 1253, lastIndex: 0, eligible: true };
  let appends = 0;
  for (let i = 0; i < 1000; i++) appends += hear(replica, { ...reply, match: -1 }, 1253).length;
  // One after the other, back to where their logs meet.
  expect(appends).toBe(1);
  expect(hear(replica, { ...reply, match: 3 }, 1254)).toContainEqual(expect.objectContaining({ to: 'b#1', commit: 3 }));
  for (let i = 0; i < 1000; i++) appends += hear(replica, { ...reply, match: -1 }, 1255).length;
  expect(appends).toBe(1);
  const sent = replica.handle({ type: 'tick' }, 1600);
  expect(sent).toContainEqual({ type: 'send', message: expect.objectContaining({ type: 'append', to: 'b#1' }) });
});

test('what a candidate begins whom all follow needs all of them, and majorities only then', () => {
  const options = {
    name: 'a',
    names,
    machine: NOTHING,
    leaseMs: 1000,
    random: () => 0,
    wallMs: () => 5001,
    boot: '1',
    durable: false,
  };
  const replica = new Replica(options, 0);
  replica.handle({ type: 'tick' }, 0);
  for (const from of ['b#1', 'c#1']) hear(replica, { type: 'vote-reply', from, term: 1, pre: true, granted: true }, 1);
  // The wall's clock, so that no former token is greater.
  expect(replica.term).toBe(5001);
  const vote = { type: 'vote-reply', term: 5001, pre: false, granted: true };
  hear(replica, vote, 2);
  expect(replica.leader).toBeUndefined();
  hear(replica, { ...vote, from: 'c#1' }, 2);
  expect(replica.leader).toBeDefined();
  const reply = { type: 'append-reply', term: 5001, sentAtMs: 2, lastIndex: 1, match: 1, eligible: true };
  hear(replica, reply, 3);
  expect([replica.committed, replica.leads(3)]).toEqual([0, false]);
  hear(replica, { ...reply, from: 'c#1' }, 3);
  expect([replica.committed, replica.leads(3)]).toEqual([1, true]);
  hear(replica, { ...reply, sentAtMs: 3, lastIndex: 2, match: 2 }, 4);
  expect(replica.committed).toBe(2);
});

test('a replica takes another of its names only where nobody counts it under the one that it has', () => {
  const take = (replica: Replica, name: string) => {
    const effects = replica.handle({ type: 'called', name }, 1);
    return [replica.name, effects.some(({ type }) => type === 'save')];
  };
  const { options } = restarted();
  const fresh = (name: string) => new Replica({ ...options, name, saved: undefined }, 0);
  // One of those that begin, one that is counted, one that is neither.
  expect(take(fresh('a'), 'x')).toEqual(['a', false]);
  expect(take(restarted(), 'x')).toEqual(['a', false]);
  const saved = { ...options.saved, id: 'd#1' } as typeof options.saved & object;
  const entry = { type: 'voters', term: 3, configuration: { voters: [...IDS, 'd#1'] } } as const;
  expect(take(new Replica({ ...options, saved: { ...saved, entries: [entry] } }, 0), 'x')).toEqual(['d', false]);
  const stranger = new Replica({ ...options, saved }, 0);
  expect(take(stranger, 'x')).toEqual(['x', true]);
  expect([stranger.id, stranger.term, stranger.log.lastIndex]).toEqual(['x#1', 3, 2]);
  // It has forgotten nothing, and is again who it was: somebody may count it whom it has not heard yet.
  take(stranger, 'd');
  expect(stranger.id).toBe('d#1');
  expect(take(fresh('d'), 'x')).toEqual(['x', true]);
});
