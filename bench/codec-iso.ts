/**
 * Our side of the frames-a-second comparison: one codec and one dialect in a process of its own, as in a real member, so
 * that no codec profits or suffers from what the JIT has learnt of another. Prints one line of JSON.
 */

import { deepStrictEqual } from 'node:assert';
import { json } from '../src/codec/json.js';
import { msgpack } from '../src/codec/msgpack.js';
import { msgpackRaw } from '../src/codec/msgpack-raw.js';
import { DEFAULT_LIMITS } from '../src/limits.js';
import type { NativeEnv } from '../src/wire/env.js';
import { decodeNativeFrame, encodeNativeFrame } from '../src/wire/native/frame.js';
import { MEMBER_PACKETS } from '../src/wire/native/member-packets.js';
import type { BroadcastMessage } from '../src/wire/packet.js';
import { decodeV1Frame, encodeV1Frame } from '../src/wire/v1/frame.js';

/** The same message as in `peers/codec.go`. */
const SAMPLE = {
  room: 'general',
  text: 'The quick brown fox jumps over the lazy dog; the five boxing wizards jump quickly.',
  seq: 70_000,
  sentMs: 1_764_000_000_123,
  urgent: false,
  votes: [3, 1, 4, 1, 5, 9, 2, 6],
};
const SENDER = '01890a5d-ac96-774b-bcce-b302099a8057';
const MESSAGE_ID = 28_000_000_000_001_024n;
const MESSAGE_TYPE = 129;
const TTL = 5;
/** Operations between two looks at the clock. */
const BATCH = 100;

const CODECS = { msgpack, 'msgpack-raw': msgpackRaw, json };

interface Side {
  encode: (data: unknown) => Uint8Array;
  decode: (frame: Uint8Array) => unknown;
}

function v1(env: NativeEnv): Side {
  return {
    encode: (data) =>
      encodeV1Frame(
        {
          dialect: 'v1',
          type: MESSAGE_TYPE,
          senderId: SENDER,
          messageId: MESSAGE_ID,
          ttl: TTL,
          replyExpected: false,
          message: { kind: 'data', payload: env.codec.encode(data) },
        },
        env,
        { plain: false },
      ) as Uint8Array,
    decode: (frame) => {
      const packet = decodeV1Frame(frame, env, { plain: false });
      if (packet instanceof Promise || packet.message.kind !== 'data') throw new Error('not a data packet');
      return env.codec.decode(packet.message.payload);
    },
  };
}

function native(env: NativeEnv): Side {
  return {
    encode: (data) =>
      encodeNativeFrame(
        {
          type: 'gossip',
          from: SENDER,
          messages: [
            {
              origin: SENDER,
              messageId: MESSAGE_ID,
              messageType: MESSAGE_TYPE,
              hops: 1,
              reliable: false,
              tag: '',
              payload: env.codec.encode(data),
            },
          ],
        },
        env,
      ) as Uint8Array,
    decode: (frame) => {
      const packet = decodeNativeFrame(frame, env);
      if (packet instanceof Promise || packet.type !== 'gossip') throw new Error('not a broadcast');
      return env.codec.decode((packet.messages[0] as BroadcastMessage).payload);
    },
  };
}

/** Runs `work` for one unmeasured round (the JIT's) and then `rounds` measured ones: operations a second of each. */
function perSecond(rounds: number, roundMs: number, work: () => unknown): number[] {
  const results: number[] = [];
  for (let i = 0; i <= rounds; i++) {
    let operations = 0;
    let elapsedMs = 0;
    const startMs = performance.now();
    while (elapsedMs < roundMs) {
      for (let k = 0; k < BATCH; k++) work();
      operations += BATCH;
      elapsedMs = performance.now() - startMs;
    }
    if (i > 0) results.push((operations / elapsedMs) * 1000);
  }
  return results;
}

const [codecName, dialect, rounds, roundMs, frameHex] = process.argv.slice(2);
const factory = CODECS[codecName as keyof typeof CODECS];
const env: NativeEnv = { codec: factory(), compressBytesMin: 256, limits: DEFAULT_LIMITS, packets: MEMBER_PACKETS };
const side = dialect === 'native' ? native(env) : v1(env);

const own = side.encode(SAMPLE);
// The Go library's very own frame where there is one, so that both sides decode the same bytes.
const frame = frameHex ? new Uint8Array(Buffer.from(frameHex, 'hex')) : own;
deepStrictEqual(side.decode(own), SAMPLE);
deepStrictEqual(side.decode(frame), SAMPLE);

const encode = perSecond(Number(rounds), Number(roundMs), () => side.encode(SAMPLE));
const decode = perSecond(Number(rounds), Number(roundMs), () => side.decode(frame));
console.log(JSON.stringify({ encode, decode, frameBytes: own.length }));
