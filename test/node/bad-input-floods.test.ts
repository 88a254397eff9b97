/**
 * Too much of everything: connections that say nothing, more connections than there is room for, and a hundred thousand
 * members that do not exist (outside of CI a fifth of them), by every way in which members can be invented.
 */
import { afterEach, assert, test } from 'vitest';
import type { NativePacket, News } from '../../src/wire/packet.js';
import { V1_TYPE, type V1Message } from '../../src/wire/v1/packet.js';
import { tries } from '../effort.js';
import {
  assertUnharmed,
  cleanUp,
  datagrams,
  double,
  frameOf,
  framesByStream,
  goAnswer,
  heapBytes,
  inventedAddress,
  inventedId,
  inventedRecord,
  memberIds,
  startGoPeer,
  startPeer,
  startVictim,
  stream,
  timeIn,
  type Victim,
  v1Join,
  v1Packet,
} from './attack.js';

afterEach(cleanUp);

const MIB = 1024 * 1024;

test('hundreds of connections that dribble are closed in time, and the member works meanwhile', async () => {
  const victim = await startVictim({ socket: { timeoutMs: 400 } });
  const peer = await startPeer(victim);
  const before = memberIds(victim);
  // Streams as they go on, one byte at a time; the first never begins, the second promises 1,000 bytes.
  const streams = [[], [0xe8, 3, 0, 0, 1, 2, 3], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0]];
  const slow = await Promise.all(Array.from({ length: 300 }, () => stream(victim.port)));
  let at = 0;
  const dribble = setInterval(() => {
    for (const [i, { socket }] of slow.entries()) {
      const bytes = streams[i % streams.length] as number[];
      if (bytes.length > 0) socket.write(Uint8Array.of(bytes[at % bytes.length] as number));
    }
    at++;
  }, 20);
  try {
    assert.equal(await peer.cluster.request(victim.cluster.id, double, 4), 8);
    assert.equal(await victim.cluster.request(peer.cluster.id, double, 5), 10);
    await Promise.all(slow.map(({ closed }) => closed));
  } finally {
    clearInterval(dribble);
  }
  await victim.counted('transport.slowConnections', 150);
  assert.equal(victim.stat('transport.oversizedFrames'), 75);
  assert.equal(victim.stat('transport.badFrames'), 75);
  await assertUnharmed(
    victim,
    before,
    ['slowConnections', 'oversizedFrames', 'badFrames'].map((name) => `transport.${name}`),
  );
});

test('more connections than there is room for are refused, and our own still go out', async () => {
  const victim = await startVictim({ limits: { connectionsMax: 40 } });
  const peer = await startPeer(victim);
  const before = memberIds(victim);
  const flood = await Promise.all(Array.from({ length: 200 }, () => stream(victim.port)));
  await victim.counted('transport.refusedConnections', 170);
  assert.equal(await victim.cluster.request(peer.cluster.id, double, 3), 6);
  for (const { socket } of flood) socket.end();
  await Promise.all(flood.map(({ closed }) => closed));
  await assertUnharmed(victim, before, ['transport.refusedConnections']);
});

/** Sends frames by datagram, so many at a time that the kernel keeps them all. */
async function datagramsInBatches(victim: Victim, frames: readonly Uint8Array[]): Promise<void> {
  for (let at = 0; at < frames.length; at += 200) {
    const before = victim.stat('framesReceived');
    const batch = frames.slice(at, at + 200);
    await datagrams(victim.port, batch);
    await victim.counted('framesReceived', before + batch.length);
  }
}

const inventedFrom = (n: number, count: number) => Array.from({ length: count }, (_, i) => n + i);

/** Of every way to invent members. */
const SHARE = tries(5, 1);

test('members invented by every way there is are not believed', { timeout: 60_000 }, async () => {
  // Short, so that the invented ones that are being looked for are given up soon.
  const victim = await startVictim({ v1: true, timing: { joinTimeoutMs: 1000 } });
  const goId = inventedId(999_999);
  const go = await startGoPeer(victim, goId);
  await victim.cluster.join(go.address);
  const before = memberIds(victim);
  const heap = heapBytes();
  let invented = 0;
  const invent = (count: number) => {
    invented += count;
    return inventedFrom(invented - count, count);
  };
  const native = (packet: NativePacket) => frameOf(victim, packet);

  // Lists of strangers about strangers.
  await framesByStream(
    victim.port,
    Array.from({ length: 3 * SHARE }, (): Uint8Array => {
      const records = invent(2000).map((n) => inventedRecord(n));
      return native({ type: 'state', from: records[0]?.id ?? '', records, last: true, whole: true });
    }),
  );
  const rumours = (count: number): News[] => invent(count).map((n) => ({ kind: 'record', record: inventedRecord(n) }));
  await framesByStream(
    victim.port,
    Array.from({ length: 20 * SHARE }, (_, i) => native({ type: 'news', from: inventedId(i), news: rumours(250) })),
  );
  await victim.counted('unknownSenders', 23 * SHARE);
  await datagramsInBatches(
    victim,
    Array.from({ length: 200 * SHARE }, (_, i) =>
      native({ type: 'ping', seq: i, from: inventedId(i), news: rumours(10) }),
    ),
  );
  await victim.counted('pingsFromStrangers', 200 * SHARE);

  // Joins and pings, one by one.
  const joins = invent(4000 * SHARE).map((n) =>
    native({ type: 'join', seq: n, from: inventedId(n), record: inventedRecord(n) }),
  );
  await framesByStream(victim.port, joins);
  await framesByStream(
    victim.port,
    invent(1000 * SHARE).map((n) => frameOf(victim, v1Join(n))),
  );
  const ping = (n: number): V1Message => ({ kind: 'ping', id: inventedId(n), address: inventedAddress(n) });
  await framesByStream(
    victim.port,
    invent(1000 * SHARE).map((n) => frameOf(victim, v1Packet(inventedId(n), V1_TYPE.ping, ping(n)))),
  );

  // Lists in v1, from a stranger and from a member.
  const entries = (count: number) =>
    invent(count).map(
      (n) => ({ id: inventedId(n), address: inventedAddress(n), state: 'alive', stateTime: timeIn() }) as const,
    );
  const pushPull = (from: string, count: number) =>
    frameOf(
      victim,
      v1Packet(from, V1_TYPE.pushPull, { kind: 'push-pull', entries: entries(count) }, { replyExpected: true }),
    );
  const received = victim.stat('framesReceived');
  const lists = [0, 1, 2].flatMap(() => [pushPull(inventedId(1), 600 * SHARE), pushPull(goId, 600 * SHARE)]);
  await framesByStream(victim.port, lists);
  await victim.counted('framesReceived', received + lists.length);
  const nodes = invent(800 * SHARE).map((n) => ({ id: inventedId(n), address: inventedAddress(n), tags: [] }));
  const liar = await startGoPeer(victim, goId, (packet, address) => {
    const answer = goAnswer(packet, goId, go.address);
    return answer?.kind === 'join-reply' ? { ...answer, nodes } : (answer ?? goAnswer(packet, goId, address));
  });
  await victim.cluster.join(liar.address);

  await victim.counted('framesReceived', 2223 * SHARE + joins.length + lists.length);
  assert.isAtLeast(invented, 20_000 * SHARE);
  assert.isAtMost(victim.stat('contactsPending'), 257);
  assert.isAtMost(victim.stat('probesOpen'), 300);
  assert.isAtMost(victim.stat('newsWaiting'), 10);
  await victim.until(() => victim.stat('contactsPending') === 0, 'the last invented member is given up');
  assert.isBelow(heapBytes() - heap, 32 * MIB);
  await assertUnharmed(victim, before, ['unknownSenders', 'contactsOverLimit', 'joinersUnreachable']);
});

test('the application joins whom it wants while strangers flood', async () => {
  const victim = await startVictim({ limits: { pendingContactsMax: 8 } });
  const friend = await startVictim();
  const joins = inventedFrom(0, 2000).map((n) =>
    frameOf(victim, { type: 'join', seq: n, from: inventedId(n), record: inventedRecord(n) }),
  );
  await framesByStream(victim.port, joins);
  await victim.counted('contactsOverLimit', 1900);
  assert.equal(await victim.cluster.join(friend.cluster.address), 1);
  assert.equal(await victim.cluster.request(friend.cluster.id, double, 2), 4);
});

test('one joiner that knocks thousands of times, or is refused as often, costs no more than once', async () => {
  const joinTimeoutMs = 1000;
  const victim = await startVictim({ timing: { joinTimeoutMs } });
  const before = memberIds(victim);
  const startedMs = performance.now();
  const join = (protocolVersion: number) => {
    const record = inventedRecord(1, { protocolVersion });
    return frameOf(victim, { type: 'join', seq: 1, from: record.id, record });
  };
  const good = join(1);
  const bad = join(99);
  await framesByStream(
    victim.port,
    Array.from({ length: 2000 * SHARE }, (_, i) => (i % 2 ? good : bad)),
  );
  await victim.counted('joinsRepeated', 1000 * SHARE - 100);
  await victim.counted('joinsRejected', 1000 * SHARE);
  // Every answer is one frame to an address that the stranger chose: at most 256 of them in each time that a join may take.
  assert.isAtMost(victim.stat('framesSent'), 260 * Math.ceil((performance.now() - startedMs) / joinTimeoutMs));
  assert.isAtMost(victim.stat('probesOpen'), 1);
  await victim.until(() => victim.stat('contactsPending') === 0, 'the joiner is given up');
  await assertUnharmed(victim, before, ['joinsRejected', 'joinersUnreachable']);
});

test('an invented member cannot vouch for itself by guessing', async () => {
  const victim = await startVictim();
  const joiner = inventedRecord(1);
  await framesByStream(victim.port, [frameOf(victim, { type: 'join', seq: 1, from: joiner.id, record: joiner })]);
  await victim.counted('joinsAccepted');
  const acks = inventedFrom(0, 5000).map((seq) => frameOf(victim, { type: 'ack', seq, from: joiner.id, news: [] }));
  await framesByStream(victim.port, acks);
  await victim.counted('repliesNobodyAskedFor', 5000);
  assert.isUndefined(victim.cluster.member(joiner.id));
});

test('a member that invents others fills the table up to its limit and not beyond', async () => {
  const victim = await startVictim({ limits: { membersMax: 500 } });
  const peer = await startPeer(victim);
  const heap = heapBytes();
  const frames = Array.from({ length: 4 * SHARE }, (_, i) => {
    const records = inventedFrom(i * 2000, 2000).map((n) => inventedRecord(n));
    return frameOf(victim, { type: 'state', from: peer.cluster.id, records, last: true, whole: false });
  });
  await framesByStream(victim.port, frames);
  await victim.counted('membersOverLimit', 8000 * SHARE - 1000);
  assert.equal(victim.stat('members'), 500);
  assert.isAtMost(victim.stat('newsWaiting'), 1000);
  assert.isBelow(heapBytes() - heap, 32 * MIB);
  assert.deepEqual(victim.told, ['membersOverLimit']);
  assert.equal(await peer.cluster.request(victim.cluster.id, double, 1), 2);
});
