/** The WebSocket transport of a leaf: it dials its gateways, and nobody dials it. */
import { GossipError } from '../errors.js';
import type { WebSocketConstructor } from './websocket-client.js';
import { CLOSE, refuseSocket } from './websocket-connection.js';
import { checkUrl, createWebSocketLinks } from './websocket-links.js';
import type { WebSocketTransport, WebSocketTransportOptions } from './websocket-options.js';

/**
 * Makes it; nothing is opened before `start`.
 * @param client - gives the client to dial with, unless the options do.
 * @param retry - makes attempts to connect; default: one.
 * @throws {GossipError} `ERR_ADDRESS`, `ERR_OPTION` when an option cannot work.
 */
export function leafTransport(
  options: WebSocketTransportOptions,
  client: (frameBytesMax: number) => WebSocketConstructor | Promise<WebSocketConstructor>,
  retry?: (attempt: () => Promise<void>) => Promise<void>,
): WebSocketTransport {
  const { advertise, listen, gateways: urls, ticket = '', protocols, idleTimeoutMs, timeoutMs } = options;
  if (advertise !== undefined || listen) throw new GossipError('ERR_OPTION', 'a leaf, with gateways, is not dialled');
  if (!Array.isArray(urls) || urls.length === 0) throw new GossipError('ERR_OPTION', 'pass gateways: a list of URLs');
  for (const url of urls) checkUrl(url);
  return {
    ...createWebSocketLinks({
      protocols,
      idleTimeoutMs,
      timeoutMs,
      // It paces itself: it has other gateways to go to.
      retry,
      client: (frameBytesMax) => options.WebSocket ?? client(frameBytesMax),
    }),
    gateways: { urls, ticket: () => (typeof ticket === 'function' ? ticket() : ticket) },
    accept: (socket) => refuseSocket(socket, CLOSE.full, 'no room'),
  };
}
