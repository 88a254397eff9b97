/**
 * Tells a member of thousands of others that do not exist: joins it as a member does, and then sends it state packets about
 * them, in its own name and in the real layout. Each has what a real member has: an id, a version, an address and a name.
 */

import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { msgpack } from '../src/codec/msgpack.js';
import { createCluster } from '../src/index.js';
import { DEFAULT_LIMITS } from '../src/limits.js';
import { socketTransport } from '../src/transport/node/socket.js';
import { uuidV7 } from '../src/uuid.js';
import { encodeNativeFrame } from '../src/wire/native/frame.js';
import { MEMBER_PACKETS } from '../src/wire/native/member-packets.js';
import type { MemberRecord } from '../src/wire/packet.js';

const IN_A_PACKET = 500;
const [port = 0, count = 0] = process.argv.slice(2).map(Number);
const env = {
  codec: msgpack(),
  compressBytesMin: Number.POSITIVE_INFINITY,
  limits: DEFAULT_LIMITS,
  packets: MEMBER_PACKETS,
};
const epochMs = Date.UTC(2025, 0, 1);

const cluster = await createCluster({ transport: socketTransport({ bind: '127.0.0.1:0' }) });
await cluster.join(`127.0.0.1:${port}`);

const socket = connect({ host: '127.0.0.1', port });
for (let first = 0; first < count; first += IN_A_PACKET) {
  const records: MemberRecord[] = [];
  for (let i = first; i < Math.min(count, first + IN_A_PACKET); i++) {
    const started = BigInt(Math.round(Date.now() - epochMs) * 1000 + i) << 10n;
    records.push({
      id: uuidV7(),
      incarnation: started,
      state: 'alive',
      dialect: 'native',
      bilingual: false,
      version: started,
      address: `127.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:8000`,
      tags: [],
      protocolVersion: 1,
      applicationVersion: '1.0.0',
      metadata: {},
      metadataBytes: 0,
    });
  }
  const packet = { type: 'state', from: cluster.id, records, last: false, whole: false } as const;
  const frame = encodeNativeFrame(packet, env) as Uint8Array;
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, frame.length, true);
  socket.write(head);
  socket.write(frame);
}
await new Promise<void>((done) => socket.write(new Uint8Array(0), () => done()));
process.stdout.write(`${JSON.stringify({ event: 'told', members: count })}\n`);
createInterface({ input: process.stdin }).on('close', () => process.exit(0));
