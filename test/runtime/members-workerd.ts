/**
 * A member in a Durable Object of workerd: `/start?join=URL` makes it, `/gossip` is where others connect: by the hibernation
 * API, or with `?plain` in the URL of the start by a standard socket.
 */
import { type WebSocketLike, type WebSocketTransport, webSocketTransport } from '../../src/transport/websocket.js';
import {
  type HibernatableSocket,
  type HibernatingWebSockets,
  type HibernationContext,
  hibernatingWebSockets,
} from '../../src/transport/websocket-hibernation.js';
import { startMember } from './members-behaviour.js';

declare const WebSocketPair: new () => { 0: object; 1: WebSocketLike & { accept(): void } };

export class Member {
  #transport: WebSocketTransport | undefined;
  #plain = false;
  readonly #sockets: HibernatingWebSockets;

  constructor(context: HibernationContext) {
    this.#sockets = hibernatingWebSockets(context, {
      accept: (socket, info) => this.#transport?.accept(socket, info),
    });
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === '/start') return this.#start(url);
    if (!this.#plain) return this.#sockets.upgrade(request);
    if (request.headers.get('upgrade') !== 'websocket') return new Response('this is a WebSocket', { status: 426 });
    const { 0: theirs, 1: ours } = new WebSocketPair();
    ours.accept();
    this.#transport?.accept(ours, request);
    const init = { status: 101, webSocket: theirs };
    return new Response(null, init);
  }

  async #start(url: URL): Promise<Response> {
    const join = url.searchParams.get('join');
    this.#plain = url.searchParams.has('plain');
    this.#transport = webSocketTransport({ advertise: `ws://${url.host}/gossip` });
    const { cluster } = await startMember({ transport: this.#transport });
    if (join) await cluster.join(join);
    return new Response(cluster.address);
  }

  webSocketMessage(socket: HibernatableSocket, message: string | ArrayBuffer): void {
    this.#sockets.webSocketMessage(socket, message);
  }

  webSocketClose(socket: HibernatableSocket, code: number, reason: string): void {
    this.#sockets.webSocketClose(socket, code, reason);
  }

  webSocketError(socket: HibernatableSocket, error: unknown): void {
    this.#sockets.webSocketError(socket, error);
  }
}

interface Env {
  MEMBER: { idFromName(name: string): unknown; get(id: unknown): { fetch(request: Request): Promise<Response> } };
}

export default {
  fetch: (request: Request, { MEMBER }: Env) => MEMBER.get(MEMBER.idFromName('one')).fetch(request),
};
