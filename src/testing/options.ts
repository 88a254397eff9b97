/** What simulations, their members, gateways and leaves are made from, and what is seen of them. */
import type { Timing } from '../core/config.js';
import type { VisibleState } from '../core/effect.js';
import type { MemberId } from '../core/member-id.js';
import type { Metadata } from '../core/metadata.js';
import type { GossipError } from '../errors.js';
import type { Limits } from '../limits.js';
import type { Preset, V1Plugin } from '../options.js';
import type { MemberState } from '../wire/packet.js';
import type { NetworkOptions } from './network.js';

/** What `createSimulation` takes. */
export interface SimulationOptions {
  /** Decides everything that is left to chance. */
  seed: number;
  /** How many members to begin with. They know nobody until they join. Default 0. */
  members?: number;
  /** Default `lan`. */
  preset?: Preset;
  /** Single values on top of the preset. */
  timing?: Partial<Timing>;
  /** Single limits on top of the defaults. */
  limits?: Partial<Limits>;
  network?: NetworkOptions;
  /** Wall time at the start, Unix milliseconds. Default 2026-01-01. */
  epochMs?: number;
  /** The wire of the Go library's dialect, when some members are to speak it. */
  v1?: V1Plugin['wire'];
  /** Called with every change that any member sees, as it happens. It must not change the simulation. */
  onEvent?: (event: SimulationEvent) => void;
  /** Called with every application message that arrives. */
  onDelivery?: (delivery: Delivery) => void;
  /** Whether `events` and `deliveries` are kept; long runs of many members need not. Default true. */
  record?: boolean;
}

/** What one member is made from; all of it has a default. */
export interface SimulatedMemberOptions {
  /** Default: drawn from the seed. */
  id?: MemberId;
  /** Default `m<number>`. */
  address?: string;
  tags?: readonly string[];
  metadata?: Metadata;
  applicationVersion?: string;
  /** Tells why an application version may not join. Default: all may. */
  refuseVersion?: (applicationVersion: string) => string | undefined;
  /** How far its wall clock is ahead of the simulation's. Default 0. */
  clockAheadMs?: number;
  /** By which share its clocks, and so its timers, are fast: 1e-4 is 100 ppm; below 0 they are slow. Default 0. */
  clockDrift?: number;
  /** Answers its requests; `undefined` leaves one unanswered. Default: the request's own data. */
  answer?: Answer;
  /** The rules toward Go peers, when it has them. */
  v1?: V1Plugin['rules'];
}

/** What one leaf is made from. */
export interface SimulatedLeafOptions extends Omit<SimulatedMemberOptions, 'address' | 'refuseVersion' | 'v1'> {
  /** Numbers of the members that are its gateways, the preferred first. */
  gateways: readonly number[];
}

/** What makes a member a gateway; all of it has a default. */
export interface SimulatedGatewayOptions {
  /** Default 5,000, as `createGateway`. */
  pingIntervalMs?: number;
  /** Default 100, as `createGateway`. */
  batchMs?: number;
  /** Whom a leaf may see. Default: everybody. */
  sees?: (leaf: number, member: number) => boolean;
  /** Bytes that wait for a leaf before it is closed. Default 4 MiB, as `createGateway`. */
  queueBytesMax?: number;
}

/** One row of a member's table, as plain data. */
export interface SeenMember {
  /** Its number, −1 for a member that is not of the simulation. */
  index: number;
  id: MemberId;
  address: string;
  state: MemberState;
  tags: readonly string[];
  metadata: Metadata | undefined;
}

/** How a join, a message or a request ended, or that it has not yet. */
export interface Outcome {
  settled: boolean;
  /** A request's decoded answer; how many addresses a join had joined. */
  value?: unknown;
  error?: GossipError;
  /** Loses interest, as an `AbortSignal` does. */
  cancel(): void;
}

/** One application message that arrived. */
export interface Delivery {
  atMs: number;
  /** Where it arrived and who had sent it first: numbers of members, −1 for one that is not of the simulation. */
  to: number;
  from: number;
  messageType: number;
  data: unknown;
  tag: string;
  direct: boolean;
  /** Of a broadcast: how many links it came along; not known of everything. */
  hops?: number;
}

/** One change that a member saw. */
export interface SimulationEvent {
  atMs: number;
  /** Who saw it, and about whom; −1 for one that is not of the simulation. */
  at: number;
  about: number;
  kind: 'state' | 'metadata';
  /** Of a state's change; for metadata the state is what it was. */
  state: VisibleState;
  previous: VisibleState;
}

/** Answers a request; `undefined` leaves it without an answer. */
export type Answer = (data: unknown, from: number) => unknown;
