/**
 * A million mutated frames in CI, fewer elsewhere: the Go library's golden frames and our own packets of every type, bent. Nothing may throw
 * anything but a GossipError, hang, or grow.
 *
 * Each frame has a seed of its own; a failure prints it, and `SEED=<it> npx vitest run test/property/fuzz.test.ts` runs
 * that frame alone.
 */

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, assert, beforeAll, describe, test } from 'vitest';
import { aesGcm } from '../../src/cipher/aes-gcm.node.js';
import type { Codec } from '../../src/codec/codec.js';
import { json } from '../../src/codec/json.js';
import { msgpack } from '../../src/codec/msgpack.js';
import { msgpackRaw } from '../../src/codec/msgpack-raw.js';
import { deflate } from '../../src/compressor/deflate.js';
import { snappy } from '../../src/compressor/snappy.js';
import { Core } from '../../src/core/core.js';
import type { Packet } from '../../src/core/input.js';
import { GossipError } from '../../src/errors.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { PRESETS } from '../../src/options.js';
import { gossipV1 } from '../../src/v1.js';
import type { NativeEnv } from '../../src/wire/env.js';
import { MEMBER_PACKETS } from '../../src/wire/native/member-packets.js';
import { Wire } from '../../src/wire/wire.js';
import { tries } from '../effort.js';
import { mutate } from './mutate.js';
import { MEMBERS, packetsOfEveryType } from './packets.js';

const FRAMES = tries(1_000_000, 20_000);
const FRAMES_THROUGH_CORE = tries(60_000);
/** Mutations of one frame: wild ones for the decoders; gentle ones, most of which decode, for the core. */
const WILD = 4;
const GENTLE = 1;
/** Longest time of the processor for one frame. On an idle machine the slowest takes a few milliseconds. */
const FRAME_MS_MAX = 2_000;
/** Bytes the heap may have grown when all is done and collected. */
const GROWTH_BYTES_MAX = 32 * 1024 * 1024;

const only = process.env.SEED === undefined ? undefined : Number(process.env.SEED);

interface Vector {
  codec: string;
  type: number;
  keyHex?: string;
  compressor?: string;
  frameHex: string;
}

/** Frames that one member could meet: its plug-ins, and what it takes for granted about the carrier. */
interface Corpus {
  name: string;
  wire: Wire;
  frames: Uint8Array[];
}

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

function corpora(): Corpus[] {
  const vectors: Vector[] = JSON.parse(readFileSync(new URL('../vectors/v1.json', import.meta.url), 'utf8'));
  const codecs: Record<string, Codec> = {
    'shamaton-msgpack': msgpack(),
    'vmihailenco-msgpack': msgpack(),
    'hashicorp-msgpack': msgpackRaw(),
    json: json(),
  };
  const keys = [...new Set(vectors.flatMap(({ keyHex }) => keyHex ?? []))].map(hex);
  const all: Corpus[] = [];
  for (const [name, codec] of Object.entries(codecs)) {
    const base = { codec, compressBytesMin: 64, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS };
    const wireOf = (env: NativeEnv) => new Wire(env, gossipV1().wire);
    const own = (wire: Wire) => packetsOfEveryType().map((packet) => wire.encode(packet, false) as Uint8Array);
    const golden = (sealed: boolean) =>
      vectors
        .filter((one) => one.codec === name && (one.keyHex !== undefined) === sealed)
        .map((one) => hex(one.frameHex));
    const plain = wireOf({
      ...base,
      compressor: snappy(),
      compressBytesMin: Number.MAX_SAFE_INTEGER,
      packets: MEMBER_PACKETS,
    });
    const squeezed = wireOf({ ...base, compressor: snappy() });
    const deflated = wireOf({ ...base, compressor: deflate() });
    const sealed = wireOf({ ...base, compressor: snappy(), cipher: aesGcm(keys) });
    // Most go where a mutation reaches the fields; a seal hides all but itself, and deflate costs the most.
    for (let i = 0; i < 8; i++)
      all.push({ name: `${name}, plain`, wire: plain, frames: [...golden(false), ...own(plain)] });
    all.push({ name: `${name}, snappy`, wire: squeezed, frames: own(squeezed) });
    all.push({ name: `${name}, deflate`, wire: deflated, frames: own(deflated) });
    all.push({ name: `${name}, sealed`, wire: sealed, frames: [...golden(true), ...own(sealed)] });
  }
  return all;
}

/** Types of requests whose answer a frame is read as, now and then. */
const REPLY_TO = [1, 3, 5, 128];

/** Decodes the mutant of a seed. @returns the packet, or `undefined` when it was refused as it should be. */
function tryDecode(seed: number, all: readonly Corpus[], steps: number): Packet | undefined {
  const { name, wire, frames } = all[seed % all.length] as Corpus;
  const frame = mutate(seed, frames, steps);
  // Independent of the corpus, which is chosen by the remainder.
  const turn = Math.floor(seed / all.length);
  const replyTo = turn % 5 === 0 ? REPLY_TO[(turn / 5) % REPLY_TO.length] : undefined;
  const startMs = performance.now();
  let packet: Packet | undefined;
  try {
    packet = wire.decode(frame, turn % 7 === 0, replyTo) as Packet;
  } catch (error) {
    if (!(error instanceof GossipError)) throw failure(seed, name, frame, error);
  }
  if (performance.now() - startMs > FRAME_MS_MAX) {
    // Perhaps it only waited for the processor; a slow frame uses it again.
    const cpu = process.cpuUsage();
    try {
      wire.decode(frame, turn % 7 === 0, replyTo);
    } catch {}
    const tookMs = process.cpuUsage(cpu).user / 1000;
    if (tookMs > FRAME_MS_MAX) throw failure(seed, name, frame, `it took ${tookMs} ms`);
  }
  return packet;
}

function failure(seed: number, name: string, frame: Uint8Array, cause: unknown): Error {
  const bytes = Buffer.from(frame).toString('hex');
  return new Error(`${cause}\nSEED=${seed} (${name})\n${bytes}`, { cause });
}

/** Heap in use after a full collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

describe('mutated frames', () => {
  const traces = Error.stackTraceLimit;
  beforeAll(() => {
    // Nobody reads the traces of a million refusals; a frame that runs alone has them.
    if (only === undefined) Error.stackTraceLimit = 0;
  });
  afterAll(() => {
    Error.stackTraceLimit = traces;
  });

  test(`${FRAMES.toLocaleString('en')} are decoded or refused, and nothing throws, hangs or grows`, {
    timeout: 400_000,
  }, () => {
    const all = corpora();
    if (only !== undefined) {
      tryDecode(only, all, WILD);
      return;
    }
    for (let seed = 0; seed < FRAMES / 100; seed++) tryDecode(seed, all, WILD);
    const before = heapBytes();
    let decoded = 0;
    for (let seed = 0; seed < FRAMES; seed++) if (tryDecode(seed, all, WILD)) decoded++;
    assert.isBelow(heapBytes() - before, GROWTH_BYTES_MAX);
    // Otherwise the mutants would be too wild to reach anything.
    assert.isAbove(decoded, FRAMES / 20);
    assert.isBelow(decoded, FRAMES);
  });

  test('those that decode go through a whole member, and its tables stay within their limits', {
    timeout: 400_000,
  }, () => {
    const all = corpora();
    const seeds = only === undefined ? Array.from({ length: FRAMES_THROUGH_CORE }, (_, i) => i) : [only];
    const member = createMember();
    const before = heapBytes();
    for (const seed of seeds) {
      const { name, wire, frames } = all[seed % all.length] as Corpus;
      try {
        member.take(seed, tryDecode(seed, all, GENTLE), wire);
      } catch (error) {
        throw failure(seed, name, mutate(seed, frames, GENTLE), error instanceof Error ? error.stack : error);
      }
    }
    const stats = member.core.stats();
    for (const [size, max] of Object.entries(member.bounds)) assert.isAtMost(stats[size] ?? 0, max, size);
    assert.isBelow(heapBytes() - before, GROWTH_BYTES_MAX);
    if (only === undefined) assert.isAbove(stats.packetsReceived ?? 0, FRAMES_THROUGH_CORE / 100);
    if (only === undefined) assert.isAbove(stats.v1PacketsReceived ?? 0, FRAMES_THROUGH_CORE / 100);
  });
});

/** A core with tight limits that knows the senders of the corpus, and a shell that answers everything it asks. */
function createMember() {
  const limits = {
    ...DEFAULT_LIMITS,
    membersMax: 200,
    pendingContactsMax: 32,
    pendingRequestsMax: 16,
    incomingRequestsMax: 16,
    historyMax: 500,
  };
  const core = new Core(
    {
      id: MEMBERS.self,
      address: '127.0.0.1:9000',
      tags: ['web'],
      applicationVersion: '1.2.3',
      metadata: { zone: 'eu' },
      metadataBytes: 9,
      timing: PRESETS.lan,
      limits,
      epochMs: MEMBERS.epochMs,
      seed: 1,
      refuseVersion: (version) => (version === 'bad' ? 'no' : undefined),
      foreign: gossipV1().rules,
    },
    0,
  );
  for (const record of MEMBERS.known) core.members.merge(record, MEMBERS.self);
  let nowMs = 1000;
  return {
    core,
    bounds: {
      members: limits.membersMax,
      // A contact that the application asks for is not held back by strangers.
      contactsPending: limits.pendingContactsMax + 1,
      requestsPending: limits.pendingRequestsMax,
      requestsIncoming: limits.incomingRequestsMax,
      historySize: limits.historyMax + 1,
      newsWaiting: limits.membersMax * 2,
      probesOpen: 1100,
      suspicionsRunning: limits.membersMax,
    },
    /** Gives it a packet, and carries out what it asks for: what it sends must encode, what it waits for comes to an end. */
    take(seed: number, packet: Packet | undefined, wire: Wire): void {
      nowMs += seed % 64 === 0 ? 40 : 0;
      const source = {
        reliable: seed % 2 === 0,
        address: '127.0.0.1:9001',
        ...(seed % 3 === 0 ? { exchange: seed } : {}),
      };
      const effects = core.handle(packet ? { type: 'packet', packet, source } : { type: 'tick' }, nowMs);
      for (let i = 0; i < effects.length; i++) {
        const effect = effects[i];
        if (effect?.type === 'send' && i < 8) {
          wire.encode(effect.packet, false);
        } else if (effect?.type === 'exchange') {
          wire.encode(effect.packet, false);
          const error = new GossipError('ERR_TIMEOUT', 'no answer');
          const outcome = packet && seed % 4 === 0 ? { packet } : { error };
          effects.push(...core.handle({ type: 'exchange-done', exchange: effect.exchange, ...outcome }, nowMs));
        } else if (effect?.type === 'incoming-request' && seed % 4 !== 0) {
          effects.push(
            ...core.handle({ type: 'reply', exchange: effect.exchange, status: 'ok', payload: effect.payload }, nowMs),
          );
        }
        if (effects.length >= 20_000) assert.fail('one packet has endless effects');
      }
    },
  };
}
