/** A process with a clock and an address in a simulation's network, that speaks the Go library's wire. */
import { Hlc } from '../../src/core/hlc.js';
import type { PacketSource } from '../../src/core/input.js';
import { Random } from '../../src/core/random.js';
import { GossipError } from '../../src/errors.js';
import type { Place } from '../../src/testing/carrier.js';
import type { Simulation } from '../../src/testing/index.js';
import { noTraffic } from '../../src/testing/traffic.js';
import type { V1Packet } from '../../src/wire/v1/packet.js';

/** Source: TCPDeadline of the Go library. */
const TCP_DEADLINE_MS = 2000;

/** Answers whoever waits on a connection; without a frame it is closed. */
export type Answer = (frame: Uint8Array | undefined) => void;

export abstract class GoLikeStation implements Place {
  process: Place['process'] = 'running';
  life = 0;
  readonly traffic = noTraffic();
  /** Frames it could not read, and why. */
  readonly broken: string[] = [];
  protected readonly random: Random;
  readonly #hlc: Hlc;

  constructor(
    readonly sim: Simulation,
    readonly index: number,
    seed: number,
    epochMs: number,
    public address: string,
  ) {
    this.random = new Random(seed);
    this.#hlc = new Hlc(epochMs);
    sim.carrier.bind(address, this);
  }

  now(): bigint {
    return this.#hlc.now(this.sim.nowMs);
  }

  protected abstract take(packet: V1Packet, source: PacketSource, answer?: Answer): void;

  crash(how: 'killed' | 'silent' = 'killed'): void {
    if (this.process !== 'running') return;
    this.process = how;
    this.life++;
    this.sim.carrier.broken(this.address, this);
  }

  protected rebind(address: string): void {
    this.crash();
    this.sim.carrier.unbind(this.address);
    this.address = address;
    this.life++;
    this.process = 'running';
    this.sim.carrier.bind(address, this);
  }

  receive(frame: Uint8Array, source: PacketSource, answer?: Answer): void {
    let packet: V1Packet;
    try {
      const decoded = this.sim.wire.decode(frame, false);
      if (decoded instanceof Promise || decoded.dialect !== 'v1') throw new GossipError('ERR_FRAME', 'not a v1 frame');
      packet = decoded;
    } catch (error) {
      this.broken.push(error instanceof Error ? error.message : '');
      answer?.(undefined);
      return;
    }
    this.take(packet, source, answer);
  }

  refuse(): void {}

  disconnected(): void {}

  protected after(ms: number, run: () => void): void {
    const { life } = this;
    this.sim.carrier.at(ms, () => {
      if (this.life === life && this.process === 'running') run();
    });
  }

  protected every(ms: number, jitterMs: number, run: () => void): void {
    const again = () => {
      run();
      this.after(ms, again);
    };
    this.after(this.random.unit() * jitterMs + ms, again);
  }

  protected exchange(address: string, packet: V1Packet, done: (reply: V1Packet | string) => void): void {
    const { life } = this;
    const frame = this.encode({ ...packet, replyExpected: true });
    this.sim.carrier.exchange(this, address, frame, TCP_DEADLINE_MS, (answer) => {
      if (this.life !== life) return;
      if (answer instanceof GossipError) return done(answer.message);
      try {
        const reply = this.sim.wire.decode(answer, false, packet.type);
        done(reply instanceof Promise || reply.dialect !== 'v1' ? 'no v1 frame' : reply);
      } catch (error) {
        done(error instanceof Error ? error.message : 'broken');
      }
    });
  }

  protected encode(packet: V1Packet): Uint8Array {
    const frame = this.sim.wire.encode(packet, false);
    if (frame instanceof Promise) throw new Error('a simulation needs a wire that answers at once');
    return frame;
  }
}

/** Adds one to a number in a map. */
export function count<Key>(map: Map<Key, number>, key: Key): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
