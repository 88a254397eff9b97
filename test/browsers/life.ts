/**
 * A cluster for pages to be members of: two gateways, and a member that writes down what it sees of every leaf; and a way
 * to a gateway that can be cut and silenced.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { vi } from 'vitest';
import { createCluster } from '../../src/create-cluster.js';
import { createGateway } from '../../src/gateway.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';

/** Of the gateways, as by default. */
export const PING_MS = 5000;

/** What the member beside the gateways saw of a leaf. */
interface Seen {
  id: string;
  state: string;
  /** Unix milliseconds, as in a page's journal. */
  atMs: number;
}

export async function openWorld() {
  const network = createMemoryNetwork();
  const member = async () => {
    const one = await createCluster({ transport: network.transport() });
    if (first) await one.join(first);
    return one;
  };
  let first: string | undefined;
  const a = await member();
  first = a.address;
  const [b, observer] = [await member(), await member()];
  const open = { listen: webSocketListener({ bind: '127.0.0.1:0' }), origins: '*', pingIntervalMs: PING_MS } as const;
  const gateways = [await createGateway(a, open), await createGateway(b, open)] as const;
  const seen: Seen[] = [];
  for (const type of ['joined', 'state', 'left', 'removed'] as const) {
    observer.on(type, ({ member: { id, state } }) => seen.push({ id, state, atMs: Date.now() }));
  }
  return {
    a,
    b,
    observer,
    gateways,
    member,
    /** The states of a leaf since a time, in order. */
    states: (id: string, sinceMs = 0) =>
      seen.filter((one) => one.id === id && one.atMs >= sinceMs).map(({ state }) => state),
    /** Waits until a leaf has been seen in a state. @returns when that was. */
    async when(id: string, state: string, sinceMs: number, withinMs: number): Promise<number> {
      const find = () => seen.find((one) => one.id === id && one.state === state && one.atMs >= sinceMs);
      const found = await vi.waitUntil(find, { timeout: withinMs, interval: 25 }).catch(() => {
        const states = seen.filter((one) => one.id === id).map((one) => `${one.state} at ${one.atMs - sinceMs} ms`);
        throw new Error(`not ${state} within ${withinMs} ms: ${states}`);
      });
      return found.atMs;
    },
    async close() {
      await Promise.all([a.leave(), b.leave(), observer.leave()]);
    },
  };
}

/** A way to a WebSocket server, by TCP. */
export async function openWay(url: string) {
  const { hostname, port, pathname } = new URL(url);
  const sockets = new Set<Socket>();
  let silent = false;
  let shut = false;
  let taken = 0;
  const server = createServer((socket) => {
    taken++;
    if (shut) {
      socket.destroy();
      return;
    }
    const other = connect(Number(port), hostname);
    for (const [from, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => silent || to.write(data));
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    /** Connections that were made so far. */
    get taken() {
      return taken;
    },
    /** Ends what there is. */
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    /** Nothing is carried any more, and nobody is told. */
    silence(on: boolean) {
      silent = on;
    },
    /** Whoever comes is sent away. */
    shut(on: boolean) {
      shut = on;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
