/** Puts a member together: options, wire, link, transport, state machine, shell. */
import { Cluster } from './cluster.js';
import type { CoreConfig } from './core/config.js';
import type { Machine } from './core/machine.js';
import { errorMessage } from './errors.js';
import { Link } from './link.js';
import { resolveLogger } from './logger.js';
import { type ClusterOptions, type ResolvedClusterOptions, resolveMetadata, resolveOptions } from './options.js';
import type { NativeEnv } from './wire/env.js';
import { Wire } from './wire/wire.js';

/**
 * Starts a member on the state machine that `create` makes.
 * @param packets - the layouts of those it speaks.
 * @throws GossipError as `createCluster` says.
 */
export async function launch(
  options: ClusterOptions,
  create: (config: CoreConfig, nowMs: number) => Machine,
  packets: NativeEnv['packets'],
): Promise<Cluster> {
  const resolved = resolveOptions(options);
  const { transport, clock, v1 } = resolved;
  const ownMetadata = resolveMetadata(resolved.metadata, resolved);
  const log = resolveLogger(resolved.logger).withGroup('isogossip');
  const link = new Link(new Wire({ ...resolved, packets }, v1?.wire), transport, resolved.id);
  link.exchanges = v1?.exchanges(link);
  const address = await transport.start(link.host(log));
  const core = create(
    {
      ...resolved,
      ...ownMetadata,
      address,
      epochMs: clock.epochMs,
      refuseVersion: (version) => refuseVersion(resolved, version),
      foreign: v1?.rules,
    },
    clock.now(),
  );
  const cluster = new Cluster(resolved, link, core, log);
  link.owner = cluster;
  log.info('member started', { id: resolved.id, address });
  return cluster;
}

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
