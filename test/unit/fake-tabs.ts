/**
 * Tabs of one origin in one process: Web Locks that are granted in the order in which they were asked for and fall with
 * their tab, Node's own BroadcastChannel, and a page that can be closed, crashed or frozen.
 */

import { setMaxListeners } from 'node:events';
import { acceptMux } from '../../src/transport/mux.js';
import { type SharedTabsOptions, sharedTabs } from '../../src/transport/shared-tabs.js';
import type { WebSocketConstructor, WebSocketLike } from '../../src/transport/websocket.js';
import { PairSocket } from './socket-pair.js';

interface LockRequest {
  tab: FakeTab;
  run(): Promise<unknown>;
}

/** The lock manager of an origin. */
class FakeLocks {
  /** First in a queue is who holds it. */
  readonly queues = new Map<string, LockRequest[]>();

  request(tab: FakeTab, name: string, signal: AbortSignal | undefined, callback: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const one: LockRequest = {
        tab,
        async run() {
          started = true;
          try {
            resolve(await callback());
          } catch (error) {
            reject(error);
          }
        },
      };
      let started = false;
      // A leader waits for the lock of each tab.
      if (signal) setMaxListeners(0, signal);
      signal?.addEventListener('abort', () => {
        if (started) return;
        this.#remove(name, one);
        reject(signal.reason);
      });
      const queue = this.queues.get(name) ?? [];
      this.queues.set(name, queue);
      queue.push(one);
      if (queue.length === 1) this.#grant(name);
    });
  }

  drop(tab: FakeTab): void {
    for (const [name, queue] of [...this.queues]) {
      for (const one of [...queue].reverse()) if (one.tab === tab) this.#remove(name, one);
    }
  }

  #grant(name: string): void {
    const first = this.queues.get(name)?.[0];
    if (!first) return;
    // As a task, as browsers do.
    setImmediate(() => {
      if (this.queues.get(name)?.[0] !== first) return;
      void first.run().then(() => this.#remove(name, first));
    });
  }

  #remove(name: string, one: LockRequest): void {
    const queue = this.queues.get(name) ?? [];
    const at = queue.indexOf(one);
    if (at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.queues.delete(name);
    else if (at === 0) this.#grant(name);
  }
}

/** An origin with a server that shares connections and gives back what it hears. */
export class FakeOrigin {
  readonly locks = new FakeLocks();
  /** The server's ends of the real sockets that are open. */
  readonly connections = new Set<PairSocket>();
  /** What was ever dialled. */
  readonly dialled: { url: string; protocols: string[] }[] = [];
  /** Channels that are open at the server. */
  readonly sockets = new Set<WebSocketLike>();
  readonly tabs: FakeTab[] = [];
  limits = { frameBytesMax: 1_000_000, sendQueueBytesMax: 2_000_000 };
  /** What a server chooses of what it is offered. */
  chooses = (protocols: string[]): string => protocols[0] ?? '';
  refuses = false;

  tab(options: SharedTabsOptions = {}): FakeTab {
    const tab = new FakeTab(this, options);
    this.tabs.push(tab);
    return tab;
  }

  accept(client: PairSocket, url: string, protocols: string[]): void {
    this.dialled.push({ url, protocols });
    queueMicrotask(() => {
      if (client.readyState !== 0) return;
      // Node's own client tells no more than this.
      if (this.refuses) return client.tell('error', { message: 'refused' });
      const server = new PairSocket();
      [server.peer, client.peer] = [client, server];
      this.connections.add(server);
      server.addEventListener('close', () => this.connections.delete(server));
      const protocol = this.chooses(protocols);
      server.opened(protocol);
      acceptMux(server, (socket) => this.#echo(socket), { limits: this.limits, count: () => {} });
      client.opened(protocol);
    });
  }

  #echo(socket: WebSocketLike): void {
    this.sockets.add(socket);
    socket.addEventListener('close', () => this.sockets.delete(socket));
    socket.addEventListener('message', ({ data }) => {
      socket.send(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer));
    });
  }

  close(): void {
    for (const tab of this.tabs) tab.crash();
  }
}

/** One tab. */
export class FakeTab {
  readonly WebSocket;
  readonly #origin: FakeOrigin;
  readonly #document = new EventTarget();
  readonly #channels = new Set<BroadcastChannel>();
  readonly #real = new Set<PairSocket>();
  #dead = false;

  constructor(origin: FakeOrigin, options: SharedTabsOptions) {
    this.#origin = origin;
    const tab = this;
    const channels = this.#channels;
    class TabChannel extends BroadcastChannel {
      constructor(name: string) {
        super(name);
        channels.add(this);
      }
      override postMessage(message: unknown) {
        if (!tab.#dead) super.postMessage(message);
      }
      override close() {
        channels.delete(this);
        super.close();
      }
    }
    class RealSocket extends PairSocket {
      constructor(url: string, protocols: string[] = []) {
        super();
        if (url.includes('bad')) throw new SyntaxError('bad URL');
        tab.#real.add(this);
        origin.accept(this, url, protocols);
      }
    }
    const Real: WebSocketConstructor = options.WebSocket ?? RealSocket;
    // That of a dead tab never opens.
    const LivingSocket = new Proxy(Real, {
      construct: (Base, [url, protocols]) => (tab.#dead ? new PairSocket() : new Base(url, protocols)),
    });
    const locks = {
      request: (name: string, { signal }: { signal?: AbortSignal }, callback: () => unknown) =>
        this.#dead ? new Promise(() => {}) : origin.locks.request(this, name, signal, callback),
    };
    // What a tab finds around it; it looks once.
    const around = { BroadcastChannel: TabChannel, navigator: { locks }, document: this.#document };
    const before = Object.keys(around).map((key) => [key, Object.getOwnPropertyDescriptor(globalThis, key)] as const);
    for (const [key, value] of Object.entries(around)) {
      Object.defineProperty(globalThis, key, { value, configurable: true });
    }
    try {
      this.WebSocket = sharedTabs({ ...options, WebSocket: LivingSocket });
    } finally {
      for (const [key, descriptor] of before) {
        if (descriptor) Object.defineProperty(globalThis, key, descriptor);
        else Reflect.deleteProperty(globalThis, key);
      }
    }
  }

  /** Whether it has the connection. */
  get leads(): boolean {
    return [...this.#real].some(({ readyState }) => readyState < 2);
  }

  /** What it still holds. */
  get holds(): { channels: number; locks: number } {
    const locks = [...this.#origin.locks.queues.values()].flat().filter(({ tab }) => tab === this).length;
    return { channels: this.#channels.size, locks };
  }

  /** It is gone without a word, as a renderer that was killed. */
  crash(): void {
    // Its code runs on in our process, but nobody hears it.
    this.#dead = true;
    for (const channel of [...this.#channels]) channel.close();
    for (const socket of this.#real) socket.terminate();
    this.#origin.locks.drop(this);
  }

  freeze(): void {
    this.#document.dispatchEvent(new Event('freeze'));
  }

  resume(): void {
    this.#document.dispatchEvent(new Event('resume'));
  }
}
