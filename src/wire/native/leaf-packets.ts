/**
 * The packets between a gateway and its leaves, beside those that all members speak: here, so that a member that is neither
 * need not carry them.
 */
import type { ByeWhy, NativePacket } from '../packet.js';
import { bool, type Field, hlc, id, messageType, oneOf, payload, string, u8, u32, union, varint } from './fields.js';
import { ids, MEMBER_PACKETS, record } from './packet-codec.js';

const WHY: readonly ByeWhy[] = ['refused', 'moved', 'closing', 'slow', 'abusive', 'left'];
/** A secret of 16 bytes, or none. */
const proof: Field<Uint8Array> = { write: (w, value) => w.bytes(value), read: (r) => r.bytes(16).slice() };
/** Room for a signed token. Source: guess; cookies have 4 KiB. */
const TICKET_BYTES_MAX = 8192;
const ticket: Field<string> = { write: string.write, read: (r) => r.string(TICKET_BYTES_MAX) };

/** Every packet there is, for the `packets` of a {@link WireEnv}. */
export const LEAF_PACKETS: Field<NativePacket> = union<'type', NativePacket>('type', {
  ...MEMBER_PACKETS,
  attach: { from: id, record, hidden: bool, fingerprint: u32, members: varint, proof, ticket },
  welcome: { from: id, pingIntervalMs: varint, record },
  bye: { from: id, why: oneOf(WHY), reason: string },
  hidden: { from: id, hidden: bool },
  forgotten: { from: id, ids },
  broadcast: { from: id, origin: id, messageId: hlc, messageType, hops: u8, reliable: bool, tag: string, payload },
});
