/** Native packets of every type, from members that are known and strangers, as seeds for mutation. */
import { pack } from '../../src/core/bundle.js';
import type { MemberRecord, NativePacket, News } from '../../src/wire/packet.js';

const SELF = '0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';
/** The sender of all golden frames. */
const GO_PEER = '01960f9b-72ca-7a51-9efa-47c12f42a138';
const OTHER = '0199a1b2-0000-7000-8000-000000000002';
const THIRD = '0199a1b2-0000-7000-8000-000000000003';
const STRANGER = '0199a1b2-0000-7000-8000-00000000ffff';

/** Microseconds since 2025 with a counter: the time of the golden frames, so that none is too old or too new. */
const TIME = 59080778570848261n;
const EPOCH_MS = 1_735_689_600_000 + Number(TIME >> 10n) / 1000;

function record(id: string, address: string, more: Partial<MemberRecord> = {}): MemberRecord {
  return {
    id,
    incarnation: TIME,
    state: 'alive',
    dialect: 'native',
    bilingual: true,
    version: TIME,
    address,
    tags: [],
    protocolVersion: 1,
    applicationVersion: '1.2.3',
    metadata: {},
    metadataBytes: 0,
    ...more,
  };
}

const known = [
  record(OTHER, '127.0.0.1:9001', {
    tags: ['web', 'db'],
    metadata: { zone: 'eu', n: 1, list: [1, 2] },
    metadataBytes: 22,
  }),
  record(THIRD, '127.0.0.1:9002', { bilingual: false }),
  record(GO_PEER, '127.0.0.1:8001', { dialect: 'v1' }),
];

/** Who is who in the corpus. */
export const MEMBERS = { self: SELF, known, epochMs: EPOCH_MS };

/** At least one packet of each type. */
export function packetsOfEveryType(): NativePacket[] {
  const [other, third, go] = known as [MemberRecord, MemberRecord, MemberRecord];
  const news: News[] = [
    { kind: 'record', record: other },
    { kind: 'state', id: THIRD, incarnation: TIME, state: 'suspect', by: OTHER },
    { kind: 'state', id: SELF, incarnation: TIME + 5n, state: 'dead', by: OTHER },
    { kind: 'state', id: STRANGER, incarnation: TIME, state: 'alive', by: OTHER },
    { kind: 'record', record: record(STRANGER, '127.0.0.1:9100') },
    { kind: 'change', id: OTHER, from: TIME - 9n, version: TIME, set: { load: 1 }, deleted: ['zone'] },
  ];
  const withoutMetadata: MemberRecord = { ...record(STRANGER, '127.0.0.1:9100'), metadataBytes: 2000 };
  delete withoutMetadata.metadata;
  const payload = Uint8Array.from({ length: 90 }, (_, i) => i % 7);
  const message = { messageId: TIME + 7n, messageType: 129, payload };
  const head = { from: OTHER, ...message };
  return [
    { type: 'ping', seq: 7, from: OTHER, news: [] },
    { type: 'ping', seq: 7, from: STRANGER, news },
    { type: 'ack', seq: 7, from: OTHER, news },
    { type: 'ping-req', seq: 8, from: OTHER, target: THIRD, dial: false },
    { type: 'ping-req', seq: 8, from: OTHER, target: GO_PEER, dial: true },
    { type: 'nack', seq: 8, from: OTHER, refused: true },
    { type: 'news', from: OTHER, news },
    { type: 'join', seq: 9, from: STRANGER, record: record(STRANGER, '127.0.0.1:9100', { tags: ['web'] }) },
    {
      type: 'join-reply',
      seq: 9,
      from: OTHER,
      accepted: true,
      reason: '',
      verify: 10,
      record: other,
    },
    { type: 'digest', from: OTHER, fingerprints: [1] },
    { type: 'digest', from: OTHER, fingerprints: [1, 2, 3, 4] },
    { type: 'summary', from: OTHER, parts: 2, of: [0, 1], members: [other, third, go], more: true },
    { type: 'state', from: OTHER, records: [other, third, go, withoutMetadata], last: true, whole: true },
    { type: 'pull', from: OTHER, ids: [SELF, OTHER, THIRD] },
    {
      type: 'gossip',
      from: OTHER,
      messages: [
        { ...message, origin: THIRD, hops: 4, reliable: false, tag: '' },
        { ...message, messageId: TIME + 8n, origin: THIRD, hops: 0, reliable: false, tag: '' },
        { ...message, origin: OTHER, hops: 255, reliable: true, tag: 'web' },
        { ...message, ...pack([message, message]), origin: OTHER, hops: 1, reliable: false, tag: '' },
      ],
    },
    { type: 'neighbour', from: OTHER, on: true },
    { type: 'neighbour', from: THIRD, on: false },
    { type: 'ihave', from: OTHER, messages: [{ origin: THIRD, messageId: TIME + 9n, hops: 3 }] },
    { type: 'graft', from: OTHER, messages: [{ origin: THIRD, messageId: TIME + 7n }] },
    { type: 'prune', from: OTHER },
    { type: 'message', ...head, to: SELF },
    { type: 'request', ...head, to: SELF },
    { type: 'reply', from: OTHER, to: SELF, messageId: TIME, status: 'ok', payload },
    { type: 'native-only', from: OTHER },
  ];
}
