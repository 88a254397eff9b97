/**
 * An HTTP or HTTPS server for `httpTransport({ listen })` on Node. It turns Node's messages into Request and Response
 * and bounds what a client can hold: connections, the time of a request, and, through the handler, its bytes.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { errorMessage, GossipError } from '../../errors.js';
import { formatHostPort, parseBind } from '../address.js';
import type { HttpHandler, HttpListenFunction } from '../http.js';
import { dialableHost } from './interfaces.js';

/** Options of {@link httpListener}. */
export interface HttpListenerOptions {
  /** Where to listen: `ip:port`, `[v6]:port`, `name:port`, `:port` or `port`. Port 0 picks a free one. */
  bind: string;
  /** Key and certificate in PEM; with them the server speaks HTTPS. */
  tls?: { key: string | Uint8Array; cert: string | Uint8Array };
  /** Bind and advertise IPv6 where there is a choice. Default: `false`. */
  preferIPv6?: boolean;
  /** A request must be complete within this. Default: 10,000 ms. Source: as `socketTransport`. */
  timeoutMs?: number;
}

// An unused connection is kept longer than any client keeps it, so that no request meets a closing one.
// Source: 90 s is IdleConnTimeout of the Go library's client.
const KEEP_ALIVE_MS = 95_000;

/**
 * Makes the function that `httpTransport({ listen })` takes.
 * @throws {GossipError} `ERR_ADDRESS` for a bind address that cannot be read; when started also `ERR_ADDRESS_IN_USE`.
 */
export function httpListener(options: HttpListenerOptions): HttpListenFunction {
  const { tls, preferIPv6 = false, timeoutMs = 10_000 } = options;
  const bind = parseBind(options.bind, preferIPv6 ? '::' : '0.0.0.0');
  return async (handler, { limits, count }) => {
    const outerHost = dialableHost(bind.host, preferIPv6);
    const scheme = tls ? 'https' : 'http';
    const settings = {
      headersTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1_000, timeoutMs / 4),
      noDelay: true,
    };
    const listener: RequestListener = (incoming, outgoing) => void serve(handler, scheme, incoming, outgoing);
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
      origin: `${scheme}://${formatHostPort(outerHost, port)}`,
      close: () =>
        new Promise((closed) => {
          server.close(() => closed());
          server.closeAllConnections();
        }),
    };
  };
}

async function serve(
  handler: HttpHandler,
  scheme: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  // A client that goes away is no error of ours.
  incoming.on('error', () => {});
  outgoing.on('error', () => {});
  try {
    const response = await handler(toRequest(incoming, scheme));
    // A body that was refused unread is not read any more: the connection ends with the answer.
    if (!incoming.complete) outgoing.setHeader('connection', 'close');
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(new Uint8Array(await response.arrayBuffer()));
  } catch {
    outgoing.destroy();
  }
}

function toRequest(incoming: IncomingMessage, scheme: string): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
  }
  const method = incoming.method ?? 'GET';
  // The Host header is the client's to choose and matters to nobody here.
  const url = new URL(`${scheme}://localhost`);
  url.pathname = (incoming.url ?? '/').split('?')[0] ?? '/';
  if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers });
  // `duplex` belongs to fetch but is not yet in the DOM's types.
  const init: RequestInit & { duplex: 'half' } = { method, headers, body: toStream(incoming), duplex: 'half' };
  return new Request(url, init);
}

function toStream(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    },
    // Nothing is read ahead of the handler.
    { highWaterMark: 0 },
  );
}

function asText(pem: string | Uint8Array): string | Buffer {
  return typeof pem === 'string' ? pem : Buffer.from(pem);
}
