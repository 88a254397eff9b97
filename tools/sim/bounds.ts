/**
 * How long things may take, from the timing of the preset and the number of members. What is later than this breaks an
 * invariant; what is usual stands among the figures, far below.
 */
import type { Timing } from '../../src/core/config.js';

/** Bounds of one run, in milliseconds. */
export interface Bounds {
  /** A suspicion that nobody confirms. */
  suspicionMs: number;
  /** After whatever made a member seem silent has ended, for so long it may still be declared dead because of it. */
  recoveryMs: number;
  /** Whose link was ill may say for so long that it is dead. */
  illMs: number;
  /** From a crash until everybody holds the member dead. */
  deathMs: number;
  /** From the end of the last fault until all views are equal. */
  convergenceMs: number;
}

/**
 * Probe intervals after which a crashed member has been probed by somebody, but for one run in a million: each of N − 1
 * members probes it once in N − 1 intervals, so that e^-14 remain.
 */
const INTERVALS_UNTIL_PROBED = 14;

/** How much slower a member probes at its worst local health, which many failed probes lead to. Source: suspicion.ts. */
const SLOWEST = 9;

/** Probe intervals in which an ill link is found well, from the worst health, thrice: those that crash meanwhile do not answer. */
const INTERVALS_UNTIL_WELL = 3 * 44;

/**
 * @param harsh - the network loses datagrams, or a tenth or more of the members die: probes fail, and members blame themselves.
 *
 * - `suspicionMs`: `suspicionMult × max(1, log10 N) × probeIntervalMs × suspicionMaxMult`
 * - `recoveryMs`: a suspicion that began just before the end, and two intervals for the news of it
 * - `illMs`: after that as long as it takes to be sure
 * - `deathMs`: until it is probed, the suspicion; whom the news missed hears of it by a comparison, which counts as a
 *   suspicion only: two more of those
 * - `convergenceMs`: as long, and what it takes to find those that are thought dead, a probe of one of them at a time
 */
export function boundsOf(timing: Timing, members: number, harsh: boolean): Bounds {
  const { probeIntervalMs, suspicionMult, suspicionMaxMult, syncIntervalMs, deadProbeIntervalMs, seedRetryMs } = timing;
  const suspicionMs = suspicionMult * Math.max(1, Math.log10(members)) * probeIntervalMs * suspicionMaxMult;
  const probedMs = INTERVALS_UNTIL_PROBED * probeIntervalMs * (harsh ? SLOWEST : 1);
  const deathMs = probedMs + 2 * suspicionMs + 2 * 1.5 * syncIntervalMs;
  return {
    suspicionMs,
    recoveryMs: suspicionMs + 2 * probeIntervalMs,
    illMs: suspicionMs + INTERVALS_UNTIL_WELL * probeIntervalMs,
    deathMs,
    convergenceMs: deathMs + INTERVALS_UNTIL_PROBED * deadProbeIntervalMs + 10 * seedRetryMs,
  };
}
