/** What the compiler promises about groups: types of questions, answers and values flow through. */

import { type Cluster, defineMessage, defineRequest, type GossipError, type Member } from 'isogossip';
import { createDataGroup, createGroup, type GroupAnswer } from 'isogossip/group';
import { expectTypeOf, test } from 'vitest';

declare const cluster: Cluster;
const chat = defineMessage<{ text: string }>(129);
const sum = defineRequest<{ a: number }, { sum: number }>(130);

test('a group tells, asks and is looked at with types', () => {
  const group = createGroup(cluster, {
    tag: 'web',
    where: { zone: 'eu', load: (load) => Number(load) < 1, at: new Date() },
  });
  for (const member of group) expectTypeOf(member).toEqualTypeOf<Member>();
  group.on('changed', ({ member, previous }) => expectTypeOf(previous).toEqualTypeOf(member));
  // @ts-expect-error: who enters was not there before
  group.on('entered', ({ previous }) => previous);
  // @ts-expect-error: no such event
  group.on('enter', () => {});
  expectTypeOf(group.requestAny(sum, { a: 1 })).resolves.toEqualTypeOf<{ sum: number }>();
  expectTypeOf(group.request(sum, { a: 1 })).resolves.toEqualTypeOf<GroupAnswer<{ sum: number }>[]>();
  expectTypeOf(group.broadcast(chat, { text: '' })).resolves.toBeVoid();
  // @ts-expect-error: a wrong type
  void group.broadcast(chat, { text: 1 });
  // @ts-expect-error: a wrong type
  void group.requestAny(sum, { b: 1 });
  // @ts-expect-error: a map is no criterion
  createGroup(cluster, { where: { zone: {} } });
});

test('an answer or an error, never both', () => {
  const one = {} as GroupAnswer<number>;
  if (one.error) expectTypeOf(one.error).toEqualTypeOf<GossipError>();
  else expectTypeOf(one.answer).toBeNumber();
});

test('a value has the type of what makes it', () => {
  const group = createDataGroup(cluster, {
    create: ({ id }) => ({ id, seen: 0 }),
    update: (value) => ({ ...value, seen: value.seen + 1 }),
    drop: ({ seen }) => expectTypeOf(seen).toBeNumber(),
  });
  expectTypeOf(group.get('')).toEqualTypeOf<{ id: string; seen: number } | undefined>();
  for (const [member, { seen }] of group.entries()) expectTypeOf([member, seen]).toEqualTypeOf<(Member | number)[]>();
  // @ts-expect-error: another type
  group.set('', 1);
});
