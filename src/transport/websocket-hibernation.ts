/**
 * WebSockets of a Durable Object by its hibernation API, for `webSocketTransport`: the object's methods are called for all
 * sockets; here each becomes a socket of its own again. Sockets outlive the object in memory, a member does not: those
 * that an earlier one left are closed, so that peers connect anew.
 */
import { CLOSE } from './websocket-connection.js';
import { PushedSocket, upgradeHeaders, upgradeRequired, type WebSocketAcceptor } from './websocket-pushed.js';

export type { WebSocketAcceptor } from './websocket-pushed.js';

/** What is used of workerd's `WebSocket`. */
export interface HibernatableSocket {
  readonly readyState: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** What is used of a `DurableObjectState`. */
export interface HibernationContext {
  acceptWebSocket(socket: HibernatableSocket, tags: string[]): void;
  getWebSockets(tag: string): HibernatableSocket[];
}

/** What a Durable Object calls from its methods of the same names, and from `fetch`. */
export interface HibernatingWebSockets {
  /** To be returned by `fetch` for the path of the cluster. */
  upgrade(request: Request): Response;
  /** Sockets that were not upgraded here are left alone, by all three. */
  webSocketMessage(socket: HibernatableSocket, message: string | ArrayBuffer): void;
  webSocketClose(socket: HibernatableSocket, code: number, reason: string): void;
  webSocketError(socket: HibernatableSocket, error: unknown): void;
}

/** Of workerd, when a request is answered with a WebSocket. */
declare const WebSocketPair: new () => { 0: object; 1: HibernatableSocket };

// Tells our sockets from others of the same object.
const TAG = 'isogossip';

/** To be called in the object's constructor; what is upgraded goes to the acceptor with its request. */
export function hibernatingWebSockets(context: HibernationContext, acceptor: WebSocketAcceptor): HibernatingWebSockets {
  for (const left of context.getWebSockets(TAG)) left.close(CLOSE.restart, 'started anew');
  const known = new WeakMap<HibernatableSocket, PushedSocket>();
  return {
    upgrade(request) {
      if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') return upgradeRequired();
      const { 0: theirs, 1: ours } = new WebSocketPair();
      context.acceptWebSocket(ours, [TAG]);
      const headers = upgradeHeaders(acceptor, request);
      const socket = new Pushed(ours, headers);
      known.set(ours, socket);
      acceptor.accept(socket, request);
      const init = { status: 101, headers, webSocket: theirs };
      return new Response(null, init);
    },
    webSocketMessage: (socket, data) => known.get(socket)?.tell({ type: 'message', data }),
    webSocketClose: (socket, code, reason) => known.get(socket)?.tell({ type: 'close', code, reason }),
    webSocketError: (socket, error) => known.get(socket)?.tell({ type: 'error', error, message: String(error) }),
  };
}

class Pushed extends PushedSocket {
  readonly #socket: HibernatableSocket;

  constructor(socket: HibernatableSocket, headers: Headers) {
    super(headers);
    this.#socket = socket;
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }
}
