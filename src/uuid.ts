/** Identities and seeds from the platform's secure randomness, asked for only when none is given. */
import { type MemberId, memberIdFromBytes } from './core/member-id.js';

/** A new UUIDv7: 48 bits of Unix milliseconds, then randomness. @source RFC 9562 §5.7 */
export function uuidV7(): MemberId {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${memberIdFromBytes(bytes).slice(15)}`;
}

/**
 * An id that only we can prove to be ours: the SHA-256 of a secret, as a UUIDv8. Where WebCrypto is not to be had (pages
 * that are neither https: nor local) it is a UUIDv7 without proof.
 * @source RFC 9562 §5.8
 */
export async function provableId(): Promise<{ id: MemberId; proof: Uint8Array }> {
  if (!globalThis.crypto?.subtle) return { id: uuidV7(), proof: new Uint8Array() };
  const proof = crypto.getRandomValues(new Uint8Array(16));
  return { id: await idOfProof(proof), proof };
}

/** The id that a secret proves. */
export async function idOfProof(proof: Uint8Array): Promise<MemberId> {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', proof as Uint8Array<ArrayBuffer>)).subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return memberIdFromBytes(bytes);
}

/** A random seed of 52 bits. */
export function randomSeed(): number {
  const [bits] = crypto.getRandomValues(new BigUint64Array(1)) as unknown as [bigint];
  return Number(bits >> 12n);
}
