/**
 * Native packets as bytes: `[type u8][fields]`. The tables below are the wire, field by field in their order;
 * `docs/protocol.md` shows them to people. Payloads and metadata are in the cluster's codec, everything else is fixed.
 */
import { type Metadata, NO_METADATA } from '../../core/metadata.js';
import { GossipError } from '../../errors.js';
import type { Limits } from '../../limits.js';
import { decodeValue, encodeValue, LIST_BYTES_MAX, ownBytesMax, type WireEnv } from '../env.js';
import type { ByeWhy, MemberRecord, MemberState, NativePacket, News, ReplyStatus } from '../packet.js';
import { Reader, Writer } from './bytes.js';

/** Pieces of news, records and ids in one packet; more is a broken or hostile sender. Source: guess. */
const NEWS_MAX = 256;
const RECORDS_MAX = 2048;
const IDS_MAX = 2048;
/** Bytes of the smallest piece of news and of the smallest record. */
const RECORD_BYTES_MIN = 38;

/** How one kind of field is written and read. */
interface Field<T> {
  write(w: Writer, value: T, env: WireEnv): void;
  read(r: Reader, env: WireEnv): T;
}

/** A field that reader and writer know by themselves. */
function primitive<K extends 'u8' | 'u32' | 'u64' | 'varint' | 'id'>(kind: K): Field<ReturnType<Reader[K]>> {
  return {
    write: (w, value) => w[kind](value as never),
    read: (r) => r[kind]() as ReturnType<Reader[K]>,
  };
}

const u8 = primitive('u8');
const u32 = primitive('u32');
const varint = primitive('varint');
const hlc = primitive('u64');
const id = primitive('id');
const bool: Field<boolean> = { write: (w, value) => w.u8(value ? 1 : 0), read: (r) => r.u8() === 1 };
const string: Field<string> = {
  write: (w, value) => w.string(value),
  read: (r, { limits }) => r.string(limits.stringBytesMax),
};
/** Everything that is left: only as the last field. */
const payload: Field<Uint8Array> = { write: (w, value) => w.raw(value), read: (r) => r.rest() };
const messageType: Field<number> = {
  write: varint.write,
  read(r) {
    /** The smallest message type of an application or library; below are the protocol's own. */
    const MESSAGE_TYPE_MIN = 64;
    const MESSAGE_TYPE_MAX = 0xffff;
    const type = r.varint();
    if (type >= MESSAGE_TYPE_MIN && type <= MESSAGE_TYPE_MAX) return type;
    throw new GossipError('ERR_PACKET', `message type ${type}`);
  },
};

/** One of a few words, as its place in the list. */
function oneOf<T extends string>(words: readonly T[]): Field<T> {
  return {
    write: (w, value) => w.u8(words.indexOf(value)),
    read(r) {
      const word = words[r.u8()];
      if (!word) throw new GossipError('ERR_PACKET', `none of ${words}`);
      return word;
    },
  };
}

/** A count and that many items of at least `bytesEach`; refused before anything is read when they cannot be there. */
function list<T>(item: Field<T>, max: number | keyof Limits, bytesEach: number): Field<readonly T[]> {
  return {
    write(w, values, env) {
      w.varint(values.length);
      for (const value of values) item.write(w, value, env);
    },
    read(r, env) {
      // Only the application's data may be as large as a frame allows, and it holds no lists.
      if (r.left > LIST_BYTES_MAX + ownBytesMax(env.limits)) {
        throw new GossipError('ERR_TOO_LARGE', `${r.left} bytes`);
      }
      const count = r.count(typeof max === 'number' ? max : env.limits[max], bytesEach);
      return Array.from({ length: count }, () => item.read(r, env));
    },
  };
}

type Fields<P> = { readonly [K in keyof P]: Field<P[K]> };

/** The fields of an object, in their order. */
function struct<P extends object>(fields: Fields<P>): Field<P> {
  const entries = Object.entries(fields) as [keyof P, Field<unknown>][];
  return {
    write(w, value, env) {
      for (const [name, field] of entries) field.write(w, value[name], env);
    },
    read(r, env) {
      const value: Partial<Record<keyof P, unknown>> = {};
      for (const [name, field] of entries) value[name] = field.read(r, env);
      return value as P;
    },
  };
}

/**
 * Objects of several kinds, told apart by one of their properties: the kind's place in the table as a byte, then its
 * fields. Never reorder a table, append.
 */
function union<K extends string, P extends Readonly<Record<K, string>>>(
  key: K,
  table: { readonly [T in P[K]]: Fields<Omit<Extract<P, Readonly<Record<K, T>>>, K>> },
): Field<P> {
  const kind = oneOf(Object.keys(table) as P[K][]);
  const structs = Object.fromEntries(
    Object.entries(table).map(([name, fields]) => [name, struct(fields as Fields<object>)]),
  ) as Record<P[K], Field<object>>;
  return {
    write(w, value, env) {
      kind.write(w, value[key], env);
      structs[value[key]].write(w, value, env);
    },
    read(r, env) {
      const name = kind.read(r, env);
      return { [key]: name, ...structs[name].read(r, env) } as object as P;
    },
  };
}

const STATES: readonly MemberState[] = ['alive', 'suspect', 'leaving', 'dead'];
const state = oneOf(STATES);
const tags = list(string, 'tagsMax', 1);

/** Bits of a record's first byte, above the two of its state. */
const DIALECT_V1 = 4;
const HAS_METADATA = 8;
const BILINGUAL = 16;
const LEAF = 32;

type RecordBody = Omit<MemberRecord, 'state' | 'dialect' | 'bilingual' | 'via' | 'metadata' | 'metadataBytes'>;
const recordBody = struct<RecordBody>({
  id,
  incarnation: hlc,
  version: hlc,
  address: string,
  protocolVersion: varint,
  applicationVersion: string,
  tags,
});

const record: Field<MemberRecord> = {
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
    const common = {
      state: STATES[bits & 3] as MemberState,
      dialect: bits & DIALECT_V1 ? ('v1' as const) : ('native' as const),
      bilingual: (bits & BILINGUAL) !== 0,
      via: bits & LEAF ? r.id() : undefined,
      ...recordBody.read(r, env),
    };
    if (!(bits & HAS_METADATA)) return { ...common, metadataBytes: r.varint() };
    const bytes = r.bytes(env.limits.metadataBytesMax);
    return { ...common, metadata: readMetadata(bytes, env), metadataBytes: bytes.length };
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

const oneNews = union<'kind', News>('kind', { state: { id, incarnation: hlc, state, by: id }, record: { record } });
const someNews = list(oneNews, NEWS_MAX, RECORD_BYTES_MIN);
/** No news is the common case and takes no byte: only as the last field. */
const news: Field<readonly News[]> = {
  write(w, value, env) {
    if (value.length > 0) someNews.write(w, value, env);
  },
  read: (r, env) => (r.left === 0 ? [] : someNews.read(r, env)),
};

const STATUSES: readonly ReplyStatus[] = ['ok', 'no-handler', 'failed', 'unreachable', 'refused'];
const WHY: readonly ByeWhy[] = ['refused', 'moved', 'closing', 'slow', 'abusive', 'left'];
/** A secret of 16 bytes, or none. */
const proof: Field<Uint8Array> = { write: (w, value) => w.bytes(value), read: (r) => r.bytes(16).slice() };
/** Room for a signed token. Source: guess; cookies have 4 KiB. */
const TICKET_BYTES_MAX = 8192;
const ticket: Field<string> = { write: string.write, read: (r) => r.string(TICKET_BYTES_MAX) };
const addressed = { from: id, to: id, messageId: hlc, messageType, payload };

/** Every packet. Its first byte is its place in this table. */
const anyPacket = union<'type', NativePacket>('type', {
  ping: { seq: u32, from: id, news },
  ack: { seq: u32, from: id, news },
  'ping-req': { seq: u32, from: id, target: id },
  nack: { seq: u32, from: id },
  news: { from: id, news },
  join: { seq: u32, from: id, record },
  'join-reply': { seq: u32, from: id, accepted: bool, reason: string, verify: u32, record },
  digest: { from: id, fingerprint: u32, members: varint },
  state: { from: id, last: bool, wantReply: bool, records: list(record, RECORDS_MAX, RECORD_BYTES_MIN) },
  pull: { from: id, ids: list(id, IDS_MAX, 16) },
  broadcast: { from: id, origin: id, messageId: hlc, messageType, ttl: u8, reliable: bool, tag: string, payload },
  message: addressed,
  request: addressed,
  reply: { from: id, to: id, messageId: hlc, status: oneOf(STATUSES), payload },
  'native-only': { from: id },
  attach: { from: id, record, hidden: bool, fingerprint: u32, members: varint, proof, ticket },
  welcome: { from: id, pingIntervalMs: varint, record },
  bye: { from: id, why: oneOf(WHY), reason: string },
  hidden: { from: id, hidden: bool },
  forgotten: { from: id, ids: list(id, IDS_MAX, 16) },
});

/** Encodes one packet. @throws GossipError `ERR_CODEC`: metadata that the codec cannot carry. */
export function encodePacket(packet: NativePacket, env: WireEnv): Uint8Array {
  const w = new Writer();
  anyPacket.write(w, packet, env);
  return w.finish();
}

/**
 * Decodes one packet that fills `bytes`.
 * @returns the packet; payloads are copies, so that nothing keeps the frame alive.
 * @throws GossipError `ERR_PACKET`, `ERR_TOO_LARGE` or `ERR_CODEC`: nothing was changed.
 */
export function decodePacket(bytes: Uint8Array, env: WireEnv): NativePacket {
  const r = new Reader(bytes);
  const packet = anyPacket.read(r, env);
  if (r.left > 0) throw new GossipError('ERR_PACKET', `${r.left} bytes after a ${packet.type} packet`);
  return packet;
}
