/** The Go library's formulas for how much to tell, and a size it does not tell. */

/** Members listed in a join reply. @source calculateJoinResponseSize of the Go library */
export function joinReplySize(alive: number): number {
  if (alive <= 5) return alive;
  if (alive <= 20) return Math.ceil(alive * 0.8);
  return alive <= 100 ? 20 : 25;
}

/** Entries in a push/pull. @source CalcPayloadSize of the Go library, StateExchangeMultiplier 0.8 */
export function pushPullSize(members: number): number {
  if (members <= 0) return 0;
  const base = Math.ceil(Math.log2(members) * 0.8) + 2;
  return Math.min(members, Math.max(3, Math.min(base, 16)));
}

/** Roughly how many bytes a value takes when encoded; v1 does not tell, and only the order of magnitude matters. */
export function estimateBytes(value: unknown): number {
  if (typeof value === 'string') return value.length + 3;
  if (value instanceof Uint8Array) return value.length + 3;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + estimateBytes(item), 3);
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    const entries = Object.entries(value);
    return entries.length === 0
      ? 0
      : entries.reduce((sum, [key, item]) => sum + key.length + 3 + estimateBytes(item), 3);
  }
  return 9;
}
