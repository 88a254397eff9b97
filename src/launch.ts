/** Puts a member together: options, wire, link, transport, state machine, shell. */
import { Cluster } from './cluster.js';
import type { MachineConfig } from './core/config.js';
import type { Machine } from './core/machine.js';
import { Link } from './link.js';
import { resolveLogger } from './logger.js';
import { type ClusterOptions, type ResolvedClusterOptions, resolveMetadata, resolveOptions } from './options.js';
import type { Pressure } from './pressure.js';
import type { FrameMaker } from './wire/wire.js';

/** What a full member and a leaf are made of, each its own way. */
export interface Parts {
  wire(options: ResolvedClusterOptions): FrameMaker;
  machine(config: MachineConfig, nowMs: number, options: ResolvedClusterOptions): Machine;
  /** Of who relays what others broadcast. */
  pressure?(options: ResolvedClusterOptions): Pressure;
}

/**
 * Starts a member.
 * @throws GossipError as `createCluster` says.
 */
export async function launch(options: ClusterOptions, parts: Parts): Promise<Cluster> {
  const resolved = resolveOptions(options);
  const { transport, clock, id, v1 } = resolved;
  const ownMetadata = resolveMetadata(resolved.metadata, resolved);
  const log = resolveLogger(resolved.logger).withGroup('isogossip');
  const link = new Link(parts.wire(resolved), transport, id);
  link.exchanges = v1?.exchanges(link);
  const address = await transport.start(link.host(log));
  const config = { ...resolved, ...ownMetadata, address, epochMs: clock.epochMs };
  try {
    const cluster = new Cluster(
      resolved,
      link,
      parts.machine(config, clock.now(), resolved),
      log,
      parts.pressure?.(resolved),
    );
    link.owner = cluster;
    log.info('member started', { id, address });
    return cluster;
  } catch (error) {
    await transport.close();
    throw error;
  }
}
