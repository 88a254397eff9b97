/**
 * A cluster in one process and in virtual time: real members, a network that does what it is told, and one seed that
 * decides everything. An hour of twenty members takes seconds, and every run can be repeated.
 */
import { msgpack } from '../codec/msgpack.js';
import type { CoreConfig, Timing } from '../core/config.js';
import { Core } from '../core/core.js';
import type { Packet, PacketSource } from '../core/input.js';
import { LeafCore } from '../core/leaf-core.js';
import type { MemberId } from '../core/member-id.js';
import { type Metadata, NO_METADATA } from '../core/metadata.js';
import { Random } from '../core/random.js';
import { MemberRow, toRecord } from '../core/row.js';
import { GossipError } from '../errors.js';
import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import { PRESETS } from '../options.js';
import { ALL_PACKETS } from '../wire/native/gateway-packets.js';
import type { MemberRecord, MemberState } from '../wire/packet.js';
import { Wire } from '../wire/wire.js';
import { Carrier, type Place } from './carrier.js';
import { idReader } from './ids.js';
import { SimulatedMember } from './member.js';
import { type FlipFlop, Network } from './network.js';
import type {
  Delivery,
  Outcome,
  SeenMember,
  SimulatedGatewayOptions,
  SimulatedLeafOptions,
  SimulatedMemberOptions,
  SimulationEvent,
  SimulationOptions,
} from './options.js';
import { connectCores } from './shared-rows.js';
import type { Traffic } from './traffic.js';

/** An application's message type, where none is given. */
const MESSAGE_TYPE = 128;
/** Numbers of stations are above those of members. */
const STATIONS_FROM = 1_000_000;
const EPOCH_MS = Date.UTC(2026, 0, 1);

/** The run. Members are named by their numbers, 0, 1, 2 … in the order they were added. */
export class Simulation {
  /** Every application message that arrived, in order; none with `record: false`. */
  readonly deliveries: Delivery[] = [];
  /** Every change that any member saw, in order; none with `record: false`. */
  readonly events: SimulationEvent[] = [];
  /** Its loss, delay and cuts may be changed at any time. */
  readonly network: Network;
  /** @internal */
  readonly carrier: Carrier;
  /** @internal */
  readonly wire: Wire;
  /** The wire of members without the Go library's rules. @internal */
  readonly nativeWire: Wire;
  readonly #random: Random;
  readonly #readId = idReader();
  readonly #members: SimulatedMember[] = [];
  readonly #stations: MemberId[] = [];
  readonly #indexes = new Map<MemberId, number>();
  readonly #timing: Timing;
  readonly #limits: Limits;
  readonly #epochMs: number;

  /** @internal Use {@link createSimulation}. */
  constructor(readonly options: SimulationOptions) {
    this.#random = new Random(options.seed);
    this.#timing = { ...PRESETS[options.preset ?? 'lan'], ...options.timing };
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#epochMs = options.epochMs ?? EPOCH_MS;
    this.network = new Network(options.network ?? {}, new Random(this.#random.uint32()));
    this.carrier = new Carrier(this.network, this.#limits.datagramBytesMax);
    const codec = msgpack({ depthMax: this.#limits.depthMax });
    const env = { codec, compressBytesMin: 256, limits: this.#limits, packets: ALL_PACKETS, readId: this.#readId };
    this.wire = new Wire(env, options.v1);
    this.nativeWire = new Wire(env, undefined);
    for (let i = 0; i < (options.members ?? 0); i++) this.addMember();
  }

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.carrier.nowMs;
  }

  /** A name for everything sent so far; equal for the same seed and the same calls, on every runtime. */
  get traceHash(): string {
    return this.carrier.trace.hash;
  }

  /** How many members were added, the crashed included. */
  get size(): number {
    return this.#members.length;
  }

  /** What was sent so far, by one member or by all. */
  traffic(member?: number): Traffic {
    return { ...(member === undefined ? this.carrier.total : this.at(member).traffic) };
  }

  /** Starts a member that knows nobody. @returns its number. */
  addMember(options: SimulatedMemberOptions = {}): number {
    const index = this.#members.length;
    const { address = `m${index}`, answer = (data) => data, clockDrift = 0 } = options;
    this.#add(new SimulatedMember(this, index, this.#config({ ...options, address }), answer, clockDrift));
    return index;
  }

  /** Starts a leaf; it looks for a gateway by itself. @returns its number: a leaf is a member like others. */
  addLeaf(options: SimulatedLeafOptions): number {
    const index = this.#members.length;
    const gateways = options.gateways.map(gatewayUrl);
    const config = this.#config({ ...options, address: `leaf${index}` });
    const create = (now: CoreConfig, nowMs: number) =>
      new LeafCore({ ...now, address: '', gateways, proof: new Uint8Array() }, nowMs);
    const { answer = (data) => data, clockDrift = 0 } = options;
    this.#add(new SimulatedMember(this, index, config, answer, clockDrift, create));
    return index;
  }

  /** @internal */
  changed(event: SimulationEvent): void {
    if (this.options.record ?? true) this.events.push(event);
    this.options.onEvent?.(event);
  }

  /** @internal */
  delivered(delivery: Delivery): void {
    if (this.options.record ?? true) this.deliveries.push(delivery);
    this.options.onDelivery?.(delivery);
  }

  #add(member: SimulatedMember): void {
    this.#indexes.set(member.config.id, member.index);
    this.#members.push(member);
  }

  #config(options: SimulatedMemberOptions & { address: string }): CoreConfig {
    const { metadata = NO_METADATA } = options;
    return {
      id: options.id ?? this.#newId(),
      address: options.address,
      tags: options.tags ?? [],
      applicationVersion: options.applicationVersion ?? '',
      metadata,
      metadataBytes: this.#metadataBytes(metadata),
      timing: this.#timing,
      limits: this.#limits,
      epochMs: this.#epochMs + (options.clockAheadMs ?? 0),
      seed: this.#random.uint32(),
      refuseVersion: options.refuseVersion ?? (() => undefined),
      ...(options.v1 && { foreign: options.v1 }),
    };
  }

  /** A member is a gateway from now on, also after restarts. */
  gateway(member: number, options: SimulatedGatewayOptions = {}): void {
    this.at(member).beGateway(gatewayUrl(member), options);
  }

  /** A gateway sends its leaves away and is an ordinary member again. */
  closeGateway(member: number): void {
    this.at(member).closeGateway();
  }

  /** The gateway at which a leaf says it is; `undefined` while it is at none. */
  gatewayOf(leaf: number): number | undefined {
    const { self } = this.at(leaf).core;
    return self.state === 'alive' && self.via ? this.indexOf(self.via) : undefined;
  }

  /** A leaf's page is hidden, shown again, or put away with its connections closed. */
  page(leaf: number, is: 'hidden' | 'visible' | 'asleep'): void {
    this.at(leaf).input({ type: 'page', hidden: is !== 'visible', asleep: is === 'asleep' });
  }

  /** A leaf's link takes so many bytes a second from now on. */
  narrow(leaf: number, bytesPerS: number): void {
    this.at(leaf).bytesPerS = bytesPerS;
  }

  /** Something in between ends a leaf's connection; both sides notice. */
  disconnect(leaf: number): void {
    this.at(leaf).cutLine();
  }

  /**
   * Adds a station that is no member of ours but takes part in the network: it binds its address to the carrier itself.
   * @param make - is given its id and number, from 1,000,000 up, a seed of its own and the wall time at the start.
   * @internal
   */
  addStation<T extends Place>(make: (id: MemberId, index: number, seed: number, epochMs: number) => T): T {
    const id = this.#newId();
    const index = STATIONS_FROM + this.#stations.length;
    this.#stations.push(id);
    this.#indexes.set(id, index);
    return make(id, index, this.#random.uint32(), this.#epochMs);
  }

  /** Number of the member with an id, −1 when it is not of the simulation. */
  indexOf(id: MemberId): number {
    return this.#indexes.get(id) ?? -1;
  }

  id(member: number): MemberId {
    // Only with an index that can be: looking up a negative one is slow, and this is asked for every frame.
    return (member >= STATIONS_FROM && this.#stations[member - STATIONS_FROM]) || this.at(member).config.id;
  }

  address(member: number): string {
    return this.at(member).address;
  }

  isRunning(member: number): boolean {
    return this.at(member).process === 'running';
  }

  /** Numbers of the members that run. */
  running(): number[] {
    return this.#members.filter(({ process }) => process === 'running').map(({ index }) => index);
  }

  /** Every counter of a member's core, as `cluster.stats()` has them. */
  stats(member: number): Record<string, number> {
    return this.at(member).core.stats();
  }

  /** How many frames a member could not open, by the code of the error. */
  refused(member: number): Record<string, number> {
    return Object.fromEntries(this.at(member).refused);
  }

  /** Everyone a member knows, itself included. */
  view(member: number): SeenMember[] {
    return Array.from(this.at(member).core.members.all(), (row) => ({
      index: this.indexOf(row.id),
      id: row.id,
      address: row.address,
      state: row.state,
      tags: row.tags,
      metadata: row.metadata,
    }));
  }

  /** With whom a member shares links for broadcasts, by number. */
  neighbours(member: number): number[] {
    const { core } = this.at(member);
    return core instanceof Core ? Array.from(core.neighbours.all(), ({ id }) => this.indexOf(id)) : [];
  }

  /** What one member would tell of another, as it travels: with incarnation and version. */
  record(member: number, about: number): MemberRecord {
    const row = this.at(member).look(this.id(about));
    if (!row) throw new GossipError('ERR_UNKNOWN_MEMBER', `member ${member} does not know ${about}`);
    return row instanceof MemberRow ? toRecord(row, true) : { ...row };
  }

  /** How one member sees another; `unknown` when it does not. */
  state(member: number, about: number): MemberState | 'unknown' {
    return this.at(member).look(this.id(about))?.state ?? 'unknown';
  }

  /** Whether all of these members (default: all that run) see each other alive. */
  converged(members: readonly number[] = this.running()): boolean {
    return members.every((a) => members.every((b) => this.state(a, b) === 'alive'));
  }

  /** A member joins through others, by number or address. */
  join(member: number, ...through: (number | string)[]): Outcome {
    const addresses = through.map((to) => (typeof to === 'number' ? this.address(to) : to));
    return this.at(member).ask((ref) => ({ type: 'join', addresses, ref }));
  }

  /**
   * Makes members (default: all that run) that know nobody know each other alive at once, as if they had joined and heard of
   * each other long ago: nobody is told. Leaves join by themselves.
   * @throws GossipError `ERR_OPTION`: one of them knows somebody.
   */
  connectAll(members: readonly number[] = this.running()): void {
    const tables = connectCores(
      members.map((member) => this.at(member).core),
      this.nowMs,
    );
    for (const member of this.#members) member.shared = tables.get(member.core) ?? member.shared;
  }

  /** Everyone but the first joins through the first. */
  joinAll(through = 0): void {
    for (const member of this.running()) if (member !== through) this.join(member, through);
  }

  /** A member says farewell and ends. */
  leave(member: number): void {
    this.at(member).input({ type: 'leave' });
  }

  broadcast(
    member: number,
    data: unknown,
    options: { tag?: string; reliable?: boolean; messageType?: number } = {},
  ): void {
    this.at(member).input({
      type: 'broadcast',
      messageType: options.messageType ?? MESSAGE_TYPE,
      payload: this.wire.env.codec.encode(data),
      tag: options.tag ?? '',
      reliable: options.reliable ?? false,
    });
  }

  send(member: number, to: number, data: unknown, options: { reliable?: boolean; messageType?: number } = {}): Outcome {
    const { reliable = true, messageType = MESSAGE_TYPE } = options;
    const payload = this.wire.env.codec.encode(data);
    return this.at(member).ask((ref) => ({ type: 'send', to: this.id(to), messageType, payload, reliable, ref }));
  }

  request(
    member: number,
    to: number,
    data: unknown,
    options: { timeoutMs?: number; messageType?: number } = {},
  ): Outcome {
    const { timeoutMs = 10_000, messageType = MESSAGE_TYPE } = options;
    const payload = this.wire.env.codec.encode(data);
    return this.at(member).ask((ref) => ({ type: 'request', to: this.id(to), messageType, payload, timeoutMs, ref }));
  }

  /** @param keys - only these may have changed. */
  setMetadata(member: number, metadata: Metadata, keys?: readonly string[]): void {
    const metadataBytes = this.#metadataBytes(metadata);
    this.at(member).input({ type: 'set-metadata', metadata, metadataBytes, ...(keys && { keys }) });
  }

  /** A member forgets another at once. */
  forget(member: number, about: number): void {
    this.at(member).input({ type: 'forget', id: this.id(about) });
  }

  /**
   * A member ends without a word.
   * @param how - `killed`: its machine refuses connections and closes the open ones. `silent`: the machine is gone too.
   */
  crash(member: number, how: 'killed' | 'silent' = 'killed'): void {
    this.at(member).crash(how);
  }

  /** A member starts anew with the same id and, if given, another address, tags or metadata. It knows nobody. */
  restart(member: number, change: Pick<SimulatedMemberOptions, 'address' | 'tags' | 'metadata'> = {}): void {
    const { metadata } = change;
    this.at(member).restart({
      ...change,
      ...(metadata && { metadataBytes: this.#metadataBytes(metadata) }),
      seed: this.#random.uint32(),
    });
  }

  /** A member stands still, as a suspended laptop does; what arrives meanwhile waits or is lost. `io`: its timers run on. */
  suspend(member: number, forMs: number, what: 'process' | 'io' = 'process'): void {
    this.at(member).suspend(forMs, what === 'io');
  }

  /** Everything a member does by itself happens up to this much late from now on. */
  slow(member: number, lateMs: number): void {
    this.at(member).lateMs = lateMs;
  }

  /** Nothing gets from one member to another any more; both ways unless told otherwise. */
  cut(a: number, b: number, ways: 'both' | 'one' = 'both'): void {
    this.network.cut(a, b);
    if (ways === 'both') this.network.cut(b, a);
  }

  /** Only members of the same group reach each other. */
  partition(groups: readonly (readonly number[])[]): void {
    this.network.partition(groups);
  }

  /**
   * All that is sent to a member, or by it, is cut for `everyMs`, passes for as long, is cut again, and so on from now;
   * `undefined` ends it, `heal` does not.
   */
  flipFlop(member: number, how: FlipFlop | undefined): void {
    this.network.flipFlop(member, how, this.nowMs);
  }

  /** Ends every cut and partition. */
  heal(): void {
    this.network.heal();
  }

  /** Hands a member one packet from nobody in the simulation, by way of the wire. */
  inject(member: number, packet: Packet, source: PacketSource = { reliable: false }): void {
    const frame = this.wire.encode(packet, false);
    if (frame instanceof Promise) throw new GossipError('ERR_OPTION', 'a simulation needs a wire that answers at once');
    this.injectFrame(member, frame, source);
  }

  /** Hands a member bytes. */
  injectFrame(member: number, frame: Uint8Array, source: PacketSource = { reliable: false }): void {
    this.at(member).receive(frame, source);
  }

  /** Lets time pass. */
  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.carrier.nextMs <= untilMs) this.carrier.step();
    this.carrier.nowMs = untilMs;
  }

  /**
   * Lets time pass until something is true, looked at every 10 ms.
   * @returns whether it came true within the time.
   */
  runUntil(condition: () => boolean, maxMs: number): boolean {
    const untilMs = this.nowMs + maxMs;
    while (!condition()) {
      if (this.nowMs >= untilMs) return false;
      this.run(Math.min(LOOK_EVERY_MS, untilMs - this.nowMs));
    }
    return true;
  }

  /** @internal For who looks at many of them often: not to be changed. */
  at(member: number): SimulatedMember {
    const found = this.#members[member];
    if (!found) throw new GossipError('ERR_UNKNOWN_MEMBER', `the simulation has no member ${member}`);
    return found;
  }

  #newId(): MemberId {
    const bytes = new Uint8Array(16);
    for (let i = 0; i < 16; i++) bytes[i] = this.#random.below(256);
    return this.#readId(bytes);
  }

  #metadataBytes(metadata: Metadata): number {
    return Object.keys(metadata).length && this.wire.env.codec.encode(metadata).length;
  }
}

const LOOK_EVERY_MS = 10;
const gatewayUrl = (member: number) => `wss://gateway${member}/`;

/** Starts a simulation at virtual time 0. */
export function createSimulation(options: SimulationOptions): Simulation {
  return new Simulation(options);
}
