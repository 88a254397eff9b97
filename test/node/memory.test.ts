/** What a known member costs: heap in use after a collection, of rows that came as bytes. */
import { assert, beforeAll, test } from 'vitest';
import { msgpack } from '../../src/codec/msgpack.js';
import type { Core } from '../../src/core/core.js';
import type { Metadata } from '../../src/core/metadata.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { uuidV7 } from '../../src/uuid.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import type { NativePacket } from '../../src/wire/packet.js';
import { Wire } from '../../src/wire/wire.js';
import { hlcAt, oneCore } from '../unit/one-core.js';
import { heapBytes } from './attack.js';

const codec = msgpack();
const MEMBERS = 20_000;
const IN_A_PACKET = 500;

/** Passes on what news there is; everybody who is asked answers. */
function passOn(core: Core): void {
  const ids = new Map(Array.from(core.members.all(), ({ id, address }) => [address, id]));
  for (let nowMs = core.nowMs; core.news.size > 0; nowMs = core.wakeAtMs) {
    for (const effect of core.handle({ type: 'tick' }, nowMs)) {
      if (effect.type !== 'send' || effect.packet.type !== 'ping' || effect.packet.dialect === 'v1') continue;
      const packet = {
        type: 'ack',
        seq: effect.packet.seq,
        from: ids.get(effect.to[0] as string) as string,
        news: [],
      } as const;
      core.handle({ type: 'packet', packet, source: { reliable: false } }, nowMs);
    }
  }
}

/**
 * Bytes for each of so many members.
 * @param isNews - of each the others are told.
 */
function bytesPerMember(metadataOf: (n: number) => Metadata, isNews = false): number {
  const wire = new Wire({ codec, compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS }, undefined);
  const core = oneCore();
  const learn = (first: number) => {
    const records = Array.from({ length: IN_A_PACKET }, (_, i) => {
      const n = first + i;
      const metadata = metadataOf(n);
      return {
        id: uuidV7(),
        incarnation: hlcAt(-n),
        state: 'alive',
        dialect: 'native',
        bilingual: false,
        version: hlcAt(-n),
        address: `10.1.${n >> 8}.${n & 255}:8000`,
        tags: ['web'],
        protocolVersion: 1,
        applicationVersion: '1.0.0',
        metadata,
        metadataBytes: Object.keys(metadata).length === 0 ? 0 : codec.encode(metadata).length,
      } as const;
    });
    const frame = wire.encode({ type: 'state', from: core.self.id, last: false, whole: false, records }, false);
    const packet = wire.decode(frame as Uint8Array, false) as Extract<NativePacket, { type: 'state' }>;
    for (const one of packet.records) core.members.merge(one, core.self.id, !isNews);
    core.handle({ type: 'tick' }, core.nowMs);
  };
  const before = heapBytes();
  for (let n = 0; n < MEMBERS; n += IN_A_PACKET) learn(n);
  passOn(core);
  const bytes = (heapBytes() - before) / MEMBERS;
  assert.equal(core.members.size, MEMBERS + 1);
  return bytes;
}

// Code that is compiled takes room as well, once.
beforeAll(() => {
  bytesPerMember(() => ({}), true);
});

test('a member that is known takes at most 300 bytes of heap', () => {
  assert.isAtMost(
    bytesPerMember(() => ({})),
    300,
  );
});

test('nor more when others have been told of it', () => {
  assert.isAtMost(
    bytesPerMember(() => ({}), true),
    300,
  );
});

test('its metadata takes the room of its values, and no hidden class of its own', () => {
  const metadataOf = (n: number) => ({ name: `m${n}`, load: n + 0.5 });
  const kept = [];
  const before = heapBytes();
  for (let n = 0; n < MEMBERS; n++) kept.push(codec.decode(codec.encode(metadataOf(n))));
  const alone = (heapBytes() - before) / kept.length;
  assert.isAtMost(bytesPerMember(metadataOf), 300 + alone);
});
