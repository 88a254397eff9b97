/**
 * A real DNS server on loopback with a fixed zone, so that name lookups are tested through the resolver's own wire.
 */
import { createSocket } from 'node:dgram';
import { type Answer, decode, encode, type Packet } from 'dns-packet';

/** Records the server knows; anything else does not exist. */
export type Zone = Answer[];

/** A running server. */
export interface DnsServer {
  /** `ip:port` for `systemResolver({ servers })`. */
  address: string;
  /** Questions asked so far, as `TYPE name`. */
  readonly questions: string[];
  /** What is answered from now on. */
  zone: Zone;
  close(): Promise<void>;
}

/** Starts a server on a free UDP port of 127.0.0.1. */
export async function startDnsServer(zone: Zone): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const server: DnsServer = {
    address: '',
    questions: [],
    zone,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
  socket.on('message', (message, { address, port }) => {
    const query: Packet = decode(message);
    const question = query.questions?.[0];
    if (!question) return;
    server.questions.push(`${question.type} ${question.name}`);
    const named = server.zone.filter((record) => record.name === question.name);
    const answers = named.filter((record) => record.type === question.type);
    // RCODE 3: no such name. 0 with no answers: the name has no such record.
    const flags = named.length === 0 ? 3 : 0;
    socket.send(encode({ id: query.id, type: 'response', flags, questions: [question], answers }), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  server.address = `127.0.0.1:${socket.address().port}`;
  return server;
}
