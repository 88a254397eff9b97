/**
 * One connection between a leaf and its gateway: frames in their order, as fast as the leaf's link takes them, until one
 * side ends it or dies. What does not get through waits, as it does with TCP; only a closed connection or a dead process
 * that is dialled again is noticed.
 */
import type { Carrier, Place } from './carrier.js';
import { reliableBytes } from './traffic.js';

/** A place at the end of a line; its process may stand still. */
export interface LinePlace extends Place {
  /** Bytes a second that its link takes. */
  bytesPerS: number;
  /** Runs something as soon as the process runs. */
  whenAwake(run: () => void): void;
  /** Takes in a connection; absent at whoever is no gateway. @returns its end of it. */
  accept?: ((line: Line) => LineEnd) | undefined;
}

/** What an end does with what arrives. */
export interface LineEnd {
  frame(frame: Uint8Array): void;
  /** The other side has ended it. Not called when we did. */
  closed(): void;
  /** Fewer bytes wait than before. */
  drained?(): void;
}

/** Bytes a process that stands still is sent before the rest waits. Source: guess, a usual socket buffer. */
const WINDOW_BYTES = 64 * 1024;
/** What is held up is tried again this often. Source: RTO_min of Linux. */
const RETRY_MS = 200;

/** One direction. */
interface Way {
  from: LinePlace;
  to: LinePlace;
  end: LineEnd;
  /** Lives of both processes when it was opened. */
  lives: [number, number];
  /** `undefined` is the end of the connection. */
  queue: (Uint8Array | undefined)[];
  queuedBytes: number;
  unreadBytes: number;
  busy: boolean;
}

export class Line {
  #open = true;
  readonly #ways: readonly [Way, Way];

  constructor(
    private readonly carrier: Carrier,
    dialler: LinePlace,
    diallersEnd: LineEnd,
    listener: LinePlace,
  ) {
    const way = (from: LinePlace, to: LinePlace, end: LineEnd): Way => {
      return { from, to, end, lives: [from.life, to.life], queue: [], queuedBytes: 0, unreadBytes: 0, busy: false };
    };
    const listenersEnd = listener.accept?.(this) as LineEnd;
    this.#ways = [way(dialler, listener, listenersEnd), way(listener, dialler, diallersEnd)];
  }

  get open(): boolean {
    return this.#open;
  }

  /** Bytes that a place has sent and the link has not taken. */
  queuedBytes(from: LinePlace): number {
    return this.#way(from).queuedBytes;
  }

  send(from: LinePlace, frame: Uint8Array): void {
    if (!this.#open) return;
    const way = this.#way(from);
    this.carrier.sent(from, way.to.index, frame);
    way.queue.push(frame);
    way.queuedBytes += frame.length;
    this.#pump(way);
  }

  /** Ends it after what has been sent. */
  close(from: LinePlace): void {
    if (!this.#open) return;
    this.#open = false;
    const way = this.#way(from);
    way.queue.push(undefined);
    this.#pump(way);
  }

  /** Something between the two ends it; both notice. */
  cut(): void {
    this.#open = false;
    for (const way of this.#ways) {
      way.queue = [undefined];
      way.queuedBytes = 0;
      this.#pump(way);
    }
  }

  /** A process has died: its machine ends the connection, unless it is gone as well. */
  died(place: Place): void {
    if (place.process !== 'silent' && this.#ways.some(({ from }) => from === place)) this.close(place as LinePlace);
  }

  #way(from: LinePlace): Way {
    return this.#ways[0].from === from ? this.#ways[0] : this.#ways[1];
  }

  #pump(way: Way): void {
    if (way.busy || way.queue.length === 0) return;
    const { carrier } = this;
    const { from, to } = way;
    const passes = carrier.passes(from, to) && carrier.passes(to, from);
    const held = !passes || to.process === 'silent' || way.unreadBytes >= WINDOW_BYTES;
    const bytes = way.queue[0]?.length ?? 0;
    way.busy = true;
    carrier.at(held ? RETRY_MS : (bytes / Math.min(from.bytesPerS, to.bytesPerS)) * 1000, () => {
      way.busy = false;
      if (!held && way.queue.length > 0) this.#deliver(way, way.queue.shift());
      // Nobody will ever take what is for a machine that is gone.
      if (to.process === 'silent' && to.life !== way.lives[1]) return;
      this.#pump(way);
    });
  }

  #deliver(way: Way, frame: Uint8Array | undefined): void {
    const { from, to, end, lives } = way;
    const bytes = frame?.length ?? 0;
    way.queuedBytes -= bytes;
    if (this.#open) this.#way(to).end.drained?.();
    this.carrier.runAt(this.carrier.reliableAtMs(from, to, frame ? reliableBytes(frame) : 0), () => {
      // Another process knows nothing of this connection, and its machine says so.
      if (to.life !== lives[1]) {
        if (this.#open && to.process !== 'silent' && from.life === lives[0]) this.#reset(way);
        return;
      }
      if (frame) this.carrier.arrived(from, to, frame);
      way.unreadBytes += bytes;
      to.whenAwake(() => {
        way.unreadBytes -= bytes;
        if (to.life !== lives[1]) return;
        if (frame) end.frame(frame);
        else end.closed();
      });
    });
  }

  #reset({ from, to }: Way): void {
    this.#open = false;
    const back = this.#way(to);
    from.whenAwake(() => {
      if (from.life === back.lives[1]) back.end.closed();
    });
  }
}
