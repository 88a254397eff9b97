/**
 * Failure detection: one member per interval, each in turn; a ping, then the same question through others and by the
 * reliable carrier, then suspicion. Cost per member does not grow with the cluster.
 *
 * @source SWIM §3.1 and §4.3 (round robin in a shuffled order); Lifeguard §III-A (nack, local health); memberlist
 *   (the reliable fallback ping).
 */
import type { NativePacket } from '../wire/packet.js';
import type { Core } from './core.js';
import type { PacketSource } from './input.js';
import type { MemberId } from './member-id.js';
import { isActive, type MemberRow } from './members.js';

interface Probe {
  target: MemberId;
  startMs: number;
  /** Those who may answer for the target, and those of them who said they could not reach it either. */
  helpers: Set<MemberId>;
  nacked: Set<MemberId>;
  /** A refused dial or closed connection made us ask. */
  evidence: boolean;
  /** Called with the verdict instead of suspecting: a ping for somebody else, or to verify a joiner. */
  done: ((alive: boolean) => void) | undefined;
}

export class Prober {
  readonly #probes = new Map<number, Probe>();
  #order: MemberId[] = [];
  #next = 0;

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
    const heard = target?.dialect === 'v1' && target.heardMs > this.core.nowMs - this.core.timing.probeIntervalMs;
    if (target && !heard) this.#probe(target, false);
  }

  /** The next member in turn; a finished round is shuffled anew, so that a member is met within 2 N − 1 intervals. */
  #nextTarget(): MemberRow | undefined {
    for (let fresh = 0; fresh < 2; ) {
      const id = this.#order[this.#next++];
      if (id === undefined) {
        this.#order = this.core.random
          .sample(this.core.members.peers(), this.core.members.peers().length)
          .map((row) => row.id);
        this.#next = 0;
        fresh++;
        continue;
      }
      const row = this.core.members.get(id);
      if (row && isActive(row) && this.#canProbe(row)) return row;
    }
    return undefined;
  }

  #canProbe(row: MemberRow): boolean {
    return !row.via && !this.core.whyNot(row);
  }

  /** A new member is met in this round already, at a random place of what is left of it. */
  added(row: MemberRow): void {
    const rest = this.#order.length - this.#next;
    this.#order.splice(this.#next + this.core.random.below(rest + 1), 0, row.id);
  }

  /** The dead are asked now and then for ever, so that a healed partition is noticed however long it lasted. */
  #askDead(): void {
    const dead = [...this.core.members.all()].filter((row) => row.state === 'dead' && this.#canProbe(row));
    const [row] = this.core.random.sample(dead, 1);
    if (row) this.verify(row);
  }

  /**
   * Asks a member now, whosever turn it is.
   * @param evidence - something other than silence speaks against it; otherwise it is only somebody's hint.
   */
  ask(row: MemberRow, evidence: boolean): void {
    if (!isActive(row) || !this.#canProbe(row)) return;
    for (const probe of this.#probes.values()) {
      if (probe.target === row.id && !probe.done) {
        probe.evidence ||= evidence;
        return;
      }
    }
    if (evidence) this.core.count('evidence');
    this.#probe(row, evidence);
  }

  /** Pings a member without drawing conclusions from silence; `done` is called with what was found. */
  verify(
    row: MemberRow,
    done: (alive: boolean) => void = () => {},
    reliable = true,
    timeoutMs = this.core.timing.probeIntervalMs * (1 + this.core.suspicion.health),
  ): void {
    if (row.dialect === 'native') this.#tell(row, 'ping', this.expectAck(row.id, timeoutMs, done), reliable);
    else this.core.foreign?.ping(row, timeoutMs, done);
  }

  #tell(row: MemberRow, type: 'ping' | 'ack', seq: number, reliable: boolean): void {
    this.core.send(row, { type, seq, from: this.core.self.id, news: this.core.news.take(row) }, reliable);
  }

  /**
   * Waits for one ack from somebody who may not be a member yet.
   * @returns the sequence number it must carry.
   */
  expectAck(from: MemberId, timeoutMs: number, done: (alive: boolean) => void): number {
    const seq = this.#open(from, false, done);
    this.core.schedule(timeoutMs, () => this.#close(seq, false));
    return seq;
  }

  #probe(row: MemberRow, evidence: boolean): void {
    const stretch = 1 + this.core.suspicion.health;
    this.core.count('probes');
    const seq = this.#open(row.id, evidence);
    const timeoutMs = this.core.timing.probeTimeoutMs * stretch;
    if (row.dialect === 'native') {
      this.#tell(row, 'ping', seq, false);
      this.core.schedule(timeoutMs, () => this.#askOthers(seq));
    } else {
      this.core.foreign?.ping(row, timeoutMs, (alive) => {
        if (alive) this.#close(seq, true);
        else this.#askOthers(seq);
      });
    }
    this.core.schedule(this.core.timing.probeIntervalMs * stretch, () => this.#close(seq, false));
  }

  /** @returns a number that cannot be guessed from earlier ones. */
  #open(target: MemberId, evidence: boolean, done?: (alive: boolean) => void): number {
    let seq: number;
    do seq = this.core.random.uint32();
    while (this.#probes.has(seq));
    this.#probes.set(seq, {
      target,
      startMs: this.core.nowMs,
      helpers: new Set(),
      nacked: new Set(),
      evidence,
      done,
    });
    return seq;
  }

  /** No ack in time: the same question through k others and by the reliable carrier. */
  #askOthers(seq: number): void {
    const probe = this.#probes.get(seq);
    const row = probe && this.core.members.get(probe.target);
    if (!probe || !row) return;
    this.core.count('indirectProbes');
    const helpers = this.core.random.sample(
      this.core.members.natives(),
      this.core.timing.indirectProbes,
      (other) => other.state === 'alive' && other.id !== row.id && (row.dialect === 'native' || other.bilingual),
    );
    probe.helpers = new Set(helpers.map((helper) => helper.id));
    this.core.send(helpers, { type: 'ping-req', seq, from: this.core.self.id, target: row.id }, false);
    // Where a connection has just failed there is no use in another: it would only be evidence again.
    if (row.dialect === 'native' && !probe.evidence) this.#tell(row, 'ping', seq, true);
  }

  /** Ends a probe, once; silence after a pause of our own proves nothing. */
  #close(seq: number, alive: boolean): void {
    const probe = this.#probes.get(seq);
    if (!probe) return;
    this.#probes.delete(seq);
    if (probe.done) {
      probe.done(alive);
      return;
    }
    const row = this.core.members.get(probe.target);
    // Whatever is new from it is proof of life, an ack or not.
    if (alive || (row && row.heardMs > probe.startMs)) {
      this.core.suspicion.adjustHealth(-1);
      return;
    }
    if (this.core.nowMs < this.core.pausedUntilMs) return;
    this.core.count('probesFailed');
    // Silence of one that is suspected already, or has refused a connection, says nothing about our own health.
    if (row?.state === 'alive' && !probe.evidence) {
      this.core.suspicion.adjustHealth(probe.helpers.size > 0 ? probe.helpers.size - probe.nacked.size : 1);
    }
    if (row && isActive(row)) this.core.suspicion.suspect(row, probe.evidence);
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
    if (packet.from !== probe.target && !probe.helpers.has(packet.from)) {
      this.core.drop('acksFromOthers', packet.from);
      return;
    }
    if (packet.from === probe.target) this.core.members.heard(packet.from);
    this.#close(packet.seq, true);
  }

  onNack(packet: Extract<NativePacket, { type: 'nack' }>): void {
    const probe = this.#probes.get(packet.seq);
    if (probe?.helpers.has(packet.from)) probe.nacked.add(packet.from);
  }

  /** Somebody cannot reach a member and asks us to try. */
  onPingReq({ seq, target }: Extract<NativePacket, { type: 'ping-req' }>, asker: MemberRow): void {
    /** Pings under way at the same time, those for others included. Source: guess; a healthy member has one or two. */
    const RELAYS_MAX = 1024;
    const row = this.core.members.get(target);
    const done = (alive: boolean) => {
      if (alive) this.#tell(asker, 'ack', seq, false);
      else this.core.send(asker, { type: 'nack', seq, from: this.core.self.id }, false);
    };
    if (!row || !this.#canProbe(row) || row === this.core.self || this.#probes.size >= RELAYS_MAX) {
      done(false);
      return;
    }
    // Lifeguard: the nack leaves at 80 % of the timeout, so that it can arrive within the asker's.
    this.verify(row, done, false, this.core.timing.probeTimeoutMs * 0.8);
  }
}
