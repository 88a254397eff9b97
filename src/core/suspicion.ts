/**
 * Suspicion: between silence and death. Its time shrinks as independent members confirm it, a refutation ends it, and hard
 * evidence found twice cuts it short. Who hears nobody gives no verdict for a while: the fault may be its own.
 *
 * @source Lifeguard (2017): suspicion timeouts §III-B, local health §III-A; SWIM §4.2.
 */

import type { MemberState } from '../wire/packet.js';
import type { Core } from './core.js';
import { log } from './log.js';
import type { MemberId } from './member-id.js';
import type { MemberRow } from './row.js';

/** By the reliable carrier nothing is lost; by a datagram one answers too that does not know us, since we were dead when it began. */
const BY_ALL = ['reliable', 'datagram'] as const;

interface Suspicion {
  startMs: number;
  minMs: number;
  /** Confirmations after which the minimum is reached. */
  k: number;
  witnesses: Set<MemberId>;
  /** From the start until the verdict. */
  lastsMs: number;
  /** When hard evidence was first found. */
  hardMs?: number;
}

export class SuspicionTable {
  readonly #running = new Map<MemberId, Suspicion>();
  #health = 0;
  /** From then on we are deaf, unless somebody says something. */
  #deafMs = Number.POSITIVE_INFINITY;
  /** We were deaf, and until then read what has waited, others' accusations before the refutations. */
  #readsMs = 0;

  constructor(private readonly core: Core) {}

  /** Local health multiplier's score: grows when we seem to be the problem. */
  get health(): number {
    return this.#health;
  }

  /** Changes the score, kept within 0 … 8. */
  adjustHealth(by: number): void {
    /** 0 is healthy. Source: Lifeguard §V, memberlist's AwarenessMaxMultiplier. */
    const HEALTH_MAX = 8;
    this.#health = Math.min(HEALTH_MAX, Math.max(0, this.#health + by));
    this.core.refutation.recover();
  }

  /** We were deaf until just now: what is read has waited. */
  get readsWhatWaited(): boolean {
    return this.core.nowMs < this.#readsMs;
  }

  get size(): number {
    return this.#running.size;
  }

  get #shortestMs(): number {
    const { suspicionMult, probeIntervalMs } = this.core.timing;
    return suspicionMult * Math.max(1, log(this.core.members.peerCount + 1)) * probeIntervalMs;
  }

  /** How long a leaf may take to come to another gateway: as long as a suspicion that nobody confirms, but not less. */
  get #leafMs(): number {
    /**
     * It may notice only after two of its ping intervals, and dial in vain before it finds a gateway. Source: simulation; with
     * half of it a leaf of ten in trouble was taken for dead.
     */
    const LEAF_MS_MIN = 24_000;
    return Math.max(LEAF_MS_MIN, this.#shortestMs * this.core.timing.suspicionMaxMult);
  }

  /**
   * We ourselves found a member silent.
   * @param helpers - they tried for us and found the same.
   * @param evidence - there was evidence beyond silence.
   */
  suspect(row: MemberRow, helpers: Iterable<MemberId>, evidence: boolean): void {
    if (row.state === 'alive') this.core.members.mergeState(row, row.incarnation, 'suspect', this.core.self.id);
    else this.confirm(row, this.core.self.id);
    for (const helper of helpers) this.confirm(row, helper, true);
    /** The witness that is no member: a refused dial, a closed connection. */
    const EVIDENCE: MemberId = 'evidence';
    if (evidence) this.confirm(row, EVIDENCE, true);
  }

  /**
   * A suspect refuses connections. A process that starts again does so too for a moment: only hard evidence that is found
   * twice, with a pause, is a verdict.
   */
  refused(row: MemberRow, hard: boolean): void {
    const suspicion = this.#running.get(row.id);
    if (!suspicion) return;
    /** The pause in probe intervals. Source: guess, half a second in LAN, within which most processes are back. */
    const PAUSE = 0.6;
    const pauseMs = this.core.timing.probeIntervalMs * PAUSE;
    if (hard) {
      if (suspicion.hardMs === undefined || row.heardMs > suspicion.hardMs) suspicion.hardMs = this.core.nowMs;
      if (this.core.nowMs - suspicion.hardMs >= pauseMs) {
        this.#declare(row);
        return;
      }
    }
    this.core.schedule(pauseMs, () => {
      if (this.#running.get(row.id) === suspicion) this.core.probe.ask(row, 'closed');
    });
  }

  /** A row is gone, and its suspicion with it. */
  end(id: MemberId): void {
    this.#running.delete(id);
    this.core.probe.removed(id);
  }

  /** A row's `(incarnation, state)` changed; starts, restarts or ends its suspicion. */
  stateChanged(row: MemberRow, by: MemberId): void {
    this.#running.delete(row.id);
    if (row.state !== 'suspect') return;
    // Of a leaf nobody but its gateway can tell; it has time to come to another.
    const minMs = row.via ? this.#leafMs : this.#shortestMs;
    const suspicion: Suspicion = {
      startMs: this.core.nowMs,
      minMs,
      k: row.via ? 0 : this.#confirmers(),
      witnesses: new Set([by]),
      lastsMs: 0,
    };
    this.#running.set(row.id, suspicion);
    this.#rearm(row.id, suspicion);
  }

  /** Those that can confirm are the others of our own kind, as far as they are not suspects too, as it is itself. */
  #confirmers(): number {
    /** Independent confirmations after which a suspicion has shrunk to its minimum. Source: Lifeguard §III-B, K. */
    const CONFIRMATIONS = 3;
    let others = 0;
    for (const { state } of this.core.members.natives()) if (state === 'alive' && ++others === CONFIRMATIONS) break;
    return others;
  }

  /**
   * One more independent witness: the time left shrinks, and the news travels once more under its name.
   * @param quiet - it is a witness of our own, whom the others have no news of.
   */
  confirm(row: MemberRow, by: MemberId, quiet = false): void {
    const suspicion = this.#running.get(row.id);
    if (!suspicion || suspicion.witnesses.has(by) || suspicion.witnesses.size > suspicion.k) return;
    suspicion.witnesses.add(by);
    if (!quiet) this.core.news.addState(row, by);
    this.#rearm(row.id, suspicion);
  }

  #rearm(id: MemberId, suspicion: Suspicion): void {
    const part = suspicion.k > 0 ? log(suspicion.witnesses.size, suspicion.k + 1) : 1;
    const maxMs = suspicion.minMs * this.core.timing.suspicionMaxMult;
    suspicion.lastsMs = maxMs - part * (maxMs - suspicion.minMs);
    this.#arm(id, suspicion);
  }

  #arm(id: MemberId, suspicion: Suspicion): void {
    this.core.schedule(suspicion.startMs + suspicion.lastsMs - this.core.nowMs, () => this.#deadline(id, suspicion));
  }

  /** @param looked - a last look has shown nothing. */
  #deadline(id: MemberId, suspicion: Suspicion, looked = false): void {
    const { core } = this;
    const { nowMs } = core;
    const row = core.members.get(id);
    if (this.#running.get(id) !== suspicion || !row) return;
    // The deadline has moved, or the timer came a rounding step early.
    if (nowMs < suspicion.startMs + suspicion.lastsMs) this.#arm(id, suspicion);
    else if (
      // We were asleep: what was silent may be us.
      nowMs < core.pausedUntilMs ||
      // It has spoken since: it lives and has not yet heard that it is suspected.
      row.heardMs > suspicion.startMs ||
      // We are ill, or hear nobody though somebody should be there, or did until now: it may be us as well. When that goes on we are alone.
      ((core.self.state === 'dead' || nowMs > this.#deafMs || this.readsWhatWaited) &&
        core.members.hasAlivePeer &&
        nowMs < row.stateMs + 2 * suspicion.minMs * core.timing.suspicionMaxMult)
    ) {
      // Tell it, and wait once more.
      suspicion.startMs = nowMs;
      if (!row.via) core.probe.verify(row, undefined, BY_ALL);
      this.#arm(id, suspicion);
    } else if (looked || suspicion.witnesses.size > suspicion.k) this.#declare(row);
    // Nobody, or too few, have confirmed it: it may have begun when we heard nobody, and be heard no more of. A last look.
    else core.probe.verify(row, (alive) => this.#deadline(id, suspicion, !alive), BY_ALL);
  }

  /**
   * Whether we take somebody's word against a member, in news or in a table. Whom we hold suspect or dead accuses others perhaps
   * because it hears nobody: it would not hear them refute either. Whoever is really gone, others will find.
   */
  believes(accuser: MemberId, { id, state }: { id: MemberId; state: MemberState }): boolean {
    return state === 'alive' || accuser === id || (this.core.members.get(accuser)?.state ?? 'alive') === 'alive';
  }

  /** Something came, from anybody. */
  heard(): void {
    /** Probe intervals without a packet; in each somebody asks us, or answers. Source: guess. */
    const SILENCE = 2;
    const { core } = this;
    const laterMs = core.nowMs + core.timing.probeIntervalMs * SILENCE;
    if (core.nowMs > this.#deafMs) this.#readsMs = laterMs;
    this.#deafMs = laterMs;
  }

  #declare(row: MemberRow): void {
    this.core.count('deathsDeclared');
    if (row.via) this.core.leaves.judge(row, 'dead');
    else this.core.members.mergeState(row, row.incarnation, 'dead', this.core.self.id);
  }

  /** We were not heard, and may not have heard: whom we suspect gets its whole time once more. */
  restart(): void {
    for (const suspicion of this.#running.values()) suspicion.startMs = this.core.nowMs;
  }
}
