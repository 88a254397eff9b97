/** Identities and seeds from the platform's secure randomness, asked for only when none is given. */
import { type MemberId, memberIdFromBytes } from './core/member-id.js';

/** A new UUIDv7: 48 bits of Unix milliseconds, then randomness. @source RFC 9562 §5.7 */
export function uuidV7(): MemberId {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const view = new DataView(bytes.buffer);
  const unixMs = Date.now();
  view.setUint16(0, Math.floor(unixMs / 0x1_0000_0000));
  view.setUint32(2, unixMs % 0x1_0000_0000);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return memberIdFromBytes(bytes);
}

/** A random seed of 52 bits. */
export function randomSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  return (high % 0x10_0000) * 0x1_0000_0000 + low;
}
