/**
 * The acknowledged window: how much of what we sent the peer has not received, for sockets that do not tell what they
 * have queued (workerd's have no `bufferedAmount`). Both sides count the bytes of every message after the hello; where
 * one has asked for it, the other tells its count now and then, in a text message of its own.
 */

// A count is told after this many bytes, and may be that much behind. Source: guess, a sixteenth of what may be queued.
const TELL_EVERY_BYTES = 64 * 1024;
const TEXT = /^got (\d{1,16})$/;

/** The counts of one connection. */
export class Window {
  #sentBytes = 0;
  /** The peer's latest word on it. */
  #takenBytes = 0;
  #receivedBytes = 0;
  #toldBytes = 0;

  /** What was sent and is still under way, but for what the peer may keep to itself. */
  get underWayBytes(): number {
    return Math.max(0, this.#sentBytes - this.#takenBytes - TELL_EVERY_BYTES);
  }

  /** A message of this size is being sent. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** A message of this size has come. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** The text to tell the peer, when it is time. */
  due(): string | undefined {
    if (this.#receivedBytes - this.#toldBytes < TELL_EVERY_BYTES) return undefined;
    this.#toldBytes = this.#receivedBytes;
    return `got ${this.#receivedBytes}`;
  }

  /** Takes the peer's word. @returns `false` if it cannot be true: no such text, no progress, or more than was sent. */
  told(text: string): boolean {
    const bytes = Number(TEXT.exec(text)?.[1]);
    if (!(bytes > this.#takenBytes && bytes <= this.#sentBytes)) return false;
    this.#takenBytes = bytes;
    return true;
  }
}
