/** A gateway on sockets in memory, and clients of it that may say anything: what the tests of its sessions share. */
import { expect, vi } from 'vitest';
import type { Cluster } from '../../src/cluster.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { Hlc } from '../../src/core/hlc.js';
import { createCluster } from '../../src/create-cluster.js';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import type { ClusterOptions } from '../../src/options.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { decodeNativeFrame, encodeNativeFrame } from '../../src/wire/native/frame.js';
import { ALL_PACKETS } from '../../src/wire/native/gateway-packets.js';
import type { MemberRecord, NativePacket } from '../../src/wire/packet.js';
import { PairSocket } from './socket-pair.js';

const env = {
  codec: msgpack(),
  compressBytesMin: Number.POSITIVE_INFINITY,
  limits: DEFAULT_LIMITS,
  packets: ALL_PACKETS,
};
const open: Cluster[] = [];

/** For `afterEach`. */
export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((one) => one.close()));
}

/** A member alone. */
export async function memberWith(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const member = await createCluster({ transport: createMemoryNetwork().transport(), preset: 'local', ...options });
  open.push(member);
  return member;
}

/** A member with a gateway. */
export async function gatewayWith(
  options: GatewayOptions = {},
  memberOptions: Partial<ClusterOptions> = {},
): Promise<{ member: Cluster; gateway: Gateway }> {
  const member = await memberWith(memberOptions);
  return { member, gateway: await createGateway(member, { url: 'wss://gateway/', ...options }) };
}

/** A client that may say anything. */
export class Stranger {
  readonly got: NativePacket[] = [];
  closed: number | undefined;
  /** The server's end of its connection. */
  readonly theirs = new PairSocket();
  readonly #socket = new PairSocket();

  /** @param greets - whether it says hello at once. */
  constructor(gateway: Pick<Gateway, 'accept'>, headers: Record<string, string> = {}, greets = true) {
    const { theirs } = this;
    [this.#socket.peer, theirs.peer] = [theirs, this.#socket];
    theirs.opened('');
    this.#socket.opened('');
    this.#socket.addEventListener('message', (event) => {
      const { data } = event as unknown as { data: unknown };
      if (typeof data !== 'string') {
        this.got.push(decodeNativeFrame(new Uint8Array(data as ArrayBuffer), env) as NativePacket);
      }
    });
    this.#socket.addEventListener('close', (event) => {
      this.closed = (event as unknown as { code: number }).code;
    });
    gateway.accept(theirs, { url: 'wss://gateway/', headers: new Headers(headers) });
    if (greets) this.#socket.send('isogossip 1 -');
  }

  bytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  say(packet: NativePacket): void {
    this.bytes(encodeNativeFrame(packet, env) as Uint8Array<ArrayBuffer>);
  }

  attach(id: string, proof: Uint8Array = new Uint8Array(), ticket = '', from = id): void {
    const record = {
      ...{ id, incarnation: 0n, version: 0n, state: 'alive', dialect: 'native', bilingual: false, address: '' },
      ...{ tags: [], protocolVersion: 1, applicationVersion: '', metadata: {}, metadataBytes: 0 },
    } as MemberRecord;
    this.say({ type: 'attach', from, record, hidden: false, fingerprint: 0, members: 0, proof, ticket });
  }

  /** Goes away. */
  end(code = 1000): void {
    this.#socket.close(code);
  }

  get bye(): string | undefined {
    const bye = this.got.find(({ type }) => type === 'bye');
    return bye?.type === 'bye' ? `${bye.why}: ${bye.reason}` : undefined;
  }

  get welcome(): string | undefined {
    const welcome = this.got.find(({ type }) => type === 'welcome');
    return welcome?.type === 'welcome' ? welcome.record.id : undefined;
  }

  /** Ids of the members that it was told anything of, in order, each as often as it was told. */
  get told(): string[] {
    return this.got.flatMap((packet) => {
      if (packet.type === 'state') return packet.records.map(({ id }) => id);
      return packet.type === 'news' ? packet.news.map((one) => (one.kind === 'record' ? one.record.id : one.id)) : [];
    });
  }
}

export const soon = (condition: () => void): Promise<void> => vi.waitFor(condition, 5000);

/** Waits until it is a leaf. */
export async function admitted(stranger: Stranger): Promise<void> {
  await soon(() => expect(stranger.welcome).toBeDefined());
}

const hlc = new Hlc(0);

/** A message as of now, which is not too old to be believed. */
export const message = (from: string, to: string, bytes = 1, messageType = 128): NativePacket => {
  const messageId = hlc.now(Date.now());
  return { type: 'message', from, to, messageId, messageType, payload: new Uint8Array(bytes) };
};
