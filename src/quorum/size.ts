/**
 * How large a value will be at most once it is encoded, without encoding it: a leader must not take what it cannot send. For
 * plain values; others the codec refuses.
 */

/** So that as many as go in one message fit a frame of the default 4 MiB. */
export const COMMAND_BYTES_MAX = 32 * 1024;

/** @param depth - levels below that are not looked at; the codec refuses them. */
export function bytesAtMost(value: unknown, depth = 64): number {
  if (typeof value === 'string') return 5 + 3 * value.length;
  if (value instanceof Uint8Array) return 5 + Math.ceil(value.length / 3) * 4;
  if (typeof value !== 'object' || value === null || depth === 0) return 32;
  let bytes = 5;
  for (const [key, item] of Object.entries(value)) {
    bytes += bytesAtMost(key) + bytesAtMost(item, depth - 1);
    if (bytes > COMMAND_BYTES_MAX) break;
  }
  return bytes;
}
