/** Identities and seeds from the platform's secure randomness, asked for only when none is given. */
import { type MemberId, memberIdFromBytes } from './core/member-id.js';

/** A new UUIDv7: 48 bits of Unix milliseconds, then randomness. @source RFC 9562 §5.7 */
export function uuidV7(): MemberId {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${memberIdFromBytes(bytes).slice(15)}`;
}

/** A random seed of 52 bits. */
export function randomSeed(): number {
  const [bits] = crypto.getRandomValues(new BigUint64Array(1)) as unknown as [bigint];
  return Number(bits >> 12n);
}
