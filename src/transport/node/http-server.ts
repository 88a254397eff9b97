/**
 * An HTTP or HTTPS server on a port of its own, for listeners that need one. It bounds what a client can hold:
 * connections, and the time of a request.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { errorMessage, GossipError } from '../../errors.js';
import type { Limits } from '../../limits.js';
import { formatHostPort, parseBind } from '../address.js';
import { dialableHost } from './interfaces.js';

/** Where a server listens, and how. */
export interface HttpServerOptions {
  /** Where to listen: `ip:port`, `[v6]:port`, `name:port`, `:port` or `port`. Port 0 picks a free one. */
  bind: string;
  /** Key and certificate in PEM; with them the server speaks HTTPS. */
  tls?: { key: string | Uint8Array; cert: string | Uint8Array };
  /** Bind and advertise IPv6 where there is a choice. Default: `false`. */
  preferIPv6?: boolean;
  /** A request must be complete within this. Default: 10,000 ms. Source: as `socketTransport`. */
  timeoutMs?: number;
}

/** A server that is running. */
export interface HttpServer {
  server: Server;
  /** `http://host:port` or `https://host:port` as others can dial it, without a path. */
  origin: string;
  /** Stops, and closes every connection that is still HTTP. */
  close(): Promise<void>;
}

/** Starts a server; rejects with a `GossipError` when it cannot bind. */
export type OpenHttpServer = (
  context: { limits: Limits; count(name: string, detail?: string): void },
  listener: RequestListener,
) => Promise<HttpServer>;

// An unused connection is kept longer than any client keeps it, so that no request meets a closing one.
// Source: 90 s is IdleConnTimeout of the Go library's client.
const KEEP_ALIVE_MS = 95_000;

/**
 * Reads the options and makes the function that opens the server.
 * @throws {GossipError} `ERR_ADDRESS` for a bind address that cannot be read; when started also `ERR_ADDRESS_IN_USE`.
 */
export function openHttpServer(options: HttpServerOptions): OpenHttpServer {
  const { tls, preferIPv6 = false, timeoutMs = 10_000 } = options;
  const bind = parseBind(options.bind, preferIPv6 ? '::' : '0.0.0.0');
  return async ({ limits, count }, listener) => {
    const outerHost = dialableHost(bind.host, preferIPv6);
    const scheme = tls ? 'https' : 'http';
    const settings = {
      headersTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1_000, timeoutMs / 4),
      noDelay: true,
    };
    const server = tls
      ? createTlsServer({ ...settings, key: asText(tls.key), cert: asText(tls.cert) }, listener)
      : createServer(settings, listener);
    server.maxConnections = limits.connectionsMax;
    server.on('drop', () => count('refusedConnections'));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      count(error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'slowConnections' : 'brokenRequests');
      socket.destroy();
    });
    server.on('tlsClientError', (_error, socket) => {
      count('brokenRequests');
      socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        const at = formatHostPort(bind.host, bind.port);
        const inUse = cause.code === 'EADDRINUSE';
        const why = inUse ? 'its TCP port is in use' : errorMessage(cause);
        reject(new GossipError(inUse ? 'ERR_ADDRESS_IN_USE' : 'ERR_ADDRESS', `cannot bind ${at}: ${why}`, { cause }));
      });
      server.listen({ host: bind.host, port: bind.port }, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', (error) => count('socketErrors', errorMessage(error)));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : bind.port;
    return {
      server,
      origin: `${scheme}://${formatHostPort(outerHost, port)}`,
      close: () =>
        new Promise((closed) => {
          server.close(() => closed());
          server.closeAllConnections();
        }),
    };
  };
}

/** The headers of a request in their standard form. */
export function toHeaders(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
  }
  return headers;
}

function asText(pem: string | Uint8Array): string | Buffer {
  return typeof pem === 'string' ? pem : Buffer.from(pem);
}
