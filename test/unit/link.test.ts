/** The link between core and transport: order is kept whatever the cipher, a packet is encoded once, what fails is counted. */

import { describe, expect, test } from 'vitest';
import type { Cipher } from '../../src/cipher/cipher.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { snappy } from '../../src/compressor/snappy.js';
import type { Packet } from '../../src/core/input.js';
import { Random } from '../../src/core/random.js';
import { GossipError } from '../../src/errors.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { Link, type LinkOwner } from '../../src/link.js';
import { resolveLogger } from '../../src/logger.js';
import type { FrameSource, SendOptions, Transport, TransportHost } from '../../src/transport/transport.js';
import { gossipV1 } from '../../src/v1.js';
import type { WireEnv } from '../../src/wire/env.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import { openWire } from '../../src/wire/native/open-frame.js';
import { V1_TYPE } from '../../src/wire/v1/packet.js';
import { Wire } from '../../src/wire/wire.js';
import { settled } from './cluster-harness.js';

const ME = '01900000-0000-7000-8000-000000000001';

/** Seals nothing, but answers when it is told to: at once, or by promises that settle in any order. */
class SlowCipher implements Cipher {
  readonly name = 'slow';
  readonly overheadBytes = 0;
  readonly keyring = { size: 1, add() {}, use() {}, remove() {} };
  seals = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param sync - whether the next call answers at once. */
  constructor(readonly sync: () => boolean = () => false) {}

  seal(plaintext: Uint8Array): Uint8Array | Promise<Uint8Array> {
    this.seals++;
    return this.#later(() => plaintext.slice());
  }

  open(sealed: Uint8Array): Uint8Array | Promise<Uint8Array> {
    return this.#later(() => sealed.slice());
  }

  #later<T>(make: () => T): T | Promise<T> {
    if (this.sync()) return make();
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(make());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Settles one of those that wait. */
  async settle(at: number): Promise<void> {
    this.#waiting.splice(at, 1)[0]?.();
    await settled();
  }

  async settleAll(random?: Random): Promise<void> {
    while (this.#waiting.length > 0) await this.settle(random ? random.below(this.#waiting.length) : 0);
  }
}

interface Sent {
  address: string;
  frame: Uint8Array;
  options: SendOptions;
}

/** A link between an owner and a transport that only take notes. */
function linkWith(env: Partial<WireEnv> = {}, options: { v1?: boolean; transport?: Partial<Transport> } = {}) {
  const sent: Sent[] = [];
  const packets: { packet: Packet; source: FrameSource & { exchange?: number } }[] = [];
  const failures: string[] = [];
  const counted = new Map<string, number>();
  const dropped: string[] = [];
  const count = (name: string) => void counted.set(name, (counted.get(name) ?? 0) + 1);
  const transport: Transport = {
    name: 'notes',
    datagramBytesMax: 1400,
    carriage: () => 'v1',
    start: async () => 'me',
    async send(address, frame, how) {
      sent.push({ address, frame, options: how });
    },
    request: async () => new Uint8Array(),
    close: async () => {},
    ...options.transport,
  };
  const wire = new Wire(
    { codec: msgpack(), compressBytesMin: 256, limits: DEFAULT_LIMITS, ...env, packets: MEMBER_PACKETS },
    options.v1 ? gossipV1().wire : undefined,
  );
  const link = new Link(wire, transport, ME, {
    input: (input) => {
      if (input.type === 'packet') packets.push(input);
      else if (input.type === 'disconnected') failures.push(`disconnected ${input.address}`);
      else if (input.type === 'send-failed') failures.push(`${input.address} ${input.reliable} ${input.error.code}`);
      else throw new Error(input.type);
      return undefined;
    },
    count,
    drop: (name, detail) => {
      count(name);
      dropped.push(`${name}: ${detail}`);
    },
  });
  const exchanges = gossipV1().exchanges(link);
  if (options.v1) link.exchanges = exchanges;
  const host: TransportHost = link.host(resolveLogger());
  const seqs = () => packets.map(({ packet }) => ('seq' in packet ? packet.seq : undefined));
  return { link, exchanges, host, sent, packets, seqs, failures, counted, dropped, wire };
}

const nack = (seq: number): Packet => ({ type: 'nack', seq, from: ME, refused: false });
const V1_PING: Packet = {
  dialect: 'v1',
  type: V1_TYPE.ping,
  senderId: ME,
  messageId: 1n,
  ttl: 0,
  replyExpected: false,
  message: { kind: 'ping', id: ME, address: 'me' },
};
/** Sequence number of a nack's frame that no cipher has changed. */
const seqOf = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset).getUint32(3, true);

function frameOf(packet: Packet, env: Partial<WireEnv> = {}): Uint8Array {
  return linkWith(env).wire.encode(packet, false) as Uint8Array;
}

describe('order', () => {
  test.each([1, 2, 3, 4, 5])('toward each address is kept, sync and async mixed, seed %i', async (seed) => {
    const random = new Random(seed);
    const cipher = new SlowCipher(() => random.below(2) === 0);
    const { link, sent } = linkWith({ cipher });
    for (let seq = 0; seq < 60; seq++) {
      const to = [['a'], ['b'], ['a', 'b'], ['b', 'c', 'a']][random.below(4)] as string[];
      link.send(to, nack(seq), false);
      if (random.below(3) === 0) await cipher.settle(random.below(cipher.waiting + 1));
    }
    await cipher.settleAll(random);
    for (const address of ['a', 'b', 'c']) {
      const seqs = sent.filter((one) => one.address === address).map(({ frame }) => seqOf(frame));
      expect(seqs.length).toBeGreaterThan(5);
      expect(seqs).toEqual([...seqs].sort((x, y) => x - y));
    }
  });

  test.each([1, 2, 3, 4, 5])('of what arrives is kept, sync and async and refused mixed, seed %i', async (seed) => {
    const random = new Random(seed);
    const cipher = new SlowCipher(() => random.below(2) === 0);
    const { host, seqs, counted } = linkWith({ cipher });
    const bad = Uint8Array.of(1, 0, 99);
    for (let seq = 0; seq < 60; seq++) {
      void host.receive(frameOf(nack(seq)), { reliable: false });
      if (seq % 7 === 0) void host.receive(bad.slice(), { reliable: false });
      if (random.below(3) === 0) await cipher.settle(random.below(cipher.waiting + 1));
    }
    await cipher.settleAll(random);
    expect(seqs()).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(counted.get('packetsMalformed')).toBe(9);
    expect(counted.get('framesReceived')).toBe(69);
  });

  test('is kept behind a packet that could not be sealed', async () => {
    const cipher = new SlowCipher();
    const { link, sent, counted } = linkWith({ cipher });
    const outcomes: string[] = [];
    const done = (name: string) => (error?: GossipError) => void outcomes.push(`${name} ${error?.code ?? 'ok'}`);
    link.send(['a'], nack(1), false, done('1'));
    const seal = cipher.seal;
    cipher.seal = () => Promise.reject(new Error('no entropy'));
    link.send(['a'], nack(2), false, done('2'));
    cipher.seal = (plaintext) => plaintext.slice();
    await settled();
    link.send(['a'], nack(3), false, done('3'));
    cipher.seal = seal;
    await settled();
    expect(sent).toEqual([]);
    await cipher.settleAll();
    expect(sent.map(({ frame }) => seqOf(frame))).toEqual([1, 3]);
    expect(outcomes.sort()).toEqual(['1 ok', '2 ERR_CIPHER', '3 ok']);
    expect(counted.get('packetsNotEncoded')).toBe(1);
  });

  test('one address does not wait for another', async () => {
    const cipher = new SlowCipher();
    const { link, sent } = linkWith({ cipher });
    link.send(['a'], nack(1), false);
    link.send(['b'], nack(2), false);
    await cipher.settle(1);
    expect(sent.map(({ address }) => address)).toEqual(['b']);
    await cipher.settle(0);
    expect(sent.map(({ address }) => address)).toEqual(['b', 'a']);
  });
});

describe('sending', () => {
  test('encodes, compresses and seals once however many it goes to', async () => {
    const cipher = new SlowCipher(() => true);
    let [encodes, compresses] = [0, 0];
    const codec = msgpack();
    const compressor = snappy();
    const { link, sent, counted } = linkWith({
      cipher,
      codec: {
        ...codec,
        encode: (value) => {
          encodes++;
          return codec.encode(value);
        },
      },
      compressor: {
        ...compressor,
        compress: (bytes) => {
          compresses++;
          return compressor.compress(bytes);
        },
      },
    });
    const record = {
      id: ME,
      incarnation: 1n,
      state: 'alive' as const,
      dialect: 'native' as const,
      bilingual: false,
      version: 1n,
      address: 'me',
      tags: [],
      protocolVersion: 1,
      applicationVersion: '',
      metadata: { text: 'x'.repeat(1000) },
      metadataBytes: 1007,
    };
    const to = Array.from({ length: 50 }, (_, i) => `a${i}`);
    link.send(to, { type: 'news', from: ME, news: [{ kind: 'record', record }] }, false);
    expect(sent.map(({ address }) => address)).toEqual(to);
    expect([encodes, compresses, cipher.seals]).toEqual([1, 1, 1]);
    expect(sent[0]?.frame.length).toBeLessThan(300);
    expect(counted.get('framesSent')).toBe(50);
  });

  test('tells the transport what the core wants, and that a v1 peer takes one packet a connection', () => {
    const { link, sent } = linkWith({}, { v1: true });
    link.send(['a'], nack(1), false);
    link.send(['a'], nack(2), true);
    for (const reliable of [false, true]) link.send(['a'], V1_PING, reliable);
    expect(sent.map(({ options }) => options)).toEqual([
      { reliable: false, connection: 'shared' },
      { reliable: true, connection: 'shared' },
      { reliable: false, connection: 'single' },
      { reliable: true, connection: 'single' },
    ]);
  });

  test('that fails is told to the core and to who waits, with the code of the carrier', async () => {
    const error = new GossipError('ERR_OVERLOADED', 'full');
    const fails: [Transport['send'], string][] = [
      [() => Promise.reject(error), 'ERR_OVERLOADED'],
      [() => Promise.reject(new Error('odd')), 'ERR_UNREACHABLE'],
      [() => Promise.reject('text'), 'ERR_UNREACHABLE'],
      [
        () => {
          throw new Error('at once');
        },
        'ERR_UNREACHABLE',
      ],
    ];
    for (const [send, code] of fails) {
      const { link, failures } = linkWith({}, { transport: { send } });
      const told: unknown[] = [];
      link.send(['a', 'b'], nack(1), true, (failure) => told.push(failure?.code));
      await settled();
      expect(failures).toEqual([`a true ${code}`, `b true ${code}`]);
      expect(told).toEqual([code, code]);
    }
  });

  test('a packet without an encoding is counted and told, and goes nowhere', () => {
    const { link, sent, counted } = linkWith({ limits: { ...DEFAULT_LIMITS, decompressedBytesMax: 10 } });
    const told: unknown[] = [];
    link.send(['a'], { type: 'native-only', from: ME }, true, (failure) => told.push(failure?.code));
    expect(told).toEqual(['ERR_TOO_LARGE']);
    expect(sent).toEqual([]);
    expect(counted.get('packetsNotEncoded')).toBe(1);
  });

  test('flush() waits for all that is being sealed or taken, and for what fails', async () => {
    const cipher = new SlowCipher();
    const take: ((value: undefined) => void)[] = [];
    const send = (address: string) =>
      address === 'bad' ? Promise.reject(new Error('no')) : new Promise<undefined>((resolve) => take.push(resolve));
    const { link } = linkWith({ cipher }, { transport: { send } });
    let flushed = false;
    link.send(['a', 'bad'], nack(1), true);
    void link.flush().then(() => {
      flushed = true;
    });
    await settled();
    expect(flushed).toBe(false);
    await cipher.settleAll();
    expect(take).toHaveLength(1);
    expect(flushed).toBe(false);
    take[0]?.(undefined);
    await settled();
    expect(flushed).toBe(true);
    await link.flush();
  });
});

describe('opening', () => {
  test('has a limit; what is beyond is dropped, counted and not answered', async () => {
    const cipher = new SlowCipher();
    const { host, seqs, counted } = linkWith({ cipher });
    const frame = frameOf(nack(0));
    for (let i = 0; i < 4100; i++) void host.receive(frame.slice(), { reliable: false, address: 'flood' });
    expect(counted.get('framesOverLimit')).toBe(4);
    expect(cipher.waiting).toBe(4096);
    while (cipher.waiting > 1) void cipher.settle(0);
    await cipher.settleAll();
    expect(seqs()).toHaveLength(4096);
    void host.receive(frameOf(nack(7)), { reliable: false });
    await cipher.settleAll();
    expect(seqs()).toHaveLength(4097);
  });

  test('every way to fail has its own name, and none throws', async () => {
    const throwing = (what: string) => () => {
      throw new Error(what);
    };
    const cipher = new SlowCipher(() => true);
    const plain = linkWith();
    const good = frameOf(nack(1));
    const cases: [string, Partial<WireEnv>, Uint8Array][] = [
      ['framesMalformed', {}, Uint8Array.of()],
      ['framesMalformed', {}, Uint8Array.of(9, 0, 0)],
      ['packetsMalformed', {}, good.subarray(0, 10)],
      ['packetsMalformed', {}, Uint8Array.of(1, 0, 200)],
      ['framesNotOpened', { cipher: { ...cipher, seal: cipher.seal, open: () => undefined } }, good],
      ['framesNotOpened', { cipher: { ...cipher, seal: cipher.seal, open: async () => undefined } }, good],
      ['framesNotOpened', { cipher: { ...cipher, seal: cipher.seal, open: throwing('boom') } }, good],
      ['framesNotOpened', { cipher: { ...cipher, seal: cipher.seal, open: async () => throwing('boom')() } }, good],
      ['framesNotDecompressed', {}, Uint8Array.of(1, 0x80, 1, 2, 3)],
      [
        'framesNotDecompressed',
        { compressor: { ...snappy(), decompress: throwing('boom') } },
        Uint8Array.of(1, 0x80, 1, 2, 3),
      ],
      ['framesTooLarge', { limits: { ...DEFAULT_LIMITS, frameBytesMax: 20 } }, good],
      ['packetsNotDecoded', { codec: { ...msgpack(), decode: throwing('boom') } }, joinFrame()],
    ];
    for (const [name, env, frame] of cases) {
      const { host, packets, counted, dropped } = linkWith(env);
      expect(host.receive(frame.slice(), { reliable: false, address: 'x' })).toBeUndefined();
      await settled();
      expect([...counted], `${name} ${dropped}`).toEqual([
        ['framesReceived', 1],
        [name, 1],
      ]);
      expect(packets).toEqual([]);
    }
    expect(plain.packets).toEqual([]);
  });

  test('a leaf takes open frames and no others, and what it makes every gateway reads', () => {
    const { wire } = linkWith();
    const env = { codec: msgpack(), compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS };
    const leaf = openWire(env);
    const payload = new Uint8Array(1000);
    const long: Packet = { type: 'message', from: ME, to: ME, messageId: 1n, messageType: 200, payload };
    const good = leaf.encode(nack(1), false) as Uint8Array;
    expect(good).toEqual(frameOf(nack(1)));
    expect(leaf.decode(good, false)).toEqual(nack(1));
    expect(wire.decode(good, false)).toEqual(nack(1));
    const compressed = new Wire({ ...env, compressor: snappy(), compressBytesMin: 0 }, undefined).encode(long, false);
    expect((compressed as Uint8Array)[1]).toBe(0x80);
    for (const [frame, code] of [
      [compressed, 'ERR_FRAME'],
      [Uint8Array.of(1, 0, 255), 'ERR_PACKET'],
      [Uint8Array.of(2, 0, ...good.subarray(2)), 'ERR_FRAME'],
      [Uint8Array.of(1, 1, ...good.subarray(2)), 'ERR_FRAME'],
      [good.subarray(0, 2), 'ERR_FRAME'],
      [new Uint8Array(DEFAULT_LIMITS.frameBytesMax + 1), 'ERR_TOO_LARGE'],
    ] as const) {
      expect(() => leaf.decode(frame as Uint8Array, false), code).toThrow(expect.objectContaining({ code }));
    }
  });

  test('a packet that our own code fails on is counted, and the next one is taken', async () => {
    const counted: string[] = [];
    let fail = true;
    const taken: Packet[] = [];
    const link = new Link(
      new Wire({ codec: msgpack(), compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS }, undefined),
      {} as Transport,
      ME,
      {
        input(input) {
          if (fail) throw new Error('a bug');
          if (input.type === 'packet') taken.push(input.packet);
          return undefined;
        },
        count() {},
        drop: (name, detail) => void counted.push(`${name}: ${detail}`),
      },
    );
    const host = link.host(resolveLogger());
    void host.receive(frameOf(nack(1)), { reliable: false });
    fail = false;
    void host.receive(frameOf(nack(2)), { reliable: false });
    expect(counted).toEqual(['packetsFailed: a bug']);
    expect(taken).toEqual([nack(2)]);
  });

  test('tells the core what the transport knows of the source, and what it counts', () => {
    const { host, packets, failures, counted, dropped } = linkWith();
    void host.receive(frameOf(nack(1)), { reliable: false, address: 'there' });
    void host.receive(frameOf(nack(2)), { reliable: true });
    expect(packets.map(({ source }) => source)).toEqual([{ reliable: false, address: 'there' }, { reliable: true }]);
    host.disconnected('there');
    expect(failures).toEqual(['disconnected there']);
    host.count('oversizedFrames', 'by there');
    host.count('busy');
    expect(counted.get('transport.oversizedFrames')).toBe(1);
    expect(dropped).toEqual(['transport.oversizedFrames: by there', 'transport.busy: ']);
    expect(host.limits).toBe(DEFAULT_LIMITS);
  });
});

describe('a sender that is to wait', () => {
  test('is told so with the frame, where it is opened at once', async () => {
    const room: (() => void)[] = [];
    const { host, link, packets } = linkWith();
    const owner = link.owner as LinkOwner;
    link.owner = {
      ...owner,
      input: (input) => {
        owner.input(input);
        return new Promise((resolve) => room.push(() => resolve(undefined)));
      },
    };
    let taken = 0;
    for (const seq of [1, 2]) void host.receive(frameOf(nack(seq)), { reliable: true })?.then(() => taken++);
    await settled();
    // The second is opened although the first one's sender waits.
    expect([packets.length, taken]).toEqual([2, 0]);
    for (const go of room) go();
    await settled();
    expect(taken).toBe(2);
  });

  test('does not wait for a cipher, nor where there is room', () => {
    const cipher = new SlowCipher(() => false);
    for (const { host } of [linkWith({ cipher }), linkWith()]) {
      expect(host.receive(frameOf(nack(1)), { reliable: true })).toBeUndefined();
    }
  });
});

describe('the other dialect', () => {
  const head = (flags: number) => Uint8Array.of(flags & 0xff, flags >> 8, 1, 2, 3);

  test('without its plug-in is refused, and who waits is told to speak natively', async () => {
    const { host, packets, counted, wire } = linkWith();
    expect(host.receive(head(200), { reliable: true })).toBeUndefined();
    const answer = await host.receive(head(200 | 0x4000), { reliable: true });
    expect(wire.decode(answer as Uint8Array, false)).toEqual({ type: 'native-only', from: ME });
    expect(packets).toEqual([]);
    expect(counted.get('v1FramesRefused')).toBe(2);
  });

  test('the answer is sealed as everything else, and a failing cipher leaves it out', async () => {
    const cipher = new SlowCipher(() => true);
    const { host, counted } = linkWith({ cipher });
    expect(await host.receive(head(200 | 0x4000), { reliable: true })).toBeInstanceOf(Uint8Array);
    expect(cipher.seals).toBe(1);
    cipher.seal = () => {
      throw new Error('boom');
    };
    expect(await host.receive(head(200 | 0x4000), { reliable: true })).toBeUndefined();
    expect(counted.get('packetsNotEncoded')).toBe(1);
  });

  test('a frame that wants an answer and cannot be opened gets none', async () => {
    const { host, counted, packets } = linkWith({}, { v1: true });
    expect(await host.receive(head(200 | 0x4000), { reliable: true })).toBeUndefined();
    expect(packets).toEqual([]);
    expect([...counted.keys()]).toEqual(['framesReceived', 'framesMalformed']);
  });

  test('an exchange rejects with a code whatever happens to it', async () => {
    const join = { type: 'join', seq: 1, from: ME } as unknown as Packet;
    const lost = linkWith({}, { v1: true, transport: { request: () => Promise.reject(new Error('reset')) } });
    await expect(lost.exchanges.ask('a', nack(1), 100)).rejects.toMatchObject({
      code: 'ERR_UNREACHABLE',
      message: 'reset',
    });
    const garbled = linkWith({}, { v1: true, transport: { request: async () => Uint8Array.of(9, 0, 1) } });
    await expect(garbled.exchanges.ask('a', nack(1), 100)).rejects.toMatchObject({ code: 'ERR_FRAME' });
    expect(garbled.counted.get('framesMalformed')).toBe(1);
    await expect(lost.exchanges.ask('a', join, 100)).rejects.toBeInstanceOf(GossipError);
  });
});

/** A frame whose metadata only the codec can read. */
function joinFrame(): Uint8Array {
  return frameOf({
    type: 'join',
    seq: 1,
    from: ME,
    record: {
      id: ME,
      incarnation: 1n,
      state: 'alive',
      dialect: 'native',
      bilingual: false,
      version: 1n,
      address: 'me',
      tags: [],
      protocolVersion: 1,
      applicationVersion: '',
      metadata: { a: 1 },
      metadataBytes: 4,
    },
  });
}
