/**
 * A short name for everything that was sent in a run: two 32-bit hashes over time, ends and bytes of each frame. Equal on
 * every runtime for the same seed, so that a run can be compared without being kept.
 */

/** FNV-1a's offset basis and prime; the second lane starts elsewhere, so that the two differ. */
const OFFSET = 0x811c9dc5;
const OFFSET_B = 0x050c5d1f;
const PRIME = 0x01000193;

/** Collects a run into 64 bits. */
export class Trace {
  #a = OFFSET;
  #b = OFFSET_B;
  readonly #six = new Uint8Array(6);

  /** Adds one frame. Time counts in microseconds, so that the last bit of a float on some runtime does not matter. */
  add(nowMs: number, from: number, to: number, frame: Uint8Array): void {
    this.#word(Math.round(nowMs * 1000));
    this.#word(from);
    this.#word(to);
    this.#word(frame.length);
    this.#bytes(frame);
  }

  /** The hash so far, 16 hexadecimal digits. */
  get hash(): string {
    return hex(this.#a) + hex(this.#b);
  }

  #word(value: number): void {
    const six = this.#six;
    const high = Math.floor(value / 0x1_0000_0000);
    for (let i = 0; i < 4; i++) six[i] = value >>> (8 * i);
    six[4] = high;
    six[5] = high >>> 8;
    this.#bytes(this.#six);
  }

  #bytes(bytes: Uint8Array): void {
    // In variables, because every byte of a run comes through here.
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      a = Math.imul(a ^ byte, PRIME);
      b = Math.imul(b ^ (byte + 1), PRIME) ^ (b >>> 15);
    }
    this.#a = a;
    this.#b = b;
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
