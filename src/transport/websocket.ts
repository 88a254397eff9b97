/**
 * The transport every runtime has: frames over WebSocket, one lasting connection per peer that serves both directions.
 * It dials with the platform's client, and takes in the sockets that any server has accepted. Browsers get
 * `websocket.browser.ts` in its place.
 */
import { GossipError } from '../errors.js';
import { createBackoff } from './backoff.js';
import { retryKept } from './kept.js';
import type { TransportHost } from './transport.js';
import { platformWebSocket } from './websocket-client.js';
import { CLOSE, refuseSocket, type WebSocketLike } from './websocket-connection.js';
import { leafTransport } from './websocket-leaf.js';
import { type AcceptingLinks, checkUrl, createWebSocketLinks } from './websocket-links.js';
import type { WebSocketTransport, WebSocketTransportOptions } from './websocket-options.js';
import { isOwnSite, readRequest } from './websocket-request.js';

export type { WebSocketConstructor } from './websocket-client.js';
export type { WebSocketLike, WebSocketLikeEvent } from './websocket-connection.js';
export type { WebSocketListening } from './websocket-links.js';
export type {
  WebSocketListenContext,
  WebSocketListenFunction,
  WebSocketTransport,
  WebSocketTransportOptions,
} from './websocket-options.js';
export type { AcceptedInfo } from './websocket-request.js';

// The share of `connectionsMax` kept free for connections of our own, so that a flood cannot silence us. Source: guess.
const OUTGOING_SHARE = 0.25;

/**
 * Makes the transport; nothing is opened before `start`.
 * @throws {GossipError} `ERR_ADDRESS`, `ERR_OPTION` when an option cannot work.
 */
export function webSocketTransport(options: WebSocketTransportOptions = {}): WebSocketTransport {
  const { advertise, listen, gateways, protocols, idleTimeoutMs, timeoutMs } = options;
  if (gateways) return leafTransport(options, platformWebSocket, retryKept);
  if (advertise !== undefined) checkUrl(advertise);
  else if (!listen) {
    const text = 'pass gateways, or advertise, the URL peers dial, or listen, such as webSocketListener()';
    throw new GossipError('ERR_OPTION', text);
  }
  let host: TransportHost | undefined;
  let links: AcceptingLinks | undefined;
  let accepted = 0;

  /** Takes a socket in if there is room. */
  const adopt = (socket: WebSocketLike): boolean => {
    const { connectionsMax } = host?.limits ?? { connectionsMax: 0 };
    const most = Math.max(1, Math.floor(connectionsMax * (1 - OUTGOING_SHARE)));
    if (!links || accepted >= most || links.count() >= connectionsMax) return false;
    accepted++;
    links.adopt(socket, () => {
      accepted--;
    });
    return true;
  };

  const accept: WebSocketTransport['accept'] = (socket, info = {}) => {
    const request = readRequest(info);
    // A page of another site must not speak to us with its visitor's reach.
    if (!request || (request.origin !== undefined && !isOwnSite(request.origin, request.host))) {
      host?.count('foreignOrigins', request?.origin ?? 'the request cannot be read any more');
      refuseSocket(socket, CLOSE.refused, 'origin not allowed');
    } else if (!adopt(socket)) {
      host?.count('refusedConnections', request.remoteAddress);
      refuseSocket(socket, CLOSE.full, 'no room');
    }
  };

  const transport = createWebSocketLinks({
    protocols,
    idleTimeoutMs,
    timeoutMs,
    backoff: createBackoff(options.random),
    retry: retryKept,
    client: (frameBytesMax) => options.WebSocket ?? platformWebSocket(frameBytesMax),
    async listen(owner, ofOwner) {
      [host, links] = [owner, ofOwner];
      const { limits, count } = owner;
      const listening = await listen?.({ limits, count, allowsOrigin: isOwnSite, accept });
      return {
        url: advertise ?? (listening?.url as string),
        close: async () => listening?.close(),
      };
    },
  });
  return { ...transport, accept };
}
