/** Every packet there is: a gateway speaks to leaves and to members. */
import type { NativePacket } from '../packet.js';
import { union } from './fields.js';
import { WITH_LEAVES } from './leaf-packets.js';
import { OWN_PACKETS } from './member-packets.js';
import { SHARED_PACKETS } from './packet-codec.js';

/** For the `packets` of a {@link NativeEnv}: those of members and leaves. */
export const ALL_PACKETS = union<'type', NativePacket>('type', SHARED_PACKETS, OWN_PACKETS, WITH_LEAVES);
