/** The members that a measured one knows: made from their numbers, so that two processes mean the same ones. */
import type { MemberRecord } from '../src/wire/packet.js';

/** Where all of them listen, each at an address of its own. */
export const OTHERS_PORT = 8000;
/** When the first began; each next one a millisecond later. */
const STARTED_MS = Date.UTC(2026, 0, 1);
const HLC_EPOCH_MS = Date.UTC(2025, 0, 1);

export const hostOf = (n: number) => `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;

/** A UUIDv7; what is by chance in others is made from the number. */
export function idOf(n: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0').slice(-digits);
  const time = hex(STARTED_MS + n, 12);
  const mixed = Math.imul(n + 1, 0x9e3779b1) >>> 0;
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(mixed >>> 20, 3)}-8${hex(mixed >>> 8, 3)}-${hex(mixed, 8)}${hex(n, 4)}`;
}

/** What it says of itself. */
export function recordOf(n: number, metadata: Record<string, unknown>, metadataBytes: number): MemberRecord {
  const started = BigInt((STARTED_MS - HLC_EPOCH_MS + n) * 1000) << 10n;
  return {
    id: idOf(n),
    incarnation: started,
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: started,
    address: `${hostOf(n)}:${OTHERS_PORT}`,
    tags: [],
    protocolVersion: 1,
    applicationVersion: '1.0.0',
    metadata,
    metadataBytes,
  };
}
