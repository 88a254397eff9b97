/** A program as a user writes one who is strict about types; it is compiled against the packed package, never run. */
import {
  type Cluster,
  type ClusterEvent,
  createCluster,
  defineMessage,
  defineRequest,
  GossipError,
  type Member,
} from 'isogossip';
import { aesGcm } from 'isogossip/cipher/aes-gcm';
import { json } from 'isogossip/codec/json';
import { snappy } from 'isogossip/compressor/snappy';
import { createCluster as createFull } from 'isogossip/full';
import { createGateway, type Gateway } from 'isogossip/gateway';
import { several } from 'isogossip/transport/several';
import { webSocketTransport } from 'isogossip/transport/websocket';
import { gossipV1 } from 'isogossip/v1';

const chat = defineMessage<{ text: string }>(129);
const sum = defineRequest<{ a: number; b: number }, number>(130);

export async function leaf(url: string, signal: AbortSignal): Promise<Cluster> {
  const cluster = await createCluster({ transport: webSocketTransport({ gateways: [url] }), metadata: { zone: 'eu' } });
  cluster.on(chat, ({ data, from }) => {
    const line: string = `${from.id}: ${data.text}`;
    console.log(line);
  });
  await cluster.join();
  await cluster.broadcast(chat, { text: 'hello' });
  const peer: Member | undefined = cluster.members()[0];
  const three: number | undefined = peer && (await cluster.request(peer, sum, { a: 1, b: 2 }, { signal }));
  for await (const event of cluster.events()) {
    const seen: ClusterEvent = event;
    if (seen.member.id === peer?.id && three === 3) break;
  }
  return cluster;
}

export async function gateway(url: string, key: Uint8Array<ArrayBuffer>): Promise<Gateway> {
  const cluster = await createFull({
    transport: several([webSocketTransport({ advertise: url })]),
    cipher: aesGcm([key]),
    codec: json(),
    compressor: snappy(),
    v1: gossipV1(),
  });
  cluster.handle(sum, ({ data }) => data.a + data.b);
  try {
    return await createGateway(cluster, { url });
  } catch (error) {
    if (error instanceof GossipError && error.code === 'ERR_OPTION') await cluster.leave();
    throw error;
  }
}

// @ts-expect-error the data of a chat is a text
export const wrong = async (cluster: Cluster) => cluster.broadcast(chat, { text: 1 });
