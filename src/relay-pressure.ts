/**
 * Backpressure along the tree: whoever relays broadcasts takes no more from a member whose earlier ones have not gone on yet, so
 * that its carrier fills, the member before it waits in turn, and in the end the application that broadcasts. It waits for
 * each member by itself: in a tree no two then wait for each other, however many broadcast.
 */
import type { Clock } from './clock.js';
import type { Input, Packet } from './core/input.js';
import type { MemberId } from './core/member-id.js';
import { Pressure } from './pressure.js';

/**
 * Nobody waits longer than this for what does not go on: while the tree is being changed there may be circles in it, and a member
 * that hangs must not stop the others. Source: guess, above what a process stands still for on a busy machine.
 */
const PATIENCE_MS = 1000;

/** What one member pushed to us. */
class Relayed extends Pressure {
  /** Until when it is waited for; undefined while little of it is under way. */
  untilMs: number | undefined;

  override free(): void {
    this.untilMs = undefined;
    super.free();
  }
}

export class RelayPressure extends Pressure {
  /** Of what the carriers have not taken yet, how much was pushed to us by whom; the rest entered the tree here. */
  readonly #from = new Map<MemberId | undefined, Relayed>();

  constructor(
    bytesMax: number,
    private readonly clock: Clock,
  ) {
    super(bytesMax);
  }

  override sending(packet: Packet, copies: number): (() => void) | undefined {
    if (packet.dialect === 'v1' || packet.type !== 'gossip') return undefined;
    const { messages } = packet;
    const bytes = messages.reduce((sum, { payload }) => sum + payload.length, 0);
    const taken = this.add(bytes, copies);
    const from = messages[0]?.from;
    const relayed = this.#from.get(from) ?? new Relayed(this.bytesMax);
    this.#from.set(from, relayed);
    const relayedTaken = relayed.add(bytes, copies);
    return () => {
      taken();
      relayedTaken();
      if (relayed.bytes === 0 && this.#from.get(from) === relayed) this.#from.delete(from);
    };
  }

  override after(input: Input): Promise<undefined> | undefined {
    if (input.type !== 'packet' || input.packet.dialect === 'v1' || !input.source.mayWait) return undefined;
    const relayed = this.#from.get(input.packet.from);
    if (!relayed || relayed.isLow) return undefined;
    const nowMs = this.clock.now();
    relayed.untilMs ??= nowMs + PATIENCE_MS;
    const leftMs = relayed.untilMs - nowMs;
    if (leftMs <= 0) return undefined;
    return new Promise((resolve) => {
      const go = () => resolve(undefined);
      const cancel = this.clock.schedule(leftMs, go);
      void relayed.room().then(cancel).then(go);
    });
  }

  override free(): void {
    super.free();
    for (const relayed of this.#from.values()) relayed.free();
  }
}
