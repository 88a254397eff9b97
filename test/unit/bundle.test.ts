/** Several broadcasts in one: put together and taken apart, and what is none refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { msgpack } from '../../src/codec/msgpack.js';
import { BUNDLE, PART_BYTES, pack, unpack } from '../../src/core/bundle.js';
import type { Core } from '../../src/core/core.js';
import type { Effect } from '../../src/core/effect.js';
import type { Held } from '../../src/core/message-cache.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import { decodePacket, encodePacket } from '../../src/wire/native/packet-codec.js';
import type { BroadcastMessage, NativePacket } from '../../src/wire/packet.js';
import { hlcAt, idOf, oneCore } from './one-core.js';

const ENV = { codec: msgpack(), compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS };

/** A core that knows members 1 and 2. */
function coreOfThree(change: Parameters<typeof oneCore>[0] = {}): Core {
  const core = oneCore(change);
  for (const n of [1, 2]) {
    const record = {
      ...core.selfRecord(),
      id: idOf(n),
      incarnation: hlcAt(0),
      version: hlcAt(0),
      address: `member ${n}`,
    };
    core.members.merge(record, record.id);
  }
  core.handle({ type: 'tick' }, 10);
  return core;
}

function gossips(effects: readonly Effect[]): Extract<NativePacket, { type: 'gossip' }>[] {
  return effects.flatMap((effect) => {
    const packet = effect.type === 'send' ? (effect.packet as NativePacket) : undefined;
    return packet?.type === 'gossip' ? [packet] : [];
  });
}

const part = fc.record({
  messageType: fc.integer({ min: 64, max: 0xffff }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

test('what was put together is taken apart in its order; one alone stays a message', () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 20 }), (parts) => {
      const packed = pack(parts);
      expect(packed.messageType === BUNDLE).toBe(parts.length > 1);
      expect(unpack(packed)).toEqual(parts);
      // In memory of its own: what is remembered for a minute must not hold that of others.
      expect(packed.payload.buffer.byteLength).toBe(packed.payload.length);
    }),
  );
});

test('bytes that are no bundle are none, wherever they end', () => {
  const parts = [
    { messageType: 129, payload: new Uint8Array(300).fill(7) },
    { messageType: 0xffff, payload: new Uint8Array() },
  ];
  const { payload } = pack(parts);
  for (let length = 0; length < payload.length; length++) {
    const whole = length === PART_BYTES + 300;
    const cut = unpack({ messageType: BUNDLE, payload: payload.subarray(0, length) });
    expect(cut).toEqual(whole ? parts.slice(0, 1) : []);
  }
  // A type that is no application's: a bundle in a bundle, for one.
  for (const type of [BUNDLE, 63]) {
    expect(unpack({ messageType: BUNDLE, payload: Uint8Array.of(128, 0, 0, 0, type, 0, 0, 0) })).toEqual([]);
  }
});

test('a bundle that is none is counted, and neither delivered nor passed on', () => {
  const core = coreOfThree();
  const hear = (payload: Uint8Array, nowMs: number) => {
    const rest = { messageType: BUNDLE, hops: 0, reliable: false, tag: '', payload };
    const message: BroadcastMessage = { origin: idOf(1), messageId: hlcAt(nowMs), ...rest };
    const packet = { type: 'gossip', from: idOf(1), messages: [message] } as const;
    const effects = core.handle({ type: 'packet', packet, source: { reliable: true } }, nowMs);
    return effects
      .map((effect) => (effect.type === 'send' ? effect.packet.type : effect.type))
      .filter((type) => type === 'message' || type === 'gossip');
  };
  const { payload } = pack([1, 2].map((n) => ({ messageType: 128 + n, payload: Uint8Array.of(n) })));
  expect(hear(payload.subarray(1), 100)).toEqual([]);
  expect(core.counted('packetsMalformed')).toBe(1);
  expect(hear(payload, 200)).toEqual(['message', 'message', 'gossip']);
  expect(core.counted('broadcastsDelivered')).toBe(2);
  expect(core.counted('packetsMalformed')).toBe(1);
});

test('where frames are small, bundles and packets of many messages fit them', () => {
  const frameBytesMax = 16_384;
  const core = coreOfThree({ limits: { ...DEFAULT_LIMITS, frameBytesMax } });
  const packets: NativePacket[] = [];
  let nowMs = 100;
  for (let i = 0; i < 100; i++) {
    const message = { messageType: 128, payload: new Uint8Array(500), tag: '', reliable: false };
    packets.push(...gossips(core.handle({ type: 'broadcast', ...message }, nowMs)));
  }
  // Of somebody else, each by itself.
  const messages = Array.from({ length: 1000 }, (_, i): BroadcastMessage => {
    const rest = { messageType: 128, hops: 0, reliable: false, tag: '', payload: Uint8Array.of(1) };
    return { origin: idOf(1 + (i % 2)), messageId: hlcAt(90) + BigInt(i), ...rest };
  });
  const packet = { type: 'gossip', from: idOf(1), messages } as const;
  packets.push(...gossips(core.handle({ type: 'packet', packet, source: { reliable: true } }, nowMs)));
  packets.push(...gossips(core.handle({ type: 'tick' }, ++nowMs)));
  const parts = packets.flatMap((one) => (one.type === 'gossip' ? one.messages.flatMap(unpack) : []));
  expect(parts).toHaveLength(1100);
  const sizes = packets.map((one) => encodePacket(one, ENV).length);
  expect(Math.max(...sizes)).toBeLessThan(frameBytesMax);
});

test('a bundle does not come in a large packet: decompressed it would be a million messages', () => {
  const gossip = (messageType: number, bytes: number): NativePacket => {
    const rest = { messageType, hops: 0, reliable: false, tag: '', payload: new Uint8Array(bytes) };
    return { type: 'gossip', from: idOf(1), messages: [{ origin: idOf(1), messageId: hlcAt(1), ...rest }] };
  };
  const decode = (packet: NativePacket) => decodePacket(encodePacket(packet, ENV), ENV);
  for (const packet of [gossip(128, 1_000_000), gossip(BUNDLE, 65_536)]) expect(() => decode(packet)).not.toThrow();
  expect(() => decode(gossip(BUNDLE, 1_000_000))).toThrow('message type 0');
});

test('who asks for one message again and again is remembered once', () => {
  const core = coreOfThree();
  const message = { messageType: 128, payload: new Uint8Array(1), tag: '', reliable: false };
  const [pushed] = gossips(core.handle({ type: 'broadcast', ...message }, 100));
  const graft = { type: 'graft', from: idOf(1), messages: pushed?.messages ?? [] } as const;
  for (let i = 0; i < 300; i++) {
    const [answer] = gossips(core.handle({ type: 'packet', packet: graft, source: { reliable: true } }, 101));
    expect(answer?.messages).toHaveLength(1);
  }
  expect((pushed?.messages[0] as Held | undefined)?.known).toEqual([]);
});
