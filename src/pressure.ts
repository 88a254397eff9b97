/**
 * How much of our broadcasts the carriers have not taken yet. Whoever broadcasts faster than they take is asked to wait, and
 * refused beyond a limit: a queue in memory would only hide it.
 */
import type { Input, Packet } from './core/input.js';

/** There is room again below this share of the limit. Source: guess. */
const LOW_SHARE = 0.25;
const NO_WAIT = Promise.resolve();

export class Pressure {
  /** What has not been taken. */
  bytes = 0;
  /** What those wait for who are to wait. */
  #room: Promise<void> | undefined;
  #makeRoom = () => {};

  constructor(protected readonly bytesMax: number) {}

  /** Whether so many bytes more are too many. */
  isAbove(bytes: number): boolean {
    return this.bytes + bytes > this.bytesMax;
  }

  /**
   * A packet is on its way to so many; of a leaf only a broadcast counts.
   * @returns to be called for each of them, when the carrier has taken it or has failed; `undefined`: it does not count.
   */
  sending(packet: Packet, copies: number): (() => void) | undefined {
    return packet.type === 'broadcast' ? this.add(packet.payload.length, copies) : undefined;
  }

  /** So many bytes are on their way to so many. @returns to be called for each of them. */
  add(bytes: number, copies: number): () => void {
    this.bytes += bytes * copies;
    return () => {
      this.bytes -= bytes;
      if (this.isLow) this.free();
    };
  }

  /** Resolves when more may be sent: at once, mostly. */
  room(): Promise<void> {
    if (this.isLow) return NO_WAIT;
    this.#room ??= new Promise((resolve) => {
      this.#makeRoom = resolve;
    });
    return this.#room;
  }

  /** @returns when more may be taken from the member that a packet came from; `undefined`: now. Only who relays makes it wait. */
  after?(input: Input): Promise<undefined> | undefined;

  /** Lets everybody go on who waits. */
  free(): void {
    this.#makeRoom();
    this.#room = undefined;
  }

  get isLow(): boolean {
    return this.bytes < this.bytesMax * LOW_SHARE;
  }
}
