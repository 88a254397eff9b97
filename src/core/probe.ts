/**
 * Failure detection: one member per interval, a ping, then the same question through others and by the reliable carrier,
 * then suspicion. Each interval everybody asks the member equally far on in the ring of ids, so that with equal views and
 * clocks each member is asked exactly once; where those differ it is chance, as in SWIM. Cost per member does not grow
 * with the cluster.
 *
 * A closed connection or a refused dial is evidence beyond silence: it is looked into at once, and who is asked to help
 * dials too. Where all of them are refused and nothing answers, the suspicion is a hard one.
 *
 * @source SWIM §3.1 and §4.3 (in turn, so that nobody waits for ever); Lifeguard §III-A (nack, local health); memberlist
 *   (the reliable fallback ping). The common step of all around the ring, and evidence, are ours.
 */
import type { NativePacket } from '../wire/packet.js';
import type { Core } from './core.js';
import type { PacketSource } from './input.js';
import type { MemberId } from './member-id.js';
import { stateNews } from './news.js';
import { Ring } from './ring.js';
import { isActive, type MemberRow } from './row.js';
import type { Timer } from './timers.js';

/**
 * What speaks against a member other than silence: its connection was closed, so that dialling again shows more; it could not
 * be reached by the reliable carrier; a dial was refused, since nobody listens there.
 */
export type Evidence = 'closed' | 'failed' | 'refused';

interface Probe {
  target: MemberId;
  startMs: number;
  /** Those who may answer for the target, and those of them who said they could not reach it either. */
  helpers: MemberId[];
  nacked: MemberId[];
  /** A refused dial or closed connection made us ask. */
  evidence: boolean;
  /** A dial of ours was refused: until then an ack that is under way is waited for. And which helpers' dials were. */
  refusedMs: number | undefined;
  refused: MemberId[];
  /**
   * It is over, and kept for a while: when it failed an ack that is only late still shows that the target lives; after an
   * answer a connection that is closed again, as by a proxy that has nobody behind it, is not dialled again at once.
   */
  over: 'answered' | 'failed' | undefined;
  /** Until when it is kept; it goes when another one is begun, as a timer for each would wake us. */
  untilMs: number;
  /** When others are asked as well. */
  askOthers: Timer | undefined;
  /** Called with the verdict instead of suspecting: a ping for somebody else, or to verify a joiner. */
  done: ((alive: boolean, refused: boolean) => void) | undefined;
}

export class Prober {
  readonly #probes = new Map<number, Probe>();
  /** Whom we ask: the others that can be dialled, and apart from them the dead. */
  #active = new Ring();
  readonly #dead = new Ring();
  /** When somebody last did not answer in time. */
  unansweredMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly core: Core) {}

  get size(): number {
    return this.#probes.size;
  }

  start(): void {
    const { probeIntervalMs, deadProbeIntervalMs } = this.core.timing;
    // Members begin at different moments.
    this.core.schedule(this.core.random.unit() * probeIntervalMs, () => {
      this.#round();
      this.core.every(
        () => probeIntervalMs * (1 + this.core.suspicion.health),
        () => this.#round(),
      );
    });
    this.core.every(
      () => this.core.random.jitter(deadProbeIntervalMs, 0.5),
      () => this.#askDead(),
    );
  }

  #round(): void {
    const target = this.#nextTarget();
    // A v1 peer costs a connection to ask; it talks so much that having heard from it will mostly do.
    const { nowMs, self, timing } = this.core;
    const heard = target?.dialect === 'v1' && target.heardMs > nowMs - timing.probeIntervalMs && self.state === 'alive';
    if (target && !heard) this.ask(target);
  }

  /** The step of this interval leads everybody to somebody else, and within N intervals to each member once. */
  #nextTarget(): MemberRow | undefined {
    /** A prime above every size of a ring, so that steps of it pass all places. Source: Knuth's multiplier for hashing. */
    const STEP = 2_654_435_761;
    const { config, nowMs, timing, self, members } = this.core;
    const { size } = this.#active;
    const interval = Math.floor((config.epochMs + nowMs) / timing.probeIntervalMs);
    for (let skipped = 0; skipped < size; skipped++) {
      const places = ((interval % size) * (STEP % size) + skipped) % size;
      const row = members.get(this.#active.after(self.id, places) as MemberId);
      if (row && this.#canProbe(row)) return row;
    }
    return undefined;
  }

  #canProbe(row: MemberRow): boolean {
    return !row.via && !this.core.whyNot(row);
  }

  /** A row appeared, or changed its state. */
  changed(row: MemberRow): void {
    if (row.via) return;
    this.#active.set(row.id, isActive(row));
    this.#dead.set(row.id, row.state === 'dead');
  }

  /** Others appeared that are known already, in the order of their ids. */
  adopt(ids: MemberId[]): void {
    this.#active = new Ring(ids);
  }

  /** A row is gone. */
  removed(id: MemberId): void {
    this.#active.set(id, false);
    this.#dead.set(id, false);
  }

  /** The dead are asked now and then for ever, so that a healed partition is noticed however long it lasted. */
  #askDead(): void {
    const { random, members, self } = this.core;
    const row =
      this.#dead.size > 0 && members.get(this.#dead.after(self.id, random.below(this.#dead.size)) as MemberId);
    if (row && this.#canProbe(row)) this.verify(row);
  }

  /**
   * Asks a member now, whosever turn it is.
   * @param evidence - absent: it is only somebody's hint.
   */
  ask(row: MemberRow, evidence?: Evidence): void {
    if (!isActive(row) || !this.#canProbe(row)) return;
    let asked = false;
    let again = false;
    for (const [seq, probe] of this.#probes) {
      // A last look before a verdict is no turn of its: an answer to it does not speak for our own health.
      if (probe.target !== row.id || (probe.done && !evidence)) continue;
      if (probe.over) {
        again ||= probe.evidence && probe.over === 'answered';
        continue;
      }
      asked = true;
      if (evidence === 'refused') this.#refused(seq, probe);
      else if (evidence === 'closed' && !probe.evidence && !probe.done) this.#dial(row, seq);
      probe.evidence ||= evidence !== undefined;
    }
    if (asked) return;
    if (evidence) this.core.count('evidence');
    this.#probe(row, again && evidence === 'closed' ? 'failed' : evidence);
  }

  /** Pings a member without drawing conclusions from silence; `done` is called with what was found. */
  verify(
    row: MemberRow,
    done: (alive: boolean, refused: boolean) => void = () => {},
    carriers: readonly ('datagram' | 'reliable')[] = ['reliable'],
    timeoutMs = this.core.timing.probeIntervalMs * (1 + this.core.suspicion.health),
  ): void {
    if (row.dialect !== 'native') {
      this.core.foreign?.ping(row, timeoutMs, (alive) => done(alive, false));
      return;
    }
    const seq = this.expectAck(row.id, timeoutMs, done);
    for (const carrier of carriers) this.#tell(row, 'ping', seq, carrier === 'reliable');
  }

  #tell(row: MemberRow, type: 'ping' | 'ack', seq: number, reliable: boolean): void {
    this.core.send(row, { type, seq, from: this.core.self.id, news: this.core.news.take(row) }, reliable);
  }

  /**
   * Waits for one ack from somebody who may not be a member yet.
   * @returns the sequence number it must carry.
   */
  expectAck(from: MemberId, timeoutMs: number, done: (alive: boolean, refused: boolean) => void): number {
    const seq = this.#open(from, false, done);
    this.core.schedule(timeoutMs, () => this.#close(seq, false));
    return seq;
  }

  #probe(row: MemberRow, evidence?: Evidence): void {
    const stretch = 1 + this.core.suspicion.health;
    this.core.count('probes');
    const seq = this.#open(row.id, evidence !== undefined);
    const timeoutMs = this.core.timing.probeTimeoutMs * stretch;
    if (row.dialect === 'native') {
      this.#tell(row, 'ping', seq, false);
      if (evidence === 'refused') this.#refused(seq, this.#probes.get(seq) as Probe);
      else if (evidence === 'closed') this.#dial(row, seq);
      const probe = this.#probes.get(seq) as Probe;
      probe.askOthers = this.core.schedule(timeoutMs, () => this.#askOthers(seq, false));
    } else {
      this.core.foreign?.ping(row, timeoutMs, (alive) => {
        if (alive) this.#close(seq, true);
        else this.#askOthers(seq, false);
      });
    }
    this.core.schedule(this.core.timing.probeIntervalMs * stretch, () => this.#close(seq, false));
  }

  /** @returns a number that cannot be guessed from earlier ones. */
  #open(target: MemberId, evidence: boolean, done?: Probe['done']): number {
    for (const [old, { untilMs }] of this.#probes) if (untilMs <= this.core.nowMs) this.#probes.delete(old);
    let seq: number;
    do seq = this.core.random.uint32();
    while (this.#probes.has(seq));
    this.#probes.set(seq, {
      target,
      startMs: this.core.nowMs,
      helpers: [],
      nacked: [],
      evidence,
      refusedMs: undefined,
      refused: [],
      over: undefined,
      untilMs: Number.POSITIVE_INFINITY,
      askOthers: undefined,
      done,
    });
    return seq;
  }

  /**
   * The same question through k others and, when no ack has come in time, by the reliable carrier.
   * @param dial - a dial of ours was refused: the others are to dial as well, now.
   */
  #askOthers(seq: number, dial: boolean): void {
    const probe = this.#probes.get(seq);
    const row = probe && this.core.members.get(probe.target);
    if (!probe || probe.over || !row || (!dial && probe.helpers.length > 0)) return;
    this.core.count('indirectProbes');
    if (!dial) this.unansweredMs = this.core.nowMs;
    const { members, random, timing } = this.core;
    const fits = (other: MemberRow) =>
      other.state === 'alive' && other !== row && (row.dialect === 'native' || other.bilingual);
    if (probe.helpers.length === 0) {
      probe.helpers = random.sample(members.natives(), timing.indirectProbes, fits).map(({ id }) => id);
    }
    const helpers = probe.helpers.flatMap((id) => members.get(id) ?? []);
    this.core.send(helpers, { type: 'ping-req', seq, from: this.core.self.id, target: row.id, dial }, false);
    if (!probe.evidence) this.#dial(row, seq);
  }

  /** The same question by the reliable carrier, which may find that nobody listens. */
  #dial(row: MemberRow, seq: number): void {
    if (row.dialect === 'native') this.#tell(row, 'ping', seq, true);
  }

  /** Nobody listens at the address. Others look as well; an ack that is under way has a moment left. */
  #refused(seq: number, probe: Probe): void {
    if (probe.refusedMs !== undefined) return;
    /** A share of the timeout. Source: guess, many times a round trip. */
    const REFUSED_WAIT = 0.2;
    const waitMs = this.core.timing.probeTimeoutMs * REFUSED_WAIT;
    probe.refusedMs = this.core.nowMs + waitMs;
    if (!probe.done) this.#askOthers(seq, true);
    this.core.schedule(waitMs, () => this.#closeIfRefused(seq, probe));
  }

  /** Ends a probe early when a dial of ours was refused and, in our own matter, those of all helpers as well. */
  #closeIfRefused(seq: number, probe: Probe): void {
    if (probe.refusedMs !== undefined && this.core.nowMs >= probe.refusedMs && (probe.done || this.#isHard(probe)))
      this.#close(seq, false);
  }

  /** Three of us were refused, or all there are; who is alone with the target has nobody to ask. */
  #isHard({ refusedMs, helpers, refused }: Probe): boolean {
    if (refusedMs === undefined || refused.length < Math.min(2, helpers.length)) return false;
    return helpers.length > 0 || this.core.members.natives().length <= 1;
  }

  /** Ends a probe, once; silence after a pause of our own proves nothing. */
  #close(seq: number, alive: boolean): void {
    const probe = this.#probes.get(seq);
    if (!probe || probe.over) return;
    if (probe.done) {
      this.#probes.delete(seq);
      probe.done(alive, probe.refusedMs !== undefined);
      return;
    }
    const row = this.core.members.get(probe.target);
    // An idle member is not woken to find that nothing is to be done.
    this.core.timers.cancel(probe.askOthers);
    // Whatever is new from it is proof of life, an ack or not.
    probe.over = alive || (row && row.heardMs > probe.startMs) ? 'answered' : 'failed';
    probe.untilMs = this.core.nowMs + this.core.timing.probeIntervalMs * 2;
    if (probe.over === 'answered') {
      // When a link is back, what was looked into meanwhile is answered all at once.
      if (!probe.evidence) this.core.suspicion.adjustHealth(-1);
      return;
    }
    if (this.core.nowMs < this.core.pausedUntilMs) return;
    this.core.count('probesFailed');
    if (!row || !isActive(row)) return;
    const { suspicion, self } = this.core;
    if (self.state === 'dead') {
      // Our link is ill still, unless nobody listens there.
      if (probe.refusedMs === undefined) suspicion.adjustHealth(Number.POSITIVE_INFINITY);
    } else if (row.state === 'alive' && !probe.evidence) {
      // Silence of one that is suspected already, or has refused a connection, says nothing about our own health.
      suspicion.adjustHealth(probe.helpers.length > 0 ? probe.helpers.length - probe.nacked.length : 1);
    }
    suspicion.suspect(row, probe.nacked, probe.evidence);
    if (probe.refusedMs !== undefined) suspicion.refused(row, this.#isHard(probe));
  }

  onPing({ seq }: Extract<NativePacket, { type: 'ping' }>, source: PacketSource, sender: MemberRow | undefined): void {
    if (sender) {
      this.#tell(sender, 'ack', seq, source.reliable);
    } else if (source.address !== undefined) {
      // A stranger that knows us, after a restart or a lost view: answer where it came from, and introduce ourselves.
      // News is neither heard from it nor told to it: anybody can write a ping, with any return address.
      this.core.count('pingsFromStrangers');
      this.core.send(source.address, { type: 'ack', seq, from: this.core.self.id, news: [] }, false);
      this.core.contacts.contact(source.address);
    }
  }

  onAck(packet: Extract<NativePacket, { type: 'ack' }>, sender: MemberRow | undefined): void {
    const probe = this.#probes.get(packet.seq);
    if (!probe) {
      // Of a member it came late; a stranger was never asked.
      if (sender) this.core.count('lateAcks');
      else this.core.drop('repliesNobodyAskedFor', packet.from);
      return;
    }
    if (packet.from !== probe.target && !probe.helpers.includes(packet.from)) {
      this.core.drop('acksFromOthers', packet.from);
      return;
    }
    if (packet.from === probe.target || probe.over) this.core.members.heard(probe.target);
    if (probe.over) {
      this.core.count('lateAcks');
      this.#probes.delete(packet.seq);
    } else this.#close(packet.seq, true);
  }

  onNack({ seq, from, refused }: Extract<NativePacket, { type: 'nack' }>): void {
    const probe = this.#probes.get(seq);
    if (!probe?.helpers.includes(from)) return;
    add(probe.nacked, from);
    if (!refused) return;
    add(probe.refused, from);
    this.#closeIfRefused(seq, probe);
  }

  /** Somebody cannot reach a member and asks us to try. */
  onPingReq({ seq, target, dial }: Extract<NativePacket, { type: 'ping-req' }>, asker: MemberRow): void {
    /** Pings under way at the same time, those for others included. Source: guess; a healthy member has one or two. */
    const RELAYS_MAX = 1024;
    const row = this.core.members.get(target);
    if (row && !isActive(row)) {
      // It has left, or died for everybody else: the asker is about to find out the hard way.
      this.core.send(
        asker,
        { type: 'news', from: this.core.self.id, news: [stateNews(row, this.core.self.id)] },
        false,
      );
      return;
    }
    const done = (alive: boolean, refused: boolean) =>
      alive
        ? this.#tell(asker, 'ack', seq, false)
        : this.core.send(asker, { type: 'nack', seq, from: this.core.self.id, refused }, false);
    if (!row || !this.#canProbe(row) || row === this.core.self || this.#probes.size >= RELAYS_MAX) {
      done(false, false);
      return;
    }
    // Lifeguard: the nack leaves at 80 % of the timeout, so that it can arrive within the asker's.
    this.verify(row, done, dial ? ['datagram', 'reliable'] : ['datagram'], this.core.timing.probeTimeoutMs * 0.8);
  }
}

/** Few are in such a list: a set for each of them costs more than all the rest of a probe. */
function add(list: MemberId[], id: MemberId): void {
  if (!list.includes(id)) list.push(id);
}
