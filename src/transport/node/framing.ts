/**
 * Frames on a byte stream: `[u32 LE length][frame]`, both ways, as the Go library does. The length is checked before
 * anything is allocated for it, and memory grows only with bytes that have really arrived.
 */
import { GossipError } from '../../errors.js';

const PREFIX_BYTES = 4;
// Source: guess; most frames are smaller, so that most need one allocation.
const FIRST_BYTES = 2_048;
const NOTHING = new Uint8Array(0);

/** Puts the length in front of a frame. The result is a copy. */
export function withLength(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + frame.length);
  new DataView(bytes.buffer).setUint32(0, frame.length, true);
  bytes.set(frame, PREFIX_BYTES);
  return bytes;
}

/** Cuts a byte stream into frames, one at a time, so that its owner can stop between two. */
export class FrameReader {
  readonly #frameBytesMax: number;
  /** Bytes received and not looked at. */
  #input: Uint8Array = NOTHING;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixHave = 0;
  /** Length of the frame being read; -1 while its prefix is incomplete. */
  #length = -1;
  #frame: Uint8Array = NOTHING;
  #have = 0;

  /** @param frameBytesMax - longest frame to accept, in bytes. */
  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Whether a frame has begun and not ended. */
  get partial(): boolean {
    return this.#prefixHave > 0 || this.#input.length > 0;
  }

  /** Takes what has arrived; nothing is cut before {@link next}. */
  push(chunk: Uint8Array): void {
    if (this.#input.length === 0) {
      this.#input = chunk;
      return;
    }
    const joined = new Uint8Array(this.#input.length + chunk.length);
    joined.set(this.#input);
    joined.set(chunk, this.#input.length);
    this.#input = joined;
  }

  /**
   * The next whole frame, a copy that belongs to the caller, or `undefined` when more bytes are needed.
   * @throws {GossipError} `ERR_TOO_LARGE`: the length is above the limit; the stream cannot be read any further.
   */
  next(): Uint8Array | undefined {
    if (this.#length < 0 && !this.#readPrefix()) return undefined;
    const missing = this.#length - this.#have;
    const part = this.#input.subarray(0, missing);
    this.#reserve(this.#have + part.length);
    this.#frame.set(part, this.#have);
    this.#have += part.length;
    this.#input = this.#input.subarray(part.length);
    if (this.#have < this.#length) return undefined;
    const frame = this.#frame;
    this.#frame = NOTHING;
    this.#have = 0;
    this.#prefixHave = 0;
    this.#length = -1;
    return frame;
  }

  #readPrefix(): boolean {
    const part = this.#input.subarray(0, PREFIX_BYTES - this.#prefixHave);
    this.#prefix.set(part, this.#prefixHave);
    this.#prefixHave += part.length;
    this.#input = this.#input.subarray(part.length);
    if (this.#prefixHave < PREFIX_BYTES) return false;
    const length = new DataView(this.#prefix.buffer).getUint32(0, true);
    if (length > this.#frameBytesMax) {
      throw new GossipError('ERR_TOO_LARGE', `a frame of ${length} bytes is above the limit of ${this.#frameBytesMax}`);
    }
    // No peer sends it, and a stream of zeros would be read without end.
    if (length === 0) throw new GossipError('ERR_FRAME', 'a frame of 0 bytes');
    this.#length = length;
    return true;
  }

  /** Makes room by doubling, never beyond the frame's length: at most twice what has arrived, and exact in the end. */
  #reserve(bytes: number): void {
    if (bytes <= this.#frame.length) return;
    const size = bytes === this.#length ? bytes : Math.max(bytes, this.#frame.length * 2, FIRST_BYTES);
    const larger = new Uint8Array(Math.min(size, this.#length));
    larger.set(this.#frame.subarray(0, this.#have));
    this.#frame = larger;
  }
}
