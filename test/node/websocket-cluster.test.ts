/**
 * Clusters over WebSocket on loopback, and members that are reached in more than one way: by memory and by WebSocket,
 * by sockets and by WebSocket. What a peer of the Go library is told is read from the frames it gets.
 */

import { afterEach, expect, test, vi } from 'vitest';
import type Client from 'ws';
import { msgpack } from '../../src/codec/msgpack.js';
import { Hlc } from '../../src/core/hlc.js';
import { type Cluster, type ClusterOptions, createCluster, defineMessage, defineRequest } from '../../src/index.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { webSocketListener } from '../../src/transport/node/websocket-listener.js';
import { several } from '../../src/transport/several.js';
import type { Transport } from '../../src/transport/transport.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { gossipV1 } from '../../src/v1.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import { V1_TYPE, type V1Message, type V1Packet } from '../../src/wire/v1/packet.js';
import { Wire } from '../../src/wire/wire.js';
import { createFakeHost } from '../contract/fake-host.js';
import { StrictWebSocket } from './strict-websocket.js';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const overWebSocket = (WebSocket?: typeof StrictWebSocket): Transport =>
  webSocketTransport({ listen: webSocketListener({ bind: '127.0.0.1:0' }), ...(WebSocket ? { WebSocket } : {}) });

async function start(transport: Transport, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const member = await createCluster({ transport, preset: 'local', ...options });
  open.push(member);
  return member;
}

/** Waits until every member sees as many alive ones as there are. */
async function complete(...members: Cluster[]): Promise<void> {
  const seen = (member: Cluster) => member.members().filter(({ state }) => state === 'alive').length;
  await vi.waitFor(() => expect(members.map(seen)).toEqual(members.map(() => members.length)), 10_000);
}

const chat = defineMessage<string>(129);
const add = defineRequest<{ a: number; b: number }, number>(130);

/** Everyone's broadcast reaches everyone, everyone answers everyone. */
async function talk(...members: Cluster[]): Promise<void> {
  const heard: string[] = [];
  for (const member of members) {
    member.on(chat, ({ data }) => void heard.push(`${data} at ${member.id}`));
    member.handle(add, ({ data }) => data.a + data.b);
  }
  const expected: string[] = [];
  for (const from of members) {
    from.broadcast(chat, `from ${from.id}`);
    for (const to of members) {
      if (to === from) continue;
      expected.push(`from ${from.id} at ${to.id}`);
      expect(await from.request(to.id, add, { a: 2, b: 3 })).toBe(5);
    }
  }
  await vi.waitFor(() => expect([...heard].sort()).toEqual(expected.sort()), 5_000);
}

for (const [name, client] of [
  ['ws', undefined],
  ['a strict client', StrictWebSocket],
] as const) {
  test(`three members join, talk, and tell of a leaving, by ${name}`, async () => {
    const [a, b, c] = [
      await start(overWebSocket(client)),
      await start(overWebSocket(client)),
      await start(overWebSocket(client)),
    ];
    await b.join(a.address);
    await c.join(b.address);
    await complete(a, b, c);
    await talk(a, b, c);
    await c.leave();
    await vi.waitFor(() => expect(a.member(c.id)?.state).toBe('leaving'), 5_000);
    await complete(a, b);
  });
}

test('killed connections are made anew, and nobody dies of them', async () => {
  const clients = new Set<Client>();
  class Mortal extends StrictWebSocket {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols);
      clients.add(this.client);
    }
  }
  const members = [
    await start(overWebSocket(Mortal)),
    await start(overWebSocket(Mortal)),
    await start(overWebSocket(Mortal)),
  ];
  const [a, b, c] = members as [Cluster, Cluster, Cluster];
  await b.join(a.address);
  await c.join(a.address);
  await complete(a, b, c);
  const deaths: string[] = [];
  for (const member of members) {
    member.on('state', ({ member: other }) => {
      if (other.state === 'dead') deaths.push(other.id);
    });
  }
  for (const client of clients) client.terminate();
  expect(clients.size).toBeGreaterThan(0);
  await vi.waitFor(() => expect(a.stats().evidence ?? 0).toBeGreaterThan(0), 5_000);
  await talk(a, b, c);
  await complete(a, b, c);
  expect(deaths).toEqual([]);
});

test('a member on sockets and on WebSocket reaches each peer by the first way both have', async () => {
  const timing = { probeIntervalMs: 200, probeTimeoutMs: 60 };
  const both = await start(several([socketTransport({ bind: '127.0.0.1:0' }), overWebSocket()]), { timing });
  const server = await start(socketTransport({ bind: '127.0.0.1:0' }), { timing });
  const service = await start(overWebSocket(), { timing });
  expect(both.address).toMatch(/^127\.0\.0\.1:\d+ ws:\/\/127\.0\.0\.1:\d+\/$/);
  for (const own of both.address.split(' ')) expect(await both.join(own)).toBe(0);
  await server.join(both.address);
  await service.join(both.address.split(' ')[1] as string);
  await complete(both, server, service);
  const sum = { a: 2, b: 3 };
  both.handle(add, ({ data }) => data.a + data.b);
  for (const member of [server, service]) {
    member.handle(add, ({ data }) => data.a + data.b);
    expect(await member.request(both.id, add, sum)).toBe(5);
    expect(await both.request(member.id, add, sum)).toBe(5);
  }
  // The two that have no way in common still see each other live, through the one that knows both.
  await vi.waitFor(() => expect(server.stats().indirectProbes).toBeGreaterThan(3), 10_000);
  await complete(both, server, service);
});

test('peers of the Go library are told of one address, and never of a WebSocket', async () => {
  const network = createMemoryNetwork();
  const v1 = gossipV1();
  const a = await start(several([overWebSocket(), network.transport({ address: 'a' })]), { v1 });
  const b = await start(several([network.transport({ address: 'b' }), overWebSocket()]), { v1 });
  const c = await start(overWebSocket(), { v1 });
  const wsOf = (member: Cluster) => member.address.split(' ').find((part) => part.startsWith('ws')) as string;
  // Joined by WebSocket: a joins as a v1 member would, and goes on natively.
  await a.join(wsOf(b));
  await c.join(wsOf(a));
  await complete(a, b, c);
  expect(a.members().map(({ protocol }) => protocol)).toEqual(['native', 'native', 'native']);
  await talk(a, b, c);

  // A peer that only takes notes.
  const id = '018f0000-0000-7000-8000-000000000001';
  const wire = new Wire(
    { codec: msgpack(), compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS },
    v1.wire,
  );
  const peer = network.transport({ address: 'go' });
  const host = createFakeHost();
  await peer.start(host);
  open.push(peer);
  const packet = (type: number, message: V1Message): V1Packet => ({
    dialect: 'v1',
    type,
    senderId: id,
    messageId: new Hlc(0).now(Date.now()),
    ttl: 1,
    replyExpected: true,
    message,
  });
  const ask = async (to: string, sent: V1Packet): Promise<V1Message> => {
    const answer = await peer.request(to, await wire.encode(sent, false), { timeoutMs: 2_000 });
    const got = await wire.decode(answer, false, sent.type);
    if (got.dialect !== 'v1') throw new Error('the answer is native');
    return got.message;
  };
  const join: V1Message = {
    kind: 'join',
    id,
    address: 'go',
    protocolVersion: 1,
    applicationVersion: '',
    state: 'alive',
    tags: [],
    metadataTime: 1n,
    metadata: {},
  };
  const reply = await ask('a', packet(V1_TYPE.join, join));
  if (reply.kind !== 'join-reply') throw new Error(`the answer is a ${reply.kind}`);
  expect(reply.accepted).toBe(true);
  expect(reply.address).toBe('a');
  // c cannot be reached by a v1 peer, so it is not named.
  expect(reply.nodes.map(({ address }) => address)).toEqual(['b']);
  const pong = await ask('b', packet(V1_TYPE.ping, { kind: 'ping', id, address: 'go' }));
  expect(pong).toMatchObject({ kind: 'pong', address: 'b' });

  // What they ask in return.
  await host.frames(1);
  const asked = await wire.decode(host.received[0]?.frame as Uint8Array, false);
  expect(asked).toMatchObject({ dialect: 'v1', message: { kind: 'join', address: 'a' } });
});

test('a member on WebSocket alone needs no v1 rules, and meets others of its kind', async () => {
  const [a, b] = [await start(overWebSocket(), { v1: gossipV1() }), await start(overWebSocket())];
  await a.join(b.address);
  await complete(a, b);
  await talk(a, b);
});
