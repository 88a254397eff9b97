/**
 * An HTTP or HTTPS server for `httpTransport({ listen })` on Node. It turns Node's messages into Request and Response;
 * what a client can hold is bounded by the server and, for the bytes of a request, by the handler.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpHandler, HttpListenFunction } from '../http.js';
import { type HttpServerOptions, openHttpServer, toHeaders } from './http-server.js';

export type { HttpServerOptions as HttpListenerOptions } from './http-server.js';

/**
 * Makes the function that `httpTransport({ listen })` takes.
 * @throws {GossipError} `ERR_ADDRESS` for a bind address that cannot be read; when started also `ERR_ADDRESS_IN_USE`.
 */
export function httpListener(options: HttpServerOptions): HttpListenFunction {
  const open = openHttpServer(options);
  const scheme = options.tls ? 'https' : 'http';
  return (handler, context) => open(context, (incoming, outgoing) => void serve(handler, scheme, incoming, outgoing));
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
  const headers = toHeaders(incoming);
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
