/**
 * The model of a network: how long a frame takes, and whether, how often and how whole it arrives. It knows places by
 * number and moves nothing itself.
 */
import type { Random } from '../core/random.js';

/** How the network treats what is sent through it. Shares are between 0 and 1; times are one way, in milliseconds. */
export interface NetworkOptions {
  /** Time every frame takes at least, or a function that draws it, from whatever distribution. Default 1. */
  delayMs?: number | ((random: Random) => number);
  /** The most that is added to it; most frames are near the minimum, few near the most. Default 1. */
  jitterMs?: number;
  /** Share of datagrams that are lost; a reliable frame comes late instead. Default 0. */
  loss?: number;
  /** Share of datagrams that arrive twice. Default 0. */
  duplicate?: number;
  /** Share of datagrams held back until later ones have passed them. Default 0. */
  reorder?: number;
  /** Share of datagrams with flipped bits. They are opened, which may only fail cleanly, and dropped. Default 0. */
  corrupt?: number;
  /** What a member's uplink takes, headers included, for all that it sends; given for a link, what that takes. Default: no bound. */
  bandwidthBytesPerS?: number;
  /** What waits in front of it at most: a datagram beyond that is dropped and counted, a reliable frame waits. Default 256 KiB. */
  queueBytes?: number;
}

/** Traffic of a member that is cut and passes in turn, each for so long, beginning with a cut. */
export interface FlipFlop {
  everyMs: number;
  /** `in`: what is sent to it, `out`: what it sends. */
  ways: 'in' | 'out' | 'both';
}

/** A network without faults. */
export const NETWORK_DEFAULTS = {
  delayMs: 1,
  jitterMs: 1,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
  bandwidthBytesPerS: Number.POSITIVE_INFINITY,
  /** Source: guess, the size of a usual router's or socket's buffer. */
  queueBytes: 256 * 1024,
} as const satisfies Required<NetworkOptions>;

/** A held-back datagram comes this much later at most. Source: guess, several probes' answers long. */
const HELD_BACK_MS = 100;
/** A lost segment is sent again after this long. Source: RTO_min of Linux. */
const RETRANSMIT_MS = 200;

/** More than there are places. */
const PLACES = 0x400_0000;

/** One number for two places and their order. */
export function pairOf(from: number, to: number): number {
  return from * PLACES + to;
}

/** The places of a pair. */
export function placesOf(pair: number): [from: number, to: number] {
  return [Math.floor(pair / PLACES), pair % PLACES];
}

/** Times by key, of which only those to come matter: what has passed is forgotten when there is too much of it. */
export class Deadlines {
  readonly #atMs = new Map<number, number>();
  #sweepAt = 1024;

  get size(): number {
    return this.#atMs.size;
  }

  get(key: number): number | undefined {
    return this.#atMs.get(key);
  }

  set(key: number, atMs: number, nowMs: number): void {
    this.#atMs.set(key, atMs);
    if (this.#atMs.size < this.#sweepAt) return;
    for (const [old, oldMs] of this.#atMs) if (oldMs < nowMs) this.#atMs.delete(old);
    this.#sweepAt = Math.max(1024, this.#atMs.size * 2);
  }

  delete(key: number): void {
    this.#atMs.delete(key);
  }

  entries(): IterableIterator<[number, number]> {
    return this.#atMs.entries();
  }
}

/** Draws what becomes of each frame, and knows who is cut off from whom. */
export class Network {
  #options: Required<NetworkOptions>;
  /** What differs on single links, and those options on top of the others. */
  readonly #links = new Map<number, { own: NetworkOptions; whole: Required<NetworkOptions> }>();
  readonly #cuts = new Set<number>();
  #group = new Map<number, number>();
  readonly #flipFlops = new Map<number, FlipFlop & { fromMs: number }>();
  /** When the latest reliable frame of a pair arrives: none overtakes another. */
  readonly #reliableAtMs = new Deadlines();
  /** When an uplink, or a link with a bandwidth of its own, has sent what waits. */
  readonly #freeAtMs = new Deadlines();
  /** The same for all that a place sends. */
  readonly #busyUntilMs = new Map<number, number>();

  constructor(
    options: NetworkOptions,
    private readonly random: Random,
  ) {
    this.#options = { ...NETWORK_DEFAULTS, ...options };
  }

  /** Changes some of the options from now on. */
  change(options: NetworkOptions): void {
    this.#options = { ...this.#options, ...options };
    for (const link of this.#links.values()) link.whole = { ...this.#options, ...link.own };
  }

  /** Gives one link options of its own, one way, instead of any it had; `undefined`: it is as all others. */
  link(from: number, to: number, options: NetworkOptions | undefined): void {
    if (options) this.#links.set(pairOf(from, to), { own: options, whole: { ...this.#options, ...options } });
    else this.#links.delete(pairOf(from, to));
  }

  /** Nothing gets from one place to another any more; the way back stays open. */
  cut(from: number, to: number): void {
    this.#cuts.add(pairOf(from, to));
  }

  /** Only members of the same group reach each other; who is in none is a group of its own. */
  partition(groups: readonly (readonly number[])[]): void {
    this.#group = new Map(groups.flatMap((group, i) => group.map((place): [number, number] => [place, i + 1])));
  }

  /** Ends every cut and partition. */
  heal(): void {
    this.#cuts.clear();
    this.#group.clear();
  }

  /** Cuts a place off and on from now; `undefined` ends it. */
  flipFlop(place: number, how: FlipFlop | undefined, nowMs: number): void {
    if (how) this.#flipFlops.set(place, { ...how, fromMs: nowMs });
    else this.#flipFlops.delete(place);
  }

  /** Whether anything gets from one place to another. */
  passes(from: number, to: number, nowMs: number): boolean {
    if (this.#cuts.size > 0 && this.#cuts.has(pairOf(from, to))) return false;
    if (this.#flipFlops.size > 0 && (this.#flipped(from, 'in', nowMs) || this.#flipped(to, 'out', nowMs))) return false;
    if (this.#group.size === 0 || from === to) return true;
    const group = this.#group.get(from);
    return group !== undefined && group === this.#group.get(to);
  }

  #flipped(place: number, unless: 'in' | 'out', nowMs: number): boolean {
    const flip = this.#flipFlops.get(place);
    return flip !== undefined && flip.ways !== unless && Math.floor((nowMs - flip.fromMs) / flip.everyMs) % 2 === 0;
  }

  /** How many times a datagram arrives; 0: it is lost. */
  copies(from: number, to: number): number {
    const { loss, duplicate } = this.#of(from, to);
    if (this.#happens(loss)) return 0;
    return this.#happens(duplicate) ? 2 : 1;
  }

  /** How long one of them takes. */
  datagramMs(from: number, to: number): number {
    const options = this.#of(from, to);
    return this.#delayMs(options) + (this.#happens(options.reorder) ? this.random.unit() * HELD_BACK_MS : 0);
  }

  /** Whether one of them has flipped bits. */
  corrupts(from: number, to: number): boolean {
    return this.#happens(this.#of(from, to).corrupt);
  }

  /**
   * How long a frame waits for its uplink until its last byte has left.
   * @param dropped - may be dropped instead, when too much waits.
   * @returns the time and how many bytes wait now, with it; `undefined` when it was dropped.
   */
  uplink(
    from: number,
    to: number,
    bytes: number,
    dropped: boolean,
    nowMs: number,
  ): [waitMs: number, queued: number] | undefined {
    const { bandwidthBytesPerS, queueBytes } = this.#of(from, to);
    if (bandwidthBytesPerS === Number.POSITIVE_INFINITY) return NO_WAIT;
    const own = this.#links.get(pairOf(from, to))?.own.bandwidthBytesPerS !== undefined;
    const key = own ? pairOf(from, to) : -1 - from;
    const beginMs = Math.max(nowMs, this.#freeAtMs.get(key) ?? 0);
    const queued = ((beginMs - nowMs) * bandwidthBytesPerS) / 1000 + bytes;
    if (dropped && queued > queueBytes) return undefined;
    const freeAtMs = beginMs + (bytes / bandwidthBytesPerS) * 1000;
    this.#freeAtMs.set(key, freeAtMs, nowMs);
    this.#busyUntilMs.set(from, Math.max(this.#busyUntilMs.get(from) ?? 0, freeAtMs));
    return [freeAtMs - nowMs, queued];
  }

  /** Until when so much waits for the uplink of a place that a datagram is dropped, or waits longer than someone has patience. */
  chokedUntilMs(from: number, patienceMs: number): number {
    const { bandwidthBytesPerS, queueBytes } = this.#options;
    const roomMs = Math.min(patienceMs, (queueBytes / bandwidthBytesPerS) * 1000);
    return (this.#busyUntilMs.get(from) ?? Number.NEGATIVE_INFINITY) - roomMs;
  }

  /** When a reliable frame that leaves at a time arrives: in order, and late for each time it was lost. */
  reliableAtMs(from: number, to: number, nowMs: number): number {
    const options = this.#of(from, to);
    let delayMs = this.#delayMs(options);
    for (let pauseMs = RETRANSMIT_MS; pauseMs < RETRANSMIT_MS * 8 && this.#happens(options.loss); pauseMs *= 2) {
      delayMs += pauseMs;
    }
    const pair = pairOf(from, to);
    const atMs = Math.max(nowMs + delayMs, this.#reliableAtMs.get(pair) ?? 0);
    this.#reliableAtMs.set(pair, atMs, nowMs);
    // Not the difference: added up again it would be rounded, and one frame could overtake another.
    return atMs;
  }

  /** Draws one delay of a link, or of links in general. */
  delayMs(from = -1, to = -1): number {
    return this.#delayMs(this.#of(from, to));
  }

  /** Only + and ×, so that every runtime draws the same. */
  #delayMs({ delayMs, jitterMs }: Required<NetworkOptions>): number {
    const unit = this.random.unit();
    return (typeof delayMs === 'number' ? delayMs : delayMs(this.random)) + jitterMs * unit * unit * unit;
  }

  #of(from: number, to: number): Required<NetworkOptions> {
    return (this.#links.size > 0 && this.#links.get(pairOf(from, to))?.whole) || this.#options;
  }

  /** A frame with one to three bits of it flipped. */
  spoil(frame: Uint8Array): Uint8Array {
    const spoilt = frame.slice();
    for (let i = this.random.below(3); i >= 0; i--) {
      const at = this.random.below(spoilt.length);
      spoilt[at] = (spoilt[at] as number) ^ (1 << this.random.below(8));
    }
    return spoilt;
  }

  #happens(share: number): boolean {
    return share > 0 && this.random.unit() < share;
  }
}

const NO_WAIT: [number, number] = [0, 0];
