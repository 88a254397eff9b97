/** Answers the pings to some of those members, each on a socket of its own, so that whoever knows them finds them well. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { msgpack } from '../src/codec/msgpack.js';
import { DEFAULT_LIMITS } from '../src/limits.js';
import { decodeNativeFrame, encodeNativeFrame } from '../src/wire/native/frame.js';
import { MEMBER_PACKETS } from '../src/wire/native/member-packets.js';
import type { NativePacket } from '../src/wire/packet.js';
import { hostOf, idOf, OTHERS_PORT } from './memory-others.js';

const [first = 0, end = 0] = process.argv.slice(2).map(Number);
const env = {
  codec: msgpack(),
  compressBytesMin: Number.POSITIVE_INFINITY,
  limits: DEFAULT_LIMITS,
  packets: MEMBER_PACKETS,
};

for (let n = first; n < end; n++) {
  const socket = createSocket('udp4');
  socket.bind(OTHERS_PORT, hostOf(n));
  await once(socket, 'listening');
  socket.on('message', (frame, { address, port }) => {
    const packet = decodeNativeFrame(frame, env) as NativePacket;
    if (packet.type !== 'ping') return;
    const ack = { type: 'ack', seq: packet.seq, from: idOf(n), news: [] } as const;
    socket.send(encodeNativeFrame(ack, env) as Uint8Array, port, address);
  });
}
process.stdout.write(`${JSON.stringify({ event: 'started' })}\n`);
createInterface({ input: process.stdin }).on('close', () => process.exit(0));
