/**
 * Meeting members: joining through an address, being joined, seeds. Whoever introduces itself is believed only after it
 * has answered at the address it names, so that invented members cost nothing but a bounded number of pings.
 */
import { type GossipError, joinFailure } from '../errors.js';
import type { MemberRecord, NativePacket } from '../wire/packet.js';
import { sharesPart } from './addresses.js';
import { PROTOCOL_VERSION } from './config.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';

/** Called once: without an error when there is a member at the address now. */
type Done = (error?: GossipError) => void;

interface PendingJoin {
  address: string;
  /** We knew nobody. */
  alone: boolean;
  /** Set once the peer accepted: its whole table is still to come. */
  accepted?: MemberId;
  done: Done;
}

export class Contacts {
  /** Joins of ours without an answer yet, by sequence number. */
  readonly #joins = new Map<number, PendingJoin>();
  /** Whose whole table is still to come, to us who knew nobody: all of it is known to others already. */
  readonly firstViews = new Set<MemberId>();
  /** Addresses being contacted, each once at a time, and who waits for that. */
  readonly #addresses = new Map<string, Done[]>();
  /** Joiners that have not yet answered at their address. */
  readonly #unverified = new Map<MemberId, MemberRecord>();
  /** Refusals sent lately: they go to whatever address a stranger named. */
  #refusals = 0;
  /** Addresses the application named, and whether somebody has answered there yet. */
  readonly #seeds = new Map<string, boolean>();
  #retryArmed = false;

  constructor(private readonly core: Core) {}

  get pending(): number {
    return this.#addresses.size + this.#unverified.size;
  }

  /** The application's join: one address that answers is enough, all have to fail for it to fail. */
  join(addresses: readonly string[], ref: number): void {
    const others = [...new Set(addresses)].filter((address) => !sharesPart(address, this.core.self.address));
    if (others.length === 0) this.core.emit({ type: 'settled', ref, joined: 0 });
    const errors: GossipError[] = [];
    for (const address of others) {
      this.#seeds.set(address, false);
      const done: Done = (error) => {
        this.#met(address, error);
        if (!error) {
          this.core.emit({ type: 'settled', ref, joined: 1 });
        } else if (errors.push(error) === others.length) {
          const reasons = [...new Set(errors.map(({ message }) => message))].join('; ');
          this.core.emit({ type: 'settled', ref, error: errors.find(isRefusal) ?? joinFailure(reasons) });
        }
      };
      this.contact(address, done, true);
    }
    this.#armRetry();
  }

  /**
   * Introduces us to whoever is at an address.
   * @param ours - the application named the address, so that no flood of strangers stands in its way.
   */
  contact(address: string, done: Done = () => {}, ours = false): void {
    if (sharesPart(address, this.core.self.address)) {
      done(joinFailure(`${address} is our own address`));
      return;
    }
    const waiting = this.#addresses.get(address);
    if (waiting) {
      waiting.push(done);
      return;
    }
    if (!ours && this.pending >= this.core.limits.pendingContactsMax) {
      this.core.drop('contactsOverLimit', address);
      done(joinFailure('too many joins at once'));
      return;
    }
    const callers = [done];
    this.#addresses.set(address, callers);
    const finish: Done = (error) => {
      this.#addresses.delete(address);
      if (error) {
        const level = isRefusal(error) ? 'warn' : 'debug';
        this.core.emit({ type: 'log', level, message: `joining ${address} failed: ${error.message}` });
      }
      for (const caller of callers) caller(error);
    };
    if (!this.core.foreign) {
      this.#joinNatively(address, finish);
      return;
    }
    this.core.foreign.contact(address, (found) => {
      if (found === 'native') this.#joinNatively(address, finish);
      else finish(found === 'foreign' ? undefined : found);
    });
  }

  #joinNatively(address: string, done: Done): void {
    /** A seed hears only so many at once; the others ask again. Source: guess. */
    const JOIN_TRIES = 5;
    const seq = this.core.random.uint32();
    this.#joins.set(seq, { address, alone: this.#alone, done });
    const ask = () => {
      const join = this.#joins.get(seq);
      if (!join || join.accepted) return;
      this.core.send(address, { type: 'join', seq, from: this.core.self.id, record: this.core.selfRecord() }, true);
      this.core.schedule(this.core.random.jitter(this.core.timing.joinTimeoutMs / JOIN_TRIES, 0.5), ask);
    };
    ask();
    this.core.schedule(this.core.timing.joinTimeoutMs, () => {
      const join = this.#joins.get(seq);
      if (!join) return;
      // Accepted but the table is still on its way: being a member is what was asked for.
      if (join.accepted) this.#finish(seq);
      else
        this.#finish(
          seq,
          joinFailure(`${address} did not answer; can it reach us at ${this.core.self.address} with our key?`),
        );
    });
  }

  /** A reliable send to an address failed: a join that waits for an answer from there has failed as well. */
  unreachable(address: string, why: string): void {
    for (const [seq, join] of this.#joins) {
      if (sharesPart(join.address, address) && !join.accepted) this.#finish(seq, joinFailure(why));
    }
  }

  #finish(seq: number, error?: GossipError): void {
    const join = this.#joins.get(seq);
    this.#joins.delete(seq);
    join?.done(error);
  }

  onJoin({ seq, from, record }: Extract<NativePacket, { type: 'join' }>): void {
    // It would find nobody through one that is dead for all.
    if (this.core.self.state === 'dead') return;
    const reason = this.#refusal(from, record) ?? '';
    const verify = reason ? this.#refuse(from, reason) : this.#verify(record);
    if (verify === undefined) return;
    this.core.send(
      record.address,
      {
        type: 'join-reply',
        seq,
        from: this.core.self.id,
        accepted: !reason,
        reason,
        verify,
        record: this.core.selfRecord(),
      },
      true,
    );
  }

  /** @returns 0 when the joiner is to be told, `undefined` when too many have been told lately. */
  #refuse(joiner: MemberId, reason: string): 0 | undefined {
    this.core.drop('joinsRejected', `${joiner}: ${reason}`);
    if (this.#refusals >= this.core.limits.pendingContactsMax) return undefined;
    this.#refusals++;
    this.core.schedule(this.core.timing.joinTimeoutMs, () => this.#refusals--);
    return 0;
  }

  /**
   * Holds a joiner back until it has acknowledged our reply, which went to the address it names.
   * @returns the sequence number to acknowledge; `undefined` when it has been sent one already or too many are waiting.
   */
  #verify(record: MemberRecord): number | undefined {
    if (this.#unverified.has(record.id)) {
      this.core.count('joinsRepeated');
      return undefined;
    }
    if (this.pending >= this.core.limits.pendingContactsMax) {
      this.core.drop('contactsOverLimit', record.id);
      return undefined;
    }
    this.core.count('joinsAccepted');
    this.#unverified.set(record.id, record);
    return this.core.probe.expectAck(record.id, this.core.timing.joinTimeoutMs, (alive) => {
      this.#unverified.delete(record.id);
      if (!alive) {
        this.core.drop('joinersUnreachable', `${record.id} at ${record.address}`);
        return;
      }
      const row = this.core.members.merge(record, this.core.self.id);
      if (!row) return;
      // It answered there, even if a former life of it, whose clock was ahead, still says otherwise.
      this.core.members.setAddress(row, record.address);
      this.core.sync.sendAll(row);
    });
  }

  #refusal(from: MemberId, record: MemberRecord): string | undefined {
    if (record.id !== from || record.dialect !== 'native' || record.via) return 'not its own record';
    if (record.protocolVersion !== PROTOCOL_VERSION) {
      return `incompatible protocol version: ${record.protocolVersion} != ${PROTOCOL_VERSION}`;
    }
    if (this.core.tooFarAhead(record.incarnation)) return 'its clock is too far ahead';
    if (this.core.members.size >= this.core.limits.membersMax) return 'full (limits.membersMax)';
    return this.core.config.refuseVersion(record.applicationVersion);
  }

  onJoinReply(packet: Extract<NativePacket, { type: 'join-reply' }>): void {
    const join = this.#joins.get(packet.seq);
    if (!join || join.accepted || packet.record.id !== packet.from) {
      this.core.drop('repliesNobodyAskedFor', packet.from);
      return;
    }
    if (!packet.accepted) {
      this.#finish(packet.seq, joinFailure(packet.reason, true));
      return;
    }
    join.accepted = packet.from;
    if (join.alone) this.firstViews.add(packet.from);
    const row = this.core.members.merge(packet.record, packet.from, join.alone);
    // We can introduce ourselves as well as those we joined can.
    this.core.news.addRecord(this.core.self);
    if (row) this.core.send(row, { type: 'ack', seq: packet.verify, from: this.core.self.id, news: [] }, true);
  }

  /** A whole table came from a member: a join that waited for it is done. */
  viewArrived(from: MemberId): void {
    for (const [seq, join] of this.#joins) if (join.accepted === from) this.#finish(seq);
  }

  #met(address: string, error?: GossipError): void {
    if (!error) this.#seeds.set(address, true);
    // Who refused us once will refuse us again; trying on would only be noise.
    else if (isRefusal(error)) this.#seeds.delete(address);
  }

  get #alone(): boolean {
    return this.core.members.peerCount === 0;
  }

  /** Seeds are tried again with jitter: all of them for ever while we are alone, else those nobody has answered at. */
  #armRetry(): void {
    /** With company, seeds that never answered are tried this many times less often. Source: guess. */
    const RETRY_SLOWER = 10;
    if (this.#retryArmed || this.#seeds.size === 0) return;
    this.#retryArmed = true;
    const pause = this.core.timing.seedRetryMs * (this.#alone ? 1 : RETRY_SLOWER);
    this.core.schedule(this.core.random.jitter(pause, 0.5), () => {
      this.#retryArmed = false;
      const alone = this.#alone;
      for (const [address, met] of this.#seeds) {
        if (!alone && (met || this.core.members.atAddress(address).length > 0)) continue;
        this.core.count('seedRetries');
        this.contact(address, (error) => this.#met(address, error), true);
      }
      this.#armRetry();
    });
  }
}

function isRefusal({ code }: GossipError): boolean {
  return code === 'ERR_JOIN_REJECTED';
}
