/** Copies of rows and the events that carry them, when a row has gone on before its events are told. */
import { expect, test } from 'vitest';
import { MemberRow } from '../../src/core/row.js';
import { MemberView } from '../../src/member-view.js';

function row(state: MemberRow['state']): MemberRow {
  const record = {
    id: '01900000-0000-7000-8000-000000000001',
    incarnation: 1n,
    state,
    dialect: 'native' as const,
    bilingual: false,
    version: 1n,
    address: 'm1',
    tags: [],
    protocolVersion: 1,
    applicationVersion: '',
    metadata: {},
    metadataBytes: 0,
  };
  return new MemberRow(record, 0);
}

test('an event shows the state it tells of, and the row what it is now', () => {
  const view = new MemberView();
  const dead = row('dead');
  const now = view.member(dead);
  const event = view.event({ kind: 'state', row: dead, state: 'suspect', previous: 'alive' });
  expect(event).toMatchObject({ type: 'state', previous: 'alive', member: { state: 'suspect' } });
  expect(Object.isFrozen(event.member)).toBe(true);
  expect(view.member(dead)).toBe(now);
  expect(view.event({ kind: 'state', row: dead, state: 'dead', previous: 'suspect' }).member).toBe(now);
});

test.each([
  ['alive', 'unknown', 'joined'],
  ['suspect', 'unknown', 'joined'],
  ['alive', 'dead', 'joined'],
  ['suspect', 'dead', 'joined'],
  ['alive', 'leaving', 'joined'],
  ['suspect', 'alive', 'state'],
  ['alive', 'suspect', 'state'],
  ['dead', 'alive', 'state'],
  ['dead', 'leaving', 'state'],
  ['leaving', 'alive', 'left'],
  ['removed', 'dead', 'removed'],
] as const)('%s after %s is told as %s', (state, previous, type) => {
  const changed = row(state === 'removed' ? 'dead' : state);
  const event = new MemberView().event({ kind: 'state', row: changed, state, previous });
  expect(event).toMatchObject({ type, previous, member: { state } });
});
