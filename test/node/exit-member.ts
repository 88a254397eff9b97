/**
 * A program of its own for `leaks.test.ts`: two members exchange frames by each transport, close, and the process must
 * then end by itself. Prints one line; the HTTPS part trusts the test's certificate through NODE_EXTRA_CA_CERTS.
 */
import { readFileSync } from 'node:fs';
import { httpTransport } from '../../src/transport/http.js';
import { httpListener } from '../../src/transport/node/http-listener.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import type { Transport } from '../../src/transport/transport.js';
import { createFakeHost } from '../contract/fake-host.js';

const cert = readFileSync(process.env.NODE_EXTRA_CA_CERTS ?? '', 'utf8');
const key = readFileSync(process.env.TEST_KEY ?? '', 'utf8');

async function exchange(a: Transport, b: Transport): Promise<void> {
  const host = createFakeHost();
  host.answer = async (frame) => frame;
  await a.start(createFakeHost());
  const address = await b.start(host);
  await a.send(address, new Uint8Array(5), { reliable: false, connection: 'shared' });
  await a.send(address, new Uint8Array(5), { reliable: true, connection: 'shared' });
  await a.send(address, new Uint8Array(5), { reliable: true, connection: 'single' });
  const answer = await a.request(address, new Uint8Array([4, 2]), { timeoutMs: 5_000 });
  if (answer.join() !== '4,2') throw new Error('a wrong answer');
  await host.frames(4);
  await Promise.all([a.close(), b.close()]);
}

const http = (tls?: { key: string; cert: string }) =>
  httpTransport({ listen: httpListener({ bind: '127.0.0.1:0', ...(tls ? { tls } : {}) }), bearerToken: 'secret' });

await exchange(socketTransport({ bind: '127.0.0.1:0' }), socketTransport({ bind: '127.0.0.1:0' }));
await exchange(http(), http());
await exchange(http({ key, cert }), http({ key, cert }));
console.log('done');
