/**
 * Native packets as bytes: `[type u8][fields]`. The tables here, in `member-packets.ts` and in `leaf-packets.ts` are the
 * wire, field by field in their order; `docs/protocol.md` shows them to people. Payloads and metadata are in the cluster's
 * codec, everything else is fixed.
 */
import { type Metadata, NO_METADATA } from '../../core/metadata.js';
import { GossipError } from '../../errors.js';
import { decodeValue, encodeValue, type NativeEnv, type WireEnv } from '../env.js';
import {
  BILINGUAL,
  DIALECT_V1,
  HAS_METADATA,
  IDS_MAX,
  LEAF,
  type MemberRecord,
  type MemberState,
  type NativePacket,
  NEWS_BYTES_MIN,
  NEWS_MAX,
  type News,
  RECORD_BYTES_MIN,
  RECORDS_MAX,
  type ReplyStatus,
  type SharedPacket,
} from '../packet.js';
import { Reader, Writer } from './bytes.js';
import {
  bool,
  type Field,
  type Fields,
  hlc,
  id,
  list,
  messageType,
  oneOf,
  payload,
  string,
  struct,
  type Table,
  u32,
  union,
  varint,
} from './fields.js';

const STATES: readonly MemberState[] = ['alive', 'suspect', 'leaving', 'dead'];
export const state = oneOf(STATES);
const tags = list(string, 'tagsMax', 1);

type RecordBody = Omit<MemberRecord, 'state' | 'dialect' | 'bilingual' | 'via' | 'metadata' | 'metadataBytes'>;
/** All that a record has, so that each is made in one piece. */
const blank: Omit<MemberRecord, keyof RecordBody> = {
  state: 'alive',
  dialect: 'native',
  bilingual: false,
  via: undefined,
  metadata: undefined,
  metadataBytes: 0,
};
const recordFields: Fields<RecordBody> = {
  id,
  incarnation: hlc,
  version: hlc,
  address: string,
  protocolVersion: varint,
  applicationVersion: string,
  tags,
};
const recordBody = struct<RecordBody>(recordFields, blank);

/** Everything members tell each other about one of them. */
export const record: Field<MemberRecord> = {
  write(w, value, env) {
    const { metadata, metadataBytes } = value;
    w.u8(
      STATES.indexOf(value.state) |
        (value.dialect === 'v1' ? DIALECT_V1 : 0) |
        (metadata ? HAS_METADATA : 0) |
        (value.bilingual ? BILINGUAL : 0) |
        (value.via ? LEAF : 0),
    );
    if (value.via) w.id(value.via);
    recordBody.write(w, value, env);
    if (metadata && metadataBytes > 0) w.bytes(encodeValue(metadata, env));
    else w.varint(metadata ? 0 : metadataBytes);
  },
  read(r, env) {
    const bits = r.u8();
    const via = bits & LEAF ? r.id() : undefined;
    const value = recordBody.read(r, env) as { -readonly [K in keyof MemberRecord]: MemberRecord[K] };
    value.state = STATES[bits & 3] as MemberState;
    value.dialect = bits & DIALECT_V1 ? 'v1' : 'native';
    value.bilingual = (bits & BILINGUAL) !== 0;
    value.via = via;
    if (!(bits & HAS_METADATA)) {
      value.metadataBytes = r.varint();
      return value;
    }
    const bytes = r.bytes(env.limits.metadataBytesMax);
    value.metadata = readMetadata(bytes, env);
    value.metadataBytes = bytes.length;
    return value;
  },
};

function readMetadata(bytes: Uint8Array, env: WireEnv): Metadata {
  if (bytes.length === 0) return NO_METADATA;
  const value = decodeValue(bytes, env);
  // Neither null nor a list, bytes or a date.
  if (Object.prototype.toString.call(value) !== '[object Object]') {
    throw new GossipError('ERR_PACKET', 'metadata is not a map');
  }
  return value as Metadata;
}

const metadata: Field<Metadata> = {
  write: (w, value, env) => w.bytes(encodeValue(value, env)),
  read: (r, env) => readMetadata(r.bytes(env.limits.metadataBytesMax), env),
};
const oneNews = union<'kind', News>('kind', {
  state: { id, incarnation: hlc, state, by: id },
  record: { record },
  change: { id, from: hlc, version: hlc, set: metadata, deleted: list(string, NEWS_MAX, 1) },
});
const someNews = list(oneNews, NEWS_MAX, NEWS_BYTES_MIN);
/** No news is the common case and takes no byte: only as the last field. */
const news: Field<readonly News[]> = {
  write(w, value, env) {
    if (value.length > 0) someNews.write(w, value, env);
  },
  read: (r, env) => (r.left === 0 ? [] : someNews.read(r, env)),
};

const STATUSES: readonly ReplyStatus[] = ['ok', 'no-handler', 'failed', 'unreachable', 'refused'];
const addressed = { from: id, to: id, messageId: hlc, messageType, payload };

/** Ids of members. */
export const ids = list(id, IDS_MAX, 16);

/** The packets that everybody speaks. */
export const SHARED_PACKETS: Table<'type', SharedPacket> = {
  ping: { seq: u32, from: id, news },
  ack: { seq: u32, from: id, news },
  news: { from: id, news },
  state: { from: id, last: bool, whole: bool, records: list(record, RECORDS_MAX, RECORD_BYTES_MIN) },
  pull: { from: id, ids },
  message: addressed,
  request: addressed,
  reply: { from: id, to: id, messageId: hlc, status: oneOf(STATUSES), payload },
};

/**
 * Encodes one packet.
 * @param room - bytes to leave free in front of it.
 * @throws GossipError `ERR_CODEC`: metadata that the codec cannot carry.
 */
export function encodePacket(packet: NativePacket, env: NativeEnv, room = 0): Uint8Array {
  env.writer ??= new Writer();
  env.writer.begin(room);
  env.packets.write(env.writer, packet, env);
  return env.writer.finish();
}

/**
 * Decodes one packet that fills `bytes` from `at` on.
 * @returns the packet; payloads are copies, so that nothing keeps the frame alive.
 * @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE` or `ERR_CODEC`: nothing was changed.
 */
export function decodePacket(bytes: Uint8Array, env: NativeEnv, at = 0): NativePacket {
  const r = new Reader(bytes, env.readId, at);
  const packet = env.packets.read(r, env);
  if (r.left > 0) throw new GossipError('ERR_PACKET', `${r.left} bytes after a ${packet.type} packet`);
  return packet;
}
