/**
 * Moves frames between the members of a simulation: datagrams that may vanish, reliable frames that arrive in order or
 * fail, connections that break when a process dies. The counterpart of a transport, in virtual time.
 */
import type { PacketSource } from '../core/input.js';
import { GossipError } from '../errors.js';
import { Agenda, type Happening } from './agenda.js';
import { Line, type LineEnd, type LinePlace } from './line.js';
import { Deadlines, type Network, pairOf, placesOf } from './network.js';
import { Trace } from './trace.js';
import { ackBytes, countConnection, datagramBytes, reliableBytes, sumOf, type Traffic } from './traffic.js';

/** A dial into nothing fails after this long. Source: TCPDeadline of the Go library. */
const DIAL_TIMEOUT_MS = 2000;
/** A shared connection without traffic is closed after this long. Source: as the socket transport. */
const IDLE_CLOSE_MS = 300_000;
/** Where a member runs: a machine that is on or off, and a process on it that runs or does not. */
export interface Place {
  readonly index: number;
  readonly traffic: Traffic;
  /** `killed`: the machine refuses connections to the dead process. `silent`: the machine is gone as well. */
  process: 'running' | 'killed' | 'silent';
  /** Counts restarts, so that what was meant for a former life does not reach the next. */
  life: number;
  /** Takes one frame. `answer` is there when the sender waits on the same connection; it is called once. */
  receive(frame: Uint8Array, source: PacketSource, answer?: (frame: Uint8Array | undefined) => void): void;
  /** Takes a frame that the network spoilt: it may only be refused. */
  refuse(frame: Uint8Array): void;
  disconnected(address: string): void;
}

/** Virtual time, and the frames under way in it. */
export class Carrier {
  nowMs = 0;
  readonly trace = new Trace();
  readonly #agenda = new Agenda();
  readonly #places = new Map<string, Place>();
  /** By number. */
  readonly #everyone = new Map<number, Place>();
  /** When the shared connection of each pair of places will have been idle for too long; the lower number first. */
  readonly #connections = new Deadlines();
  /** Connections of leaves. */
  readonly #lines = new Set<Line>();

  constructor(
    readonly network: Network,
    private readonly datagramBytesMax: number,
  ) {}

  /** When the next thing happens. */
  get nextMs(): number {
    return this.#agenda.nextMs;
  }

  /** Runs something after a while. */
  at(delayMs: number, run: () => void): void {
    this.runAt(this.nowMs + delayMs, run);
  }

  /** Runs something at a time. */
  runAt(atMs: number, run: () => void): void {
    this.when(atMs, new Once(run));
  }

  /** Lets something happen at a time, now at the earliest. @returns the time. */
  when(atMs: number, what: Happening): number {
    const whenMs = atMs > this.nowMs ? atMs : this.nowMs;
    this.#agenda.add(whenMs, what);
    return whenMs;
  }

  /** Lets the next thing happen. */
  step(): void {
    this.nowMs = this.#agenda.nextMs;
    this.#agenda.take()?.happen(this.nowMs);
  }

  /** Who listens at an address. */
  placeAt(address: string): Place | undefined {
    return this.#places.get(address);
  }

  bind(address: string, place: Place): void {
    this.#places.set(address, place);
    this.#everyone.set(place.index, place);
  }

  unbind(address: string): void {
    this.#places.delete(address);
  }

  /** What was sent and received by all. */
  get total(): Traffic {
    return sumOf([...this.#everyone.values()].map(({ traffic }) => traffic));
  }

  /** Sends one frame; `done` is called when the carrier has taken it or has given up. */
  send(
    from: Place,
    fromAddress: string,
    to: string,
    frame: Uint8Array,
    reliable: boolean,
    done?: (error?: GossipError) => void,
  ): void {
    if (!reliable && frame.length < this.datagramBytesMax) {
      this.#datagram(from, fromAddress, to, frame);
      done?.();
      return;
    }
    const failed = (error: GossipError) => done?.(error);
    this.#connect(from, to, frame, failed, (place) => {
      const pair = pairOf(Math.min(from.index, place.index), Math.max(from.index, place.index));
      if ((this.#connections.get(pair) ?? 0) <= this.nowMs) countConnection(from.traffic, place.traffic);
      this.#connections.set(pair, this.nowMs + IDLE_CLOSE_MS, this.nowMs);
      this.arrived(from, place, frame);
      place.receive(frame, { reliable: true });
      done?.();
    });
  }

  /** Sends one frame on a connection of its own and waits for the one that answers it. */
  exchange(
    from: Place,
    to: string,
    frame: Uint8Array,
    timeoutMs: number,
    done: (answer: Uint8Array | GossipError) => void,
  ): void {
    let open = true;
    const finish = (answer: Uint8Array | GossipError) => {
      if (open) done(answer);
      open = false;
    };
    this.at(timeoutMs, () => finish(new GossipError('ERR_TIMEOUT', `${to} did not answer within ${timeoutMs} ms`)));
    const failed = (error?: GossipError) => error && finish(error);
    this.#connect(from, to, frame, failed, (place) => {
      countConnection(from.traffic, place.traffic);
      this.arrived(from, place, frame);
      place.receive(frame, { reliable: true }, (answer) => {
        if (!answer) return finish(new GossipError('ERR_TIMEOUT', `${to} closed the connection without an answer`));
        if (!this.network.passes(place.index, from.index, this.nowMs)) return;
        this.sent(place, from.index, answer);
        this.runAt(this.reliableAtMs(place, from, reliableBytes(answer)), () => {
          this.arrived(place, from, answer);
          finish(answer);
        });
      });
    });
  }

  /** Opens a leaf's connection to whoever is at an address; `done` is called once. */
  dial(from: LinePlace, to: string, end: LineEnd, done: (result: Line | GossipError) => void): void {
    this.#connect(from, to, new Uint8Array(), done, (place: Place & Partial<LinePlace>) => {
      if (!place.accept) return done(new GossipError('ERR_UNREACHABLE', `${to}: no gateway`));
      for (const line of this.#lines) if (!line.open) this.#lines.delete(line);
      countConnection(from.traffic, place.traffic);
      const line = new Line(this, from, end, place as LinePlace);
      this.#lines.add(line);
      done(line);
    });
  }

  /** A process died: those it had connections with notice, unless its machine went silent with it. */
  broken(address: string, place: Place): void {
    for (const line of this.#lines) line.died(place);
    for (const [pair, idleMs] of this.#connections.entries()) {
      const [low, high] = placesOf(pair);
      if (low !== place.index && high !== place.index) continue;
      this.#connections.delete(pair);
      const peer = this.#everyone.get(low === place.index ? high : low);
      if (!peer || place.process === 'silent' || this.nowMs > idleMs) continue;
      this.at(this.network.delayMs(place.index, peer.index), () => {
        if (peer.process === 'running' && this.passes(place, peer)) peer.disconnected(address);
      });
    }
  }

  /** Whether anything gets from one place to another now. */
  passes(from: Place, to: Place): boolean {
    return this.network.passes(from.index, to.index, this.nowMs);
  }

  #datagram(from: Place, fromAddress: string, to: string, frame: Uint8Array): void {
    const place = this.#places.get(to);
    const index = place?.index ?? -1;
    const { traffic } = from;
    const bytes = datagramBytes(frame);
    this.trace.add(this.nowMs, from.index, index, frame);
    traffic.datagrams++;
    traffic.datagramBytes += bytes;
    const waitMs = this.#wait(from, index, bytes, true);
    if (waitMs === undefined) {
      traffic.queueDropped++;
      return;
    }
    const copies = place && this.passes(from, place) ? this.network.copies(from.index, index) : 0;
    if (copies === 0) traffic.lost++;
    else if (copies > 1) traffic.duplicated++;
    for (let i = 0; i < copies; i++) {
      const delayMs = this.network.datagramMs(from.index, index);
      const corrupt = this.network.corrupts(from.index, index);
      this.when(
        this.nowMs + waitMs + delayMs,
        new DatagramArrival(this, from, fromAddress, place as Place, to, frame, corrupt),
      );
    }
  }

  /** How long something waits for the uplink; `undefined`: it may be dropped, and is. */
  #wait(from: Place, to: number, bytes: number, dropped: boolean): number | undefined {
    const waiting = this.network.uplink(from.index, to, bytes, dropped, this.nowMs);
    if (!waiting) return undefined;
    from.traffic.queuedBytesMax = Math.max(from.traffic.queuedBytesMax, waiting[1]);
    return waiting[0];
  }

  /** Notes a reliable frame that is handed to the network. */
  sent(from: Place, to: number, frame: Uint8Array): void {
    this.trace.add(this.nowMs, from.index, to, frame);
    from.traffic.reliable++;
    from.traffic.reliableBytes += reliableBytes(frame);
  }

  /** When so many bytes arrive, by a connection. */
  reliableAtMs(from: Place, to: Place, bytes: number): number {
    const waitMs = this.#wait(from, to.index, bytes, false) ?? 0;
    return this.network.reliableAtMs(from.index, to.index, this.nowMs + waitMs);
  }

  /** Notes one that arrived. */
  arrived(from: Place, to: Place, frame: Uint8Array): void {
    const acks = ackBytes(frame);
    to.traffic.reliableIn++;
    to.traffic.reliableBytesIn += reliableBytes(frame);
    to.traffic.reliableBytes += acks;
    from.traffic.reliableBytesIn += acks;
  }

  /** Dials and delivers: refused at once where no process listens, given up on where nothing answers. */
  #connect(
    from: Place,
    to: string,
    frame: Uint8Array,
    failed: (error: GossipError) => void,
    deliver: (place: Place) => void,
  ): void {
    const place = this.#places.get(to);
    const fail = (afterMs: number, why: string, code?: string) =>
      this.at(afterMs, () => {
        const cause = Object.assign(new Error(why), { code });
        failed(new GossipError('ERR_UNREACHABLE', `${to}: ${why}`, { cause }));
      });
    const refused = (afterMs: number) => fail(afterMs, 'connection refused', 'ECONNREFUSED');
    const silent = () =>
      place?.process === 'silent' || (place && !(this.passes(from, place) && this.passes(place, from)));
    this.sent(from, place?.index ?? -1, frame);
    if (silent() || !place) {
      if (place) fail(DIAL_TIMEOUT_MS, 'no answer to the dial');
      else refused(this.network.delayMs() * 2);
      return;
    }
    const atMs = this.reliableAtMs(from, place, reliableBytes(frame));
    const delayMs = atMs - this.nowMs;
    this.runAt(atMs, () => {
      if (silent()) fail(DIAL_TIMEOUT_MS, 'no answer');
      else if (place.process !== 'running' || this.#places.get(to) !== place) refused(delayMs);
      else deliver(place);
    });
  }
}

/** A function that is called at its time. */
class Once implements Happening {
  constructor(private readonly run: () => void) {}

  happen(): void {
    this.run();
  }
}

/** One copy of a datagram under way. */
class DatagramArrival implements Happening {
  constructor(
    private readonly carrier: Carrier,
    private readonly from: Place,
    private readonly fromAddress: string,
    private readonly place: Place,
    private readonly to: string,
    private readonly frame: Uint8Array,
    private readonly corrupt: boolean,
  ) {}

  happen(): void {
    const { carrier, place, frame } = this;
    if (place.process !== 'running' || carrier.placeAt(this.to) !== place) return;
    place.traffic.datagramsIn++;
    place.traffic.datagramBytesIn += datagramBytes(frame);
    if (!this.corrupt) {
      place.receive(frame, { address: this.fromAddress, reliable: false });
      return;
    }
    this.from.traffic.corrupted++;
    place.refuse(carrier.network.spoil(frame));
  }
}
