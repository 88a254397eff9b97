/**
 * From the words of the command line to the parts of a cluster: transport, codec, cipher, compressor. What is large and seldom
 * chosen is loaded when it is chosen: most of what the command took to start was the library of a WebSocket server.
 */
import { aesGcm } from '../cipher/aes-gcm.node.js';
import { json } from '../codec/json.js';
import { msgpack } from '../codec/msgpack.js';
import { msgpackRaw } from '../codec/msgpack-raw.js';
import { deflate } from '../compressor/deflate.js';
import { snappy } from '../compressor/snappy.js';
import type { GatewayOptions } from '../gateway.js';
import type { ClusterOptions, Logger, Transport } from '../index.js';
import { httpTransport } from '../transport/http.js';
import { httpListener } from '../transport/node/http-listener.js';
import { systemResolver } from '../transport/node/resolver.js';
import { socketTransport } from '../transport/node/socket.js';
import { webSocketTransport } from '../transport/websocket.js';
import { gossipV1 } from '../v1.js';
import type { MemberArgs } from './args.js';
import { versionRange } from './version-range.js';

const CODECS = { msgpack, 'msgpack-raw': msgpackRaw, json };
const CIPHERS = {
  'aes-gcm': async () => aesGcm,
  secretbox: async () => (await import('../cipher/secretbox.js')).secretbox,
};
const webSockets = () => import('../transport/node/websocket-listener.js');
const COMPRESSORS = { snappy, deflate };

/**
 * Makes what `createCluster` takes. Peers of the Go library are always welcome.
 * @throws GossipError `ERR_OPTION`, `ERR_KEY`, `ERR_ADDRESS`: nothing was opened.
 */
export async function clusterOptions(args: MemberArgs, logger: Logger): Promise<ClusterOptions> {
  const { id, applicationVersion, acceptRange, preset, compressBytesMin } = args;
  return {
    transport: await transportOf(args),
    codec: CODECS[args.codec](),
    v1: gossipV1(),
    tags: args.tags,
    metadata: args.metadata,
    logger,
    ...(args.cipher && { cipher: (await CIPHERS[args.cipher]())(args.keys) }),
    ...(args.compressor && { compressor: COMPRESSORS[args.compressor]() }),
    ...(compressBytesMin !== undefined && { compressBytesMin }),
    ...(id !== undefined && { id }),
    ...(applicationVersion !== undefined && { applicationVersion }),
    ...(acceptRange !== undefined && { acceptVersion: acceptVersion(acceptRange) }),
    ...(preset && { preset }),
  };
}

/**
 * Makes what `createGateway` takes, when leaves are welcome.
 * @throws GossipError `ERR_ADDRESS`: nothing was opened.
 */
export async function gatewayOptions({ gateway }: MemberArgs): Promise<GatewayOptions | undefined> {
  return gateway === undefined ? undefined : { listen: (await webSockets()).webSocketListener({ bind: gateway }) };
}

async function transportOf({ transport, bind, advertise, path, bearerToken }: MemberArgs): Promise<Transport> {
  const own = advertise === undefined ? {} : { advertise };
  if (transport === 'socket') return socketTransport({ bind, ...own });
  if (transport === 'ws') {
    return webSocketTransport({ listen: (await webSockets()).webSocketListener({ bind, path }), ...own });
  }
  return httpTransport({
    path,
    listen: httpListener({ bind }),
    resolver: systemResolver(),
    ...(bearerToken !== undefined && { bearerToken }),
    ...own,
  });
}

function acceptVersion(range: string): (version: string) => boolean | string {
  const accepts = versionRange(range);
  return (version) =>
    accepts(version) || `application version ${version || '(none)'} is not accepted here, only ${range}`;
}
