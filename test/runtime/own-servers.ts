/** WebSockets accepted by the servers that Deno and Bun have of their own, in place of `node:http` and `ws`. */
import type { WebSocketListenFunction } from '../../src/transport/websocket.js';
import { type BunServer, type BunWebSocketHandlers, bunWebSockets } from '../../src/transport/websocket-bun.js';
import type { WebSocketLike } from '../../src/transport/websocket-connection.js';

declare const Deno: {
  serve(
    options: { port: number; hostname: string; onListen(): void },
    handler: (request: Request) => Response,
  ): { readonly addr: { port: number }; shutdown(): Promise<void> };
  upgradeWebSocket(request: Request): { socket: WebSocketLike; response: Response };
};

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    fetch(request: Request, server: BunServer): Response | undefined;
    websocket: BunWebSocketHandlers;
  }): { readonly port: number; stop(): Promise<void> };
};

const LOOPBACK = { port: 0, hostname: '127.0.0.1' };

/** `Deno.serve` and `Deno.upgradeWebSocket`. */
export const denoServer: WebSocketListenFunction = async ({ accept }) => {
  const server = Deno.serve({ ...LOOPBACK, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    accept(socket);
    return response;
  });
  return { url: `ws://127.0.0.1:${server.addr.port}/`, close: () => server.shutdown() };
};

/** `Bun.serve`. */
export const bunServer: WebSocketListenFunction = async ({ accept }) => {
  const { upgrade, websocket } = bunWebSockets({ accept });
  const server = Bun.serve({ ...LOOPBACK, fetch: upgrade, websocket });
  return { url: `ws://127.0.0.1:${server.port}/`, close: () => server.stop() };
};
