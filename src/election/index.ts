/** `isogossip/election`: one leader at a time among voters, with a lease, a fencing token and events. */
export type { QuorumStorage } from '../quorum/index.js';
export {
  createElection,
  type Election,
  type ElectionEvents,
  type ElectionOptions,
  type Leader,
  type Lease,
} from './election.js';
