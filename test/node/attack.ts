/**
 * What an attacker has: raw datagrams, raw connections, and frames built by hand. And what it attacks: real members on
 * loopback that write down every warning.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { assert } from 'vitest';
import { aesGcm } from '../../src/cipher/aes-gcm.node.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { snappy } from '../../src/compressor/snappy.js';
import { Hlc } from '../../src/core/hlc.js';
import type { Packet } from '../../src/core/input.js';
import { type Cluster, type ClusterOptions, createCluster, DEFAULT_LIMITS, defineRequest } from '../../src/index.js';
import { FrameReader, withLength } from '../../src/transport/node/framing.js';
import { type SocketTransportOptions, socketTransport } from '../../src/transport/node/socket.js';
import type { Transport } from '../../src/transport/transport.js';
import { gossipV1 } from '../../src/v1.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import type { MemberRecord, NativePacket } from '../../src/wire/packet.js';
import { V1_TYPE, type V1Message, type V1Packet } from '../../src/wire/v1/packet.js';
import { Wire } from '../../src/wire/wire.js';

const DEADLINE_MS = 8_000;
/** The most that UDP over IPv4 can carry. */
const DATAGRAM_BYTES_MAX = 65_507;
const KEY = new Uint8Array(32).fill(7);
export const WRONG_KEY = new Uint8Array(32).fill(8);
/** Asked of a member to see that it still works. */
export const double = defineRequest<number, number>(200);

const cleanups: (() => unknown)[] = [];

/** Closes everything that was opened since; for `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

/** Has something closed by {@link cleanUp}. */
export function later(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** What a member speaks. */
export interface Dialects {
  sealed: boolean;
  v1: boolean;
}

/** A member under attack. */
export interface Victim extends Dialects {
  cluster: Cluster;
  port: number;
  /** Every warning and error, as `name` of what was dropped or as the whole line. */
  told: string[];
  /** Encodes what somebody with the right plug-ins would send. */
  wire: Wire;
  stat(name: string): number;
  /** Waits until a counter or size has a value. */
  counted(name: string, atLeast?: number): Promise<void>;
  /** Waits until a condition holds. */
  until(holds: () => boolean, what: string): Promise<void>;
}

export interface VictimOptions extends Partial<Dialects>, Omit<Partial<ClusterOptions>, 'v1' | 'transport'> {
  socket?: Partial<SocketTransportOptions>;
  transport?: Transport;
}

/** Starts a member that answers {@link double}. */
export async function startVictim(options: VictimOptions = {}): Promise<Victim> {
  const { sealed = false, v1 = false, socket, transport, ...rest } = options;
  const told: string[] = [];
  const tell = (line: string) => told.push(/dropped: (\S+)/.exec(line)?.[1] ?? line);
  const cipher = sealed ? { cipher: aesGcm([KEY]) } : {};
  const cluster = await createCluster({
    transport: transport ?? socketTransport({ bind: '127.0.0.1:0', ...socket }),
    preset: 'local',
    compressor: snappy(),
    logger: { debug() {}, info() {}, warn: tell, error: tell },
    ...cipher,
    ...(v1 ? { v1: gossipV1() } : {}),
    ...rest,
  });
  later(() => cluster.close());
  cluster.handle(double, ({ data }) => data * 2);
  const stat = (name: string) => cluster.stats()[name] ?? 0;
  const until = async (holds: () => boolean, what: string) => {
    const deadline = performance.now() + DEADLINE_MS;
    while (!holds()) {
      assert(performance.now() < deadline, `${what}: not in time; ${JSON.stringify(cluster.stats())}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  return {
    cluster,
    port: Number(/:(\d+)/.exec(cluster.address.replace(/^https?:/, ''))?.[1]),
    told,
    sealed,
    v1,
    wire: new Wire(
      {
        codec: msgpack(),
        compressor: snappy(),
        compressBytesMin: 256,
        limits: DEFAULT_LIMITS,
        ...cipher,
        packets: MEMBER_PACKETS,
      },
      gossipV1().wire,
    ),
    stat,
    until,
    counted: (name, atLeast = 1) => until(() => stat(name) >= atLeast, `${name} ≥ ${atLeast}`),
  };
}

/** Starts a second member of the same kind and joins it to the first. */
export async function startPeer(of: Victim, options: VictimOptions = {}): Promise<Victim> {
  const peer = await startVictim({ sealed: of.sealed, v1: of.v1, ...options });
  await peer.cluster.join(of.cluster.address);
  await of.until(() => of.cluster.member(peer.cluster.id)?.state === 'alive', 'the peer is a member');
  return peer;
}

/** The members as they must still be afterwards. */
export const memberIds = ({ cluster }: Victim) =>
  cluster
    .members()
    .map(({ id, address, state }) => `${id} ${address} ${state}`)
    .sort();

/** Each of `names` was counted and told once; nothing else went wrong; the members are as before; it still works. */
export async function assertUnharmed(victim: Victim, before: string[], names: readonly string[]): Promise<void> {
  const { cluster, told } = victim;
  for (const name of names) assert.isAbove(victim.stat(name), 0, `${name} is counted`);
  assert.deepEqual([...told].sort(), [...new Set(names)].sort(), 'each refusal is told once, and nothing else is');
  assert.equal(victim.stat('packetsFailed'), 0);
  assert.deepEqual(memberIds(victim), before);
  const peer = await startPeer(victim);
  assert.equal(await peer.cluster.request(cluster.id, double, 21, { timeoutMs: 5_000 }), 42);
}

/** Sends datagrams from one socket. */
export async function datagrams(to: number, frames: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  for (const frame of frames) {
    await new Promise<void>((resolve) => socket.send(frame, to, '127.0.0.1', () => resolve()));
  }
  await new Promise<void>((resolve) => socket.close(() => resolve()));
}

/** Sends each frame by stream and, when one can hold it, by datagram, and waits until each has been counted. */
export async function attack(victim: Victim, name: string, frames: readonly Uint8Array[]): Promise<void> {
  const before = victim.stat(name);
  const small = frames.filter((frame) => frame.length <= DATAGRAM_BYTES_MAX);
  await datagrams(victim.port, small);
  await framesByStream(victim.port, frames);
  await victim.counted(name, before + small.length + frames.length);
}

/** msgpack lists inside lists. */
export const msgpackNested = (depth: number) => new Uint8Array(depth + 1).fill(0x91).fill(0xc0, depth);

/** A raw connection. */
export interface Stream {
  socket: Socket;
  closed: Promise<void>;
  /** Frames that came back. */
  frames: Uint8Array[];
}

/** Opens a connection that keeps what comes back. */
export async function stream(to: number): Promise<Stream> {
  const socket = connect({ host: '127.0.0.1', port: to });
  const reader = new FrameReader(DEFAULT_LIMITS.frameBytesMax);
  const frames: Uint8Array[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    reader.push(chunk);
    for (let frame = reader.next(); frame; frame = reader.next()) frames.push(frame);
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  later(() => socket.destroy());
  await Promise.race([once(socket, 'connect'), closed]);
  return { socket, closed, frames };
}

/** Sends frames over one connection and leaves it open until the end of the test. */
export async function framesByStream(to: number, frames: Iterable<Uint8Array>): Promise<Stream> {
  const one = await stream(to);
  for (const frame of frames) {
    if (!one.socket.write(withLength(frame))) await Promise.race([once(one.socket, 'drain'), one.closed]);
  }
  return one;
}

/** A native frame around any bytes; sealed as the victim's cipher wants it. */
export function nativeFrame(victim: Victim, body: Uint8Array, compressed = false): Uint8Array {
  const head = Uint8Array.of(1, compressed ? 0x80 : 0);
  return joined(head, seal(victim, body, head));
}

/** A v1 frame around any header and payload. */
export function v1Frame(victim: Victim, header: Uint8Array, payload: Uint8Array, flags = 0): Uint8Array {
  const bits = header.length | flags;
  return joined(Uint8Array.of(bits & 0xff, bits >> 8), seal(victim, joined(header, payload), new Uint8Array(0)));
}

function seal(victim: Victim, body: Uint8Array, associatedData: Uint8Array): Uint8Array {
  return victim.sealed ? (aesGcm([KEY]).seal(body, associatedData) as Uint8Array) : body;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Encodes a packet as a peer with the same plug-ins would. */
export function frameOf(victim: Victim, packet: Packet, plain = false): Uint8Array {
  return victim.wire.encode(packet, plain) as Uint8Array;
}

/** HLC time now, or so many milliseconds from now. */
export function timeIn(ms = 0): bigint {
  return new Hlc(Date.now()).physical(ms);
}

/** A member nobody has ever met. */
export function inventedId(n: number): string {
  return `0199ffff-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** An address on loopback at which nobody listens. */
export function inventedAddress(n: number): string {
  return `127.9.${(n >> 8) & 255}.${n & 255}:1`;
}

export function inventedRecord(n: number, more: Partial<MemberRecord> = {}): MemberRecord {
  return {
    id: inventedId(n),
    incarnation: timeIn(),
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: timeIn(),
    address: inventedAddress(n),
    tags: [],
    protocolVersion: 1,
    applicationVersion: '',
    metadata: {},
    metadataBytes: 0,
    ...more,
  };
}

/** A v1 packet from somebody. */
export function v1Packet(senderId: string, type: number, message: V1Message, more: Partial<V1Packet> = {}): V1Packet {
  return { dialect: 'v1', type, senderId, messageId: timeIn(), ttl: 0, replyExpected: false, message, ...more };
}

/** A v1 join of an invented member. */
export function v1Join(n: number, more: Partial<Extract<V1Message, { kind: 'join' }>> = {}): V1Packet {
  const message = {
    kind: 'join',
    id: inventedId(n),
    address: inventedAddress(n),
    protocolVersion: 1,
    applicationVersion: '',
    state: 'alive',
    tags: [],
    metadataTime: timeIn(),
    metadata: {},
    ...more,
  } as const;
  return v1Packet(message.id, V1_TYPE.join, message, { replyExpected: true });
}

/** Answers a victim's packets as a peer of the Go library; `answer` may lie. */
export async function startGoPeer(
  victim: Victim,
  id: string,
  answer: (packet: Packet, address: string) => V1Message | undefined = (packet, address) =>
    goAnswer(packet, id, address),
): Promise<{ address: string }> {
  const server = createServer((socket) => {
    const reader = new FrameReader(DEFAULT_LIMITS.frameBytesMax);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let frame = reader.next(); frame; frame = reader.next()) {
        const message = answer(victim.wire.decode(frame, false) as Packet, address);
        if (message) socket.write(withLength(frameOf(victim, v1Packet(id, V1_TYPE.reply, message, { ttl: 1 }))));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  later(() => server.close());
  const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  return { address };
}

/** What an honest Go peer answers. */
export function goAnswer(packet: Packet, id: string, address: string): V1Message | undefined {
  if (packet.dialect !== 'v1') return undefined;
  const own = { id, address, metadataTime: timeIn(-60_000), metadata: {} };
  switch (packet.message.kind) {
    case 'join':
      return { kind: 'join-reply', accepted: true, reason: '', tags: [], nodes: [], ...own };
    case 'ping':
      return { kind: 'pong', state: 'alive', ...own };
    case 'push-pull':
      return { kind: 'push-pull', entries: [] };
    default:
      return undefined;
  }
}

/** A transport that remembers what it sent, for sending it again. */
export function recording(transport: Transport): { transport: Transport; sent: Uint8Array[] } {
  const sent: Uint8Array[] = [];
  const send: Transport['send'] = (address, frame, options) => {
    sent.push(frame);
    return transport.send(address, frame, options);
  };
  return { transport: Object.assign(Object.create(transport) as Transport, { send }), sent };
}

/** The native packets among frames. */
export function packetsOf(
  victim: Victim,
  frames: readonly Uint8Array[],
): { frame: Uint8Array; packet: NativePacket }[] {
  return frames.map((frame) => ({ frame, packet: victim.wire.decode(frame, false) as NativePacket }));
}

/** Heap in use after a full collection. */
export function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
