/** What `webSocketTransport` takes and gives, in every build of it. */
import type { Limits } from '../limits.js';
import type { Transport } from './transport.js';
import type { WebSocketConstructor } from './websocket-client.js';
import type { WebSocketLike } from './websocket-connection.js';
import type { WebSocketListening } from './websocket-links.js';
import type { AcceptedInfo } from './websocket-request.js';

/** What a listener needs of the transport. */
export interface WebSocketListenContext {
  limits: Limits;
  count(name: string, detail?: string): void;
  /** Whether a page of this origin may connect to the host it asked for. Other programs than browsers have no origin. */
  allowsOrigin(origin: string, host: string): boolean;
  /** Chooses one of the subprotocols that a client offers, or none. Default: the first. */
  protocol?(offered: readonly string[]): string | undefined;
  /** Takes over a socket that was accepted. */
  accept(socket: WebSocketLike, info?: AcceptedInfo): void;
}

/** Starts to accept; rejects with a `GossipError` when it cannot. `webSocketListener()` makes one. */
export type WebSocketListenFunction = (context: WebSocketListenContext) => Promise<WebSocketListening>;

/** Options of {@link webSocketTransport}. */
export interface WebSocketTransportOptions {
  /** The URL peers dial. Default: what `listen` reports. Without `listen` it must be given. */
  advertise?: string;
  /** Accepts connections. Default: nothing does, and the application passes its own server's sockets to `accept`. */
  listen?: WebSocketListenFunction;
  /**
   * URLs of gateways, the preferred first: this member cannot be dialled, and takes part as a leaf of one of them. Excludes
   * `advertise` and `listen`.
   */
  gateways?: readonly string[];
  /** With `gateways`: what the gateway's `authorize` is to see, or a function that is asked at each attempt. */
  ticket?: string | (() => string | Promise<string>);
  /** Subprotocols to offer when dialling. Default: none. */
  protocols?: string[];
  /** A connection without traffic ends after this. Default: 300,000 ms. Source: as `socketTransport`. */
  idleTimeoutMs?: number;
  /** A connection must be open, and have said hello, within this. Default: 10,000 ms. Source: as `socketTransport`. */
  timeoutMs?: number;
  /** The client to dial with. Default: the runtime's own; `ws` where there is none. */
  WebSocket?: WebSocketConstructor;
  /** From 0 to below 1; spreads the pauses after failed dials. Default: `Math.random`. */
  random?: () => number;
}

/** The transport, and the method that takes in what a server accepted. */
export interface WebSocketTransport extends Transport {
  /**
   * Takes over a socket that a server accepted, open or about to be, or closes it when there is no room. Never throws.
   * @param info - pass the `Request` where there is one: then pages of other sites are closed out. Deno's cannot be read
   *   after the upgrade: copy its headers before.
   */
  accept(socket: WebSocketLike, info?: AcceptedInfo): void;
}
