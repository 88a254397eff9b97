/** The Go library's formulas for how much to tell. */

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
