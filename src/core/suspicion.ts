/**
 * Suspicion: between silence and death. Its time shrinks as independent members confirm it, a refutation ends it, and our
 * own local health stretches it.
 *
 * @source Lifeguard (2017): suspicion timeouts §III-B, local health §III-A; SWIM §4.2.
 */
import type { MemberState } from '../wire/packet.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';
import type { MemberRow } from './members.js';

/** Highest local health score; 0 is healthy. Source: Lifeguard §V, memberlist's AwarenessMaxMultiplier. */
const HEALTH_MAX = 8;

interface Suspicion {
  startMs: number;
  minMs: number;
  maxMs: number;
  /** Confirmations after which the minimum is reached. */
  k: number;
  witnesses: Set<MemberId>;
  deadlineMs: number;
}

export class SuspicionTable {
  readonly #running = new Map<MemberId, Suspicion>();
  #health = 0;

  constructor(private readonly core: Core) {}

  /** Local health multiplier's score: grows when we seem to be the problem. */
  get health(): number {
    return this.#health;
  }

  /** Changes the score, kept within 0 … 8. */
  adjustHealth(by: number): void {
    this.#health = Math.min(HEALTH_MAX, Math.max(0, this.#health + by));
  }

  get size(): number {
    return this.#running.size;
  }

  get #shortestMs(): number {
    const { config, members } = this.core;
    const { suspicionMult, probeIntervalMs } = config.timing;
    return suspicionMult * Math.max(1, Math.log10(members.peers().length + 1)) * probeIntervalMs;
  }

  /** How long a suspicion lasts that nobody confirms. */
  get longestMs(): number {
    return this.#shortestMs * this.core.config.timing.suspicionMaxMult;
  }

  /** We ourselves found a member silent. `witnesses` above 1: there was evidence beyond silence. */
  suspect(row: MemberRow, evidence: boolean): void {
    const { core } = this;
    if (row.state === 'alive') core.members.mergeState(row, row.incarnation, 'suspect', core.self.id);
    else if (row.state === 'suspect') this.confirm(row, core.self.id);
    if (evidence) this.confirm(row, EVIDENCE);
  }

  /** A row is gone, and its suspicion with it. */
  end(id: MemberId): void {
    this.#running.delete(id);
  }

  /** A row's `(incarnation, state)` changed; starts, restarts or ends its suspicion. */
  stateChanged(row: MemberRow, by: MemberId): void {
    if (row.state !== 'suspect') {
      this.#running.delete(row.id);
      return;
    }
    const { core } = this;
    const { timing } = core.config;
    // Of a leaf nobody but its gateway can tell; it has time to come to another.
    const minMs = row.via ? this.longestMs : this.#shortestMs;
    // Those that can confirm are the others of our own kind. When they are too few, the minimum counts from the start
    // (memberlist does the same).
    const others = core.members.natives().filter((other) => other !== row && other.state === 'alive');
    const k = row.via || others.length < timing.suspicionMult - 2 ? 0 : timing.suspicionMult - 2;
    const suspicion: Suspicion = {
      startMs: core.nowMs,
      minMs,
      maxMs: minMs * timing.suspicionMaxMult,
      k,
      witnesses: new Set([by]),
      deadlineMs: 0,
    };
    this.#running.set(row.id, suspicion);
    this.#rearm(row.id, suspicion);
  }

  /** One more independent witness: the time left shrinks, and the news travels once more under its name. */
  confirm(row: MemberRow, by: MemberId): void {
    const suspicion = this.#running.get(row.id);
    if (!suspicion || suspicion.witnesses.has(by) || suspicion.witnesses.size > suspicion.k) return;
    suspicion.witnesses.add(by);
    if (by !== EVIDENCE) this.core.news.addState(row, by);
    this.#rearm(row.id, suspicion);
  }

  #rearm(id: MemberId, suspicion: Suspicion): void {
    const { core } = this;
    const part = suspicion.k > 0 ? Math.log(suspicion.witnesses.size) / Math.log(suspicion.k + 1) : 1;
    const lasts = Math.max(suspicion.minMs, suspicion.maxMs - part * (suspicion.maxMs - suspicion.minMs));
    suspicion.deadlineMs = suspicion.startMs + lasts;
    core.schedule(suspicion.deadlineMs - core.nowMs, () => this.#deadline(id, suspicion));
  }

  #deadline(id: MemberId, suspicion: Suspicion): void {
    const { core } = this;
    if (this.#running.get(id) !== suspicion || core.nowMs < suspicion.deadlineMs) return;
    const row = core.members.get(id);
    if (!row) return;
    if (core.nowMs < core.pausedUntilMs || row.heardMs > suspicion.startMs) {
      // We were asleep, and what was silent may be us; or it has spoken since: it lives and has not yet heard that it is
      // suspected. Tell it, and wait once more.
      suspicion.startMs = core.nowMs;
      if (!row.via) core.probe.verify(row);
      this.#rearm(id, suspicion);
      return;
    }
    core.count('deathsDeclared');
    if (row.via) core.leaves.judge(row, 'dead');
    else core.members.mergeState(row, row.incarnation, 'dead', core.self.id);
  }

  /**
   * Somebody has an opinion about us. A wrong or newer one is answered with an incarnation of our own that outranks it.
   */
  aboutSelf(incarnation: bigint, state: MemberState, address: string, version = 0n): void {
    const { core } = this;
    const { self } = core;
    if (self.state === 'leaving') return;
    if (version > self.version) {
      // A former life of ours had a clock ahead of this one: what we say of ourselves now must be newer.
      core.hlc.observe(version);
      core.members.updateSelf();
    }
    if (incarnation < self.incarnation) {
      // Answered long ago, and somebody has not heard the answer: a partition may have lain between.
      if (state !== 'alive') core.news.addState(self, self.id);
      return;
    }
    if (incarnation === self.incarnation && state === 'alive') return;
    if (state === 'alive' && address !== self.address) {
      core.drop('idConflicts', `${address} uses our id ${self.id}`);
    }
    core.hlc.observe(incarnation);
    if (state !== 'alive') {
      core.count('refutations');
      this.adjustHealth(1);
    }
    core.members.renewSelf('alive');
    core.news.addState(self, self.id);
  }
}

/** The witness that is no member: a refused dial, a closed connection. */
const EVIDENCE: MemberId = 'evidence';
