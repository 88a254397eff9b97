/** `createCluster` for members that cannot be dialled: all that a page needs, and nothing of a full member. */
import type { Cluster } from './cluster.js';
import type { LeafEffect } from './core/effect.js';
import { LeafCore } from './core/leaf-core.js';
import { GossipError, toGossipError } from './errors.js';
import { launch } from './launch.js';
import type { ClusterOptions } from './options.js';
import { watchPage } from './page.js';
import { provableId } from './uuid.js';
import { LEAF_PACKETS } from './wire/native/leaf-packets.js';
import { openWire } from './wire/native/open-frame.js';

/**
 * Starts a leaf. It looks for its gateways by itself, for ever; `join()` waits until it is at one.
 *
 * @throws GossipError `ERR_OPTION`, `ERR_ADDRESS`, `ERR_TOO_LARGE` (metadata): nothing was left open.
 */
export async function createLeaf(options: ClusterOptions): Promise<Cluster> {
  const { gateways } = options?.transport ?? {};
  if (!gateways) {
    const text = 'in a browser pass webSocketTransport({ gateways }); full members are made by isogossip/full';
    throw new GossipError('ERR_OPTION', `option transport is none of a leaf: ${text}`);
  }
  for (const name of ['cipher', 'compressor', 'v1'] as const) {
    if (options[name]) {
      const text = 'wss:// protects its connection, and its gateway does this toward the cluster';
      throw new GossipError('ERR_OPTION', `option ${name} is not for a leaf: ${text}`);
    }
  }
  const { id, proof } = options.id === undefined ? await provableId() : { id: options.id, proof: new Uint8Array() };
  const cluster = await launch(
    { ...options, id },
    {
      wire: (own) => openWire({ ...own, packets: LEAF_PACKETS }),
      machine: (config, nowMs) => new LeafCore({ ...config, gateways: gateways.urls, proof }, nowMs),
    },
  );
  const { link, closing, options: own } = cluster.inside;
  const attach = async ({ to, packet }: Extract<LeafEffect, { type: 'attach' }>) => {
    try {
      link.send([to], { ...packet, ticket: await gateways.ticket() }, true);
    } catch (cause) {
      const error = toGossipError(cause, 'ERR_UNREACHABLE', 'no ticket: ');
      cluster.input({ type: 'send-failed', address: to, reliable: true, error });
    }
  };
  cluster.extra = {
    perform(effect) {
      if (effect.type === 'attach') void attach(effect);
      else if (effect.type === 'disconnect') own.transport.disconnect?.(effect.address);
      else if (effect.type === 'resumed') {
        cluster.tell({ type: 'resumed', member: cluster.self, awayMs: effect.awayMs });
      }
    },
  };
  watchPage(cluster, closing);
  return cluster;
}
