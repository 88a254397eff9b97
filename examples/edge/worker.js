// A Durable Object that is a member of the cluster at /member and a gateway for pages at /gossip.
import { createCluster } from 'isogossip';
import { createGateway } from 'isogossip/gateway';
import { webSocketTransport } from 'isogossip/transport/websocket';

export class Member {
  constructor(context, env) {
    // Everything begins in here: outside of an object there are no timers and no randomness.
    context.blockConcurrencyWhile(async () => {
      this.transport = webSocketTransport({ advertise: `${env.URL}/member` });
      this.cluster = await createCluster({ transport: this.transport, metadata: { name: 'edge' } });
      this.gateway = await createGateway(this.cluster, { url: `${env.URL}/gossip`, origins: '*' });
      // Not waited for: in here the answer could not arrive.
      this.cluster.join(env.SEED).catch((error) => console.error(error.message));
    });
  }

  fetch(request) {
    if (request.headers.get('upgrade') !== 'websocket') return Response.json(this.cluster.members());
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    const { pathname } = new URL(request.url);
    (pathname === '/gossip' ? this.gateway : this.transport).accept(server, request);
    return new Response(null, { status: 101, webSocket: client });
  }
}

export default {
  fetch: (request, env) => env.MEMBER.get(env.MEMBER.idFromName('the one')).fetch(request),
};
