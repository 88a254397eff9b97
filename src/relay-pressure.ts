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
 * No packet waits longer than this: while the tree is being changed there may be circles in it, and a member that hangs must not
 * stop the others. Source: guess; TCP reads 256 KiB in each wait, which is still 10,000 broadcasts of 100 bytes in a second.
 */
const WAIT_MS = 250;

export class RelayPressure extends Pressure {
  /** Of what the carriers have not taken yet, how much was pushed to us by whom; the rest entered the tree here. */
  readonly #from = new Map<MemberId | undefined, Pressure>();

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
    const relayed = this.#from.get(from) ?? new Pressure(this.bytesMax);
    this.#from.set(from, relayed);
    const relayedTaken = relayed.add(bytes, copies);
    return () => {
      taken();
      relayedTaken();
      if (relayed.bytes === 0) this.#from.delete(from);
    };
  }

  override after(input: Input): Promise<undefined> | undefined {
    if (input.type !== 'packet' || input.packet.dialect === 'v1' || !input.source.reliable) return undefined;
    const relayed = this.#from.get(input.packet.from);
    if (!relayed || relayed.isLow) return undefined;
    return new Promise((resolve) => {
      const go = () => resolve(undefined);
      const cancel = this.clock.schedule(WAIT_MS, go);
      void relayed.room().then(cancel).then(go);
    });
  }

  override free(): void {
    super.free();
    for (const relayed of this.#from.values()) relayed.free();
  }
}
