/**
 * `isogossip/testing`: whole clusters in one process and in virtual time, for tests of applications and of the protocol
 * itself.
 */
export type { Packet, PacketSource } from '../core/input.js';
export type { Random } from '../core/random.js';
export type { MemberRecord } from '../wire/packet.js';
export type { FlipFlop, Network, NetworkOptions } from './network.js';
export type {
  Answer,
  Delivery,
  Outcome,
  SeenMember,
  SimulatedGatewayOptions,
  SimulatedLeafOptions,
  SimulatedMemberOptions,
  SimulationEvent,
  SimulationOptions,
} from './options.js';
export { createSimulation, type Simulation } from './simulation.js';
export type { Traffic } from './traffic.js';
