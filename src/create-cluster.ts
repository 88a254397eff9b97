/** Puts a member together: options, wire, link, transport, core, shell. */
import { Cluster } from './cluster.js';
import { Core } from './core/core.js';
import { errorMessage, GossipError } from './errors.js';
import { Link } from './link.js';
import { resolveLogger } from './logger.js';
import { type ClusterOptions, checkMetadata, type ResolvedClusterOptions, resolveOptions } from './options.js';
import { Wire } from './wire/wire.js';

/**
 * Starts a member. It is alone until it joins somebody or is joined.
 *
 * @returns the running member; end it with `leave()`, or declare it with `await using`.
 * @throws GossipError `ERR_OPTION`, `ERR_KEY`, `ERR_ADDRESS`, `ERR_ADDRESS_IN_USE`, `ERR_TOO_LARGE` (metadata): nothing
 *   was left open.
 */
export async function createCluster(options: ClusterOptions): Promise<Cluster> {
  const resolved = resolveOptions(options);
  const { transport, clock, limits } = resolved;
  if (resolved.cipher && resolved.cipher.keyring.size === 0) {
    throw new GossipError('ERR_KEY', 'option cipher has no key: pass at least one');
  }
  const metadataBytes = checkMetadata(resolved.metadata, resolved);
  const log = resolveLogger(resolved.logger).withGroup('isogossip');
  const { codec, cipher, compressor, compressBytesMin } = resolved;
  const env = { codec, compressBytesMin, limits, ...(cipher && { cipher }), ...(compressor && { compressor }) };
  const wire = new Wire(env, resolved.v1?.wire);
  let cluster: Cluster | undefined;
  // Until the cluster exists nobody can know us; what arrives before is not for us.
  const link = new Link(
    wire,
    transport,
    {
      packet: (packet, source) => cluster?.input({ type: 'packet', packet, source }),
      sendFailed: (address, reliable, error) => cluster?.input({ type: 'send-failed', address, reliable, error }),
      disconnected: (address) => cluster?.input({ type: 'disconnected', address }),
      count: (name) => cluster?.count(name),
      drop: (name, detail) => cluster?.drop(name, detail),
    },
    resolved.id,
  );
  const address = await transport.start(link.host(log));
  const core = new Core(
    {
      id: resolved.id,
      address,
      tags: resolved.tags,
      applicationVersion: resolved.applicationVersion,
      metadata: Object.freeze(resolved.metadata),
      metadataBytes,
      timing: resolved.timing,
      limits,
      epochMs: clock.epochMs,
      seed: resolved.seed,
      refuseVersion: (version) => {
        const verdict = acceptVersion(resolved, version);
        if (verdict === true) return undefined;
        return typeof verdict === 'string' ? verdict : `incompatible application version: ${version}`;
      },
      ...(resolved.v1 ? { foreign: resolved.v1.rules } : {}),
    },
    clock.now(),
  );
  cluster = new Cluster(resolved, link, core, log);
  log.info('member started', { id: resolved.id, address });
  return cluster;
}

/** The application's opinion of a joiner; when it fails to have one, the joiner is refused. */
function acceptVersion({ acceptVersion: accept }: ResolvedClusterOptions, version: string): boolean | string {
  try {
    return accept(version);
  } catch (error) {
    return `acceptVersion failed: ${errorMessage(error)}`;
  }
}
