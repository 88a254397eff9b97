/**
 * The model of a network: how long a frame takes, and whether, how often and how whole it arrives. It knows places by
 * number and moves nothing itself.
 */
import type { Random } from '../core/random.js';

/** How the network treats what is sent through it. Shares are between 0 and 1; times are one way, in milliseconds. */
export interface NetworkOptions {
  /** Time every frame takes at least, or a function that draws it. Default 1. */
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
}

/** One arrival of a datagram. */
export interface Arrival {
  delayMs: number;
  corrupt: boolean;
}

const DEFAULTS = {
  delayMs: 1,
  jitterMs: 1,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
} as const satisfies Required<NetworkOptions>;

/** A held-back datagram comes this much later at most. Source: guess, several probes' answers long. */
const HELD_BACK_MS = 100;
/** A lost segment is sent again after this long. Source: RTO_min of Linux. */
const RETRANSMIT_MS = 200;

/** Draws what becomes of each frame, and knows who is cut off from whom. */
export class Network {
  #options: Required<NetworkOptions>;
  /** One-way cuts, as `from>to`. */
  readonly #cuts = new Set<string>();
  #group = new Map<number, number>();
  /** When the latest reliable frame of a pair arrives: none overtakes another. */
  readonly #reliableAtMs = new Map<string, number>();

  constructor(
    options: NetworkOptions,
    private readonly random: Random,
  ) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Changes some of the options from now on. */
  change(options: NetworkOptions): void {
    this.#options = { ...this.#options, ...options };
  }

  /** Nothing gets from one place to another any more; the way back stays open. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
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

  /** Whether anything gets from one place to another. */
  passes(from: number, to: number): boolean {
    if (this.#cuts.has(`${from}>${to}`)) return false;
    if (this.#group.size === 0 || from === to) return true;
    const group = this.#group.get(from);
    return group !== undefined && group === this.#group.get(to);
  }

  /** How often and when a datagram arrives; not at all when it is lost. */
  datagram(): Arrival[] {
    const { random } = this;
    const { loss, duplicate } = this.#options;
    if (this.#happens(loss)) return [];
    const times = this.#happens(duplicate) ? 2 : 1;
    return Array.from({ length: times }, () => ({
      delayMs: this.delayMs() + (this.#happens(this.#options.reorder) ? random.unit() * HELD_BACK_MS : 0),
      corrupt: this.#happens(this.#options.corrupt),
    }));
  }

  /** How long from now until a reliable frame arrives: in order, and late for each time it was lost. */
  reliable(from: number, to: number, nowMs: number): number {
    let delayMs = this.delayMs();
    for (let pauseMs = RETRANSMIT_MS; pauseMs < RETRANSMIT_MS * 8 && this.#happens(this.#options.loss); pauseMs *= 2) {
      delayMs += pauseMs;
    }
    const pair = `${from}>${to}`;
    const atMs = Math.max(nowMs + delayMs, this.#reliableAtMs.get(pair) ?? 0);
    this.#reliableAtMs.set(pair, atMs);
    return atMs - nowMs;
  }

  /** Draws one delay. Only + and ×, so that every runtime draws the same. */
  delayMs(): number {
    const { delayMs, jitterMs } = this.#options;
    const unit = this.random.unit();
    return (typeof delayMs === 'number' ? delayMs : delayMs(this.random)) + jitterMs * unit * unit * unit;
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
