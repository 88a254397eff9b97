/**
 * A WebSocket client with the habits of browsers, Node's own client, Deno and workerd in one: it refuses codes that
 * browsers refuse, is silent about the close of what never opened, gives Blobs unless told otherwise, knows no
 * `bufferedAmount`, and sends the very buffer it is given, a moment later.
 */
import Client from 'ws';
import type { WebSocketLikeEvent } from '../../src/transport/websocket.js';

type Listener = (event: WebSocketLikeEvent) => void;

export class StrictWebSocket {
  binaryType = 'blob';
  /** What it stands on, for tests that kill it. */
  readonly client: Client;
  readonly #listeners: { type: string; listener: Listener }[] = [];
  #opened = false;

  /** @param to - a URL to dial, or a socket that a server accepted. */
  constructor(to: string | Client, protocols: string[] = []) {
    this.client = typeof to === 'string' ? new Client(to, protocols, { perMessageDeflate: false }) : to;
    this.#opened = this.readyState === Client.OPEN;
    this.client.binaryType = 'arraybuffer';
    this.client.addEventListener('open', () => {
      this.#opened = true;
      this.#tell({ type: 'open' });
    });
    this.client.addEventListener('message', ({ data }) => {
      const blob = data instanceof ArrayBuffer && this.binaryType !== 'arraybuffer';
      this.#tell({ type: 'message', data: blob ? new Blob([data as ArrayBuffer]) : data });
    });
    this.client.addEventListener('error', () => this.#tell({ type: 'error' }));
    this.client.addEventListener('close', ({ code, reason }) => {
      if (this.#opened) this.#tell({ type: 'close', code: code === 1006 ? 0 : code, reason });
    });
  }

  get readyState(): number {
    return this.client.readyState;
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== Client.OPEN) throw new Error(`send in state ${this.readyState}`);
    if (typeof data === 'string') this.client.send(data);
    else setImmediate(() => this.client.send(data));
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new RangeError(`close code ${code} is not allowed`);
    }
    if (new TextEncoder().encode(reason).length > 123) throw new SyntaxError('the reason is too long');
    setImmediate(() => this.client.close(code, reason));
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.push({ type, listener });
  }

  #tell(event: WebSocketLikeEvent): void {
    for (const { type, listener } of this.#listeners) if (type === event.type) listener(event);
  }
}
