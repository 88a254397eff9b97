/**
 * WebSockets of `Bun.serve` for `webSocketTransport`. Bun calls handlers that all its sockets share; here each becomes a
 * socket of its own again.
 */
import { DEFAULT_LIMITS } from '../limits.js';
import { PushedSocket, upgradeHeaders, upgradeRequired, type WebSocketAcceptor } from './websocket-pushed.js';
import type { AcceptedInfo } from './websocket-request.js';

export type { WebSocketAcceptor } from './websocket-pushed.js';

/** What is used of Bun's `Server`. */
export interface BunServer {
  upgrade(request: Request, options: { data: object; headers: Headers }): boolean;
  requestIP(request: Request): { readonly address: string } | null;
}

/** What is used of Bun's `ServerWebSocket`. */
export interface BunSocket {
  readonly data: unknown;
  readonly readyState: number;
  binaryType?: string;
  send(data: string | Uint8Array<ArrayBuffer>): number;
  close(code?: number, reason?: string): void;
  terminate(): void;
  getBufferedAmount(): number;
}

/** The handlers and settings of `Bun.serve`'s sockets. */
export interface BunWebSocketHandlers {
  /** Bytes of a message, above which Bun closes. Raise it with `limits.frameBytesMax`, whose default it has. */
  maxPayloadLength: number;
  /** None of Bun's own: the queue is bounded by `limits.sendQueueBytesMax`. */
  backpressureLimit: number;
  open(socket: BunSocket): void;
  message(socket: BunSocket, message: string | Uint8Array<ArrayBuffer> | ArrayBuffer): void;
  close(socket: BunSocket, code: number, reason: string): void;
}

/** The two parts of `Bun.serve` that WebSockets need. */
export interface BunWebSockets {
  /** To be returned by `fetch` for the path of the cluster: nothing if it has become a socket, else a refusal. */
  upgrade(request: Request, server: BunServer): Response | undefined;
  /** To be passed to `Bun.serve`; sockets that were not upgraded here are left alone. */
  websocket: BunWebSocketHandlers;
}

/** Makes both parts; what is upgraded goes to the acceptor with its URL, headers and address. */
export function bunWebSockets(acceptor: WebSocketAcceptor): BunWebSockets {
  return {
    upgrade(request, server) {
      const remoteAddress = server.requestIP(request)?.address;
      const info = { url: request.url, headers: request.headers };
      const headers = upgradeHeaders(acceptor, request);
      const data = new Upgraded(remoteAddress === undefined ? info : { ...info, remoteAddress }, headers);
      return server.upgrade(request, { data, headers }) ? undefined : upgradeRequired();
    },
    websocket: {
      maxPayloadLength: DEFAULT_LIMITS.frameBytesMax,
      backpressureLimit: 0,
      open(socket) {
        if (!(socket.data instanceof Upgraded)) return;
        // The default is a Buffer.
        socket.binaryType = 'arraybuffer';
        socket.data.socket = new Pushed(socket, socket.data.headers);
        acceptor.accept(socket.data.socket, socket.data.info);
      },
      message({ data }, message) {
        if (data instanceof Upgraded) data.socket?.tell({ type: 'message', data: message });
      },
      close({ data }, code, reason) {
        if (data instanceof Upgraded) data.socket?.tell({ type: 'close', code, reason });
      },
    },
  };
}

/** What Bun keeps with a socket for us. */
class Upgraded {
  readonly info: AcceptedInfo;
  readonly headers: Headers;
  socket?: Pushed;

  constructor(info: AcceptedInfo, headers: Headers) {
    this.info = info;
    this.headers = headers;
  }
}

class Pushed extends PushedSocket {
  readonly #socket: BunSocket;

  constructor(socket: BunSocket, headers: Headers) {
    super(headers);
    this.#socket = socket;
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  get bufferedAmount(): number {
    return this.#socket.getBufferedAmount();
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    // -1 is what waits, 0 what is lost.
    if (this.#socket.send(data) === 0) throw new Error('Bun dropped the message');
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }
}
