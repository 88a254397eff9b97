/** Members for tests of the public API: on one memory network, in virtual time, every rejection accounted for. */
import { afterEach, expect } from 'vitest';
import { createLeaf } from '../../src/create-leaf.js';
import type { Gateway } from '../../src/gateway.js';
import { type Clock, type Cluster, type ClusterOptions, createCluster, type Logger } from '../../src/index.js';
import { createMemoryNetwork, type MemoryNetwork } from '../../src/transport/memory.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { PairSocket } from './socket-pair.js';

/** Time that passes only when it is told to. */
export class VirtualClock implements Clock {
  readonly epochMs = Date.UTC(2026, 0, 1);
  #nowMs = 0;
  #order = 0;
  readonly #timers = new Map<number, { atMs: number; run: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const order = this.#order++;
    this.#timers.set(order, { atMs: this.#nowMs + delayMs, run });
    return () => void this.#timers.delete(order);
  }

  /** Lets time pass, timer by timer, and everything happen that follows from each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (;;) {
      let next: [order: number, timer: { atMs: number; run: () => void }] | undefined;
      // Of those at one time the first in the map is the oldest.
      for (const one of this.#timers) if (!next || one[1].atMs < next[1].atMs) next = one;
      if (!next || next[1].atMs > endMs) break;
      this.#timers.delete(next[0]);
      this.#nowMs = Math.max(this.#nowMs, next[1].atMs);
      next[1].run();
      await settled();
    }
    this.#nowMs = endMs;
  }
}

/** After every promise that needs nothing but a turn: the memory network is one of them. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A logger that remembers its lines as `level: message`, fields apart. */
export function recorder(): Logger & { lines: string[]; fields: (Record<string, unknown> | undefined)[] } {
  const lines: string[] = [];
  const fields: (Record<string, unknown> | undefined)[] = [];
  const at = (level: string) => (message: string, more?: Record<string, unknown>) => {
    lines.push(`${level}: ${message}`);
    fields.push(more);
  };
  return { lines, fields, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

const open = new Set<Cluster>();
const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

afterEach(async () => {
  await Promise.all([...open].map((cluster) => cluster.close()));
  open.clear();
  await settled();
  expect(unhandled.splice(0)).toEqual([]);
});

/** A network, a clock, and members on them. */
export class Harness {
  readonly network: MemoryNetwork = createMemoryNetwork();
  readonly clock = new VirtualClock();
  #made = 0;

  /** One member that knows nobody; its address is `m0`, `m1` … in the order they are made. */
  async member(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
    const index = this.#made++;
    const cluster = await createCluster({
      transport: this.network.transport({ address: `m${index}` }),
      preset: 'local',
      clock: this.clock,
      seed: index + 1,
      ...options,
    });
    open.add(cluster);
    return cluster;
  }

  /** Members that all know each other. */
  async members(count: number, options: (index: number) => Partial<ClusterOptions> = () => ({})): Promise<Cluster[]> {
    const members: Cluster[] = [];
    for (let i = 0; i < count; i++) members.push(await this.member(options(i)));
    for (const member of members.slice(1)) await this.within(member.join('m0'), 5000);
    await this.clock.advance(2000);
    for (const member of members)
      expect(member.members().map(({ state }) => state)).toEqual(Array(count).fill('alive'));
    return members;
  }

  async pair(a: Partial<ClusterOptions> = {}, b: Partial<ClusterOptions> = a): Promise<[Cluster, Cluster]> {
    return (await this.members(2, (i) => (i === 0 ? a : b))) as [Cluster, Cluster];
  }

  /** A leaf, as in a page, that dials gateways by their URLs: the members of a map that can be changed while it lives. */
  async leaf(gateways: ReadonlyMap<string, Gateway>, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
    class Dial extends PairSocket {
      constructor(url: string) {
        super();
        const theirs = new PairSocket();
        [this.peer, theirs.peer] = [theirs, this];
        queueMicrotask(() => {
          const gateway = gateways.get(url);
          if (!gateway) return this.ended(1006, '');
          for (const socket of [theirs, this]) socket.opened('');
          gateway.accept(theirs, { url, headers: new Headers() });
        });
      }
    }
    const transport = webSocketTransport({ gateways: [...gateways.keys()], WebSocket: Dial });
    const leaf = await createLeaf({ transport, preset: 'local', clock: this.clock, seed: ++this.#made, ...options });
    open.add(leaf);
    return leaf;
  }

  /** Lets up to `ms` pass until a promise has settled, and answers as it does. */
  async within<T>(promise: Promise<T>, ms: number): Promise<T> {
    let done = false;
    const finished = promise.finally(() => {
      done = true;
    });
    finished.catch(() => {});
    for (let passed = 0; passed <= ms && !done; passed += 50) await this.clock.advance(50);
    expect(done, `settled within ${ms} ms of virtual time`).toBe(true);
    return finished;
  }

  /** Lets up to `ms` pass until something holds. */
  async until(holds: () => boolean, ms: number): Promise<void> {
    for (let passed = 0; passed <= ms && !holds(); passed += 50) await this.clock.advance(50);
    expect(holds(), `held within ${ms} ms of virtual time`).toBe(true);
  }
}
