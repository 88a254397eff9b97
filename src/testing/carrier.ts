/**
 * Moves frames between the members of a simulation: datagrams that may vanish, reliable frames that arrive in order or
 * fail, connections that break when a process dies. The counterpart of a transport, in virtual time.
 */
import type { PacketSource } from '../core/input.js';
import { Timers } from '../core/timers.js';
import { GossipError } from '../errors.js';
import { Line, type LineEnd, type LinePlace } from './line.js';
import type { Network } from './network.js';
import { Trace } from './trace.js';

/** A dial into nothing fails after this long. Source: TCPDeadline of the Go library. */
const DIAL_TIMEOUT_MS = 2000;
/** A shared connection without traffic is closed after this long. Source: guess, as the socket transport's order. */
const IDLE_CLOSE_MS = 30_000;
/** IP and UDP headers, so that sizes can be compared with those of real networks. */
const DATAGRAM_OVERHEAD_BYTES = 28;

/** What was sent so far, by everyone or by one member. */
export interface Traffic {
  /** Datagrams handed to the network, those that were lost included. */
  datagrams: number;
  /** Their bytes with 28 of headers each. */
  datagramBytes: number;
  /** Frames handed to reliable connections. */
  reliable: number;
  /** Their bytes, without headers. */
  reliableBytes: number;
  /** Datagrams that never arrived: lost or cut off. */
  lost: number;
  /** Datagrams that arrived once more. */
  duplicated: number;
  /** Datagrams that arrived with flipped bits and were dropped. */
  corrupted: number;
}

/** Nothing sent yet. */
export function noTraffic(): Traffic {
  return { datagrams: 0, datagramBytes: 0, reliable: 0, reliableBytes: 0, lost: 0, duplicated: 0, corrupted: 0 };
}

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
  readonly total = noTraffic();
  readonly #timers = new Timers();
  readonly #places = new Map<string, Place>();
  /** When each pair of places last used its shared connection, by both addresses. */
  readonly #connections = new Map<string, { a: string; b: string; usedMs: number }>();
  /** Connections of leaves. */
  readonly #lines = new Set<Line>();

  constructor(
    readonly network: Network,
    private readonly datagramBytesMax: number,
  ) {}

  /** When the next thing happens. */
  get nextMs(): number {
    return this.#timers.nextMs;
  }

  at(delayMs: number, run: () => void): void {
    this.#timers.schedule(this.nowMs + Math.max(0, delayMs), run);
  }

  /** Lets the next thing happen. */
  step(): void {
    this.nowMs = Math.max(this.nowMs, this.#timers.nextMs);
    this.#timers.takeDue(this.nowMs)?.();
  }

  bind(address: string, place: Place): void {
    this.#places.set(address, place);
  }

  unbind(address: string): void {
    this.#places.delete(address);
  }

  /** Sends one frame; `done` is called when the carrier has taken it or has given up. */
  send(
    from: Place,
    fromAddress: string,
    to: string,
    frame: Uint8Array,
    reliable: boolean,
    done: (error?: GossipError) => void,
  ): void {
    if (!reliable && frame.length < this.datagramBytesMax) {
      this.#datagram(from, fromAddress, to, frame);
      done();
      return;
    }
    this.#connect(from, to, frame, done, (place) => {
      this.#connections.set([fromAddress, to].sort().join(' '), { a: fromAddress, b: to, usedMs: this.nowMs });
      place.receive(frame, { reliable: true });
      done();
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
      place.receive(frame, { reliable: true }, (answer) => {
        if (!answer) return finish(new GossipError('ERR_TIMEOUT', `${to} closed the connection without an answer`));
        if (!this.network.passes(place.index, from.index)) return;
        this.sent(place, from.index, answer, true);
        this.at(this.network.reliable(place.index, from.index, this.nowMs), () => finish(answer));
      });
    });
  }

  /** Opens a leaf's connection to whoever is at an address; `done` is called once. */
  dial(from: LinePlace, to: string, end: LineEnd, done: (result: Line | GossipError) => void): void {
    this.#connect(from, to, new Uint8Array(), done, (place: Place & Partial<LinePlace>) => {
      if (!place.accept) return done(new GossipError('ERR_UNREACHABLE', `${to}: no gateway`));
      for (const line of this.#lines) if (!line.open) this.#lines.delete(line);
      const line = new Line(this, from, end, place as LinePlace);
      this.#lines.add(line);
      done(line);
    });
  }

  /** A process died: those it had connections with notice, unless its machine went silent with it. */
  broken(address: string, place: Place): void {
    for (const line of this.#lines) line.died(place);
    for (const [key, { a, b, usedMs }] of this.#connections) {
      if (a !== address && b !== address) continue;
      this.#connections.delete(key);
      const peerAddress = a === address ? b : a;
      const peer = this.#places.get(peerAddress);
      if (!peer || place.process === 'silent' || this.nowMs - usedMs > IDLE_CLOSE_MS) continue;
      this.at(this.network.delayMs(), () => {
        if (peer.process === 'running' && this.network.passes(place.index, peer.index)) peer.disconnected(address);
      });
    }
  }

  #datagram(from: Place, fromAddress: string, to: string, frame: Uint8Array): void {
    const place = this.#places.get(to);
    this.sent(from, place?.index ?? -1, frame, false);
    const arrivals = place && this.network.passes(from.index, place.index) ? this.network.datagram() : [];
    if (!place || arrivals.length === 0) this.#count(from, 'lost');
    else if (arrivals.length > 1) this.#count(from, 'duplicated');
    for (const { delayMs, corrupt } of arrivals) {
      this.at(delayMs, () => {
        if (place?.process !== 'running' || this.#places.get(to) !== place) return;
        if (!corrupt) return place.receive(frame, { address: fromAddress, reliable: false });
        this.#count(from, 'corrupted');
        place.refuse(this.network.spoil(frame));
      });
    }
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
    this.sent(from, place?.index ?? -1, frame, true);
    const fail = (afterMs: number, why: string) =>
      this.at(afterMs, () => failed(new GossipError('ERR_UNREACHABLE', `${to}: ${why}`)));
    const silent = () =>
      place?.process === 'silent' ||
      (place && !(this.network.passes(from.index, place.index) && this.network.passes(place.index, from.index)));
    if (silent()) {
      fail(DIAL_TIMEOUT_MS, 'no answer to the dial');
      return;
    }
    const delayMs = place ? this.network.reliable(from.index, place.index, this.nowMs) : this.network.delayMs();
    this.at(delayMs, () => {
      if (silent()) fail(DIAL_TIMEOUT_MS, 'no answer');
      else if (place?.process !== 'running' || this.#places.get(to) !== place) fail(delayMs, 'connection refused');
      else deliver(place);
    });
  }

  /** Notes a frame that was handed to the network. */
  sent(from: Place, to: number, frame: Uint8Array, reliable: boolean): void {
    this.trace.add(this.nowMs, from.index, to, frame);
    this.#count(from, reliable ? 'reliable' : 'datagrams');
    if (reliable) this.#count(from, 'reliableBytes', frame.length);
    else this.#count(from, 'datagramBytes', frame.length + DATAGRAM_OVERHEAD_BYTES);
  }

  #count(from: Place, what: keyof Traffic, by = 1): void {
    from.traffic[what] += by;
    this.total[what] += by;
  }
}
