/**
 * `isogossip/testing`: whole clusters in one process and in virtual time, for tests of applications and of the protocol
 * itself.
 */
export type { Traffic } from './carrier.js';
export type { Answer, Delivery, Outcome, SimulationEvent } from './member.js';
export type { Network, NetworkOptions } from './network.js';
export {
  createSimulation,
  type SeenMember,
  type SimulatedMemberOptions,
  type Simulation,
  type SimulationOptions,
} from './simulation.js';
