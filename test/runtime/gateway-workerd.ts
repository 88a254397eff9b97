/**
 * A gateway in a Durable Object as documentation shows it: its leaves' sockets are those of the hibernation API. `/` tells
 * of the object, `/evict` ends it as an eviction would.
 */
import { createGateway, type Gateway } from '../../src/gateway.js';
import { type Cluster, createCluster } from '../../src/index.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import {
  type HibernatableSocket,
  type HibernatingWebSockets,
  type HibernationContext,
  hibernatingWebSockets,
} from '../../src/transport/websocket-hibernation.js';
import { upper } from './members-behaviour.js';

interface Context extends HibernationContext {
  blockConcurrencyWhile(work: () => Promise<void>): void;
  abort(reason: string): void;
}

export class Member {
  readonly #context: Context;
  #cluster: Cluster | undefined;
  #gateway: Gateway | undefined;
  #sockets: HibernatingWebSockets | undefined;

  constructor(context: Context, env: { URL: string }) {
    this.#context = context;
    context.blockConcurrencyWhile(async () => {
      this.#cluster = await createCluster({ transport: createMemoryNetwork().transport(), preset: 'local' });
      this.#cluster.handle(upper, ({ data }) => data.toUpperCase());
      this.#gateway = await createGateway(this.#cluster, { url: env.URL });
      this.#sockets = hibernatingWebSockets(context, this.#gateway);
    });
  }

  fetch(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (pathname === '/evict') this.#context.abort('evicted');
    if (pathname === '/gossip') return this.#sockets?.upgrade(request) as Response;
    return Response.json({ id: this.#cluster?.id, leaves: this.#gateway?.leaves });
  }

  webSocketMessage(socket: HibernatableSocket, message: string | ArrayBuffer): void {
    this.#sockets?.webSocketMessage(socket, message);
  }

  webSocketClose(socket: HibernatableSocket, code: number, reason: string): void {
    this.#sockets?.webSocketClose(socket, code, reason);
  }

  webSocketError(socket: HibernatableSocket, error: unknown): void {
    this.#sockets?.webSocketError(socket, error);
  }
}

interface Env {
  MEMBER: { idFromName(name: string): unknown; get(id: unknown): { fetch(request: Request): Promise<Response> } };
}

export default {
  fetch: (request: Request, { MEMBER }: Env) => MEMBER.get(MEMBER.idFromName('one')).fetch(request),
};
