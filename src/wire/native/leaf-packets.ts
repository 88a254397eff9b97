/**
 * The packets between a gateway and its leaves, beside those that all speak: here, so that a member that is neither
 * need not carry them.
 */
import type { ByeWhy, LeafPacket, NativePacket } from '../packet.js';
import {
  bool,
  type Field,
  hlc,
  id,
  messageType,
  oneOf,
  payload,
  string,
  type Table,
  u8,
  u32,
  union,
  varint,
} from './fields.js';
import { ids, record, SHARED_PACKETS } from './packet-codec.js';

const WHY: readonly ByeWhy[] = ['refused', 'moved', 'closing', 'slow', 'abusive', 'left'];
/** A secret of 16 bytes, or none. */
const proof: Field<Uint8Array> = { write: (w, value) => w.bytes(value), read: (r) => r.bytes(16, 'slice') };
/** Room for a signed token. Source: guess; cookies have 4 KiB. */
const TICKET_BYTES_MAX = 8192;
const ticket: Field<string> = { write: string.write, read: (r) => r.string(TICKET_BYTES_MAX) };

/** What only gateways and leaves say. */
export const WITH_LEAVES: Table<'type', LeafPacket> = {
  attach: { from: id, record, hidden: bool, fingerprint: u32, members: varint, proof, ticket },
  welcome: { from: id, pingIntervalMs: varint, record },
  bye: { from: id, why: oneOf(WHY), reason: string },
  hidden: { from: id, hidden: bool },
  forgotten: { from: id, ids },
  broadcast: { from: id, origin: id, messageId: hlc, messageType, hops: u8, reliable: bool, tag: string, payload },
};

/** For the `packets` of a {@link NativeEnv}: those of a leaf. */
export const LEAF_PACKETS = union<'type', NativePacket>('type', SHARED_PACKETS, {}, WITH_LEAVES);
