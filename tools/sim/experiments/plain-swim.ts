/**
 * SWIM without Lifeguard, to compare with: our own members with those rules taken out while an experiment runs. What is left
 * is SWIM §4: ping, ping-req, suspicion of a fixed time, refutation, piggyback. No option of the product does this.
 */
import { Core } from '../../../src/core/core.js';
import { Members } from '../../../src/core/members.js';
import { NewsQueue } from '../../../src/core/news.js';
import { Prober } from '../../../src/core/probe.js';
import { SuspicionTable } from '../../../src/core/suspicion.js';

const nothing = () => {};

/** Runs something with members that are plain SWIM. */
export function asPlainSwim<T>(run: () => T): T {
  const { take } = NewsQueue.prototype;
  const { verify } = Prober.prototype;
  const restore = [
    // Local health: no score, so that nothing is stretched.
    replace(SuspicionTable.prototype, 'adjustHealth', nothing),
    // A pause of our own is not noticed.
    replace(Core.prototype, 'woke' as never, nothing as never),
    // Nor that we hear nobody.
    replace(SuspicionTable.prototype, 'heard', nothing),
    // Nacks say nothing, and nobody confirms anything.
    replace(Prober.prototype, 'onNack', nothing),
    replace(SuspicionTable.prototype, 'confirm', nothing),
    // No ack counts but that of a probe under way.
    replace(Members.prototype, 'heard', nothing),
    // No last look before the verdict, which alone asks a member with a verdict of its own to give.
    replace(Prober.prototype, 'verify', function (this: Prober, row, done, ...how) {
      if (done && how.length === 0) done(false, false);
      else verify.call(this, row, done, ...how);
    }),
    // No buddy: a suspect hears of it by chance.
    replace(NewsQueue.prototype, 'take', function (this: NewsQueue, receiver, large) {
      return take.call(this, receiver?.state === 'alive' ? receiver : undefined, large);
    }),
  ];
  try {
    return run();
  } finally {
    for (const undo of restore) undo();
  }
}

function replace<T extends object, K extends keyof T>(owner: T, name: K, value: T[K]): () => void {
  const before = owner[name];
  owner[name] = value;
  return () => {
    owner[name] = before;
  };
}
