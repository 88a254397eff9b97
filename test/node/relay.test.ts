/**
 * A flood along a chain: the second member pushes on what the first broadcasts to a third that takes it slowly. Nothing may be
 * lost in between, since the first can wait.
 */
import { Duplex } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { type Cluster, type ClusterOptions, createCluster, defineMessage } from '../../src/index.js';
import { type DialFunction, dialTcp } from '../../src/transport/node/dial.js';
import { socketTransport } from '../../src/transport/node/socket.js';

const MESSAGE_BYTES = 16_384;
const MESSAGES = 1000;
/** Far less than is sent. */
const QUEUE_BYTES = 2 * 1024 * 1024;
const SLOW_BYTES_PER_MS = 8192;

const message = defineMessage<Uint8Array>(129);
const limits = { sendQueueBytesMax: QUEUE_BYTES, broadcastQueueBytesMax: QUEUE_BYTES };

const closing: Cluster[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((cluster) => cluster.close()));
});

async function member(options: Partial<ClusterOptions> & { dial?: DialFunction } = {}): Promise<Cluster> {
  const { dial, ...others } = options;
  const transport = socketTransport({ bind: '127.0.0.1:0', ...(dial && { dial }) });
  const cluster = await createCluster({ limits, ...others, transport });
  closing.push(cluster);
  return cluster;
}

/** A connection on which only so much is taken in a millisecond. */
function slowly(stream: Duplex): Duplex {
  const slow = new Duplex({
    read: () => void stream.resume(),
    write: (chunk, _encoding, done) => {
      setTimeout(() => stream.write(chunk, done), chunk.length / SLOW_BYTES_PER_MS);
    },
    final: (done) => void stream.end(done),
    destroy: (error, done) => {
      stream.destroy(error ?? undefined);
      done(error);
    },
  });
  stream.on('data', (chunk) => {
    if (!slow.push(chunk)) stream.pause();
  });
  stream.on('end', () => slow.push(null));
  stream.on('error', (error) => slow.destroy(error));
  stream.on('close', () => slow.destroy());
  return slow;
}

test('a relay takes from nobody faster than it can pass on, and so a flood reaches all who are behind it', async () => {
  let last: Cluster | undefined;
  const isLast = (port: number) => last?.address.endsWith(`:${port}`);
  const first = await member({
    dial: (endpoint, signal) =>
      isLast(endpoint.port) ? Promise.reject(new Error('there is no way')) : dialTcp(endpoint, signal),
  });
  const relay = await member({
    dial: async (endpoint, signal) => {
      const stream = await dialTcp(endpoint, signal);
      return isLast(endpoint.port) ? slowly(stream) : stream;
    },
  });
  last = await member();
  const heard = new Set<number>();
  last.on(message, ({ data }) => heard.add(new DataView(data.buffer, data.byteOffset).getUint32(0)));
  await relay.join(first.address);
  await last.join(relay.address);
  await vi.waitFor(() => expect([first, relay, last].map((one) => one?.members().length)).toEqual([3, 3, 3]), 10_000);

  for (let i = 0; i < MESSAGES; i++) {
    const data = crypto.getRandomValues(new Uint8Array(MESSAGE_BYTES));
    new DataView(data.buffer).setUint32(0, i);
    await first.broadcast(message, data);
  }
  await vi.waitFor(() => expect(heard.size).toBe(MESSAGES), { timeout: 20_000, interval: 50 });
  expect(relay.stats()['transport.sendQueueFull'] ?? 0).toBe(0);
}, 60_000);
