/** What of a member's view two members can be compared by, in a page and out of it. */
import type { Cluster } from '../../src/cluster.js';

/** Those who are no leaves, their states and metadata, as text. */
export function viewOf(cluster: Cluster): string {
  const members = cluster.members().filter(({ via, state }) => via === undefined && state !== 'dead');
  return JSON.stringify(members.map(({ id, state, metadata }) => [id, state, metadata.n ?? 0]).sort());
}
