/**
 * For servers that call handlers where others give out a standard WebSocket (Bun, Durable Objects that hibernate): a
 * socket whose events are pushed into it, and the parts of an upgrade that such servers leave to us.
 */
import type { WebSocketLike, WebSocketLikeEvent } from './websocket-connection.js';
import type { AcceptedInfo } from './websocket-request.js';

/** Who takes over accepted sockets; a `webSocketTransport` is one. */
export interface WebSocketAcceptor {
  accept(socket: WebSocketLike, info?: AcceptedInfo): void;
  /** Chooses one of the subprotocols that a client offers, or none. Default: the first. */
  protocol?(offered: readonly string[]): string | undefined;
}

/** A socket whose events come from outside, by `tell`. */
export abstract class PushedSocket implements WebSocketLike {
  binaryType = 'arraybuffer';
  readonly protocol: string;
  readonly #listeners: { type: string; listener: (event: WebSocketLikeEvent) => void }[] = [];

  /** @param headers - with which its upgrade was answered. */
  constructor(headers: Headers) {
    this.protocol = headers.get('sec-websocket-protocol') ?? '';
  }

  abstract readonly readyState: number;
  abstract send(data: string | Uint8Array<ArrayBuffer>): void;
  abstract close(code?: number, reason?: string): void;

  addEventListener(type: string, listener: (event: WebSocketLikeEvent) => void): void {
    this.#listeners.push({ type, listener });
  }

  /** Something happened to it. */
  tell(event: WebSocketLikeEvent): void {
    for (const { type, listener } of this.#listeners) if (type === event.type) listener(event);
  }
}

/** The headers with which an upgrade is answered: the subprotocol, where one was offered and chosen. */
export function upgradeHeaders(acceptor: WebSocketAcceptor, { headers }: Request): Headers {
  const offered = headers.get('sec-websocket-protocol')?.split(/\s*,\s*/) ?? [];
  const chosen = acceptor.protocol && offered.length > 0 ? acceptor.protocol(offered) : offered[0];
  return new Headers(chosen === undefined ? {} : { 'sec-websocket-protocol': chosen });
}

/** The answer to what is no request for a WebSocket. */
export function upgradeRequired(): Response {
  return new Response('this is a WebSocket\n', {
    status: 426,
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
  });
}
