/** What of a member's view two members can be compared by, in a page and out of it. */
import type { Cluster } from '../../src/cluster.js';

/** Those who are there and are no leaves, and one key of their metadata, as text. */
export function viewOf(cluster: Cluster, key: string): string {
  const members = cluster.members().filter(({ via, state }) => via === undefined && state !== 'dead' && state !== 'leaving');
  return JSON.stringify(members.map(({ id, state, metadata }) => [id, state, metadata[key] ?? 0]).sort());
}
