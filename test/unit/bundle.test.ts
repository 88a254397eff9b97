/** Several broadcasts in one: put together and taken apart, and what is none refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BUNDLE, PART_BYTES, pack, unpack } from '../../src/core/bundle.js';
import type { BroadcastMessage } from '../../src/wire/packet.js';
import { hlcAt, idOf, oneCore } from './one-core.js';

const part = fc.record({
  messageType: fc.integer({ min: 64, max: 0xffff }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

test('what was put together is taken apart in its order; one alone stays what it is', () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 20 }), (parts) => {
      const packed = pack(parts);
      expect(packed.messageType === BUNDLE).toBe(parts.length > 1);
      expect(unpack(packed)).toEqual(parts);
      if (parts.length === 1) expect(packed).toBe(parts[0]);
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
  const core = oneCore();
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
