/** WebSockets accepted by the servers that Deno and Bun have of their own, in place of `node:http` and `ws`. */
import type { WebSocketListenFunction } from '../../src/transport/websocket.js';
import { type BunServer, type BunWebSocketHandlers, bunWebSockets } from '../../src/transport/websocket-bun.js';
import type { WebSocketLike } from '../../src/transport/websocket-connection.js';

declare const Deno: {
  serve(
    options: { port: number; hostname: string; onListen(): void },
    handler: (request: Request) => Response,
  ): { readonly addr: { port: number }; shutdown(): Promise<void> };
  upgradeWebSocket(request: Request, options: { protocol?: string }): { socket: WebSocketLike; response: Response };
};

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    fetch(request: Request, server: BunServer): Response | undefined;
    websocket: BunWebSocketHandlers;
  }): { readonly port: number; stop(): Promise<void> };
};

const LOOPBACK = '127.0.0.1';

/** `Deno.serve` and `Deno.upgradeWebSocket`; listened with again, it is at the port it was at before. */
export const denoServer = (): WebSocketListenFunction => {
  let port = 0;
  return async ({ accept }) => {
    const server = Deno.serve({ port, hostname: LOOPBACK, onListen() {} }, (request) => {
      // Copied before the upgrade, after which Deno's request cannot be read any more.
      const info = { url: request.url, headers: new Headers(request.headers) };
      const [protocol] = info.headers.get('sec-websocket-protocol')?.split(/\s*,\s*/) ?? [];
      const { socket, response } = Deno.upgradeWebSocket(request, protocol === undefined ? {} : { protocol });
      accept(socket, info);
      return response;
    });
    port = server.addr.port;
    return { url: `ws://${LOOPBACK}:${port}/`, close: () => server.shutdown() };
  };
};

/** `Bun.serve`, likewise. */
export const bunServer = (): WebSocketListenFunction => {
  let port = 0;
  return async ({ accept }) => {
    const { upgrade, websocket } = bunWebSockets({ accept });
    const server = Bun.serve({ port, hostname: LOOPBACK, fetch: upgrade, websocket });
    port = server.port;
    return { url: `ws://${LOOPBACK}:${port}/`, close: () => server.stop() };
  };
};
