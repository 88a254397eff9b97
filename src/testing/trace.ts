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

  /** Adds one frame. Time counts in microseconds, so that the last bit of a float on some runtime does not matter. */
  add(nowMs: number, from: number, to: number, frame: Uint8Array): void {
    this.#word(Math.round(nowMs * 1000));
    this.#word(from);
    this.#word(to);
    this.#word(frame.length);
    for (const byte of frame) this.#byte(byte);
  }

  /** The hash so far, 16 hexadecimal digits. */
  get hash(): string {
    return hex(this.#a) + hex(this.#b);
  }

  #word(value: number): void {
    for (let rest = value, i = 0; i < 6; i++, rest = Math.floor(rest / 256)) this.#byte(rest & 255);
  }

  #byte(byte: number): void {
    this.#a = Math.imul(this.#a ^ byte, PRIME);
    this.#b = Math.imul(this.#b ^ (byte + 1), PRIME) ^ (this.#b >>> 15);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
