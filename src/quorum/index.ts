/** `isogossip/quorum`: a state machine of your own, kept the same at a set of voters by Raft; elections and locks stand on it. */
export type { ProposeOptions, Quorum, QuorumEvents } from './api.js';
export type { Leadership, ReplicatedMachine } from './machine.js';
export type { QuorumOptions, QuorumStorage } from './options.js';
export { createQuorum } from './quorum.js';
