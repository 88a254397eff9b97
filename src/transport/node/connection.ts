/**
 * One stream connection and its rules: framing both ways, backpressure both ways, and deadlines for peers that begin a
 * frame and do not end it, do not read what they asked for, or say nothing at all. It serves accepted and dialled
 * connections alike, over TCP or any other Duplex.
 */
import type { Duplex } from 'node:stream';
import { errorMessage, GossipError } from '../../errors.js';
import type { Limits } from '../../limits.js';
import { FrameReader, withLength } from './framing.js';

// Frames of one connection being worked on, and their bytes, before reading stops. Source: guess.
const UNANSWERED_MAX = 64;
const UNANSWERED_BYTES_MAX = 256 * 1024;
// How long a connection that has been ended may linger, waiting for the peer to end it too. Source: guess.
const LINGER_MS = 1_000;

/** What a connection is for and whom it tells. */
export interface ConnectionOptions {
  limits: Limits;
  /** A frame begun, or written, must be complete within this time. */
  timeoutMs: number;
  /** Without traffic in either direction for this time, the connection ends. `Infinity`: never. */
  idleTimeoutMs: number;
  /** `accepted`: the first frame is due at once and silence is counted. `dialled`: silence is normal. */
  role: 'accepted' | 'dialled';
  onFrame(frame: Uint8Array): undefined | Promise<Uint8Array | undefined>;
  /** Called once, when the stream has closed. `error` is undefined for an orderly end. */
  onClose(by: 'us' | 'peer', error: Error | undefined): void;
  count(name: string, detail?: string): void;
}

/** A stream that carries frames. */
export class Connection {
  readonly #stream: Duplex;
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #writes = new Set<{ resolve(): void; reject(error: Error): void }>();
  #unanswered = 0;
  #unansweredBytes = 0;
  #queuedBytes = 0;
  #peerEnded = false;
  #closedByUs = false;
  #closed = false;
  #error: Error | undefined;
  #activeMs = performance.now();
  /** Since when a frame is incomplete, a write is unfinished, the end is awaited; undefined when none is. */
  #frameSinceMs: number | undefined;
  #writeSinceMs: number | undefined;
  #endSinceMs: number | undefined;

  constructor(stream: Duplex, options: ConnectionOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#reader = new FrameReader(options.limits.frameBytesMax);
    if (options.role === 'accepted') this.#frameSinceMs = this.#activeMs;
    stream.on('error', (error: Error) => {
      this.#error ??= error;
    });
    stream.on('close', () => this.#onClose());
    stream.on('end', () => {
      this.#peerEnded = true;
      this.#endWhenAnswered();
    });
    stream.on('data', (chunk: Uint8Array) => {
      if (this.#endSinceMs !== undefined) return;
      this.#activeMs = performance.now();
      this.#reader.push(chunk);
      this.#read();
    });
  }

  /** Nothing is being written and no frame is being worked on. */
  get quiet(): boolean {
    return this.#queuedBytes === 0 && this.#unanswered === 0;
  }

  /** Whether it can still be written to. */
  get usable(): boolean {
    return !this.#closed && !this.#peerEnded && this.#endSinceMs === undefined && this.#stream.writable;
  }

  /**
   * Writes one frame; settles when the operating system has taken it.
   * @throws {GossipError} `ERR_UNREACHABLE` when the connection ends first.
   */
  write(frame: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed || this.#endSinceMs !== undefined) {
        reject(new GossipError('ERR_UNREACHABLE', 'the connection has ended', { cause: this.#error }));
        return;
      }
      const bytes = withLength(frame);
      const entry = { resolve, reject };
      this.#writes.add(entry);
      this.#queuedBytes += bytes.length;
      this.#writeSinceMs ??= performance.now();
      this.#stream.write(bytes, (error) => {
        this.#queuedBytes -= bytes.length;
        this.#activeMs = performance.now();
        this.#writeSinceMs = this.#queuedBytes > 0 ? this.#activeMs : undefined;
        if (!this.#writes.delete(entry)) return;
        if (error) reject(new GossipError('ERR_UNREACHABLE', errorMessage(error), { cause: this.#error ?? error }));
        else resolve();
      });
    });
  }

  /** Ends our side after what has been written; what the peer still asks for is not read any more. */
  end(): void {
    this.#closedByUs = true;
    this.#endOnce();
  }

  /** Closes at once. */
  destroy(error?: Error): void {
    this.#closedByUs = true;
    this.#error ??= error;
    this.#stream.destroy();
  }

  /** Applies the deadlines. To be called now and then with the monotonic time in ms. */
  check(nowMs: number): void {
    const { timeoutMs, idleTimeoutMs, role, count } = this.#options;
    const over = (sinceMs: number | undefined, limitMs: number) => sinceMs !== undefined && nowMs - sinceMs > limitMs;
    if (over(this.#endSinceMs, LINGER_MS)) {
      this.destroy();
    } else if (over(this.#writeSinceMs, timeoutMs)) {
      count('stalledConnections');
      this.#fail(new GossipError('ERR_UNREACHABLE', `the peer took nothing for ${timeoutMs} ms`));
    } else if (over(this.#frameSinceMs, timeoutMs)) {
      count('slowConnections');
      this.#fail(new GossipError('ERR_TIMEOUT', `the peer did not complete a frame within ${timeoutMs} ms`));
    } else if (this.quiet && over(this.#activeMs, idleTimeoutMs)) {
      if (role === 'accepted') {
        count('slowConnections');
        this.destroy();
      } else {
        this.end();
      }
    }
  }

  #read(): void {
    let frame: Uint8Array | undefined;
    let read = 0;
    while (!this.#busy && this.#endSinceMs === undefined && !this.#closed) {
      try {
        frame = this.#reader.next();
      } catch (error) {
        const { code } = error as GossipError;
        this.#options.count(code === 'ERR_TOO_LARGE' ? 'oversizedFrames' : 'badFrames');
        this.#fail(error as Error);
        return;
      }
      if (!frame) break;
      read++;
      this.#take(frame);
    }
    if (this.#closed) return;
    // While we are the slow ones, the peer's deadline does not run.
    if (this.#busy || !this.#reader.partial) this.#frameSinceMs = undefined;
    else if (read > 0 || this.#frameSinceMs === undefined) this.#frameSinceMs = performance.now();
    if (this.#busy) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  get #busy(): boolean {
    return this.#unanswered >= UNANSWERED_MAX || this.#unansweredBytes >= UNANSWERED_BYTES_MAX;
  }

  #take(frame: Uint8Array): void {
    const answer = this.#options.onFrame(frame);
    if (!answer) return;
    this.#unanswered++;
    this.#unansweredBytes += frame.length;
    answer
      .then((reply) => (reply ? this.#reply(reply) : undefined))
      // The peer went away before its answer: its own affair.
      .catch(() => {})
      .finally(() => {
        this.#unanswered--;
        this.#unansweredBytes -= frame.length;
        this.#activeMs = performance.now();
        if (!this.#closed) this.#read();
        this.#endWhenAnswered();
      });
  }

  /** Writes an answer, unless the peer has left so many unread that they fill its queue: then it gets none. */
  async #reply(frame: Uint8Array): Promise<void> {
    const { limits, count } = this.#options;
    if (this.#queuedBytes + frame.length > limits.sendQueueBytesMax) count('sendQueueFull');
    else if (!this.#closed) await this.write(frame);
  }

  #endWhenAnswered(): void {
    if (this.#peerEnded && this.#unanswered === 0) this.#endOnce();
  }

  #endOnce(): void {
    if (this.#endSinceMs !== undefined || this.#closed) return;
    this.#endSinceMs = performance.now();
    this.#frameSinceMs = undefined;
    // Everything has been handed over after 'finish'; the kernel delivers it. An accepted connection waits for the
    // peer's end, because closing over unread bytes would reset it and could take our last answer away.
    this.#stream.end(() => {
      if (this.#options.role === 'dialled' || this.#peerEnded) this.#stream.destroy();
    });
    this.#stream.resume();
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#stream.destroy();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#frameSinceMs = this.#writeSinceMs = this.#endSinceMs = undefined;
    const error = this.#error ?? new Error('the connection was closed');
    for (const { reject } of this.#writes) {
      reject(new GossipError('ERR_UNREACHABLE', errorMessage(error), { cause: error }));
    }
    this.#writes.clear();
    this.#options.onClose(this.#closedByUs ? 'us' : 'peer', this.#error);
  }
}
