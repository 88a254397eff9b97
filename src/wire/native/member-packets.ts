/**
 * The packets that full members speak among themselves: here, so that a leaf need not carry them.
 */
import type { MemberId } from '../../core/member-id.js';
import { GossipError } from '../../errors.js';
import {
  IDS_MAX,
  type LeafPacket,
  LIST_BYTES_MAX,
  MESSAGES_MAX,
  type MemberSummary,
  type MessageName,
  NAMES_MAX,
  type NativePacket,
  PARTS_MAX,
  type SharedPacket,
} from '../packet.js';
import {
  bool,
  checkType,
  type Field,
  type Fields,
  hlc,
  id,
  list,
  string,
  struct,
  type Table,
  u8,
  u32,
  union,
  varint,
} from './fields.js';
import { record, SHARED_PACKETS, state } from './packet-codec.js';

/** Bytes of any length. */
const sized: Field<Uint8Array> = {
  write: (w, value) => w.bytes(value),
  read: (r) => r.bytes(r.left, 'slice'),
};

/**
 * The type of an application's message, or 0 for several in one: `core/bundle.ts`. Those come in small packets only: what is
 * decompressed to 4 MiB would be a million messages.
 */
const bundleType: Field<number> = {
  write: varint.write,
  read(r) {
    const type = r.varint();
    return type || r.left > LIST_BYTES_MAX ? checkType(type) : type;
  },
};

/** Messages, or their names: whose each is stands there only when it is another's than the one before. */
function messages<M extends MessageName>(fields: Fields<Omit<M, 'origin'>>, max: number, bytesEach: number) {
  const field = struct(fields, { origin: '' });
  return {
    write(w, values, env) {
      w.varint(values.length);
      let before = '';
      for (const value of values) {
        const { origin } = value;
        w.u8(origin === before ? 0 : 1);
        if (origin !== before) w.id(origin);
        before = origin;
        field.write(w, value, env);
      }
    },
    read(r, env) {
      let origin: MemberId | undefined;
      return Array.from({ length: r.count(max, 1 + bytesEach) }, () => {
        if (r.u8() === 1) origin = r.id();
        if (origin === undefined) throw new GossipError('ERR_PACKET', 'a message of nobody');
        const message = field.read(r, env) as { -readonly [K in keyof M]: M[K] };
        message.origin = origin;
        return message;
      });
    },
  } as const satisfies Field<readonly M[]>;
}

type Of<T extends NativePacket['type'], P = Extract<NativePacket, { type: T }>> = P extends {
  messages: readonly (infer M)[];
}
  ? M
  : never;

/** What only full members say. */
export const OWN_PACKETS: Table<'type', Exclude<NativePacket, LeafPacket | SharedPacket>> = {
  'ping-req': { seq: u32, from: id, target: id, dial: bool },
  nack: { seq: u32, from: id, refused: bool },
  join: { seq: u32, from: id, record },
  'join-reply': { seq: u32, from: id, accepted: bool, reason: string, verify: u32, record },
  digest: { from: id, fingerprints: list(u32, PARTS_MAX, 4) },
  gossip: {
    from: id,
    messages: messages<Of<'gossip'>>(
      { messageId: hlc, messageType: bundleType, hops: u8, reliable: bool, tag: string, payload: sized },
      MESSAGES_MAX,
      13,
    ),
  },
  'native-only': { from: id },
  neighbour: { from: id, on: bool },
  ihave: { from: id, messages: messages<Of<'ihave'>>({ messageId: hlc, hops: u8 }, NAMES_MAX, 9) },
  graft: { from: id, messages: messages<Of<'graft'>>({ messageId: hlc }, NAMES_MAX, 8) },
  prune: { from: id },
  summary: {
    from: id,
    parts: varint,
    of: list(varint, PARTS_MAX, 1),
    members: list(struct<MemberSummary>({ id, incarnation: hlc, state, version: hlc }), IDS_MAX, 33),
    more: bool,
  },
};

/** For the `packets` of a {@link NativeEnv}: those of full members. */
export const MEMBER_PACKETS = union<'type', NativePacket>('type', SHARED_PACKETS, OWN_PACKETS);
