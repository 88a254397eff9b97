/** `createCluster` where a member may be a full one. */
import type { Cluster } from './cluster.js';
import { Core } from './core/core.js';
import { launch } from './launch.js';
import type { ClusterOptions } from './options.js';
import { MEMBER_PACKETS } from './wire/native/member-packets.js';

/**
 * Starts a member. It is alone until it joins somebody or is joined; with a transport that has `gateways` it is a leaf, and
 * joins by itself.
 *
 * @returns the running member; end it with `leave()`, or declare it with `await using`.
 * @throws GossipError `ERR_OPTION`, `ERR_KEY`, `ERR_ADDRESS`, `ERR_ADDRESS_IN_USE`, `ERR_TOO_LARGE` (metadata): nothing
 *   was left open.
 */
export async function createCluster(options: ClusterOptions): Promise<Cluster> {
  if (!options?.transport?.gateways) return launch(options, (config, nowMs) => new Core(config, nowMs), MEMBER_PACKETS);
  // Loaded only here, as most members are no leaves.
  const { createLeaf } = await import('./create-leaf.js');
  return createLeaf(options);
}
