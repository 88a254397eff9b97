/**
 * Who has seen what. Each replica knows through which time it has everything of each writer, and what the others have told it of
 * themselves. From that follows the floor: the time through which everybody has everything, below which nobody needs to remember
 * what was removed. @source causal stability, Baquero and others 2014, by times instead of counts
 */

/** Members of which it is remembered what they had of ours. Source: guess, ten times as many as compare. */
const CONFIRMED_MAX = 2560;

/** Beyond so many replicas the lists are not sent, and so nothing is forgotten. Source: guess, 7 KiB a comparison. */
export const REPLICAS_MAX = 256;

interface Peer {
  readonly member: string;
  readonly has: ReadonlyMap<string, number>;
}

export class Known {
  /** Through when we have everything, by writer. */
  readonly #has = new Map<string, number>();
  /** Those we have spoken to ourselves, by writer. */
  readonly #peers = new Map<string, Peer>();
  /** Members that keep no such store, by their own word. */
  readonly #without = new Set<string>();
  /** Through when a member has told to have everything of ours; also members that are no more. */
  readonly #confirmed = new Map<string, number>();

  constructor(private readonly writer: string) {}

  /** Replicas that are known, without ourselves. */
  get size(): number {
    return this.#peers.size;
  }

  /** What we have, to be told; ourselves first. */
  tell(now: number): [writers: string[], times: number[]] {
    const writers = this.#peers.size < REPLICAS_MAX ? [this.writer, ...this.#peers.keys()] : [this.writer];
    return [writers, writers.map((one) => (one === this.writer ? now : (this.#has.get(one) ?? 0)))];
  }

  /** Somebody has told what it has. A member that was started anew is another replica, and the former one is no more. */
  heard(member: string, writer: string, has: ReadonlyMap<string, number>): void {
    for (const [other, peer] of this.#peers) if (peer.member === member && other !== writer) this.#peers.delete(other);
    this.#peers.set(writer, { member, has });
    this.#without.delete(member);
    const confirmed = Math.max(this.confirmed(member), has.get(this.writer) ?? 0);
    this.#confirmed.delete(member);
    this.#confirmed.set(member, confirmed);
    for (const oldest of this.#confirmed.keys())
      if (this.#confirmed.size > CONFIRMED_MAX) this.#confirmed.delete(oldest);
  }

  /** A member keeps no such store. */
  without(member: string): void {
    this.#without.add(member);
  }

  /** Whether all of these keep no such store. */
  allWithout(members: readonly string[]): boolean {
    return members.every((one) => this.#without.has(one));
  }

  /** We have everything that somebody had. */
  synced(has: ReadonlyMap<string, number>): void {
    for (const [writer, time] of has) this.#has.set(writer, Math.max(time, this.#has.get(writer) ?? 0));
    // Somebody may name others each time.
    if (this.#has.size > 2 * REPLICAS_MAX) this.#prune();
  }

  /** Only these members are still members. */
  keep(members: ReadonlySet<string>): void {
    for (const [writer, { member }] of this.#peers) if (!members.has(member)) this.#peers.delete(writer);
    for (const member of this.#without) if (!members.has(member)) this.#without.delete(member);
    this.#prune();
  }

  /** Forgets writers that nobody speaks of any more. */
  #prune(): void {
    const named = new Set(this.#peers.keys());
    for (const { has } of this.#peers.values()) for (const writer of has.keys()) named.add(writer);
    for (const writer of this.#has.keys()) if (!named.has(writer)) this.#has.delete(writer);
  }

  /** Through when a member is known to have everything of ours. */
  confirmed(member: string): number {
    return this.#confirmed.get(member) ?? 0;
  }

  /** How many others have everything of ours through a time, and have told so since. */
  having(time: number): number {
    let count = 0;
    for (const { has } of this.#peers.values()) if ((has.get(this.writer) ?? 0) > time) count++;
    return count;
  }

  /**
   * Through when everybody has everything of everybody; 0 as long as there is a member of which nothing is known, and for who is alone:
   * it may have lost sight of the others.
   * @param now - later than all that we have written.
   */
  stable(now: number, members: readonly string[]): number {
    if (this.#peers.size === 0 || this.#peers.size >= REPLICAS_MAX) return 0;
    const heard = new Set(Array.from(this.#peers.values(), ({ member }) => member));
    if (!members.every((one) => heard.has(one) || this.#without.has(one))) return 0;
    let stable = now;
    for (const writer of this.#peers.keys()) stable = Math.min(stable, this.#has.get(writer) ?? 0);
    for (const { has } of this.#peers.values()) {
      // Those that only somebody else has spoken to yet are waited for.
      for (const writer of has.keys()) if (writer !== this.writer && !this.#peers.has(writer)) return 0;
      stable = Math.min(stable, has.get(this.writer) ?? 0);
      for (const writer of this.#peers.keys()) stable = Math.min(stable, has.get(writer) ?? 0);
    }
    return stable;
  }
}
