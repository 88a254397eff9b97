/**
 * Between the core and transports that do not all carry the same: v1 frames sealed or plain by the address they go to
 * and the way they came, none over a carrier of native frames alone, and lists of addresses.
 */

import { expect, test } from 'vitest';
import { secretbox } from '../../src/cipher/secretbox.js';
import { msgpack } from '../../src/codec/msgpack.js';
import type { Input, Packet } from '../../src/core/input.js';
import { NOBODY } from '../../src/core/member-id.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { Link } from '../../src/link.js';
import { resolveLogger } from '../../src/logger.js';
import type { Carriage, Transport } from '../../src/transport/transport.js';
import { gossipV1 } from '../../src/v1.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import { V1_TYPE, type V1Packet } from '../../src/wire/v1/packet.js';
import { Wire } from '../../src/wire/wire.js';

const ME = '018f0000-0000-7000-8000-000000000001';
const PEER = '018f0000-0000-7000-8000-000000000002';
const PING: V1Packet = {
  dialect: 'v1',
  type: V1_TYPE.ping,
  senderId: PEER,
  messageId: 1n,
  ttl: 0,
  replyExpected: false,
  message: { kind: 'ping', id: PEER, address: 'peer' },
};
const FORMS: Record<string, Carriage> = { socket: 'v1', http: 'v1-plain', ws: 'native' };

/** A link over a transport that takes notes; `socket:…`, `http:…` and `ws:…` are its addresses. */
function linked() {
  const sent: { address: string; frame: Uint8Array }[] = [];
  const packets: Packet[] = [];
  const dropped: string[] = [];
  const transport: Transport = {
    name: 'notes',
    datagramBytesMax: 0,
    carriage: (address) => FORMS[address.split(':')[0] as string],
    start: async () => 'socket:me',
    send: async (address, frame) => void sent.push({ address, frame }),
    request: async (address) => {
      throw new Error(`${address} was asked`);
    },
    close: async () => {},
  };
  const cipher = secretbox([new Uint8Array(32).fill(7)]);
  const env = { codec: msgpack(), compressBytesMin: 256, limits: DEFAULT_LIMITS, cipher, packets: MEMBER_PACKETS };
  const wire = new Wire(env, gossipV1().wire);
  const owner = {
    input: (input: Input) => void (input.type === 'packet' && packets.push(input.packet)),
    count: () => {},
    drop: (name: string) => void dropped.push(name),
  };
  const link = new Link(wire, transport, ME, owner);
  const exchanges = gossipV1().exchanges(link);
  link.exchanges = exchanges;
  const keyless = new Wire(
    { codec: env.codec, compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS },
    gossipV1().wire,
  );
  const isPlain = (frame: Uint8Array) => {
    try {
      keyless.decode(frame, true);
      return true;
    } catch {
      return false;
    }
  };
  return { link, exchanges, host: link.host(resolveLogger()), wire, sent, packets, dropped, isPlain };
}

test('a v1 packet is sealed or not by where it goes, one packet to many too', async () => {
  const { link, sent, isPlain } = linked();
  link.send(['socket:a', 'http:b', 'http:c', 'socket:d'], PING, true);
  await link.flush();
  const found = sent.map(({ address, frame }) => `${address} ${isPlain(frame)}`);
  expect(found).toEqual(['socket:a false', 'http:b true', 'http:c true', 'socket:d false']);
});

test('a native packet is sealed everywhere', async () => {
  const { link, sent, isPlain } = linked();
  link.send(['socket:a', 'http:b', 'ws:c'], { type: 'nack', seq: 1, from: ME, refused: false }, true);
  await link.flush();
  expect(sent.map(({ address }) => address)).toEqual(['socket:a', 'http:b', 'ws:c']);
  expect(sent.map(({ frame }) => isPlain(frame))).toEqual([false, false, false]);
});

test('each frame goes to the first part of a list that can be dialled', async () => {
  const { link, sent } = linked();
  link.send(['udp:x ws:y http:z', 'ws:only', 'udp:x'], { type: 'nack', seq: 1, from: ME, refused: false }, true);
  await link.flush();
  expect(sent.map(({ address }) => address)).toEqual(['ws:y', 'ws:only', 'udp:x']);
});

test('whoever is behind a carrier of native frames is not asked in v1', async () => {
  const { exchanges } = linked();
  const native = { type: 'native-only', from: NOBODY };
  expect(await exchanges.ask('ws:a', PING, 100)).toEqual(native);
  expect(await exchanges.ask('ws:a socket:b', PING, 100)).toEqual(native);
  await expect(exchanges.ask('socket:b ws:a', PING, 100)).rejects.toThrow('socket:b was asked');
});

test('a v1 frame is opened by the rule of the way it came, and refused where none may come', async () => {
  const { host, wire, packets, dropped } = linked();
  const plain = await wire.encode(PING, true);
  const sealed = await wire.encode(PING, false);
  const receive = (frame: Uint8Array, carriage?: Carriage) => {
    const answer = host.receive(frame.slice(), carriage ? { reliable: true, carriage } : { reliable: true });
    expect(answer).toBeUndefined();
  };
  receive(plain, 'v1-plain');
  receive(sealed, 'v1');
  receive(sealed);
  expect([packets.length, dropped.length]).toEqual([3, 0]);
  receive(plain, 'native');
  receive(sealed, 'native');
  receive(plain, 'v1');
  expect([packets.length, dropped]).toEqual([3, ['v1FramesRefused', 'v1FramesRefused', 'framesNotOpened']]);
});
