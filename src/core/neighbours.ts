/**
 * The active view: the few members with whom we share links, the same on both sides. Nobody negotiates it. Each member is
 * at a place of its own on a few rings, by a hash of its id, and its neighbours are those before and after it on each: with
 * equal tables both sides find the same, one ring alone connects everybody, and the other ones make the ways short. Where
 * tables differ for a moment, whoever wants a link says so, and has it.
 *
 * A connection to each neighbour is kept open, so that a process that is killed is noticed at once.
 *
 * @source HyParView (2007) §3 for the symmetric active view; Law and Siu (2003) for random graphs made of Hamilton cycles.
 */

import type { NativePacket } from '../wire/packet.js';
import { sharesPart } from './addresses.js';
import type { Core } from './core.js';
import { log } from './log.js';
import type { MemberId } from './member-id.js';
import { idHash, isActive, type MemberRow } from './row.js';

/** Rings for a cluster of any size, and how many times larger it must be for one more. Source: simulation, see the decision. */
const RINGS_MIN = 2;
const RING_GROWTH = 24;
/** Links that only the other side wants. Source: guess; while tables are equal there are none. */
const GUESTS_MAX = 32;
/** How often the view is looked through. Source: guess. */
const TIDY_MS = 10_000;
/** A link that is not wanted any more ends after this, so that a new one has taken its place. Source: guess. */
const LINGER_MS = 5000;
/**
 * The connection to a neighbour is used at least this often. Source: guess; NATs and load balancers forget after 240 s and
 * more, and this costs 1.3 bytes/s a link.
 */
const KEEP_MS = 120_000;
/** After a connection to a neighbour has failed it is tried again after this. Source: guess; if it is gone, we know by then. */
const RETRY_MS = 30_000;
/** A link that only the other side wants ends when it has not said so for this long. Source: two of its words may be lost. */
const GUEST_MS = KEEP_MS * 2.5;

/** One link. */
export interface Neighbour {
  readonly id: MemberId;
  /** Messages are only announced to it, not pushed. */
  lazy: boolean;
  /** By our own table it is one. */
  wanted: boolean;
  /** When the link ends, if it is not wanted then. */
  untilMs: number;
  /** When it was last told that it is our neighbour. */
  toldMs: number;
  /** Its connection has failed since. */
  broken: boolean;
}

export class Neighbours {
  readonly #view = new Map<MemberId, Neighbour>();
  /** On each ring how far it is to whom we want before and after us: whoever is nearer changes the view. */
  #reach: number[] = [];
  #searching = false;
  #alone = true;

  constructor(private readonly core: Core) {
    core.every(
      () => core.random.jitter(TIDY_MS, 0.25),
      () => {
        core.dissemination.tidy();
        this.#tidy();
      },
    );
  }

  get size(): number {
    return this.#view.size;
  }

  all(): IterableIterator<Neighbour> {
    return this.#view.values();
  }

  get(id: MemberId): Neighbour | undefined {
    return this.#view.get(id);
  }

  /** A row appeared, changed or is gone. */
  changed(row: MemberRow): void {
    if (row.via || row.dialect !== 'native' || row === this.core.self) return;
    const link = this.#view.get(row.id);
    if (row.state === 'dead' || row.state === 'leaving') {
      if (link) this.#remove(link);
      else return;
    } else if (row.state === 'suspect' ? !link?.wanted : link?.wanted || !this.#isNear(row.id)) return;
    this.#searchSoon();
  }

  /** A member treats us as its neighbour. @returns the link; `undefined` when too many do whom we do not want. */
  met(id: MemberId): Neighbour | undefined {
    const link = this.#view.get(id);
    if (link) return link;
    const row = this.core.members.get(id);
    if (!row || !isActive(row)) return undefined;
    const guests = [...this.#view.values()].filter(({ wanted }) => !wanted).length;
    if (guests < GUESTS_MAX) return this.#add(id, false);
    this.core.drop('neighboursOverLimit', id);
    return undefined;
  }

  onNeighbour({ from, on }: Extract<NativePacket, { type: 'neighbour' }>): void {
    const link = this.#view.get(from);
    if (on) {
      const met = this.met(from);
      if (met) met.untilMs = this.core.nowMs + GUEST_MS;
    } else if (link?.wanted) this.#tell(link, true);
    else if (link) this.#remove(link);
  }

  /** A connection has failed: what was under way may be lost, and the member may be gone. */
  failed(address: string): void {
    for (const link of this.#view.values()) {
      const row = this.core.members.get(link.id);
      if (!row || !sharesPart(row.address, address)) continue;
      link.toldMs = this.core.nowMs - KEEP_MS + RETRY_MS;
      link.broken = true;
      this.core.dissemination.unlinked();
      link.lazy = true;
    }
  }

  #searchSoon(): void {
    if (this.#searching) return;
    this.#searching = true;
    this.core.schedule(0, () => this.search());
  }

  /**
   * Finds whom we want by our own table.
   * @param settled - as if all had been told, each at some time of the last interval.
   */
  search(settled = false): void {
    this.#searching = false;
    const { core } = this;
    const natives = core.members.natives();
    if (this.#alone && natives.length > 0) core.dissemination.begin();
    this.#alone = natives.length === 0;
    const alive = natives.filter(({ state }) => state === 'alive');
    const rings = Math.max(RINGS_MIN, Math.ceil(log(alive.length, RING_GROWTH)));
    const own = idHash(core.self.id);
    const reach: number[] = Array(rings * 2).fill(Number.POSITIVE_INFINITY);
    const wanted: MemberId[] = [];
    for (const { id } of alive) {
      const other = idHash(id);
      for (let side = 0; side < reach.length; side++) {
        const far = distance(own, other, side);
        if (far > (reach[side] as number) || (far === reach[side] && id > (wanted[side] as MemberId))) continue;
        reach[side] = far;
        wanted[side] = id;
      }
    }
    this.#reach = reach;
    for (const link of this.#view.values()) {
      if (!link.wanted || wanted.includes(link.id)) continue;
      link.wanted = false;
      link.untilMs = core.nowMs + LINGER_MS;
    }
    for (const id of wanted) {
      const link = this.#view.get(id);
      if (link) link.wanted = true;
      else this.#add(id, true, settled ? core.random.unit() * KEEP_MS : undefined);
    }
  }

  #isNear(id: MemberId): boolean {
    const { core } = this;
    const [own, other] = [idHash(core.self.id), idHash(id)];
    return this.#reach.length === 0 || this.#reach.some((far, side) => distance(own, other, side) <= far);
  }

  #add(id: MemberId, wanted: boolean, toldAgoMs?: number): Neighbour {
    const { nowMs } = this.core;
    const toldMs = nowMs - (toldAgoMs ?? 0);
    const link: Neighbour = { id, lazy: false, wanted, untilMs: nowMs + GUEST_MS, toldMs, broken: false };
    this.#view.set(id, link);
    if (wanted && toldAgoMs === undefined) this.#tell(link, true);
    this.core.dissemination.linked(link);
    return link;
  }

  #remove(link: Neighbour): void {
    this.#view.delete(link.id);
    this.core.dissemination.unlinked();
  }

  #tell(link: Neighbour, on: boolean): void {
    const row = this.core.members.get(link.id);
    link.toldMs = this.core.nowMs;
    link.broken = false;
    if (row) this.core.send(row, { type: 'neighbour', from: this.core.self.id, on }, true);
  }

  #tidy(): void {
    const { nowMs } = this.core;
    for (const link of this.#view.values()) {
      if (!link.wanted && link.untilMs <= nowMs) {
        this.#tell(link, false);
        this.#remove(link);
      } else if (link.wanted && nowMs - link.toldMs >= KEEP_MS) {
        const { broken } = link;
        this.#tell(link, true);
        if (broken) this.core.dissemination.linked(link);
      }
    }
  }
}

/** How far it is on a ring from one member to another: on even sides forwards, on odd ones backwards. */
function distance(own: number, other: number, side: number): number {
  const ring = side >> 1;
  const ahead = place(other, ring) - place(own, ring);
  return (side & 1 ? -ahead : ahead) >>> 0;
}

/** Where a member is on a ring. @source The finalizer of MurmurHash3 (Austin Appleby). */
function place(hash: number, ring: number): number {
  let h = hash + Math.imul(ring, 0x9e3779b9);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
