// What the examples have in common: a member as the original's examples have it, so that each can be in one cluster with its Go twin.
import { parseArgs } from 'node:util';
import { type Cluster, type ClusterOptions, createCluster, GossipError } from 'isogossip';
import { aesGcm } from 'isogossip/cipher/aes-gcm';
import { snappy } from 'isogossip/compressor/snappy';
import { httpTransport } from 'isogossip/transport/http';
import { httpListener } from 'isogossip/transport/http-listener';
import { socketTransport } from 'isogossip/transport/socket';
import { gossipV1 } from 'isogossip/v1';

const text = { type: 'string' } as const;
const { values: args } = parseArgs({
  options: { port: text, 'web-port': text, peers: text, 'node-id': text, tags: text },
});

const listOf = (list: string | undefined) => list?.split(',').filter(Boolean) ?? [];

/** Addresses of the others, by the command line; our own may be among them. */
export const peers: readonly string[] = listOf(args.peers);

/** Starts a member by the options of the command line, and prints who it is. */
export async function start(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const { port = '0', 'web-port': webPort, 'node-id': id } = args;
  const cluster = await createCluster({
    transport: webPort
      ? httpTransport({ listen: httpListener({ bind: `127.0.0.1:${webPort}` }), bearerToken: 'my-secret-token' })
      : socketTransport({ bind: `127.0.0.1:${port}` }),
    v1: gossipV1(),
    cipher: aesGcm([new TextEncoder().encode('1234567890123456')]),
    compressor: snappy(),
    applicationVersion: '0.0.1',
    tags: listOf(args.tags),
    ...(id && { id }),
    ...options,
  });
  console.log(`I am ${cluster.id} at ${cluster.address}`);
  return cluster;
}

/** Joins those whom the command line names; whoever is the first need not find anybody. */
export async function join(cluster: Cluster): Promise<void> {
  if (peers.length === 0) return;
  try {
    await cluster.join(peers);
  } catch (error) {
    if (!(error instanceof GossipError && error.code === 'ERR_JOIN_FAILED')) throw error;
    console.log('nobody is there yet; they are tried again');
  }
}
