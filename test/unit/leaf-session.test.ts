/** Who may be a leaf, as whom, and what a leaf may do: real sessions on sockets in memory, and clients that mean ill. */
import { afterEach, expect, test, vi } from 'vitest';
import type { LeafLimits } from '../../src/admission.js';
import type { Cluster } from '../../src/cluster.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { createCluster } from '../../src/create-cluster.js';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { idOfProof, provableId, uuidV7 } from '../../src/uuid.js';
import { decodeNativeFrame, encodeNativeFrame } from '../../src/wire/native/frame.js';
import { LEAF_PACKETS } from '../../src/wire/native/leaf-packets.js';
import type { MemberRecord, NativePacket } from '../../src/wire/packet.js';
import { PairSocket } from './socket-pair.js';

const env = {
  codec: msgpack(),
  compressBytesMin: Number.POSITIVE_INFINITY,
  limits: DEFAULT_LIMITS,
  packets: LEAF_PACKETS,
};
const open: Cluster[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function gatewayWith(options: GatewayOptions = {}): Promise<{ member: Cluster; gateway: Gateway }> {
  const member = await createCluster({ transport: createMemoryNetwork().transport(), preset: 'local' });
  open.push(member);
  return { member, gateway: await createGateway(member, { url: 'wss://gateway/', ...options }) };
}

/** A client that may say anything. */
class Stranger {
  readonly got: NativePacket[] = [];
  closed: number | undefined;
  readonly #socket = new PairSocket();

  constructor(gateway: Gateway, headers: Record<string, string> = {}) {
    const other = new PairSocket();
    [this.#socket.peer, other.peer] = [other, this.#socket];
    other.opened('');
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
    gateway.accept(other, { url: 'wss://gateway/', headers: new Headers(headers) });
    this.#socket.send('isogossip 1 -');
  }

  close(code: number): void {
    this.#socket.close(code);
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

  get bye(): string | undefined {
    const bye = this.got.find(({ type }) => type === 'bye');
    return bye?.type === 'bye' ? `${bye.why}: ${bye.reason}` : undefined;
  }

  get welcome(): string | undefined {
    const welcome = this.got.find(({ type }) => type === 'welcome');
    return welcome?.type === 'welcome' ? welcome.record.id : undefined;
  }
}

const soon = (condition: () => void) => vi.waitFor(condition, 5000);
const message = (from: string, to: string, bytes = 1, messageType = 128, messageId = 1n): NativePacket => {
  return { type: 'message', from, to, messageId, messageType, payload: new Uint8Array(bytes) };
};

test('authorize decides: yes, no, why not, under which id, later, or by failing', async () => {
  const other = uuidV7();
  const { gateway, member } = await gatewayWith({
    async authorize({ ticket, cookies }) {
      if (ticket === 'sync') return cookies.name === 'Ada';
      await undefined;
      if (ticket === 'id') return { id: other.toUpperCase(), tags: ['named'] };
      if (ticket === 'bad id') return { id: 'me' };
      if (ticket === 'throws') throw new Error('secret reason');
      return ticket === 'yes' ? true : 'buy a ticket';
    },
  });
  const ask = (ticket: string) => {
    const stranger = new Stranger(gateway, { cookie: 'a=b; name=Ada' });
    stranger.attach(uuidV7(), undefined, ticket);
    return stranger;
  };
  const [yes, sync, no, id, bad, failing] = ['yes', 'sync', 'no', 'id', 'bad id', 'throws'].map(ask) as Stranger[];
  await soon(() => expect([yes, sync].every((one) => one?.welcome !== undefined)).toBe(true));
  await soon(() => expect(id?.welcome).toBe(other));
  expect(member.member(other)?.tags).toEqual(['named']);
  await soon(() => expect(no?.bye).toBe('refused: buy a ticket'));
  await soon(() => expect(bad?.bye).toContain('no UUID'));
  await soon(() => expect(failing?.bye).toBe('refused: authorizing failed'));
  await soon(() => expect([no, bad, failing].map((one) => one?.closed)).toEqual([4003, 4003, 4003]));
  expect(member.stats()).toMatchObject({ leavesRefused: 3, authorizeFailed: 1, members: 4 });
});

test('pages of other origins are not let in, programs without one are', async () => {
  const { gateway, member } = await gatewayWith({ origins: ['https://good.example'] });
  const [bad, good, program] = [
    new Stranger(gateway, { origin: 'https://bad.example' }),
    new Stranger(gateway, { origin: 'https://good.example' }),
    new Stranger(gateway),
  ];
  for (const one of [bad, good, program]) one.attach(uuidV7());
  await soon(() => expect(good.welcome !== undefined && program.welcome !== undefined).toBe(true));
  expect(bad.closed).toBe(4003);
  expect(member.stats().foreignOrigins).toBe(1);
});

test('an id in use is taken over by whoever can prove it, and by nobody else', async () => {
  const { gateway, member } = await gatewayWith();
  const { id, proof } = await provableId();
  expect(await idOfProof(proof)).toBe(id);
  const owner = new Stranger(gateway);
  owner.attach(id, proof);
  await soon(() => expect(owner.welcome).toBe(id));
  const [thief, guesser, impostor] = [new Stranger(gateway), new Stranger(gateway), new Stranger(gateway)];
  thief.attach(id);
  guesser.attach(id, new Uint8Array(16));
  impostor.attach(id, proof, '', uuidV7());
  await soon(() => expect([thief, guesser, impostor].map(({ closed }) => closed)).toEqual([4003, 4003, 4003]));
  expect(owner.closed).toBeUndefined();
  const again = new Stranger(gateway);
  again.attach(id, proof);
  await soon(() => expect(again.welcome).toBe(id));
  await soon(() => expect(owner.closed).toBe(4010));
  expect(gateway.leaves).toBe(1);
  const self = new Stranger(gateway);
  self.attach(member.id);
  await soon(() => expect(self.closed).toBe(4003));
});

test('limits of a leaf: types, size, metadata, rate; what is above is counted, and in the end it is expelled', async () => {
  const limits: Partial<LeafLimits> = { types: [128], payloadBytesMax: 100, metadataBytesMax: 50, messagesPerS: 20 };
  const { gateway, member } = await gatewayWith({ limits });
  const heard = vi.fn();
  member.on('message', heard);
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.attach(id);
  await soon(() => expect(leaf.welcome).toBe(id));
  leaf.say(message(id, member.id, 101));
  leaf.say(message(id, member.id, 1, 129));
  leaf.say({ ...message(id, member.id, 1, 129), type: 'request' } as NativePacket);
  await soon(() => expect(member.stats()).toMatchObject({ leafOverSize: 1, leafNotAllowed: 2 }));
  await soon(() => expect(leaf.got.some((one) => one.type === 'reply' && one.status === 'refused')).toBe(true));
  expect(heard).not.toHaveBeenCalled();
  for (let i = 0; i < 700; i++) leaf.say(message(id, member.id, 1, 128, BigInt(i)));
  await soon(() => expect(leaf.closed).toBe(4029));
  expect(leaf.bye).toContain('abusive');
  expect(member.stats().leafOverRate).toBeGreaterThan(400);
  expect(member.member(id)?.state).toBe('leaving');
});

test('a policy that throws allows nothing, and is counted', async () => {
  const { gateway, member } = await gatewayWith({
    policy: {
      send() {
        throw new Error('no opinion');
      },
    },
  });
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.attach(id);
  await soon(() => expect(leaf.welcome).toBe(id));
  leaf.say(message(id, member.id));
  await soon(() => expect(member.stats()).toMatchObject({ policiesFailed: 1, leafNotAllowed: 1 }));
});

test('packets that a leaf may not send are dropped and counted; it stays one member', async () => {
  const { gateway, member } = await gatewayWith();
  const id = uuidV7();
  const leaf = new Stranger(gateway);
  leaf.bytes(new Uint8Array([1, 0, 255]));
  leaf.attach(id);
  leaf.attach(uuidV7());
  await soon(() => expect(leaf.welcome).toBe(id));
  leaf.attach(uuidV7());
  leaf.say(message(member.id, member.id));
  leaf.say({ type: 'news', from: id, news: [] });
  await soon(() => expect(member.stats()).toMatchObject({ leafFramesMalformed: 1, leafPacketsEarly: 1 }));
  await soon(() => expect(member.stats().leafPacketsRefused).toBe(3));
  expect(member.stats().members).toBe(2);
  expect(leaf.closed).toBeUndefined();
});

test('whoever speaks before it is admitted is closed', async () => {
  const { gateway, member } = await gatewayWith();
  const stranger = new Stranger(gateway);
  stranger.say(message(uuidV7(), member.id));
  await soon(() => expect(stranger.closed).toBe(4003));
  expect(member.stats().members).toBe(1);
});

test('whose connection a Firefox closes as going away has left; in other browsers it may be back', async () => {
  const { gateway, member } = await gatewayWith();
  const cases = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 1001, 'leaving'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 1000, 'suspect'],
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36', 1001, 'suspect'],
  ] as const;
  for (const [browser, code, state] of cases) {
    const id = uuidV7();
    const leaf = new Stranger(gateway, { 'user-agent': browser });
    leaf.attach(id);
    await soon(() => expect(leaf.welcome).toBe(id));
    leaf.close(code);
    await soon(() => expect(member.member(id)?.state).toBe(state));
  }
});
