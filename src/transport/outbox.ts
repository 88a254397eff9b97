/**
 * What waits for peers that are sent to by one exchange after the other: while one is under way, the frames that come
 * meanwhile wait, and go together by the next. So a hundred frames at once are a few exchanges and not a hundred.
 */

/** Bytes of frames that go together, with four for the length of each. Source: guess, far below the usual `frameBytesMax`. */
const BATCH_BYTES_MAX = 262_144;
/** Frames that go together, at most. Source: guess. */
const BATCH_FRAMES_MAX = 1_024;
const LENGTH_BYTES = 4;

interface Waiting {
  frame: Uint8Array;
  taken(): void;
  failed(error: unknown): void;
}

/** Frames on their way to one peer, in order. */
interface Box {
  bytes: number;
  waiting: Waiting[];
}

export class Outbox {
  readonly #boxes = new Map<string, Box>();

  /** @param post - carries frames to a peer. What it rejects with has become of all of them. */
  constructor(private readonly post: (peer: string, frames: readonly Uint8Array[]) => Promise<unknown>) {}

  /** Bytes that wait for a peer, or are under way to it. */
  bytes(peer: string): number {
    return this.#boxes.get(peer)?.bytes ?? 0;
  }

  /**
   * Sends a frame, which must not be changed any more, after those before it.
   * @param bytesMax - of frames that go together, lengths included.
   */
  send(peer: string, frame: Uint8Array, bytesMax: number): Promise<void> {
    return new Promise((taken, failed) => {
      const known = this.#boxes.get(peer);
      const box = known ?? { bytes: 0, waiting: [] };
      box.bytes += frame.length;
      box.waiting.push({ frame, taken, failed });
      if (known) return;
      this.#boxes.set(peer, box);
      void this.#empty(peer, box, Math.min(bytesMax, BATCH_BYTES_MAX));
    });
  }

  async #empty(peer: string, box: Box, bytesMax: number): Promise<void> {
    while (box.waiting.length > 0) {
      const batch = box.waiting.splice(0, batchLength(box.waiting, bytesMax));
      try {
        await this.post(
          peer,
          batch.map(({ frame }) => frame),
        );
        for (const { taken } of batch) taken();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
      for (const { frame } of batch) box.bytes -= frame.length;
    }
    this.#boxes.delete(peer);
  }
}

/** How many of the frames that wait go together. */
function batchLength(waiting: readonly Waiting[], bytesMax: number): number {
  let bytes = 0;
  const end = waiting.findIndex(({ frame }, i) => {
    bytes += LENGTH_BYTES + frame.length;
    return i > 0 && (bytes > bytesMax || i >= BATCH_FRAMES_MAX);
  });
  return end === -1 ? waiting.length : end;
}

/** Frames as one body: `[u32 length][frame]`, again and again. */
export function packFrames(frames: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(frames.reduce((bytes, { length }) => bytes + LENGTH_BYTES + length, 0));
  const view = new DataView(all.buffer);
  let at = 0;
  for (const frame of frames) {
    view.setUint32(at, frame.length, true);
    all.set(frame, at + LENGTH_BYTES);
    at += LENGTH_BYTES + frame.length;
  }
  return all;
}

/** @returns the frames of such a body; `undefined` when it is none, or has too many. */
export function unpackFrames(body: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    if (frames.length >= BATCH_FRAMES_MAX || at + LENGTH_BYTES > body.length) return undefined;
    const start = at + LENGTH_BYTES;
    at = start + view.getUint32(at, true);
    if (at > body.length) return undefined;
    // Its own bytes, because it may live longer than the others.
    frames.push(body.slice(start, at));
  }
  return frames;
}
