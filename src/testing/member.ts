/**
 * One member of a simulation: a real core, and the least shell that carries out its effects. Packets go through the real
 * wire, as bytes.
 */

import type { CoreConfig } from '../core/config.js';
import { Core } from '../core/core.js';
import type { Effect } from '../core/effect.js';
import { Gateway } from '../core/gateway.js';
import type { Input, Packet, PacketSource } from '../core/input.js';
import type { KnownMember, Machine } from '../core/machine.js';
import type { MemberId } from '../core/member-id.js';
import { GossipError } from '../errors.js';
import type { NativePacket } from '../wire/packet.js';
import { peekFrame, type Wire } from '../wire/wire.js';
import type { Happening } from './agenda.js';
import type { Carrier, Place } from './carrier.js';
import { type EndOwner, GatewayEnd, LeafEnd } from './leaf-ends.js';
import type { Line, LineEnd } from './line.js';
import type { Answer, Delivery, Outcome, SimulatedGatewayOptions, SimulationEvent } from './options.js';
import type { SharedRows } from './shared-rows.js';
import { noTraffic } from './traffic.js';

/** What a member tells the simulation. */
export interface MemberOwner {
  readonly carrier: Carrier;
  readonly wire: Wire;
  readonly nativeWire: Wire;
  indexOf(id: MemberId): number;
  changed(event: SimulationEvent): void;
  delivered(delivery: Delivery): void;
}

/** A frame; one that goes to many, which has `opened`, is opened once. What it holds nobody changes. */
interface Frame extends Uint8Array {
  opened?: Packet | null;
}

/** Rounding makes a clock that drifts show so little less than it should. */
const ROUNDING_MS = 1e-6;
const TICK: Input = { type: 'tick' };
/** Frames that wait for a suspended process before datagrams are lost. Source: guess, an ordinary socket buffer. */
const INBOX_MAX = 512;

export class SimulatedMember implements EndOwner, Happening {
  process: Place['process'] = 'running';
  life = 0;
  readonly traffic = noTraffic();
  core: Machine;
  /** Its table, when it was there from the beginning. */
  shared: SharedRows | undefined;
  bytesPerS = Number.POSITIVE_INFINITY;
  /** Everything that a member does by itself happens up to this much late. */
  lateMs = 0;
  /** Frames that could not be opened, by the code of the error. */
  readonly refused = new Map<string, number>();
  /** When it will look at its timers, the next time last. */
  readonly #ticksMs: number[] = [];
  #shownMs = 0;
  #suspended = false;
  /** What is suspended is only what comes and goes. */
  #timersRun = false;
  readonly #inbox: (() => void)[] = [];
  #ref = 0;
  readonly #outcomes = new Map<number, Outcome>();
  #exchange = 0;
  readonly #answers = new Map<number, (frame: Uint8Array | undefined) => void>();
  readonly #leafEnd = new LeafEnd(this);
  #gatewayEnd: GatewayEnd | undefined;

  constructor(
    private readonly owner: MemberOwner,
    readonly index: number,
    public config: CoreConfig,
    private readonly answer: Answer,
    private readonly clockDrift: number,
    /** Makes a leaf's state machine. Default: that of a full member. */
    private readonly create: (config: CoreConfig, nowMs: number) => Machine = (config, nowMs) =>
      new Core(config, nowMs),
  ) {
    this.core = this.#start();
  }

  get carrier(): Carrier {
    return this.owner.carrier;
  }

  indexOf(id: MemberId): number {
    return this.owner.indexOf(id);
  }

  /** Lets it take in leaves, in this life and in those to come. */
  beGateway(url: string, options: SimulatedGatewayOptions): void {
    this.#gatewayEnd = new GatewayEnd(this, url, options);
    this.carrier.bind(url, this);
    this.#host(this.core);
    this.input(TICK);
  }

  #host(core: Machine): void {
    const end = this.#gatewayEnd;
    if (!end || !(core instanceof Core)) return;
    end.restart();
    core.leaves.host = new Gateway(core, end.config);
  }

  /** Sends its leaves away, and takes in no more of them. */
  closeGateway(): void {
    const end = this.#gatewayEnd;
    if (!end || !(this.core instanceof Core)) return;
    this.input({ type: 'leaf', event: { kind: 'close' } });
    this.core.leaves.host = undefined;
    this.carrier.unbind(end.url);
    this.#gatewayEnd = undefined;
  }

  get accept(): ((line: Line) => LineEnd) | undefined {
    const end = this.#gatewayEnd;
    return end && ((line) => end.accept(line));
  }

  /** The connection to its gateway is cut by something in between. */
  cutLine(): void {
    this.#leafEnd.cut();
  }

  get address(): string {
    return this.config.address;
  }

  get #wire(): Wire {
    return this.config.foreign ? this.owner.wire : this.owner.nativeWire;
  }

  /** What its own clock shows: fast or slow by a share, and never less than before. */
  get #clockMs(): number {
    this.#shownMs = Math.max(this.#shownMs, this.owner.carrier.nowMs * (1 + this.clockDrift));
    return this.#shownMs;
  }

  /** The process ends without a word. */
  crash(how: 'killed' | 'silent'): void {
    const { carrier } = this.owner;
    if (this.process !== 'running') return;
    this.process = how;
    this.life++;
    this.#ticksMs.length = 0;
    this.#inbox.length = 0;
    this.#outcomes.clear();
    this.#answers.clear();
    carrier.broken(this.address, this);
  }

  /** A new process with the same id. */
  restart(change: Partial<CoreConfig>): void {
    const { carrier } = this.owner;
    this.crash('killed');
    carrier.unbind(this.address);
    this.config = { ...this.config, ...change };
    this.life++;
    this.#suspended = false;
    this.process = 'running';
    this.shared = undefined;
    this.core = this.#start();
  }

  #start(): Machine {
    this.owner.carrier.bind(this.address, this);
    const core = this.create(this.config, this.#clockMs);
    this.#host(core);
    this.#arm(core);
    return core;
  }

  /** The process stands still, and everything that arrives waits. @param timersRun - only what arrives, and what it sends, waits. */
  suspend(forMs: number, timersRun: boolean): void {
    const { life } = this;
    this.#suspended = true;
    this.#timersRun = timersRun;
    this.owner.carrier.at(forMs, () => {
      if (this.life !== life) return;
      this.#suspended = false;
      // Timers run before sockets are read, as in Node's event loop.
      this.input(TICK);
      for (const run of this.#inbox.splice(0)) run();
    });
  }

  /** What it holds of a member. Nothing is changed by looking. */
  look(id: MemberId): KnownMember | undefined {
    return this.shared ? this.shared.peek(id) : this.core.members.get(id);
  }

  /** Gives the core one input and does what it asks for. */
  input(input: Input): void {
    if (this.process !== 'running') return;
    const { core } = this;
    for (const effect of core.handle(input, this.#clockMs)) this.#perform(effect);
    this.#arm(core);
    if (core.left) this.crash('killed');
  }

  /** A wish of the application whose end is of interest. */
  ask(input: (ref: number) => Input): Outcome {
    const ref = ++this.#ref;
    const outcome: Outcome = {
      settled: false,
      cancel: () => {
        this.#outcomes.delete(ref);
        this.input({ type: 'cancel', ref });
      },
    };
    this.#outcomes.set(ref, outcome);
    this.input(input(ref));
    return outcome;
  }

  receive(frame: Uint8Array, source: PacketSource, answer?: (frame: Uint8Array | undefined) => void): void {
    if (this.#suspended && this.#inbox.length >= INBOX_MAX && !source.reliable) return;
    if (this.#suspended) this.#inbox.push(() => this.#take(frame, source, answer));
    else this.#take(frame, source, answer);
  }

  #take(frame: Uint8Array, source: PacketSource, answer?: (frame: Uint8Array | undefined) => void): void {
    if (!this.#wire.v1 && peekFrame(frame).dialect === 'v1') {
      answer?.(this.encode({ type: 'native-only', from: this.core.self.id }));
      return;
    }
    const packet = this.#open(frame);
    if (!packet) {
      answer?.(undefined);
      return;
    }
    if (!answer) {
      this.input({ type: 'packet', packet, source });
      return;
    }
    const exchange = ++this.#exchange;
    this.#answers.set(exchange, answer);
    this.input({ type: 'packet', packet, source: { ...source, exchange } });
  }

  refuse(frame: Uint8Array): void {
    this.#open(frame);
  }

  disconnected(address: string): void {
    this.whenAwake(() => this.input({ type: 'disconnected', address }));
  }

  /** What comes from outside waits while the process stands still. */
  whenAwake(run: () => void): void {
    if (this.#suspended) this.#inbox.push(run);
    else run();
  }

  #arm(core: Machine): void {
    const atMs = core.wakeAtMs / (1 + this.clockDrift);
    const nextMs = this.#ticksMs[this.#ticksMs.length - 1] ?? Number.POSITIVE_INFINITY;
    if (nextMs <= atMs) return;
    const lateMs = this.lateMs > 0 ? core.random.unit() * this.lateMs : 0;
    if (nextMs <= atMs + lateMs) return;
    this.#ticksMs.push(this.owner.carrier.when(atMs + lateMs, this));
  }

  /** Looks at its timers. */
  happen(atMs: number): void {
    const ticks = this.#ticksMs;
    // It may have been for a former life.
    if (ticks[ticks.length - 1] !== atMs) return;
    ticks.pop();
    if (this.#suspended && !this.#timersRun) return;
    const dueMs = this.core.wakeAtMs;
    const aheadMs = dueMs - this.#clockMs;
    if (aheadMs > 0 && aheadMs < ROUNDING_MS) this.#shownMs = dueMs;
    this.input(TICK);
  }

  encode(packet: Packet): Uint8Array {
    const frame = this.#wire.encode(packet, false);
    if (frame instanceof Promise) throw new GossipError('ERR_OPTION', 'a simulation needs a wire that answers at once');
    return frame;
  }

  open(frame: Uint8Array): NativePacket | undefined {
    return this.#open(frame) as NativePacket | undefined;
  }

  /** Opens a frame; whatever is wrong with it may only come out as a GossipError. */
  #open(frame: Frame, replyTo?: number): Packet | undefined {
    if (frame.opened) return frame.opened;
    try {
      const packet = this.#wire.decode(frame, false, replyTo);
      if (packet instanceof Promise) throw new Error('a simulation needs a wire that answers at once');
      if (frame.opened === null) frame.opened = packet;
      return packet;
    } catch (error) {
      if (!(error instanceof GossipError)) throw error;
      this.refused.set(error.code, (this.refused.get(error.code) ?? 0) + 1);
      return undefined;
    }
  }

  /** A frame that goes to many. */
  encodeForMany(packet: Packet): Uint8Array {
    const frame: Frame = this.encode(packet);
    frame.opened = null;
    return frame;
  }

  #perform(effect: Effect): void {
    const { owner, index } = this;
    const { carrier } = owner;
    switch (effect.type) {
      case 'send':
        this.#send(effect);
        return;
      case 'exchange': {
        const { exchange, packet } = effect;
        const { life } = this;
        carrier.exchange(this, effect.to, this.encode(packet), effect.timeoutMs, (answer) => {
          if (this.life === life) this.whenAwake(() => this.#exchanged(exchange, packet, answer));
        });
        return;
      }
      case 'respond': {
        const answer = this.#answers.get(effect.exchange);
        this.#answers.delete(effect.exchange);
        answer?.(effect.packet && this.encode(effect.packet));
        return;
      }
      case 'change': {
        const { change } = effect;
        const { row, kind } = change;
        const state = kind === 'state' ? change.state : row.state;
        const previous = kind === 'state' ? change.previous : row.state;
        owner.changed({ atMs: carrier.nowMs, at: index, about: owner.indexOf(row.id), kind, state, previous });
        return;
      }
      case 'message': {
        const { from, messageType, tag, direct, hops, payload } = effect;
        const data = owner.wire.env.codec.decode(payload);
        owner.delivered({
          atMs: carrier.nowMs,
          to: index,
          from: owner.indexOf(from),
          messageType,
          data,
          tag,
          direct,
          hops,
        });
        return;
      }
      case 'incoming-request': {
        const { codec } = owner.wire.env;
        const data = this.answer(codec.decode(effect.payload), owner.indexOf(effect.from));
        if (data === undefined) return;
        const { exchange } = effect;
        // The application answers later, never from inside the core.
        const { life } = this;
        carrier.at(0, () => {
          if (this.life === life) this.input({ type: 'reply', exchange, status: 'ok', payload: codec.encode(data) });
        });
        return;
      }
      case 'settled': {
        const outcome = this.#outcomes.get(effect.ref);
        this.#settle(
          outcome,
          effect.payload ? owner.wire.env.codec.decode(effect.payload) : effect.joined,
          effect.error,
        );
        this.#outcomes.delete(effect.ref);
        return;
      }
      case 'leaf-send':
        this.#gatewayEnd?.send(effect.sessions, effect.packet);
        return;
      case 'leaf-close':
        this.#gatewayEnd?.close(effect.session);
        return;
      case 'attach':
        this.#leafEnd.attach(effect);
        return;
      case 'disconnect':
        this.#leafEnd.disconnect();
        return;
      case 'resumed':
      case 'log':
        return;
    }
  }

  #exchanged(exchange: number, asked: Packet, answer: Uint8Array | GossipError): void {
    const failed = answer instanceof GossipError;
    const packet = failed ? undefined : this.#open(answer, asked.dialect === 'v1' ? asked.type : undefined);
    const error = failed ? answer : new GossipError('ERR_PACKET', 'the answer could not be read');
    this.input(packet ? { type: 'exchange-done', exchange, packet } : { type: 'exchange-done', exchange, error });
  }

  #send(effect: Extract<Effect, { type: 'send' }>): void {
    if (this.#suspended && this.#timersRun) {
      this.#inbox.push(() => this.#send(effect));
      return;
    }
    if (!(this.core instanceof Core)) {
      this.#leafEnd.send(effect.packet as NativePacket);
      if (effect.ref !== undefined) this.#settle(this.#outcomes.get(effect.ref), undefined, undefined);
      return;
    }
    const { datagramBytesMax } = this.config.limits;
    const many = effect.to.length > 1 && effect.packet.dialect !== 'v1';
    const frame = many ? this.encodeForMany(effect.packet) : this.encode(effect.packet);
    const outcome = effect.ref === undefined ? undefined : this.#outcomes.get(effect.ref);
    for (const address of effect.to) {
      const done =
        outcome || effect.reliable || frame.length >= datagramBytesMax
          ? this.#taken(outcome, address, effect.reliable)
          : undefined;
      this.owner.carrier.send(this, this.address, address, frame, effect.reliable, done);
    }
  }

  /** What is to be done when the carrier has taken a frame, or has given up. */
  #taken(outcome: Outcome | undefined, address: string, reliable: boolean): (error?: GossipError) => void {
    const { life } = this;
    return (error) => {
      if (this.life !== life) return;
      this.#settle(outcome, undefined, error);
      if (error) this.whenAwake(() => this.input({ type: 'send-failed', address, reliable, error }));
    };
  }

  #settle(outcome: Outcome | undefined, value: unknown, error: GossipError | undefined): void {
    if (!outcome || outcome.settled) return;
    outcome.settled = true;
    if (value !== undefined) outcome.value = value;
    if (error) outcome.error = error;
  }
}
