/**
 * Two WebSockets joined in memory, for whatever stands on one: in order, never inside of a call, closing both ways. One
 * end can be held, as when its network is.
 */
import type { WebSocketLike } from '../../src/transport/websocket.js';

/** One end of a pair. */
export class PairSocket extends EventTarget implements WebSocketLike {
  binaryType = 'blob';
  readyState = 0;
  protocol = '';
  bufferedAmount = 0;
  /** How often it was told to end at once. */
  terminated = 0;
  peer: PairSocket | undefined;
  #held: (() => void)[] | undefined;

  /** What is sent from now on is not on its way before `release`. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.bufferedAmount = 0;
    for (const deliver of held) queueMicrotask(deliver);
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.readyState === 0) throw new Error('not open');
    if (this.readyState !== 1) return;
    const message = typeof data === 'string' ? data : data.slice().buffer;
    const deliver = () => this.peer?.tell('message', { data: message });
    if (this.#held) {
      this.bufferedAmount += data.length;
      this.#held.push(deliver);
    } else {
      queueMicrotask(deliver);
    }
  }

  close(code = 1005, reason = ''): void {
    if (this.readyState >= 2) return;
    const { peer } = this;
    this.readyState = 2;
    queueMicrotask(() => {
      for (const one of [peer, this]) one?.ended(code, reason);
    });
  }

  /** The connection breaks. */
  terminate(): void {
    this.terminated++;
    for (const one of [this.peer, this]) queueMicrotask(() => one?.ended(1006, ''));
  }

  opened(protocol: string): void {
    this.protocol = protocol;
    this.readyState = 1;
    this.tell('open');
  }

  ended(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.tell('close', { code, reason });
  }

  tell(type: string, more: object = {}): void {
    if (type === 'message' && this.readyState !== 1) return;
    this.dispatchEvent(Object.assign(new Event(type), more));
  }
}

/** A pair, open. */
export function socketPair(protocol = ''): [PairSocket, PairSocket] {
  const [left, right] = [new PairSocket(), new PairSocket()];
  [left.peer, right.peer] = [right, left];
  for (const one of [left, right]) one.opened(protocol);
  return [left, right];
}

/** The next event of a type; its deadline is the test's. */
export const next = (
  socket: WebSocketLike,
  type: 'open' | 'message' | 'close',
): Promise<{ data?: unknown; code?: number; reason?: string }> =>
  new Promise((resolve) => socket.addEventListener(type, resolve));

/** Keeps all messages of a socket. */
export function messagesOf(socket: WebSocketLike): unknown[] {
  const messages: unknown[] = [];
  socket.addEventListener('message', ({ data }) => {
    messages.push(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
  });
  return messages;
}
