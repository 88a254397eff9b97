/** What members send that they should not, and what is sent again in their name. */
import { afterEach, assert, describe, test } from 'vitest';
import { msgpack } from '../../src/codec/msgpack.js';
import { defineMessage } from '../../src/index.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import type { NativePacket } from '../../src/wire/packet.js';
import { V1_TYPE } from '../../src/wire/v1/packet.js';
import {
  assertUnharmed,
  attack,
  cleanUp,
  datagrams,
  double,
  frameOf,
  framesByStream,
  goAnswer,
  inventedId,
  inventedRecord,
  memberIds,
  msgpackNested,
  packetsOf,
  recording,
  startGoPeer,
  startPeer,
  startVictim,
  timeIn,
  v1Packet,
} from './attack.js';

afterEach(cleanUp);

const chat = defineMessage<string>(129);
const codec = msgpack();

test.each([false, true])('captured frames sent again are delivered once (sealed: %s)', async (sealed) => {
  const victim = await startVictim({ sealed });
  const tap = recording(socketTransport({ bind: '127.0.0.1:0' }));
  const peer = await startPeer(victim, { transport: tap.transport });
  const before = memberIds(victim);
  const heard: string[] = [];
  let asked = 0;
  const ask = { ...double, type: 201 };
  victim.cluster.on(chat, ({ data }) => void heard.push(data));
  victim.cluster.handle(ask, ({ data }) => ++asked && data * 2);
  await peer.cluster.send(victim.cluster.id, chat, 'direct');
  peer.cluster.broadcast(chat, 'to all');
  assert.equal(await peer.cluster.request(victim.cluster.id, ask, 1), 2);
  await victim.until(() => heard.length === 2, 'both messages');
  const again = packetsOf(victim, tap.sent)
    .filter(({ packet }) => ['message', 'gossip', 'request'].includes(packet.type))
    .map(({ frame }) => frame);
  assert.lengthOf(again, 3);
  for (let round = 0; round < 5; round++)
    await attack(
      victim,
      'replays',
      again.filter((_, i) => i !== 1),
    );
  await attack(victim, 'duplicates', again.slice(1, 2));
  assert.deepEqual([heard.sort(), asked], [['direct', 'to all'], 1]);
  // Copies of a broadcast are what gossip is made of, so they are counted and not told.
  await assertUnharmed(victim, before, ['replays']);
});

test('messages of strangers wait for news of their sender, but only so many of them', async () => {
  const victim = await startVictim();
  const before = memberIds(victim);
  const payload = codec.encode('hello');
  const messages = Array.from({ length: 3000 }, (_, n): NativePacket => {
    const message = { messageId: timeIn(), messageType: 129, payload };
    const from = inventedId(n);
    const head = { from, ...message };
    if (n % 3 === 0) {
      return { type: 'gossip', from, messages: [{ ...message, origin: from, hops: 4, reliable: false, tag: '' }] };
    }
    return { type: n % 3 === 1 ? 'message' : 'request', ...head, to: victim.cluster.id };
  });
  await framesByStream(
    victim.port,
    messages.map((packet) => frameOf(victim, packet)),
  );
  await victim.until(() => victim.stat('unknownSenders') + victim.stat('strangersWaiting') === 3000, 'all are counted');
  assert.isAtMost(victim.stat('strangersWaiting'), 128);
  await assertUnharmed(victim, before, ['unknownSenders']);
});

test('what a member sends is believed no more than it must be', async () => {
  const victim = await startVictim();
  const peer = await startPeer(victim);
  const before = memberIds(victim);
  const from = peer.cluster.id;
  const frames = (...packets: NativePacket[]) => packets.map((packet) => frameOf(victim, packet));
  const payload = msgpackNested(10_000);
  const head = { from, to: victim.cluster.id, messageType: 129, payload };
  const asked = [1, 2].map((n) => timeIn() + BigInt(n));
  await attack(
    victim,
    'repliesNobodyAskedFor',
    frames(
      ...asked.map((messageId) => ({ type: 'reply', from, to: head.to, messageId, status: 'ok', payload }) as const),
    ),
  );
  // Each is sent twice, so that the second of them is a replay.
  await datagrams(victim.port, frames({ type: 'message', ...head, messageId: timeIn() }));
  await victim.counted('payloadsNotDecoded', 1);
  victim.cluster.handle({ ...double, type: 129 }, () => 1);
  await framesByStream(victim.port, frames({ type: 'request', ...head, messageId: timeIn() + 1n }));
  await victim.counted('payloadsNotDecoded', 2);
  await attack(
    victim,
    'packetsForOthers',
    frames({ type: 'message', ...head, to: inventedId(1), messageId: timeIn() }),
  );
  const future = timeIn(3_600_000);
  await attack(
    victim,
    'clockDrift',
    frames(
      { type: 'message', ...head, messageId: future },
      {
        type: 'news',
        from,
        news: [{ kind: 'state', id: victim.cluster.id, incarnation: future, state: 'dead', by: from }],
      },
      { type: 'news', from, news: [{ kind: 'record', record: inventedRecord(1, { version: future }) }] },
      { type: 'state', from, records: [inventedRecord(1, { incarnation: future })], last: true, whole: false },
    ),
  );
  await attack(victim, 'messagesTooOld', frames({ type: 'message', ...head, messageId: timeIn(-3_600_000) }));
  await assertUnharmed(victim, before, [
    'repliesNobodyAskedFor',
    'payloadsNotDecoded',
    'packetsForOthers',
    'clockDrift',
    'messagesTooOld',
  ]);
});

describe('a peer of the Go library', () => {
  const goId = inventedId(77);

  async function startWithGoPeer() {
    const victim = await startVictim({ v1: true });
    const go = await startGoPeer(victim, goId);
    await victim.cluster.join(go.address);
    return { victim, go, before: memberIds(victim) };
  }

  test('that repeats itself is heard once', async () => {
    const { victim, before } = await startWithGoPeer();
    const heard: string[] = [];
    let asked = 0;
    victim.cluster.on(chat, ({ data }) => void heard.push(data));
    victim.cluster.handle({ ...double, type: 201 }, ({ data }) => ++asked && data * 2);
    const packet = (type: number, data: unknown, more = {}) =>
      frameOf(victim, v1Packet(goId, type, { kind: 'data', payload: codec.encode(data) }, more));
    const targetId = victim.cluster.id;
    const direct = packet(129, 'direct', { targetId, messageId: timeIn() + 1n });
    const broadcast = packet(129, 'to all', { ttl: 3, messageId: timeIn() + 2n });
    const request = packet(201, 1, { targetId, replyExpected: true, messageId: timeIn() + 3n });
    for (let round = 0; round < 5; round++) {
      await datagrams(victim.port, [direct, broadcast]);
      await framesByStream(victim.port, [direct, broadcast, request]);
    }
    await victim.counted('replays', 9 + 4);
    await victim.counted('duplicates', 9);
    assert.deepEqual([heard.sort(), asked], [['direct', 'to all'], 1]);
    const reply = v1Packet(goId, V1_TYPE.reply, { kind: 'data', payload: codec.encode(1) }, { targetId });
    await attack(victim, 'repliesNobodyAskedFor', [frameOf(victim, reply)]);
    const metadata = { kind: 'metadata', metadataTime: timeIn(3_600_000), metadata: { a: 1 }, state: 'alive' } as const;
    await attack(victim, 'clockDrift', [frameOf(victim, v1Packet(goId, V1_TYPE.metadata, metadata))]);
    assert.deepEqual(victim.cluster.member(goId)?.metadata, {});
    const forUs = v1Packet(goId, 129, { kind: 'data', payload: codec.encode(1) }, { targetId: inventedId(5) });
    await attack(victim, 'packetsForOthers', [frameOf(victim, forUs)]);
    await assertUnharmed(victim, before, ['replays', 'repliesNobodyAskedFor', 'clockDrift', 'packetsForOthers']);
  });

  test('that answers our join under our own id does not become us', async () => {
    const victim = await startVictim({ v1: true });
    const before = memberIds(victim);
    const { address, cluster } = { address: victim.cluster.address, cluster: victim.cluster };
    const liar = await startGoPeer(victim, cluster.id, (packet, at) => goAnswer(packet, cluster.id, at));
    const error = await cluster.join(liar.address).catch((reason) => reason);
    assert.equal(error.code, 'ERR_JOIN_FAILED');
    assert.equal(cluster.address, address);
    assert.deepEqual([victim.told, memberIds(victim)], [['idConflicts'], before]);
  });

  test('whose answers are no answers is refused', async () => {
    const victim = await startVictim({ v1: true });
    const before = memberIds(victim);
    const wrong = await startGoPeer(victim, goId, () => ({ kind: 'data', payload: msgpackNested(10_000) }));
    const error = await victim.cluster.join(wrong.address).catch((reason) => reason);
    assert.equal(error.code, 'ERR_JOIN_FAILED');
    assert.deepEqual([victim.told, memberIds(victim)], [['packetsNotDecoded'], before]);
  });
});
