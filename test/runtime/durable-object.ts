/**
 * The contracts in workerd: inside one Durable Object, because there a socket may be used by another event than the one
 * that brought it. The object is at the same time the server that its transports dial, over the network; it accepts
 * standard sockets at `/plain/N` and those of the hibernation API at `/hibernating/N`, where the gateways of its leaves are too.
 */
import { createCluster } from '../../src/index.js';
import { type HttpHandler, httpTransport } from '../../src/transport/http.js';
import {
  type WebSocketListenContext,
  type WebSocketListenFunction,
  webSocketTransport,
} from '../../src/transport/websocket.js';
import type { WebSocketLike } from '../../src/transport/websocket-connection.js';
import {
  type HibernatableSocket,
  type HibernatingWebSockets,
  type HibernationContext,
  hibernatingWebSockets,
} from '../../src/transport/websocket-hibernation.js';
import type { ClusterKind } from '../contract/cluster.js';
import type { GatewayKind } from '../contract/gateway.js';
import { type GatewayStage, startGatewayStage } from '../contract/gateway-stage.js';
import type { TransportKind } from '../contract/transport.js';
import { runContracts } from './contracts.js';

declare const WebSocketPair: new () => { 0: object; 1: WebSocketLike & { accept(): void } };

interface Namespace {
  idFromName(name: string): unknown;
  get(id: unknown): { fetch(request: Request): Promise<Response> };
}

/** Passes everything on to the one object. */
export const worker = {
  fetch: (request: Request, { CONTRACTS }: { CONTRACTS: Namespace }) =>
    CONTRACTS.get(CONTRACTS.idFromName('contracts')).fetch(request),
};

/** The object: `/run` runs the contracts and answers with the report; `/stage` sets up gateways for leaves elsewhere. */
export class Contracts {
  readonly #hibernating: HibernatingWebSockets;
  /** Who listens at a path. */
  readonly #sockets = new Map<string, WebSocketListenContext>();
  readonly #handlers = new Map<string, HttpHandler>();
  #made = 0;

  constructor(context: HibernationContext) {
    this.#hibernating = hibernatingWebSockets(context, {
      accept: (socket, info) => this.#sockets.get(new URL(String(info?.url)).pathname)?.accept(socket, info),
    });
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams, origin } = new URL(request.url);
    if (pathname === '/run') {
      const gateways = searchParams.getAll('gateway') as [string, string];
      return Response.json(await this.#run(String(searchParams.get('runtime')), origin, gateways));
    }
    if (pathname === '/stage') return Response.json(await this.#stage(origin));
    const handler = this.#handlers.get(pathname);
    if (handler) return handler(request);
    const listener = this.#sockets.get(pathname);
    if (!listener) return new Response(null, { status: 404 });
    if (pathname.startsWith('/hibernating/')) return this.#hibernating.upgrade(request);
    const { 0: theirs, 1: ours } = new WebSocketPair();
    ours.accept();
    listener.accept(ours, request);
    const init = { status: 101, webSocket: theirs };
    return new Response(null, init);
  }

  webSocketMessage(socket: HibernatableSocket, message: string | ArrayBuffer): void {
    this.#hibernating.webSocketMessage(socket, message);
  }

  webSocketClose(socket: HibernatableSocket, code: number, reason: string): void {
    this.#hibernating.webSocketClose(socket, code, reason);
  }

  webSocketError(socket: HibernatableSocket, error: unknown): void {
    this.#hibernating.webSocketError(socket, error);
  }

  async #run(runtime: string, origin: string, gateways: [string, string]) {
    const leaf = {
      name: 'websocket',
      gateways,
      start: (dial, options) => createCluster({ transport: webSocketTransport(dial), ...options }),
    } satisfies GatewayKind;
    const stage = await this.#stage(origin);
    return runContracts(runtime, {
      transports: [
        this.#http(origin),
        this.#webSocket('websocket', origin, '/plain'),
        this.#webSocket('websocket, own server', origin, '/hibernating'),
      ],
      leaves: [leaf, { ...leaf, name: 'websocket, own server', gateways: stage.gateways }],
      watch(uncaught) {
        addEventListener('unhandledrejection', ({ reason }) => uncaught(reason));
      },
    });
  }

  /** Gateways on hibernating sockets. */
  #stage(origin: string): Promise<GatewayStage> {
    return startGatewayStage((name) => this.#listen(origin, `/hibernating/${name}`));
  }

  /** Accepts at a path of the object's. */
  #listen(origin: string, path: string): WebSocketListenFunction {
    return async (context) => {
      this.#sockets.set(path, context);
      return { url: origin.replace(/^http/, 'ws') + path, close: async () => void this.#sockets.delete(path) };
    };
  }

  #http(origin: string): TransportKind & ClusterKind {
    return {
      name: 'http',
      create: () =>
        httpTransport({
          bearerToken: 'secret',
          listen: async (handler) => {
            const path = `/http/${++this.#made}`;
            this.#handlers.set(`${path}/`, handler);
            return { origin: origin + path, close: async () => void this.#handlers.delete(`${path}/`) };
          },
        }),
      nobody: `${origin}/http/nobody/`,
      unreadable: '127.0.0.1:2',
      datagrams: false,
      losesNothing: true,
      lasting: false,
    };
  }

  #webSocket(name: string, origin: string, folder: string): TransportKind & ClusterKind {
    return {
      name,
      create: () => webSocketTransport({ listen: this.#listen(origin, `${folder}/${++this.#made}`) }),
      nobody: `${origin.replace(/^http/, 'ws')}${folder}/nobody`,
      unreadable: '127.0.0.1:1',
      datagrams: false,
      losesNothing: true,
      lasting: true,
      twoWay: true,
      exchanges: false,
    };
  }
}
