/** `isogossip/quorum`: a state machine of your own, kept the same at a set of voters by Raft; elections and locks stand on it. */
export type { Leadership, ReplicatedMachine } from './machine.js';
export type { CreateQuorum, ProposeOptions, Quorum, QuorumOptions, QuorumStorage } from './quorum.js';
