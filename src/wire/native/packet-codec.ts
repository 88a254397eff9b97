/**
 * Native packets as bytes: `[type u8][fields]`. The order of fields here is the wire; `docs/protocol.md` shows it as a
 * table. Payloads and metadata are in the cluster's codec, everything else is fixed.
 */
import { NO_METADATA, type Metadata } from '../../core/metadata.js';
import { GossipError } from '../../errors.js';
import { decodeValue, encodeValue, type WireEnv } from '../env.js';
import type { MemberRecord, MemberState, NativePacket, News, ReplyStatus } from '../packet.js';
import { Reader, Writer } from './bytes.js';

type PacketType = NativePacket['type'];

/** A packet's first byte is its place in this list. Never reorder; append. */
const TYPES: readonly PacketType[] = [
  'ping',
  'ack',
  'ping-req',
  'nack',
  'news',
  'join',
  'join-reply',
  'digest',
  'state',
  'pull',
  'broadcast',
  'message',
  'request',
  'reply',
  'native-only',
];
const STATES: readonly MemberState[] = ['alive', 'suspect', 'leaving', 'dead'];
const STATUSES: readonly ReplyStatus[] = ['ok', 'no-handler', 'failed'];

/** Pieces of news, records and ids in one packet; more is a broken or hostile sender. Source: guess. */
const NEWS_MAX = 256;
const RECORDS_MAX = 2048;
const IDS_MAX = 2048;
/** Bytes of the smallest piece of news and of the smallest record. */
const NEWS_BYTES_MIN = 42;
const RECORD_BYTES_MIN = 40;

const STATE_NEWS = 0;
const RECORD_NEWS = 1;
/** Bits of a record's first byte, above the two of its state. */
const DIALECT_V1 = 4;
const HAS_METADATA = 8;
const BILINGUAL = 16;

/** Encodes one packet. @throws GossipError `ERR_CODEC`: metadata that the codec cannot carry. */
export function encodePacket(packet: NativePacket, env: WireEnv): Uint8Array {
  const w = new Writer();
  w.u8(TYPES.indexOf(packet.type));
  switch (packet.type) {
    case 'ping':
      w.u32(packet.seq);
      w.id(packet.from);
      w.id(packet.to);
      writeNews(w, packet.news, env);
      break;
    case 'ack':
      w.u32(packet.seq);
      w.id(packet.from);
      writeNews(w, packet.news, env);
      break;
    case 'ping-req':
      w.u32(packet.seq);
      w.id(packet.from);
      w.id(packet.target);
      break;
    case 'nack':
      w.u32(packet.seq);
      w.id(packet.from);
      break;
    case 'news':
      w.id(packet.from);
      writeNews(w, packet.news, env);
      break;
    case 'join':
      w.u32(packet.seq);
      w.id(packet.from);
      writeRecord(w, packet.record, env);
      break;
    case 'join-reply':
      w.u32(packet.seq);
      w.id(packet.from);
      w.u8(packet.accepted ? 1 : 0);
      w.string(packet.reason);
      w.u32(packet.verify);
      writeRecord(w, packet.record, env);
      break;
    case 'digest':
      w.id(packet.from);
      w.u32(packet.fingerprint);
      w.varint(packet.members);
      break;
    case 'state':
      w.id(packet.from);
      w.u8((packet.last ? 1 : 0) | (packet.wantReply ? 2 : 0));
      w.varint(packet.records.length);
      for (const record of packet.records) writeRecord(w, record, env);
      break;
    case 'pull':
      w.id(packet.from);
      w.varint(packet.ids.length);
      for (const id of packet.ids) w.id(id);
      break;
    case 'broadcast':
      w.id(packet.from);
      w.id(packet.origin);
      w.u64(packet.messageId);
      w.varint(packet.messageType);
      w.u8(packet.ttl);
      w.u8(packet.reliable ? 1 : 0);
      w.string(packet.tag);
      w.raw(packet.payload);
      break;
    case 'message':
    case 'request':
      w.id(packet.from);
      w.id(packet.to);
      w.u64(packet.messageId);
      w.varint(packet.messageType);
      w.raw(packet.payload);
      break;
    case 'reply':
      w.id(packet.from);
      w.u64(packet.messageId);
      w.u8(STATUSES.indexOf(packet.status));
      w.raw(packet.payload);
      break;
    case 'native-only':
      w.id(packet.from);
      break;
  }
  return w.finish();
}

/**
 * Decodes one packet that fills `bytes`.
 * @returns the packet; payloads are copies, so that nothing keeps the frame alive.
 * @throws GossipError `ERR_PACKET` or `ERR_CODEC`: nothing was changed.
 */
export function decodePacket(bytes: Uint8Array, env: WireEnv): NativePacket {
  const r = new Reader(bytes);
  const type = TYPES[r.u8()];
  if (!type) throw new GossipError('ERR_PACKET', `packet type ${bytes[0]} is unknown`);
  const packet = readFields(type, r, env);
  if (r.left > 0) throw new GossipError('ERR_PACKET', `${r.left} bytes after the end of a ${type} packet`);
  return packet;
}

function readFields(type: PacketType, r: Reader, env: WireEnv): NativePacket {
  const { limits } = env;
  switch (type) {
    case 'ping':
      return { type, seq: r.u32(), from: r.id(), to: r.id(), news: readNews(r, env) };
    case 'ack':
      return { type, seq: r.u32(), from: r.id(), news: readNews(r, env) };
    case 'ping-req':
      return { type, seq: r.u32(), from: r.id(), target: r.id() };
    case 'nack':
      return { type, seq: r.u32(), from: r.id() };
    case 'news':
      return { type, from: r.id(), news: readNews(r, env) };
    case 'join':
      return { type, seq: r.u32(), from: r.id(), record: readRecord(r, env) };
    case 'join-reply':
      return {
        type,
        seq: r.u32(),
        from: r.id(),
        accepted: r.u8() === 1,
        reason: r.string(limits.stringBytesMax, 'a reason'),
        verify: r.u32(),
        record: readRecord(r, env),
      };
    case 'digest':
      return { type, from: r.id(), fingerprint: r.u32(), members: r.varint() };
    case 'state': {
      const from = r.id();
      const flags = r.u8();
      const count = r.count(RECORDS_MAX, RECORD_BYTES_MIN, 'records');
      const records = Array.from({ length: count }, () => readRecord(r, env));
      return { type, from, last: (flags & 1) !== 0, wantReply: (flags & 2) !== 0, records };
    }
    case 'pull': {
      const from = r.id();
      const count = r.count(IDS_MAX, 16, 'ids');
      return { type, from, ids: Array.from({ length: count }, () => r.id()) };
    }
    case 'broadcast':
      return {
        type,
        from: r.id(),
        origin: r.id(),
        messageId: r.u64(),
        messageType: readMessageType(r),
        ttl: r.u8(),
        reliable: r.u8() === 1,
        tag: r.string(limits.stringBytesMax, 'a tag'),
        payload: r.rest(),
      };
    case 'message':
    case 'request':
      return { type, from: r.id(), to: r.id(), messageId: r.u64(), messageType: readMessageType(r), payload: r.rest() };
    case 'reply':
      return { type, from: r.id(), messageId: r.u64(), status: readStatus(r), payload: r.rest() };
    case 'native-only':
      return { type, from: r.id() };
  }
}

function readMessageType(r: Reader): number {
  const type = r.varint();
  if (type < 64 || type > 0xffff) throw new GossipError('ERR_PACKET', `message type ${type} is not an application's`);
  return type;
}

function readStatus(r: Reader): ReplyStatus {
  const status = STATUSES[r.u8()];
  if (!status) throw new GossipError('ERR_PACKET', 'an unknown reply status');
  return status;
}

function readState(bits: number): MemberState {
  return STATES[bits & 3] as MemberState;
}

/** No news is the common case and takes no byte: news is always the last field. */
function writeNews(w: Writer, news: readonly News[], env: WireEnv): void {
  if (news.length === 0) return;
  w.varint(news.length);
  for (const item of news) {
    if (item.kind === 'record') {
      w.u8(RECORD_NEWS);
      writeRecord(w, item.record, env);
    } else {
      w.u8(STATE_NEWS);
      w.id(item.id);
      w.u64(item.incarnation);
      w.u8(STATES.indexOf(item.state));
      w.id(item.by);
    }
  }
}

function readNews(r: Reader, env: WireEnv): News[] {
  if (r.left === 0) return [];
  const count = r.count(NEWS_MAX, Math.min(NEWS_BYTES_MIN, RECORD_BYTES_MIN), 'pieces of news');
  return Array.from({ length: count }, (): News => {
    const kind = r.u8();
    if (kind === RECORD_NEWS) return { kind: 'record', record: readRecord(r, env) };
    if (kind !== STATE_NEWS) throw new GossipError('ERR_PACKET', `news of kind ${kind}`);
    return { kind: 'state', id: r.id(), incarnation: r.u64(), state: readState(r.u8()), by: r.id() };
  });
}

function writeRecord(w: Writer, record: MemberRecord, env: WireEnv): void {
  const withMetadata = record.metadata !== undefined;
  w.u8(
    STATES.indexOf(record.state) |
      (record.dialect === 'v1' ? DIALECT_V1 : 0) |
      (withMetadata ? HAS_METADATA : 0) |
      (record.bilingual ? BILINGUAL : 0),
  );
  w.id(record.id);
  w.u64(record.incarnation);
  w.u64(record.version);
  w.string(record.address);
  w.varint(record.protocolVersion);
  w.string(record.applicationVersion);
  w.varint(record.tags.length);
  for (const tag of record.tags) w.string(tag);
  if (!withMetadata) w.varint(record.metadataBytes);
  else if (record.metadataBytes === 0) w.varint(0);
  else w.bytes(encodeValue(record.metadata, env));
}

function readRecord(r: Reader, env: WireEnv): MemberRecord {
  const { limits } = env;
  const bits = r.u8();
  const record: MemberRecord = {
    id: r.id(),
    incarnation: r.u64(),
    state: readState(bits),
    dialect: bits & DIALECT_V1 ? 'v1' : 'native',
    bilingual: (bits & BILINGUAL) !== 0,
    version: r.u64(),
    address: r.string(limits.stringBytesMax, 'an address'),
    protocolVersion: r.varint(),
    applicationVersion: r.string(limits.stringBytesMax, 'a version'),
    tags: Array.from({ length: r.count(limits.tagsMax, 1, 'tags') }, () => r.string(limits.stringBytesMax, 'a tag')),
    metadataBytes: 0,
  };
  if (!(bits & HAS_METADATA)) {
    record.metadataBytes = r.varint();
    return record;
  }
  const bytes = r.bytes(limits.metadataBytesMax, 'metadata');
  record.metadata = bytes.length === 0 ? NO_METADATA : decodeMetadata(bytes, env);
  record.metadataBytes = bytes.length;
  return record;
}

function decodeMetadata(bytes: Uint8Array, env: WireEnv): Metadata {
  const value = decodeValue(bytes, env);
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw new GossipError('ERR_PACKET', 'metadata is not a map');
  }
  return Object.freeze(value) as Metadata;
}
