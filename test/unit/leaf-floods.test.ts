/**
 * Clients of a gateway that are too large, too slow or too many, and those that may not see everybody: real sessions on
 * sockets in memory, in time that passes when it is told to.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { defineMessage, defineRequest } from '../../src/message.js';
import { uuidV7 } from '../../src/uuid.js';
import { tries } from '../effort.js';
import { heapBytes } from '../node/attack.js';
import { recorder } from './cluster-harness.js';
import { admitted, closeAll, gatewayWith, message, Stranger, soon } from './stranger.js';

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => void vi.useFakeTimers());
afterEach(async () => {
  const closing = closeAll();
  await pass(2000);
  await closing;
  vi.useRealTimers();
});

const note = defineMessage<string | Uint8Array>(129);

test('a frame above the limit ends its connection, and nothing of it is read', async () => {
  const { gateway, member } = await gatewayWith({}, { limits: { frameBytesMax: 10_000 } });
  const delivered = () => member.stats().messagesDelivered;
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.attach(id);
  await admitted(leaf);
  leaf.say(message(id, member.id, 9000));
  await soon(() => expect(delivered()).toBe(1));
  leaf.say(message(id, member.id, 10_000));
  await soon(() => expect(leaf.closed).toBe(4009));
  expect(member.stats()['leaf.oversizedFrames']).toBe(1);
  expect(delivered()).toBe(1);
  expect(member.member(id)?.state).toBe('suspect');
});

test('who does not attach in time is closed: it says nothing, does not attach, or is never decided on', async () => {
  const late: ((verdict: boolean) => void)[] = [];
  const authorize = () => new Promise<boolean>((resolve) => void late.push(resolve));
  const { gateway, member } = await gatewayWith({ authorize });
  const silent = new Stranger(gateway, {}, false);
  const idle = new Stranger(gateway);
  const waiting = new Stranger(gateway);
  const id = uuidV7();
  waiting.attach(id);
  await pass(9000);
  expect([silent, idle, waiting].map(({ closed }) => closed)).toEqual([undefined, undefined, undefined]);
  await pass(4000);
  expect([silent, idle, waiting].map(({ closed }) => closed)).toEqual([4002, 4003, 4003]);
  expect(waiting.bye).toBe('refused: not admitted in time');
  expect(member.stats()).toMatchObject({ 'leaf.slowConnections': 1, leavesRefused: 2 });
  expect(late.length).toBe(1);
  for (const decide of late) decide(true);
  await pass(100);
  expect([waiting.welcome, member.member(id), gateway.leaves]).toEqual([undefined, undefined, 0]);
});

test('who does not take what it is sent is told of each change once, later, and is closed in the end', async () => {
  const { gateway, member } = await gatewayWith({ limits: { queueBytesMax: 64_000 } });
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.attach(id);
  await admitted(leaf);
  const fast = new Stranger(gateway);
  fast.attach(uuidV7());
  await pass(1000);
  expect(leaf.told).toContain(member.id);

  leaf.theirs.hold();
  // More than a sixteenth of the queue: it is slow from here on.
  member.broadcast(note, new Uint8Array(5000));
  for (let n = 1; n <= 20; n++) {
    member.setMetadata({ n });
    await pass(200);
  }
  const [before, fastBefore] = [leaf.told.length, fast.told.filter((one) => one === member.id).length];
  expect(fastBefore).toBeGreaterThanOrEqual(20);
  leaf.theirs.release();
  await pass(200);
  expect(leaf.told.slice(before).filter((one) => one === member.id)).toEqual([member.id]);
  const last = leaf.got.filter(({ type }) => type === 'news').at(-1);
  expect(last).toMatchObject({ news: [{ record: { metadata: { n: 20 } } }] });
  expect(leaf.closed).toBeUndefined();

  leaf.theirs.hold();
  for (let n = 0; n < 20; n++) member.broadcast(note, new Uint8Array(5000));
  await pass(100);
  leaf.theirs.release();
  await soon(() => expect(leaf.closed).toBe(4008));
  expect(member.stats()).toMatchObject({ leavesExpelled: 1 });
  expect([gateway.leaves, fast.closed]).toEqual([2, undefined]);
  expect(fast.got.filter(({ type }) => type === 'broadcast').length).toBe(21);
});

test('a leaf sees, and hears from, those that its policy shows it, and no change of the others', async () => {
  const { gateway, member } = await gatewayWith({
    policy: { see: (leaf, other) => other.tags.includes('shown') || other.id === leaf.metadata.boss },
    authorize: ({ ticket }) => ({ tags: [ticket] }),
  });
  const [a, b, hidden] = [new Stranger(gateway), new Stranger(gateway), new Stranger(gateway)];
  const [idA, idB, idHidden] = [uuidV7(), uuidV7(), uuidV7()];
  for (const [one, id, tag] of [
    [a, idA, 'shown'],
    [b, idB, 'shown'],
    [hidden, idHidden, 'hidden'],
  ] as const) {
    one.attach(id, undefined, tag);
    await admitted(one);
  }
  await pass(500);
  expect(new Set(a.told)).toEqual(new Set([idA, idB]));
  expect(new Set(hidden.told)).toEqual(new Set([idA, idB, idHidden]));
  const before = a.told.length;
  member.setMetadata({ secret: true });
  member.broadcast(note, 'from who is not seen');
  hidden.say(message(idHidden, idA));
  hidden.say({ ...message(idHidden, idHidden, 1, 129), type: 'broadcast', origin: idHidden } as never);
  const asked = member.request(idA, defineRequest(130), null, { timeoutMs: 1000 });
  await expect(asked).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' });
  b.say(message(idB, idA));
  await pass(500);
  expect(a.told.length).toBe(before);
  expect(a.got.filter(({ type }) => type === 'message' || type === 'broadcast')).toMatchObject([{ from: idB }]);
});

test('a policy of seeing that throws shows a leaf nobody but itself, and is counted', async () => {
  const see = vi.fn(() => {
    throw new Error('no opinion');
  });
  const { gateway, member } = await gatewayWith({ policy: { see } });
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.attach(id);
  await admitted(leaf);
  await pass(500);
  expect(leaf.told).toEqual([id]);
  member.broadcast(note, 'to all');
  await pass(500);
  expect(leaf.got.some(({ type }) => type === 'broadcast')).toBe(false);
  expect(member.stats().policiesFailed).toBe(see.mock.calls.length);
  expect(leaf.closed).toBeUndefined();
});

test('the log is told once of each kind of what is dropped, however much there is', async () => {
  const logger = recorder();
  const { gateway, member } = await gatewayWith({}, { logger });
  const leaves = Array.from({ length: 10 }, () => new Stranger(gateway));
  for (const leaf of leaves) {
    const id = uuidV7();
    leaf.attach(id);
    await admitted(leaf);
    for (let i = 0; i < 40; i++) {
      leaf.bytes(new Uint8Array([1, 0, 255]));
      leaf.say(message(member.id, id));
    }
  }
  await soon(() => expect(member.stats()).toMatchObject({ leafFramesMalformed: 400, leafPacketsRefused: 400 }));
  const dropped = logger.lines.filter((line) => line.includes('dropped')).map((line) => line.split(' ')[3]);
  expect(dropped.sort()).toEqual(['leafFramesMalformed', 'leafPacketsRefused']);
});

test('after floods of clients there are the members and the memory of before', async () => {
  const { gateway, member } = await gatewayWith({ leavesMax: 50 });
  const neighbour = new Stranger(gateway);
  const id = uuidV7();
  neighbour.attach(id);
  await admitted(neighbour);
  const flood = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const one = new Stranger(gateway);
      const is = uuidV7();
      if (n % 4 === 0) one.bytes(new Uint8Array(10_000).fill(255));
      else if (n % 4 === 1) one.say(message(is, member.id, 10_000));
      else if (n % 4 === 2) one.attach(id);
      else one.attach(is, undefined, '', uuidV7());
      await pass(0);
      one.end();
      if (n % 50 === 0) await pass(0);
    }
    await pass(0);
  };
  await flood(500);
  const members = member.members();
  const [bytes, sizes] = [heapBytes(), sizesOf(member.stats())];
  await flood(tries(3000, 1000));
  expect(member.members()).toEqual(members);
  expect(members.map((one) => one.id).sort()).toEqual([member.id, id].sort());
  expect(sizesOf(member.stats())).toEqual(sizes);
  expect(heapBytes() - bytes).toBeLessThan(2 * 1024 * 1024);

  // Those that stay fill the table, and no more.
  const crowd = Array.from({ length: 200 }, () => new Stranger(gateway));
  await pass(0);
  expect(crowd.filter(({ closed }) => closed === 4013).length).toBe(151);
  expect(member.stats().leavesOverLimit).toBe(151);
  for (const one of crowd) one.end();
  await pass(0);
  neighbour.say(message(id, member.id));
  await soon(() => expect(member.stats().messagesDelivered).toBe(1));
});

/** The present sizes among the counters. */
function sizesOf(stats: Record<string, number>): unknown {
  return Object.fromEntries(
    Object.entries(stats).filter(([name]) =>
      /Size$|^members|^requests(Pending|Incoming)|^leavesNow|Waiting$/.test(name),
    ),
  );
}
