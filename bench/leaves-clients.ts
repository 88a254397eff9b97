/**
 * Many leaves in one process: each a real WebSocket that speaks a leaf's frames and answers pings, without a table of its
 * own, so that ten thousand fit. Prints what it counts at each line of its standard input.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { msgpack } from '../src/codec/msgpack.js';
import { DEFAULT_LIMITS } from '../src/limits.js';
import { uuidV7 } from '../src/uuid.js';
import { encodeNativeFrame } from '../src/wire/native/frame.js';
import { LEAF_PACKETS } from '../src/wire/native/leaf-packets.js';
import type { MemberRecord, NativePacket } from '../src/wire/packet.js';

const DIALLING_MAX = 500;
/** Who is not let in within this time is given up. */
const PATIENCE_MS = 180_000;

const [url = '', count = '0'] = process.argv.slice(2);
const env = {
  codec: msgpack(),
  compressBytesMin: Number.POSITIVE_INFINITY,
  limits: DEFAULT_LIMITS,
  packets: LEAF_PACKETS,
};
const frame = (packet: NativePacket) => encodeNativeFrame(packet, env) as Uint8Array;
/** The type of a packet is its first byte, after the two of the frame. */
const typeOf = (packet: NativePacket) => frame(packet)[2];
const nobody = uuidV7();
const PING = typeOf({ type: 'ping', seq: 0, from: nobody, news: [] });
const STATE = typeOf({ type: 'state', from: nobody, last: true, whole: true, records: [] });
const seen = { shown: 0, frames: 0, bytes: 0, closed: 0, open: 0 };

function leaf(): Promise<void> {
  const id = uuidV7();
  const metadata = { name: `leaf ${id.slice(-4)}` };
  const record: MemberRecord = {
    id,
    incarnation: 0n,
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: 0n,
    address: '',
    tags: [],
    protocolVersion: 1,
    applicationVersion: '',
    metadata,
    metadataBytes: env.codec.encode(metadata).length,
  };
  const attach = { type: 'attach', from: id, record, hidden: false, fingerprint: 0, members: 0, ticket: '' } as const;
  const ack = frame({ type: 'ack', seq: 0, from: id, news: [] });
  return new Promise((resolve) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    let shown = false;
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) {
        seen.open++;
        socket.send('isogossip 1 -');
        socket.send(frame({ ...attach, proof: new Uint8Array() }));
        return;
      }
      const type = data[2];
      if (type === PING) {
        socket.send(ack);
        return;
      }
      seen.frames++;
      seen.bytes += data.length;
      if (type === STATE && !shown) {
        shown = true;
        seen.shown++;
        resolve();
      }
    });
    socket.on('error', () => resolve());
    socket.on('close', () => {
      seen.closed++;
      resolve();
    });
  });
}

let dialling = 0;
for (let i = 0; i < Number(count); i++) {
  while (dialling >= DIALLING_MAX && performance.now() < PATIENCE_MS) await sleep(1);
  dialling++;
  void leaf().then(() => dialling--);
}
while (dialling > 0 && performance.now() < PATIENCE_MS) await sleep(10);
const say = () => process.stdout.write(`${JSON.stringify(seen)}\n`);
say();
createInterface({ input: process.stdin })
  .on('line', say)
  .on('close', () => process.exit(0));
