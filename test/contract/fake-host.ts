/**
 * The owner of a transport in tests: keeps what arrives and lets a test wait for it, with a deadline in place of a pause.
 */
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.js';
import { resolveLogger } from '../../src/logger.js';
import type { FrameSource, TransportHost } from '../../src/transport/transport.js';

/** A frame that arrived. */
interface Received {
  frame: Uint8Array;
  source: FrameSource;
}

/** A `TransportHost` that remembers. */
export interface FakeHost extends TransportHost {
  readonly received: Received[];
  readonly disconnections: string[];
  readonly counts: Map<string, number>;
  /** Answers frames; by default there is no answer. */
  answer: (frame: Uint8Array) => undefined | Promise<Uint8Array | undefined>;
  /** Settles when `condition` holds, looked at after every event; rejects after `deadlineMs`. */
  until(condition: () => boolean, what: string, deadlineMs?: number): Promise<void>;
  /** The frames, once there are this many. */
  frames(count: number): Promise<Uint8Array[]>;
}

/** Makes a host with the default limits but for those given. */
export function createFakeHost(limits: Partial<Limits> = {}): FakeHost {
  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watch of [...watchers]) watch();
  };
  const host: FakeHost = {
    received: [],
    disconnections: [],
    counts: new Map(),
    answer: () => undefined,
    logger: resolveLogger(),
    limits: { ...DEFAULT_LIMITS, ...limits },
    receive(frame, source) {
      host.received.push({ frame, source });
      const answer = host.answer(frame);
      changed();
      return answer;
    },
    disconnected(address) {
      host.disconnections.push(address);
      changed();
    },
    count(name) {
      host.counts.set(name, (host.counts.get(name) ?? 0) + 1);
      changed();
    },
    until: (condition, what, deadlineMs = 5_000) =>
      new Promise((resolve, reject) => {
        const finish = (settle: () => void) => {
          clearTimeout(timer);
          watchers.delete(watch);
          settle();
        };
        const state = () => `${host.received.length} frames, counts ${JSON.stringify([...host.counts])}`;
        const timer = setTimeout(
          () => finish(() => reject(new Error(`${what}: not within ${deadlineMs} ms (${state()})`))),
          deadlineMs,
        );
        const watch = () => {
          if (condition()) finish(resolve);
        };
        watchers.add(watch);
        watch();
      }),
    async frames(count) {
      await host.until(() => host.received.length >= count, `${count} frames`);
      return host.received.map(({ frame }) => frame);
    },
  };
  return host;
}
