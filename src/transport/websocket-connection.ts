/**
 * One WebSocket and its rules: who says what first, frames both ways, backpressure, deadlines, and the different ways in
 * which runtimes tell that a socket has ended. It serves dialled and accepted sockets alike.
 */
import { errorMessage, GossipError } from '../errors.js';
import type { Limits } from '../limits.js';
import { Window } from './websocket-window.js';

/** What is used of a standard WebSocket; the global one, `ws` and `Deno.upgradeWebSocket`'s all fit. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  /** The subprotocol that was chosen, if any. */
  readonly protocol?: string;
  /** Absent where the runtime does not tell (workerd). */
  readonly bufferedAmount?: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Ends it without a handshake, where there is such a thing (`ws`). */
  terminate?(): void;
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: WebSocketLikeEvent) => void): void;
}

/** What is used of the events of a WebSocket; each has only some of it. */
export interface WebSocketLikeEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly error?: unknown;
}

/** Why a connection is closed, as others see it. Browsers allow 1000 and 3000–4999 only, so RFC 6455's are moved by 3,000. */
export const CLOSE = {
  done: 1000,
  /** Nothing was said for long; no sign of trouble. */
  idle: 4000,
  /** A protocol error: no hello, or a text after it that was not asked for or cannot be true. */
  protocol: 4002,
  tooLarge: 4009,
  /** The member behind the socket is gone and another is in its place: connect anew. */
  restart: 4012,
  /** No room for another connection. */
  full: 4013,
  /** To a leaf: the gateway goes; another will do. */
  going: 4001,
  /** To a leaf: it was not admitted. To anybody: a page of another site. */
  refused: 4003,
  /** To a leaf, and to any channel of a shared connection: it did not take what was for it. */
  slow: 4008,
  /** To a leaf: it is on another connection, or at another gateway. */
  moved: 4010,
  /** To a leaf: it sent what it may not, again and again. */
  abusive: 4029,
} as const;

// readyState, which is a number everywhere.
const OPEN = 1;
const CLOSING = 2;
const HIGH_WATER_BYTES = 1024 * 1024;
// How often a queue above it is looked at; there is no event that tells. Source: guess, a few round trips of a LAN.
const DRAIN_POLL_MS = 20;
// How long a socket that is being closed may linger, waiting for the peer to close it too. Source: as TCP's.
const LINGER_MS = 1_000;
const HELLO = /^isogossip 1 (\S+)( window)?$/;
const HELLO_ROOM = 32;

/** What a connection is for and whom it tells. */
export interface WebSocketConnectionOptions {
  limits: Limits;
  /** It must be open and have said hello within this time; a full queue must move within it. */
  timeoutMs: number;
  /** Without traffic in either direction for this time, the connection ends. */
  idleTimeoutMs: number;
  /** Sends wait while more than this is queued. Default 1 MiB. Source: guess, a usual socket buffer several times. */
  highWaterBytes?: number;
  /** Silence of a dialled one is normal, that of an accepted one is counted. */
  role: 'dialled' | 'accepted';
  /** The address we say is ours, or `-`. */
  ownAddress: string;
  /** The peer said hello: frames may be sent. `address` is where it says it can be dialled. */
  onHello(address: string | undefined): void;
  onFrame(frame: Uint8Array): void;
  /** Called once, when the socket has ended. `quietly`: by us, or idle; `code`: the peer's, when it closed it. */
  onClose(quietly: boolean, reason: string, code: number): void;
  count(name: string, detail?: string): void;
}

/** A socket that carries frames. */
export class WebSocketConnection {
  readonly #socket: WebSocketLike;
  readonly #options: WebSocketConnectionOptions;
  readonly #waiting = new Set<{ resolve(): void; reject(error: GossipError): void }>();
  readonly #window = new Window();
  /** The peer wants to be told what we have received. */
  #tells = false;
  #greeted = false;
  #closedByUs = false;
  #ended = false;
  #activeMs = performance.now();
  readonly #bornMs = this.#activeMs;
  /** Since when the queue is above the mark without having moved; undefined when it is not. */
  #stalledSinceMs: number | undefined;
  #queuedBytes = 0;
  #closingSinceMs: number | undefined;

  constructor(socket: WebSocketLike, options: WebSocketConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    // The default differs between runtimes.
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => this.#onOpen());
    socket.addEventListener('message', ({ data }) => this.#onMessage(data));
    socket.addEventListener('error', ({ message, error }) => {
      this.#onError(message || 'the connection failed', (error as { code?: unknown } | undefined)?.code);
    });
    socket.addEventListener('close', ({ code = 0, reason }) => {
      this.#end(code === CLOSE.idle, `closed with ${code}${reason ? `, ${reason}` : ''}`, code);
    });
    if (socket.readyState === OPEN) this.#onOpen();
    else if (socket.readyState >= CLOSING) queueMicrotask(() => this.#end(false, 'closed before it was used'));
  }

  /** No send waits. What is queued would still go before a close. */
  get quiet(): boolean {
    return this.#waiting.size === 0;
  }

  /** Whether it can be written to. */
  get usable(): boolean {
    return this.#greeted && !this.over;
  }

  /** It is not there any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** It has ended, or is about to; unlike one that is still being opened it will not be usable again. */
  get over(): boolean {
    return this.#ended || this.#closingSinceMs !== undefined || this.#socket.readyState > OPEN;
  }

  /**
   * Sends one frame, which must not be changed any more: not every runtime copies it. Settles when little is queued.
   * @throws {GossipError} `ERR_UNREACHABLE` when the connection ends first, `ERR_OVERLOADED` when the queue is full.
   */
  async write(frame: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.usable) throw new GossipError('ERR_UNREACHABLE', 'the connection has ended');
    const { limits, count } = this.#options;
    const queued = this.#buffered;
    if (queued + frame.length > limits.sendQueueBytesMax) {
      count('sendQueueFull');
      throw new GossipError('ERR_OVERLOADED', `${queued} bytes are queued; the limit is sendQueueBytesMax`);
    }
    try {
      this.#send(frame);
    } catch (cause) {
      throw new GossipError('ERR_UNREACHABLE', errorMessage(cause), { cause });
    }
    this.#activeMs = performance.now();
    if (this.#buffered <= this.#highWaterBytes) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.add({ resolve, reject });
      if (this.#waiting.size === 1) this.#drain();
    });
  }

  /** Closes after what has been sent. */
  close(code: number = CLOSE.done, reason = ''): void {
    this.#closedByUs = true;
    if (this.#ended || this.#closingSinceMs !== undefined) return;
    this.#closingSinceMs = performance.now();
    this.#release(code, reason);
  }

  /** Ends it at once. */
  destroy(reason: string): void {
    this.close(CLOSE.done);
    this.#socket.terminate?.();
    this.#end(true, reason);
  }

  /** Applies the deadlines. To be called now and then with the monotonic time in ms. */
  check(nowMs: number): void {
    const { timeoutMs, idleTimeoutMs, role, count } = this.#options;
    // The peer has closed, and its end of the connection may stay open all the same: a Durable Object's does.
    if (this.#socket.readyState === CLOSING) this.#closingSinceMs ??= nowMs;
    if (this.#closingSinceMs !== undefined) {
      if (nowMs - this.#closingSinceMs <= LINGER_MS) return;
      this.#socket.terminate?.();
      this.#end(this.#closedByUs, 'the peer did not close');
    } else if (!this.#greeted) {
      if (nowMs - this.#bornMs <= timeoutMs) return;
      const why = `no hello within ${timeoutMs} ms`;
      if (role === 'accepted') this.#refuse('slowConnections', CLOSE.protocol, why);
      else this.destroy(why);
    } else if (this.#stalledSinceMs !== undefined) {
      if (nowMs - this.#stalledSinceMs <= timeoutMs) return;
      count('stalledConnections');
      this.#socket.terminate?.();
      this.#end(false, `the peer took nothing for ${timeoutMs} ms`);
    } else if (nowMs - this.#activeMs > idleTimeoutMs) {
      if (role === 'accepted') count('slowConnections');
      this.close(CLOSE.idle, 'idle');
    }
  }

  get #highWaterBytes(): number {
    return this.#options.highWaterBytes ?? HIGH_WATER_BYTES;
  }

  get #buffered(): number {
    return this.#socket.bufferedAmount ?? this.#window.underWayBytes;
  }

  #send(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
    this.#window.sent(data.length);
  }

  #onOpen(): void {
    if (this.#closingSinceMs !== undefined || this.#ended) return;
    this.#activeMs = performance.now();
    const wish = this.#socket.bufferedAmount === undefined ? ' window' : '';
    try {
      this.#socket.send(`isogossip 1 ${this.#options.ownAddress}${wish}`);
    } catch (error) {
      // Not before whoever makes a connection of an open socket has it.
      queueMicrotask(() => this.#onError(errorMessage(error)));
    }
  }

  #onMessage(data: unknown): void {
    if (this.#ended || this.#closingSinceMs !== undefined) return;
    const { limits, onFrame } = this.#options;
    this.#activeMs = performance.now();
    if (!this.#greeted) {
      this.#onHello(data);
    } else if (typeof data === 'string') {
      this.#onText(data);
    } else if (!(data instanceof ArrayBuffer)) {
      this.#refuse('badFrames', CLOSE.protocol, 'not an ArrayBuffer');
    } else if (data.byteLength > limits.frameBytesMax) {
      this.#refuse('oversizedFrames', CLOSE.tooLarge, `a frame has at most ${limits.frameBytesMax} bytes`);
    } else {
      onFrame(new Uint8Array(data));
      this.#received(data.byteLength);
    }
  }

  #onText(text: string): void {
    if (this.#socket.bufferedAmount !== undefined) {
      this.#refuse('textMessages', CLOSE.protocol, 'frames are binary');
    } else if (this.#window.told(text)) {
      this.#received(text.length);
    } else {
      this.#refuse('badWindows', CLOSE.protocol, 'that was not sent, or told before');
    }
  }

  /** Counts what came, and tells the peer if it has asked for that; one that sends and never reads is let go. */
  #received(bytes: number): void {
    this.#window.received(bytes);
    const text = this.#tells && this.usable ? this.#window.due() : undefined;
    if (text === undefined) return;
    if (this.#buffered + text.length > this.#options.limits.sendQueueBytesMax) {
      this.#refuse('stalledConnections', CLOSE.full, 'you do not read');
      return;
    }
    try {
      this.#send(text);
    } catch {
      // It is closing: there is nothing to tell any more.
    }
  }

  #onHello(data: unknown): void {
    const { limits, onHello } = this.#options;
    const short = typeof data === 'string' && data.length <= limits.stringBytesMax + HELLO_ROOM;
    const [, address, window] = (short && HELLO.exec(data)) || [];
    if (address === undefined) {
      this.#refuse('badHellos', CLOSE.protocol, 'the first message must be: isogossip 1 ADDRESS');
      return;
    }
    this.#tells = window !== undefined;
    this.#greeted = true;
    onHello(address === '-' ? undefined : address);
  }

  /** An error before the socket was open is its end: Node's own client tells no other. After that a close follows. */
  #onError(message: string, code?: unknown): void {
    if (this.#ended) return;
    if (this.#socket.readyState < OPEN || !this.#greeted) {
      this.#end(false, message);
      return;
    }
    // `ws` does not read a message that is too large.
    const tooLarge = code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    if (!this.#closedByUs) this.#options.count(tooLarge ? 'oversizedFrames' : 'brokenConnections', message);
    this.#closingSinceMs ??= performance.now();
  }

  #refuse(counted: string, code: number, reason: string): void {
    this.#options.count(counted, reason);
    this.close(code, reason);
  }

  /** Looks at the queue until it is low, and lets those go on who wait for that. */
  #drain(): void {
    if (this.#ended || this.#waiting.size === 0) return;
    const queued = this.#buffered;
    if (queued <= this.#highWaterBytes) {
      this.#stalledSinceMs = undefined;
      for (const { resolve } of this.#waiting) resolve();
      this.#waiting.clear();
      return;
    }
    if (this.#stalledSinceMs === undefined || queued < this.#queuedBytes) this.#stalledSinceMs = performance.now();
    this.#queuedBytes = queued;
    setTimeout(() => this.#drain(), DRAIN_POLL_MS);
  }

  #end(quietly: boolean, reason: string, code = 0): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stalledSinceMs = undefined;
    for (const { reject } of this.#waiting) {
      reject(new GossipError('ERR_UNREACHABLE', `the connection ended: ${reason}`));
    }
    this.#waiting.clear();
    // Where an error is the last we hear, the socket must still be let go.
    if (this.#closingSinceMs === undefined) this.#release();
    this.#options.onClose(quietly || this.#closedByUs, reason, code);
  }

  #release(code?: number, reason?: string): void {
    try {
      this.#socket.close(code, reason);
    } catch {
      // It is closed already.
    }
  }
}

/** Closes a socket that is not wanted, as soon as that can be done. */
export function refuseSocket(socket: WebSocketLike, code: number, reason: string): void {
  socket.addEventListener('error', () => {});
  const close = () => socket.close(code, reason);
  socket.addEventListener('open', close);
  try {
    close();
  } catch {
    // It is not open yet, or not any more.
  }
}
