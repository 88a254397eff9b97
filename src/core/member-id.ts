/** Member ids: 16 bytes on the wire, a canonical lower-case UUID string in memory. */

/** A member's identity, a UUID in its canonical lower-case form. */
export type MemberId = string;

const PATTERN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id of nobody: all zeros, which the Go library uses as the target of a join. */
export const NOBODY: MemberId = '00000000-0000-0000-0000-000000000000';

/** Tells whether a string is a member id in canonical form. */
export function isMemberId(value: string): boolean {
  return PATTERN.test(value);
}

/**
 * Formats 16 bytes as an id.
 * @param at - offset of the first byte; `bytes` must hold 16 from there (the caller has checked).
 */
export function memberIdFromBytes(b: Uint8Array, at = 0): MemberId {
  const codes: number[] = [];
  for (let i = 0; i < 16; i++) {
    const byte = b[at + i] as number;
    if (i > 3 && i < 11 && i % 2 === 0) codes.push(45);
    codes.push(code(byte >> 4), code(byte & 15));
  }
  // In one piece: what is put together from parts is kept as its parts.
  return String.fromCharCode(...codes);
}

function code(nibble: number): number {
  return nibble + (nibble > 9 ? 87 : 48);
}

/** Writes an id's 16 bytes into `into` at `at`; the id must be canonical. */
export function memberIdToBytes(id: MemberId, into = new Uint8Array(16), at = 0): Uint8Array {
  let out = at;
  for (let i = 0; i < 36; i += 2) {
    if (id.charCodeAt(i) === 45) i++;
    into[out++] = (nibble(id.charCodeAt(i)) << 4) | nibble(id.charCodeAt(i + 1));
  }
  return into;
}

function nibble(code: number): number {
  return (code & 15) + (code >> 6) * 9;
}
