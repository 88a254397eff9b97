/**
 * Frames that are broken, forged or sent again, against real members on real sockets: each is dropped, counted under its
 * own name and told once, and the member goes on as if nothing had happened.
 */

import { afterEach, assert, describe, test } from 'vitest';
import { aesGcm } from '../../src/cipher/aes-gcm.node.js';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { msgpackRaw } from '../../src/codec/msgpack-raw.js';
import { snappy } from '../../src/compressor/snappy.js';
import { memberIdToBytes } from '../../src/core/member-id.js';
import { DEFAULT_LIMITS, defineMessage } from '../../src/index.js';
import { gossipV1 } from '../../src/v1.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import type { NativePacket } from '../../src/wire/packet.js';
import { V1_TYPE } from '../../src/wire/v1/packet.js';
import { Wire } from '../../src/wire/wire.js';
import {
  assertUnharmed,
  attack,
  cleanUp,
  type Dialects,
  datagrams,
  frameOf,
  heapBytes,
  inventedId,
  inventedRecord,
  joined,
  memberIds,
  msgpackNested,
  nativeFrame,
  startVictim,
  stream,
  timeIn,
  v1Frame,
  v1Join,
  v1Packet,
  WRONG_KEY,
} from './attack.js';

afterEach(cleanUp);

const _chat = defineMessage<string>(129);
const codec = msgpack();
const COMPRESSED = 0x8000;

const KINDS: Dialects[] = [
  { sealed: false, v1: false },
  { sealed: false, v1: true },
  { sealed: true, v1: false },
  { sealed: true, v1: true },
];

const idBytes = (n: number) => memberIdToBytes(inventedId(n), new Uint8Array(16), 0);
const header = (more: Record<string, unknown> = {}) =>
  codec.encode({ mt: V1_TYPE.ping, si: idBytes(1), mi: timeIn(), ttl: 1, ...more });
const pingBody = (sid: unknown = idBytes(1)) => codec.encode({ sid, addr: '127.0.0.1:1' });

describe.each(KINDS)('sealed: $sealed, v1: $v1', (kind) => {
  test('broken frames', async () => {
    const victim = await startVictim(kind);
    const before = memberIds(victim);
    const heap = heapBytes();
    const { sealed, v1 } = kind;
    const native = frameOf(victim, { type: 'ping', seq: 1, from: inventedId(1), news: [] });
    const old = frameOf(victim, v1Join(1));
    const names = new Set<string>();
    const expect = async (name: string, ...frames: Uint8Array[]) => {
      names.add(name);
      await attack(victim, name, frames);
    };
    /** What a name is for a v1 frame: without the plug-in nobody looks further. */
    const ifV1 = (name: string) => (v1 ? name : 'v1FramesRefused');

    await expect('framesMalformed', Uint8Array.of(1), Uint8Array.of(1, 0), new Uint8Array(40));
    await expect('framesMalformed', Uint8Array.of(9, 0, 1, 2, 3), Uint8Array.of(1, 0x40, 1, 2, 3));
    await expect(sealed ? 'framesNotOpened' : 'packetsMalformed', native.slice(0, -3), native.slice(0, 9));
    await expect(ifV1(sealed ? 'framesNotOpened' : 'packetsNotDecoded'), old.slice(0, -3));
    await expect(ifV1(sealed ? 'framesNotOpened' : 'framesMalformed'), old.slice(0, 40));
    await expect(ifV1('framesMalformed'), old.slice(0, 20), joined(Uint8Array.of(20, 0), new Uint8Array(60)));

    // A datagram of 65,000 bytes is one frame like another, and none of these is one.
    await expect(ifV1(sealed ? 'framesNotOpened' : 'packetsNotDecoded'), new Uint8Array(65_000).fill(0xc1));

    const bombs = [
      joined(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), new Uint8Array(40)),
      joined(Uint8Array.of(0x80, 0x80, 0x80, 0x02), new Uint8Array(40)),
      // Declares 10 bytes and has 64 KiB.
      joined(Uint8Array.of(10), snappy().compress(new Uint8Array(65_536)).slice(3)),
    ];
    for (const bomb of bombs) {
      await expect('framesNotDecompressed', nativeFrame(victim, bomb, true));
      await expect(ifV1('framesNotDecompressed'), v1Frame(victim, header(), bomb, COMPRESSED));
    }

    const deep = msgpackNested(10_000);
    await expect(ifV1('packetsNotDecoded'), v1Frame(victim, deep, pingBody()), v1Frame(victim, header(), deep));
    const metadata = joined(codec.encode({ a: 1 }).slice(0, -1), deep.slice(0, 1000));
    const record = inventedRecord(1, { metadata: { a: 1 }, metadataBytes: 4 });
    const honest = new Wire(
      { codec, compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS },
      undefined,
    );
    const join = honest.encode({ type: 'join', seq: 1, from: inventedId(1), record }, false) as Uint8Array;
    const until = join.length - 1 - codec.encode({ a: 1 }).length;
    const length = Uint8Array.of((metadata.length & 127) | 128, metadata.length >> 7);
    await expect('packetsNotDecoded', nativeFrame(victim, joined(join.slice(2, until), length, metadata)));

    const twice = joined(
      Uint8Array.of(0x82, 0xa3),
      Buffer.from('sid'),
      Uint8Array.of(1, 0xa3),
      Buffer.from('sid'),
      Uint8Array.of(2),
    );
    await expect(ifV1('packetsNotDecoded'), v1Frame(victim, header(), twice));

    for (const bytes of [15, 17]) {
      const id = new Uint8Array(bytes).fill(9);
      await expect(
        ifV1('packetsMalformed'),
        v1Frame(victim, header({ si: id }), pingBody()),
        v1Frame(victim, header({ ti: id }), pingBody()),
        v1Frame(victim, header(), pingBody(id)),
        v1Frame(victim, header({ mt: V1_TYPE.join }), codec.encode({ id, addr: 'a:1', pv: 1, s: 1, mdts: 1, md: {} })),
      );
    }
    // Decoding four megabytes of empty maps takes a second, and as a block they are small.
    const nothings = new Uint8Array(4_000_000).fill(0x80);
    nothings.set([0xdd, 0, 0x3d, 0x08, 0xfb]);
    const squeezed = snappy().compress(nothings);
    const pushPull = header({ mt: V1_TYPE.pushPull });
    await expect(ifV1('framesTooLarge'), v1Frame(victim, pushPull, nothings));
    await expect(ifV1('framesNotDecompressed'), v1Frame(victim, pushPull, squeezed, COMPRESSED));
    const state = joined(Uint8Array.of(3), nothings);
    await expect('framesTooLarge', nativeFrame(victim, state), nativeFrame(victim, snappy().compress(state), true));

    const reserved = [6, 7, 63].map((mt) => v1Frame(victim, header({ mt }), codec.encode(null)));
    await expect(ifV1('packetsMalformed'), ...reserved, v1Frame(victim, header({ mt: 70_000 }), codec.encode(null)));
    await expect('packetsMalformed', nativeFrame(victim, Uint8Array.of(200, 1, 2, 3)));

    await assertUnharmed(victim, before, [...names]);
    assert.isBelow(heapBytes() - heap, 24 * 1024 * 1024);
  });

  test('frames of strangers that say what only members may say', async () => {
    const victim = await startVictim(kind);
    const before = memberIds(victim);
    const self = victim.cluster.id;
    const from = inventedId(1);
    const messageId = timeIn();
    const payload = codec.encode('hello');
    const native = (...packets: NativePacket[]) => packets.map((packet) => frameOf(victim, packet));
    const news = [{ kind: 'record' as const, record: inventedRecord(2) }];
    await attack(
      victim,
      'unknownSenders',
      native(
        { type: 'reply', from, to: self, messageId, status: 'ok', payload },
        { type: 'news', from, news },
        { type: 'state', from, records: [inventedRecord(3)], last: true, whole: true },
        { type: 'digest', from, fingerprints: [1] },
        { type: 'pull', from, ids: [self] },
        { type: 'nack', seq: 1, from, refused: true },
        { type: 'ping-req', seq: 1, from, target: self, dial: true },
      ),
    );
    await attack(
      victim,
      'repliesNobodyAskedFor',
      native(
        { type: 'ack', seq: 1, from, news },
        { type: 'join-reply', seq: 1, from, accepted: true, reason: '', verify: 1, record: inventedRecord(1) },
        { type: 'native-only', from },
      ),
    );
    await attack(
      victim,
      'ownPackets',
      native({ type: 'ping', seq: 1, from: self, news }, { type: 'native-only', from: self }),
    );
    await attack(
      victim,
      'joinsRejected',
      native(
        { type: 'join', seq: 1, from, record: inventedRecord(1, { id: self }) },
        { type: 'join', seq: 1, from, record: inventedRecord(2) },
        { type: 'join', seq: 1, from, record: inventedRecord(1, { protocolVersion: 99 }) },
      ),
    );
    const future = timeIn(3_600_000);
    await attack(
      victim,
      'clockDrift',
      native({ type: 'join', seq: 1, from, record: inventedRecord(1, { incarnation: future }) }),
    );
    const names = ['unknownSenders', 'repliesNobodyAskedFor', 'ownPackets', 'joinsRejected', 'clockDrift'];

    const data = { kind: 'data', payload } as const;
    const old = [v1Packet(from, V1_TYPE.reply, data), v1Packet(from, 129, data)].map((packet) =>
      frameOf(victim, packet),
    );
    if (kind.v1) {
      await attack(victim, 'repliesNobodyAskedFor', old.slice(0, 1));
      await attack(victim, 'unknownSenders', old.slice(1));
      await attack(victim, 'ownPackets', [frameOf(victim, v1Packet(self, 129, data, { replyExpected: true }))]);
      await attack(victim, 'joinsRejected', [frameOf(victim, { ...v1Join(1, { id: self }), senderId: from })]);
      await attack(victim, 'clockDrift', [frameOf(victim, { ...v1Join(1), messageId: future })]);
    } else {
      await attack(victim, 'v1FramesRefused', old);
      names.push('v1FramesRefused');
    }
    await assertUnharmed(victim, before, names);
  });
});

test('frames that are sealed with another key, altered, or not sealed', async () => {
  const victim = await startVictim({ sealed: true, v1: true });
  const before = memberIds(victim);
  const env = { codec, compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS };
  const wires = [new Wire(env, gossipV1().wire), new Wire({ ...env, cipher: aesGcm([WRONG_KEY]) }, gossipV1().wire)];
  const packets = [{ type: 'ping', seq: 1, from: inventedId(1), news: [] } as const, v1Join(1)];
  const frames = wires.flatMap((wire) => packets.map((packet) => wire.encode(packet, false) as Uint8Array));
  for (const packet of packets) {
    const sealed = frameOf(victim, packet);
    for (const at of [2, 14, 20, sealed.length - 1]) {
      const flipped = sealed.slice();
      flipped[at] = (flipped[at] as number) ^ 4;
      frames.push(flipped);
    }
  }
  await attack(victim, 'framesNotOpened', frames);
  // A native frame's flags are sealed with it; a v1 frame's are not, and what they lie about is found out later.
  const flags = frameOf(victim, packets[0] as NativePacket);
  flags[1] = 0x80;
  await attack(victim, 'framesNotOpened', [flags]);
  await assertUnharmed(victim, before, ['framesNotOpened']);
});

test('a stream that announces more than a frame may have is closed, whatever it announces', async () => {
  const victim = await startVictim({ limits: { frameBytesMax: 60_000 } });
  const before = memberIds(victim);
  for (const length of [60_001, 4 * 1024 * 1024 + 1, 0xffffffff]) {
    const one = await stream(victim.port);
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, length, true);
    one.socket.write(joined(prefix, new Uint8Array(100)));
    await one.closed;
  }
  await datagrams(victim.port, [new Uint8Array(65_000)]);
  await victim.counted('transport.oversizedFrames', 4);
  await assertUnharmed(victim, before, ['transport.oversizedFrames']);
});

test.each([json(), msgpackRaw()])('what $name cannot carry', async (codec) => {
  const victim = await startVictim({ v1: true, codec });
  const before = memberIds(victim);
  const id = (bytes: number) => {
    const raw = new Uint8Array(bytes).fill(0xf9);
    return codec.name === 'json' ? [...raw] : raw;
  };
  const head = (more = {}) => codec.encode({ mt: V1_TYPE.ping, si: id(16), mi: timeIn(), ttl: 1, ...more });
  const ping = (sid: unknown) => codec.encode({ sid, addr: '127.0.0.1:1' });
  const text = (value: string) => new TextEncoder().encode(value);
  const deep = codec.name === 'json' ? text('['.repeat(10_000) + ']'.repeat(10_000)) : msgpackNested(10_000);
  const twice =
    codec.name === 'json' ? text('{"sid":1,"sid":2}') : joined(Uint8Array.of(0x82, 0xa1, 65, 1, 0xa1, 65, 2));
  await attack(victim, 'packetsNotDecoded', [
    v1Frame(victim, deep.slice(0, 16_000), ping(id(16))),
    v1Frame(victim, head(), deep),
    v1Frame(victim, head(), twice),
    v1Frame(victim, head(), ping(id(16)).slice(0, -1)),
    v1Frame(victim, head(), joined(ping(id(16)), Uint8Array.of(0xc1))),
  ]);
  await attack(
    victim,
    'packetsMalformed',
    [15, 17].flatMap((bytes) => [
      v1Frame(victim, head({ si: id(bytes) }), ping(id(16))),
      v1Frame(victim, head(), ping(id(bytes))),
      v1Frame(victim, head({ mi: -1 }), ping(id(16))),
      v1Frame(victim, head({ ttl: 256 }), ping(id(16))),
    ]),
  );
  assert.deepEqual([victim.told.sort(), memberIds(victim)], [['packetsMalformed', 'packetsNotDecoded'], before]);
});
