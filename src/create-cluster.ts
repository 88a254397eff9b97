/** `createCluster` where a member may be a full one. */
import type { Cluster } from './cluster.js';
import { Core } from './core/core.js';
import { errorMessage } from './errors.js';
import { launch, type Parts } from './launch.js';
import type { ClusterOptions, ResolvedClusterOptions } from './options.js';
import { RelayPressure } from './relay-pressure.js';
import { MEMBER_PACKETS } from './wire/native/member-packets.js';
import { Wire } from './wire/wire.js';

/**
 * Starts a member. It is alone until it joins somebody or is joined; with a transport that has `gateways` it is a leaf, and
 * joins by itself.
 *
 * @returns the running member; end it with `leave()`, or declare it with `await using`.
 * @throws GossipError `ERR_OPTION`, `ERR_KEY`, `ERR_ADDRESS`, `ERR_ADDRESS_IN_USE`, `ERR_TOO_LARGE` (metadata): nothing
 *   was left open.
 */
export async function createCluster(options: ClusterOptions): Promise<Cluster> {
  if (!options?.transport?.gateways) return launch(options, FULL_MEMBER);
  // Loaded only here, as most members are no leaves.
  const { createLeaf } = await import('./create-leaf.js');
  return createLeaf(options);
}

const FULL_MEMBER: Parts = {
  wire: (options) => new Wire({ ...options, packets: MEMBER_PACKETS }, options.v1?.wire),
  machine: (config, nowMs, options) =>
    new Core(
      { ...config, refuseVersion: (version) => refuseVersion(options, version), foreign: options.v1?.rules },
      nowMs,
    ),
  pressure: ({ limits, clock }) => new RelayPressure(limits.broadcastQueueBytesMax, clock),
};

/** Why the application does not want a joiner, if so; when it fails to have an opinion, the joiner is refused. */
function refuseVersion({ acceptVersion }: ResolvedClusterOptions, version: string): string | undefined {
  /** Longest reason that travels, in UTF-16 units. Source: guess; in UTF-8 it stays below the default `stringBytesMax`. */
  const REASON_MAX = 300;
  let verdict: boolean | string;
  try {
    verdict = acceptVersion(version);
  } catch (error) {
    verdict = `acceptVersion failed: ${errorMessage(error)}`;
  }
  if (verdict === true) return undefined;
  return (verdict || `incompatible application version: ${version}`).slice(0, REASON_MAX);
}
