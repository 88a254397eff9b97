/** Waiting in real time, as the contracts of whole clusters must: for an event, with a deadline. */
import type { Cluster, EventMap } from '../../src/index.js';

/** How long anything may take. Source: guess, many times what it takes on a busy machine. */
const DEADLINE_MS = 10_000;
const EVENTS: (keyof EventMap)[] = ['joined', 'state', 'metadata', 'left', 'removed', 'resumed', 'message'];

/** Settles when something holds, looked at after each event of any of the members. */
export function untilEvent(members: readonly Cluster[], what: string, holds: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      for (const stop of stops) stop();
      settle();
    };
    const look = () => {
      if (holds()) finish(resolve);
    };
    // After every handler of the event.
    const later = () => queueMicrotask(look);
    const stops = members.flatMap((member) => EVENTS.map((name) => member.on(name, later)));
    const timer = setTimeout(() => {
      const seen = members.map((member) => member.members().map(({ state }) => state));
      finish(() => reject(new Error(`${what}: not within ${DEADLINE_MS} ms; seen: ${JSON.stringify(seen)}`)));
    }, DEADLINE_MS);
    look();
  });
}
