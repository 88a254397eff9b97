/**
 * A WebSocket server for `webSocketTransport({ listen })` on Node: on a port of its own, or beside what an application's
 * HTTP server does already. It bounds what a client can hold and lets in only the web pages that its owner allows.
 */
import type { IncomingMessage, Server } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { GossipError } from '../../errors.js';
import { formatHostPort } from '../address.js';
import { MUX_HEADER_BYTES_MAX } from '../mux.js';
import type { WebSocketListenContext, WebSocketListenFunction } from '../websocket.js';
import { type HttpServer, type HttpServerOptions, openHttpServer, toHeaders } from './http-server.js';
import { dialableHost } from './interfaces.js';

/** Options of {@link webSocketListener}: where to listen, or the server to listen on. */
export type WebSocketListenerOptions = {
  /** Path of the URL at which connections are accepted. Default: `/`. */
  path?: string;
} & (
  | HttpServerOptions
  | {
      /** A server that is listening. Upgrades to other paths are left to whoever else handles them. */
      server: Server | TlsServer;
    }
);

/**
 * Makes the function that `webSocketTransport({ listen })` takes.
 * @throws {GossipError} `ERR_OPTION`, `ERR_ADDRESS`; when started also `ERR_ADDRESS_IN_USE`.
 */
export function webSocketListener(options: WebSocketListenerOptions): WebSocketListenFunction {
  const { path = '/' } = options;
  if (!path.startsWith('/')) throw new GossipError('ERR_OPTION', `path must begin with /: ${path}`);
  const open = 'server' in options ? undefined : openHttpServer(options);
  return async (context) => {
    const own = await open?.(context, (_request, response) => {
      response.writeHead(426, { 'content-type': 'text/plain', connection: 'Upgrade', upgrade: 'websocket' });
      response.end('this is a WebSocket\n');
    });
    const { server, origin } = own ?? given((options as { server: Server }).server);
    const sockets = createSockets(context, origin);
    const onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      if (request.url?.split('?')[0] === path) sockets.upgrade(request, stream, head);
      else if (own || server.listenerCount('upgrade') === 1) answer(stream, '404 Not Found');
    };
    server.on('upgrade', onUpgrade);
    return {
      url: `${origin.replace(/^http/, 'ws')}${path}`,
      async close() {
        server.removeListener('upgrade', onUpgrade);
        sockets.close();
        await own?.close();
      },
    };
  };
}

/** Turns upgrade requests into sockets and hands them to the transport. */
function createSockets({ limits, count, allowsOrigin, protocol, accept }: WebSocketListenContext, ownOrigin: string) {
  const server = new WebSocketServer({
    noServer: true,
    // A plain socket's frame may have no more than the limit: its connection looks.
    maxPayload: limits.frameBytesMax + MUX_HEADER_BYTES_MAX,
    // Frames may be compressed already; and what has not been inflated cannot be a bomb.
    perMessageDeflate: false,
    ...(protocol && { handleProtocols: (offered: Set<string>) => protocol([...offered]) ?? false }),
  });
  server.on('wsClientError', (_error, stream) => {
    count('brokenRequests');
    answer(stream, '400 Bad Request');
  });
  return {
    upgrade(request: IncomingMessage, stream: Duplex, head: Buffer) {
      stream.on('error', () => {});
      const { origin, host = '' } = request.headers;
      if (origin !== undefined && !allowsOrigin(origin, host)) {
        count('foreignOrigins', origin);
        answer(stream, '403 Forbidden');
      } else if (server.clients.size >= limits.connectionsMax) {
        count('refusedConnections');
        answer(stream, '503 Service Unavailable');
      } else {
        server.handleUpgrade(request, stream, head, (socket) => {
          const { remoteAddress } = request.socket;
          const info = { url: `${ownOrigin}${request.url}`, headers: toHeaders(request) };
          accept(socket, remoteAddress === undefined ? info : { ...info, remoteAddress });
        });
      }
    },
    close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

/** Where a server that the application runs can be dialled. */
function given(server: Server | TlsServer): Pick<HttpServer, 'server' | 'origin'> {
  const address = server.address();
  if (typeof address !== 'object' || !address) {
    throw new GossipError('ERR_OPTION', 'server must be listening, on a port, before the member starts');
  }
  const host = dialableHost(address.address, false);
  const scheme = server instanceof TlsServer ? 'https' : 'http';
  return { server, origin: `${scheme}://${formatHostPort(host, address.port)}` };
}

function answer(stream: Duplex, status: string): void {
  stream.on('error', () => {});
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => stream.destroy());
}
