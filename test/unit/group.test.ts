/** Groups of whole clusters, in virtual time: who is in, what is told of it, and what is sent to and asked of them. */
import { describe, expect, test } from 'vitest';
import { createGateway, type Gateway } from '../../src/gateway.js';
import { createDataGroup, createGroup, type Group } from '../../src/group/index.js';
import { type Cluster, defineMessage, defineRequest, GossipError } from '../../src/index.js';
import { Harness, recorder, settled } from './cluster-harness.js';

const chat = defineMessage<string>(129);
const question = defineRequest<string, string>(130);

/** What a group tells, as `type name`, with whether it was in before. */
function record(group: Group): string[] {
  const told: string[] = [];
  const name = (metadata: Readonly<Record<string, unknown>>) => String(metadata.name ?? '?');
  group.on('entered', ({ member }) => told.push(`entered ${name(member.metadata)}`));
  group.on('changed', ({ member, previous }) => {
    const what = member.metadata === previous.metadata ? member.state : JSON.stringify(member.metadata);
    told.push(`changed ${name(member.metadata)} ${what}`);
  });
  group.on('left', ({ member }) => told.push(`left ${name(member.metadata)} ${member.state}`));
  return told;
}

const named = (name: string, more: object = {}) => ({ metadata: { name, ...more } });
const names = (group: Iterable<{ metadata: Readonly<Record<string, unknown>> }>) =>
  [...group].map(({ metadata }) => metadata.name);

describe('who is in', () => {
  test('those who are there at once, ourselves among them; then whoever comes, changes, dies and leaves', async () => {
    const harness = new Harness();
    const [ada, ben] = await harness.pair(named('Ada', { zone: 'eu' }), named('Ben', { zone: 'eu' }));
    const group = createGroup(ada, { where: { zone: 'eu' } });
    const told = record(group);
    expect(names(group)).toEqual(['Ada', 'Ben']);
    expect([group.size, group.has(ada.id), group.has(ben.self)]).toEqual([2, true, true]);

    const cyd = await harness.member(named('Cyd', { zone: 'us' }));
    await harness.within(cyd.join('m0'), 5000);
    expect(told).toEqual([]);
    cyd.setMetadata({ zone: 'eu' });
    await harness.until(() => group.has(cyd.id), 5000);
    ben.setMetadata({ load: 1 });
    await harness.until(() => told.length === 2, 5000);
    ada.setMetadata({ zone: 'us' });
    expect(names(group)).toEqual(['Ben', 'Cyd']);
    ada.setMetadata({ zone: 'eu' });
    await harness.within(ben.leave(), 5000);
    await harness.until(() => !group.has(ben.id), 5000);
    await cyd.close();
    await harness.until(() => !group.has(cyd.id), 10_000);
    expect(told).toEqual([
      'entered Cyd',
      'changed Ben {"name":"Ben","zone":"eu","load":1}',
      'left Ada alive',
      'entered Ada',
      'left Ben leaving',
      'changed Cyd suspect',
      'left Cyd dead',
    ]);
    expect(group.stats()).toMatchObject({ members: 1, entered: 2, changed: 2, left: 3 });
  });

  test('a member that is forgotten is out, and back when it is heard of again', async () => {
    const harness = new Harness();
    const [ada, ben] = await harness.pair(named('Ada'), { ...named('Ben'), tags: ['web'] });
    const group = createGroup(ada, { tag: 'web' });
    const told = record(group);
    ada.forget(ben.id);
    expect([group.has(ben.id), told]).toEqual([false, ['left Ben removed']]);
    await harness.until(() => group.has(ben.id), 20_000);
    expect(told).toEqual(['left Ben removed', 'entered Ben']);
  });

  test('a member that starts again under its id with other tags is in other groups, though nobody has missed it', async () => {
    const harness = new Harness();
    const [ada, ben] = await harness.pair({}, { tags: ['web'] });
    const [web, db] = [createGroup(ada, { tag: 'web' }), createGroup(ada, { tag: 'db' })];
    await ben.close();
    const transport = harness.network.transport({ address: 'm1' });
    const again = await harness.member({ id: ben.id, tags: ['db'], transport });
    await harness.within(again.join('m0'), 5000);
    await harness.clock.advance(200);
    expect([web.has(ben.id), db.has(ben.id), ada.member(ben.id)?.state]).toEqual([false, true, 'alive']);
  });

  test('a handler that is taken away or a group that is closed hears nothing, and holds nothing', async () => {
    const harness = new Harness();
    const ada = await harness.member(named('Ada'));
    const group = createGroup(ada);
    let heard = 0;
    const stop = group.on('changed', () => heard++);
    group.on('changed', () => stop());
    ada.setMetadata({ load: 1 });
    ada.setMetadata({ load: 2 });
    expect(heard).toBe(1);
    const told = record(group);
    {
      using _closed = group;
    }
    ada.setMetadata({ load: 3 });
    expect([told, group.size, [...group], group.has(ada.id)]).toEqual([[], 0, [], false]);
    group.close();
    expect(() => group.broadcast(chat, 'x')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    await expect(group.request(question, 'x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(group.requestAny(question, 'x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('a group that a handler closes tells nobody else', async () => {
    const harness = new Harness();
    const ada = await harness.member(named('Ada'));
    const group = createGroup(ada);
    let heard = 0;
    group.on('changed', () => group.close());
    group.on('changed', () => heard++);
    ada.setMetadata({ load: 1 });
    expect([heard, group.size]).toEqual([0, 0]);
  });

  test('handlers and criteria that throw harm nobody, are counted, and told by the cluster', async () => {
    const harness = new Harness();
    const logger = recorder();
    const ada = await harness.member({ ...named('Ada', { zone: 5 }), logger });
    const group = createGroup(ada, { where: { zone: (zone) => (zone as string).startsWith('eu') } });
    expect([group.size, group.stats().criteriaFailed]).toEqual([0, 1]);
    group.on('entered', () => {
      throw new Error('first');
    });
    group.on('entered', async () => {
      throw new Error('second');
    });
    const told = record(group);
    ada.setMetadata({ zone: 'eu' });
    await settled();
    expect(told).toEqual(['entered Ada']);
    ada.setMetadata({ zone: 6 });
    await settled();
    expect(told).toEqual(['entered Ada', 'left Ada alive']);
    expect(group.stats()).toMatchObject({ criteriaFailed: 2, handlersFailed: 2 });
    expect(logger.fields.flatMap((fields) => fields?.error ?? [])).toEqual([
      expect.stringMatching(/startsWith/),
      expect.stringMatching(/startsWith/),
    ]);
  });
});

describe('what is said to them', () => {
  /** Four members, three of them in the zone, one of these without the tag; and what each hears. */
  async function four(harness: Harness) {
    const members = await harness.members(4, (index) => ({
      ...named(`m${index}`, { zone: index < 3 ? 'eu' : 'us' }),
      tags: index % 2 ? ['odd'] : [],
    }));
    const heard: string[] = [];
    for (const [index, member] of members.entries()) {
      member.on(chat, ({ data, direct, tag }) => heard.push(`m${index} ${data} ${direct ? 'direct' : tag}`));
    }
    return { first: members[0] as Cluster, members, heard };
  }

  test('a group by tag or of all is broadcast to; to others each member is sent it', async () => {
    const harness = new Harness();
    const { first, heard } = await four(harness);
    await harness.within(createGroup(first, { tag: 'odd' }).broadcast(chat, 'a'), 1000);
    await harness.clock.advance(1000);
    await harness.within(createGroup(first).broadcast(chat, 'b'), 1000);
    await harness.clock.advance(1000);
    await harness.within(createGroup(first, { where: { zone: 'eu' } }).broadcast(chat, 'c'), 1000);
    await harness.clock.advance(1000);
    await harness.within(createGroup(first, { tag: 'odd', where: { zone: 'us' } }).broadcast(chat, 'd'), 1000);
    await harness.clock.advance(1000);
    const at = (data: string) => heard.filter((line) => line.split(' ')[1] === data).sort();
    expect(at('a')).toEqual(['m1 a odd', 'm3 a odd']);
    expect(at('b')).toEqual(['m1 b ', 'm2 b ', 'm3 b ']);
    expect(at('c')).toEqual(['m1 c direct', 'm2 c direct']);
    expect(at('d')).toEqual(['m3 d direct']);
  });

  test('who cannot be reached is counted, what cannot be sent is refused', async () => {
    const harness = new Harness();
    const { first, members, heard } = await four(harness);
    const group = createGroup(first, { where: { zone: 'eu' } });
    await members[1]?.close();
    await harness.within(group.broadcast(chat, 'x'), 1000);
    await settled();
    expect([heard, group.stats().sendsFailed]).toEqual([['m2 x direct'], 1]);
    await expect(group.broadcast(chat, Symbol('no') as never)).rejects.toMatchObject({ code: 'ERR_CODEC' });
    await first.close();
    await expect(group.broadcast(chat, 'y')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('all are asked, and what became of each is told', async () => {
    const harness = new Harness();
    const { first, members } = await four(harness);
    const group = createGroup(first);
    members[1]?.handle(question, ({ data }) => `${data}!`);
    members[2]?.handle(question, () => {
      throw new Error('no');
    });
    const answers = await harness.within(group.request(question, 'hm'), 5000);
    const told = answers.map(({ member, answer, error }) => [member.metadata.name, answer ?? error.code]);
    expect(told.sort()).toEqual([
      ['m1', 'hm!'],
      ['m2', 'ERR_HANDLER'],
      ['m3', 'ERR_NO_HANDLER'],
    ]);
    await expect(group.request(question, Symbol('no') as never)).rejects.toMatchObject({ code: 'ERR_CODEC' });
    const signal = AbortSignal.abort();
    await expect(group.request(question, 'hm', { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('asking any of them', () => {
  async function services(harness: Harness, count: number, answer: (index: number, data: string) => unknown) {
    const members = await harness.members(count + 1, (index) => named(`m${index}`, { service: index > 0 }));
    for (const [index, member] of members.entries()) {
      if (index > 0) member.handle(question, ({ data }) => answer(index, data) as string);
    }
    const first = members[0] as Cluster;
    return { first, members, group: createGroup(first, { where: { service: true } }) };
  }

  test('each in turn is asked, and not ourselves', async () => {
    const harness = new Harness();
    const { first, group } = await services(harness, 3, (index) => index);
    first.setMetadata({ service: true });
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await harness.within(group.requestAny(question, ''), 1000));
    expect([...answers.slice(0, 3)].sort()).toEqual([1, 2, 3]);
    expect(answers.slice(3)).toEqual(answers.slice(0, 3));
    expect(group.stats()).toMatchObject({ asked: 0, askedAgain: 0 });
  });

  test('who has died, is gone, is silent or knows no answer is passed over; a handler that fails is an answer', async () => {
    const harness = new Harness();
    const silent = new Promise(() => {});
    const { members, group } = await services(harness, 4, (index, data) => {
      if (data === 'fail') throw new Error('no');
      return index === 1 ? silent : index;
    });
    await members[2]?.close();
    const none = await harness.member(named('none', { service: true }));
    await harness.within(none.join('m0'), 5000);
    await harness.until(() => group.has(none.id), 5000);
    for (let i = 0; i < 5; i++) {
      const answer = await harness.within(group.requestAny(question, '', { timeoutMs: 100 }), 5000);
      expect([3, 4]).toContain(answer);
    }
    expect(group.stats().askedAgain).toBeGreaterThan(0);
    await expect(harness.within(group.requestAny(question, 'fail'), 20_000)).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_HANDLER|ERR_UNREACHABLE/),
    });
  });

  test('who leaves while it is asked is given up at once', async () => {
    const harness = new Harness();
    const silent = new Promise(() => {});
    const { members, group } = await services(harness, 2, (index) => (index === 1 ? silent : index));
    const answers = [group.requestAny(question, ''), group.requestAny(question, '')];
    await harness.clock.advance(100);
    expect(group.stats().asked).toBe(1);
    await harness.within((members[1] as Cluster).leave(), 1500);
    expect(await harness.within(Promise.all(answers), 500)).toEqual([2, 2]);
    expect(group.stats()).toMatchObject({ asked: 0, askedAgain: 1 });
  });

  test('the failure of the last is told when none answers, and that nobody is in', async () => {
    const harness = new Harness();
    const { first, group } = await services(harness, 2, () => new Promise(() => {}));
    const asked = harness.within(group.requestAny(question, '', { timeoutMs: 200 }), 1000);
    await expect(asked).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    const nobody = createGroup(first, { where: { service: false }, tag: 'none' });
    await expect(nobody.requestAny(question, '')).rejects.toMatchObject({ code: 'ERR_UNKNOWN_MEMBER' });
    await expect(createGroup(first, { where: { name: 'm0' } }).requestAny(question, '')).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_MEMBER',
    });
  });

  test('its signal and the end of the group end it, and nothing is left behind', async () => {
    const harness = new Harness();
    const { first, group } = await services(harness, 2, () => new Promise(() => {}));
    const stop = new AbortController();
    const aborted = group.requestAny(question, '', { signal: stop.signal });
    await harness.clock.advance(100);
    stop.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(group.requestAny(question, '', { signal: stop.signal })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    const closed = group.requestAny(question, '');
    await harness.clock.advance(100);
    group.close();
    await expect(closed).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect([group.stats().asked, first.stats().requestsPending]).toEqual([0, 0]);
  });

  test('a suspect is asked last', async () => {
    const harness = new Harness();
    const { members, group } = await services(harness, 2, (index) => index);
    await members[1]?.close();
    await harness.until(() => [...group].some(({ state }) => state === 'suspect'), 10_000);
    for (let i = 0; i < 4; i++) expect(await harness.within(group.requestAny(question, ''), 1000)).toBe(2);
    expect(group.stats().askedAgain).toBe(0);
  });
});

describe('values', () => {
  test('are made by a function, which is asked for', async () => {
    const cluster = await new Harness().member();
    expect(() => createDataGroup(cluster, {} as never)).toThrow(/^option create must be a function/);
  });

  test('a value comes with a member, changes with it and goes with it', async () => {
    const harness = new Harness();
    const [ada, ben] = await harness.pair(named('Ada', { n: 1 }), named('Ben', { n: 2 }));
    const log: string[] = [];
    const group = createDataGroup(ada, {
      where: { n: '*' },
      create: ({ metadata }) => ({ sum: Number(metadata.n) }),
      update: ({ sum }, { metadata }) => ({ sum: sum + Number(metadata.n) }),
      drop: ({ sum }, { metadata, state }) => log.push(`${metadata.name} ${sum} ${state}`),
    });
    const sums = () => [...group.entries()].map(([{ metadata }, { sum }]) => [metadata.name, sum]);
    expect(sums()).toEqual([
      ['Ada', 1],
      ['Ben', 2],
    ]);
    group.on('changed', ({ member }) => log.push(`changed to ${group.get(member)?.sum}`));
    ben.setMetadata({ n: 40 });
    await harness.until(() => group.get(ben.id)?.sum === 42, 5000);
    expect(group.set(ben.self, { sum: 7 })).toBe(true);
    expect(group.get(ben.id)).toEqual({ sum: 7 });
    ben.deleteMetadata('n');
    await harness.until(() => !group.has(ben.id), 5000);
    expect(group.get(ben.id)).toBeUndefined();
    expect(group.set(ben.id, { sum: 1 })).toBe(false);
    expect(log).toEqual(['changed to 42', 'Ben 7 alive']);
    group.close();
    expect([log.at(-1), group.get(ada.id), sums()]).toEqual(['Ada 1 alive', undefined, []]);
  });

  test('a value that cannot be made is made when its member has changed; one that cannot be changed stays', async () => {
    const harness = new Harness();
    const ada = await harness.member(named('Ada', { n: 'x' }));
    const read = (n: unknown) => {
      if (typeof n !== 'number') throw new GossipError('ERR_INVALID_DATA', 'no number');
      return n;
    };
    const group = createDataGroup(ada, {
      create: ({ metadata }) => read(metadata.n),
      update: (_, { metadata }) => read(metadata.n),
    });
    expect([group.size, group.get(ada.id), group.stats().handlersFailed]).toEqual([1, undefined, 1]);
    ada.setMetadata({ n: 1 });
    expect(group.get(ada.id)).toBe(1);
    ada.setMetadata({ n: 'y' });
    expect([group.get(ada.id), group.stats().handlersFailed]).toEqual([1, 2]);
    await settled();
    expect(ada.stats().handlersFailed).toBe(2);
  });

  test('at the end each value is taken back, also when taking one back fails', async () => {
    const harness = new Harness();
    const [cluster] = await harness.members(3);
    const dropped: string[] = [];
    const group = createDataGroup(cluster as Cluster, {
      create: ({ id }) => id,
      drop: (id) => {
        dropped.push(id);
        if (dropped.length === 1) throw new Error('no');
        return Promise.reject(new Error('not later either'));
      },
    });
    group.close();
    await settled();
    expect(dropped).toHaveLength(3);
    expect(group.stats()).toMatchObject({ handlersFailed: 3 });
  });

  test('without an update a value stays what it is', async () => {
    const harness = new Harness();
    const ada = await harness.member(named('Ada'));
    const group = createDataGroup(ada, { create: () => ({ seen: 0 }) });
    const value = group.get(ada.id);
    ada.setMetadata({ load: 1 });
    expect(group.get(ada.id)).toBe(value);
  });
});

test('a leaf has groups as a full member has, and is in those of others; whoever its gateway says it is, it is in once', async () => {
  const harness = new Harness();
  const [ada, ben] = await harness.pair(
    { ...named('Ada', { zone: 'eu' }), tags: ['server'] },
    named('Ben', { zone: 'eu' }),
  );
  const gateways = new Map<string, Gateway>();
  const id = '0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c1d';
  gateways.set('wss://a/', await createGateway(ada, { url: 'wss://a/', authorize: () => ({ id, tags: ['page'] }) }));
  const leaf = await harness.leaf(gateways, named('Leaf', { zone: 'eu' }));
  const before = leaf.id;
  const zone = createGroup(leaf, { where: { zone: 'eu' } });
  const pages = createGroup(leaf, { tag: 'page' });
  const told = record(zone);
  expect([names(zone), names(pages)]).toEqual([['Leaf'], []]);
  await harness.within(leaf.join(), 5000);
  expect(leaf.id).toBe(id);
  expect([names(zone).sort(), names(pages)]).toEqual([['Ada', 'Ben', 'Leaf'], ['Leaf']]);
  expect([zone.has(before), zone.has(id), pages.has(id)]).toEqual([false, true, true]);
  expect(told.slice(0, 2)).toEqual(['left Leaf removed', 'entered Leaf']);

  const seen = createGroup(ben, { tag: 'page', where: { zone: 'eu' } });
  await harness.until(() => seen.has(id), 5000);
  const heard: string[] = [];
  leaf.on(chat, ({ data }) => heard.push(data));
  ben.on(chat, ({ data }) => heard.push(data));
  leaf.handle(question, ({ data }) => `${data} from a page`);
  ben.handle(question, ({ data }) => `${data} from Ben`);
  await harness.within(seen.broadcast(chat, 'to pages'), 1000);
  await harness.within(createGroup(leaf, { where: { name: 'Ben' } }).broadcast(chat, 'from a page'), 1000);
  await harness.until(() => heard.length === 2, 2000);
  expect(heard.sort()).toEqual(['from a page', 'to pages']);
  expect(await harness.within(seen.requestAny(question, 'hi'), 2000)).toBe('hi from a page');
  expect(await harness.within(createGroup(leaf, { where: { name: 'Ben' } }).requestAny(question, 'hi'), 2000)).toBe(
    'hi from Ben',
  );
  await harness.within(leaf.leave(), 2000);
  await harness.until(() => !seen.has(id), 5000);
});
