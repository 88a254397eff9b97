/**
 * A socket that is one channel of a shared connection. To its user it is a WebSocket; what it says goes out as a kind and
 * a payload, whoever carries those. The sender keeps what the other end has not made room for, so that a channel nobody
 * reads costs its own sender memory, up to a limit, and nobody else anything.
 */
import type { Limits } from '../limits.js';
import { CLOSE, type WebSocketLike } from './websocket-connection.js';

/** What a payload is. The numbers are on the wire. */
export const KIND = {
  /** A channel begins. Empty. */
  open: 0,
  /** A text message, in UTF-8. */
  text: 1,
  /** A binary message. */
  binary: 2,
  /** The last of a channel, either way; nothing is answered. `[u16 code][reason]`. */
  close: 3,
  /** `[u32]`: so much has been taken since it was last told, by {@link cost}. */
  taken: 4,
} as const;

/** Gives the other end of a channel something; it never throws. */
export type Post = (kind: number, payload: Uint8Array<ArrayBuffer>) => void;

// What may be on its way before the other end says that it has taken some. Source: guess, as HTTP/2 clients' stream
// windows: 10 Mbit/s at 200 ms.
const WINDOW_BYTES = 256 * 1024;
// Told when half of it has been taken, so that a sender that waits is always told.
const TELL_BYTES = WINDOW_BYTES / 2;
// Beside its bytes each message counts so much, so that empty ones are bounded too. Source: guess.
const MESSAGE_COST = 16;
// RFC 6455, 5.5.1: a control frame has at most 125 bytes, two of them the code.
const REASON_BYTES_MAX = 123;
// RFC 6455, 7.4.1: no code was given; it ended without one.
const NO_CODE = 1005;
const ABNORMAL = 1006;
// readyState, which is a number everywhere.
const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];
const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();
const FROM_STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true });

/** What a message counts against the window and the queue. */
const cost = (payload: Uint8Array): number => payload.length + MESSAGE_COST;

/** The payload that ends a channel; without a code as if its connection had broken. */
export function closePayload(reason: string, code: number = ABNORMAL): Uint8Array<ArrayBuffer> {
  const text = UTF8.encode(reason).subarray(0, REASON_BYTES_MAX);
  const payload = new Uint8Array(2 + text.length);
  new DataView(payload.buffer).setUint16(0, code, true);
  payload.set(text, 2);
  return payload;
}

/** What a channel needs of whoever has it. */
export interface MuxSocketOptions {
  limits: Pick<Limits, 'frameBytesMax' | 'sendQueueBytesMax'>;
  count(name: string, detail?: string): void;
}

/** The user's side of a channel. */
export class MuxSocket extends EventTarget implements WebSocketLike {
  /** Messages are `ArrayBuffer`s, whatever is written here. */
  binaryType = 'arraybuffer';
  readonly #post: Post;
  readonly #options: MuxSocketOptions;
  /** What waits for room, first in first out. */
  readonly #queue = new Set<{ kind: number; payload: Uint8Array<ArrayBuffer> }>();
  #state = CONNECTING as number;
  #queuedBytes = 0;
  #inFlightBytes = 0;
  #untoldBytes = 0;
  #closing: { code: number; reason: string } | undefined;

  constructor(post: Post, options: MuxSocketOptions) {
    super();
    this.#post = post;
    this.#options = options;
  }

  get readyState(): number {
    return this.#state;
  }

  /** What has not been sent. What is on its way is not in it: as little as a kernel would hold of a socket of its own. */
  get bufferedAmount(): number {
    return this.#queuedBytes;
  }

  /**
   * Sends a message, as a copy. A channel whose queue is full is closed with {@link CLOSE.slow}.
   * @throws {Error} before it is open; once it is being closed messages are dropped, as WebSockets do.
   */
  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.#state === CONNECTING) throw new Error('the socket is not open yet');
    if (this.#state !== OPEN) return;
    const message =
      typeof data === 'string'
        ? { kind: KIND.text, payload: UTF8.encode(data) }
        : { kind: KIND.binary, payload: data.slice() };
    this.#queue.add(message);
    this.#queuedBytes += cost(message.payload);
    this.#pump();
    if (this.#queuedBytes > this.#options.limits.sendQueueBytesMax) {
      this.#fail('stalledConnections', CLOSE.slow, 'the peer takes less than it is sent');
    }
  }

  /** Closes after what has been sent. */
  close(code: number = NO_CODE, reason = ''): void {
    if (this.#state === CONNECTING) this.terminate();
    if (this.#state !== OPEN) return;
    this.#state = CLOSING;
    this.#closing = { code, reason };
    this.#pump();
  }

  /** Closes at once. */
  terminate(): void {
    this.#finish(ABNORMAL, '');
  }

  /** Takes what came from the other end. It may be anything; it never throws, and keeps nothing. */
  receive(kind: number, payload: Uint8Array): void {
    if (this.#state === CLOSED) return;
    if (kind === KIND.close) {
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      const code = payload.length < 2 ? NO_CODE : view.getUint16(0, true);
      this.#end(code, FROM_UTF8.decode(payload.subarray(2, 2 + REASON_BYTES_MAX)));
    } else if (kind === KIND.open && this.#state === CONNECTING) {
      this.#state = OPEN;
      this.#tell('open', {});
    } else if (kind === KIND.taken && payload.length === 4) {
      const taken = new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
      this.#inFlightBytes = Math.max(0, this.#inFlightBytes - taken);
      this.#pump();
    } else if ((kind === KIND.text || kind === KIND.binary) && this.#state !== CONNECTING) {
      this.#onMessage(kind, payload);
    } else {
      this.#fail('badFrames', CLOSE.protocol, `kind ${kind} of ${payload.length} bytes in state ${this.#state}`);
    }
  }

  #onMessage(kind: number, payload: Uint8Array): void {
    const { frameBytesMax } = this.#options.limits;
    if (payload.length > frameBytesMax) {
      this.#fail('oversizedFrames', CLOSE.tooLarge, `a frame has at most ${frameBytesMax} bytes`);
      return;
    }
    let data: string | ArrayBufferLike;
    try {
      data = kind === KIND.text ? FROM_STRICT_UTF8.decode(payload) : payload.slice().buffer;
    } catch {
      this.#fail('badFrames', CLOSE.protocol, 'a text is not UTF-8');
      return;
    }
    this.#tell('message', { data });
    this.#untoldBytes += cost(payload);
    if (this.#untoldBytes < TELL_BYTES || this.#state === CLOSED) return;
    const taken = new Uint8Array(4);
    new DataView(taken.buffer).setUint32(0, this.#untoldBytes, true);
    this.#untoldBytes = 0;
    this.#post(KIND.taken, taken);
  }

  /** Sends what there is room for: until the window is full, so that a message may be larger than it. */
  #pump(): void {
    for (const message of this.#queue) {
      if (this.#inFlightBytes >= WINDOW_BYTES) return;
      this.#queue.delete(message);
      this.#queuedBytes -= cost(message.payload);
      this.#inFlightBytes += cost(message.payload);
      this.#post(message.kind, message.payload);
    }
    if (this.#closing) this.#finish(this.#closing.code, this.#closing.reason);
  }

  #fail(counted: string, code: number, reason: string): void {
    this.#options.count(counted, reason);
    this.#finish(code, reason);
  }

  #finish(code: number, reason: string): void {
    if (this.#state === CLOSED) return;
    this.#end(code, reason);
    this.#post(KIND.close, closePayload(reason, code));
  }

  #end(code: number, reason: string): void {
    this.#state = CLOSED;
    this.#queue.clear();
    this.#queuedBytes = 0;
    // Never inside of a call of its user, as with any WebSocket.
    queueMicrotask(() => this.#tell('close', { code, reason }));
  }

  #tell(type: string, more: { data?: unknown; code?: number; reason?: string }): void {
    this.dispatchEvent(Object.assign(new Event(type), more));
  }
}
