/** `webSocketTransport` in browsers: for leaves, with the browser's own client, and without all that members need who listen. */
import { leafTransport } from './websocket-leaf.js';
import type { WebSocketTransport, WebSocketTransportOptions } from './websocket-options.js';

/**
 * Makes the transport of a leaf; nothing is opened before `start`.
 * @throws {GossipError} `ERR_ADDRESS`, `ERR_OPTION` when an option cannot work, or `gateways` is missing.
 */
export function webSocketTransport(options: WebSocketTransportOptions): WebSocketTransport {
  return leafTransport(options ?? {}, () => globalThis.WebSocket);
}
