/** How a leaf takes over the clock of its gateway, which is the cluster's; its own may be an hour off. */
import { COUNTER_BITS, EPOCH_MS, type Hlc, type HlcTime } from './hlc.js';

/** Times we minted this far ahead of what we follow are given up. Source: guess, what counters and delays explain. */
const FOLLOW_MS = 1000;

/** Takes a time minted elsewhere for what our wall shows from now on. */
export function follow(hlc: Hlc, time: HlcTime, nowMs: number): void {
  hlc.epochMs = Number(time >> COUNTER_BITS) / 1000 + EPOCH_MS - nowMs;
  // What we minted by a clock that was far ahead nobody has believed.
  if (hlc.aheadMs(hlc.last, nowMs) > FOLLOW_MS) hlc.last = time;
  hlc.observe(time);
}
