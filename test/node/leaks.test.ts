/**
 * Nothing is left behind: handles and descriptors are the same before and after thousands of exchanges, and a process
 * ends by itself once its members have closed.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { assert, test } from 'vitest';
import { httpTransport } from '../../src/transport/http.js';
import { httpListener } from '../../src/transport/node/http-listener.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import type { Transport } from '../../src/transport/transport.js';
import { createFakeHost } from '../contract/fake-host.js';
import { tries } from '../effort.js';

const AT_ONCE = 50;

/** What this process holds: open descriptors where the system tells, and each kind of thing the event loop waits for. */
type Held = Map<string, number>;

function held(): Held {
  const counts: Held = new Map();
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (existsSync('/proc/self/fd')) counts.set('descriptors', readdirSync('/proc/self/fd').length);
  return counts;
}

/** What is held when nothing is on its way out any more: the same for 20 turns of the event loop. */
async function settled(): Promise<Held> {
  let last = held();
  for (let same = 0; same < 20; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = held();
    same = JSON.stringify([...now]) === JSON.stringify([...last]) ? same + 1 : 0;
    last = now;
  }
  return last;
}

/** Waits until no more of anything is held than before, looking after each turn of the event loop. */
async function releasesTo(before: Held): Promise<void> {
  const endMs = performance.now() + 5_000;
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const more = [...held()].filter(([name, count]) => count > (before.get(name) ?? 0));
    if (more.length === 0) return;
    if (performance.now() > endMs) assert.deepEqual(more, [], `more than before: ${JSON.stringify([...before])}`);
  }
}

async function exchangeMany(a: Transport, address: string, exchanges: number): Promise<void> {
  const frame = new Uint8Array(100);
  const kinds = [
    () => a.send(address, frame, { reliable: false, connection: 'shared' }),
    () => a.send(address, frame, { reliable: true, connection: 'shared' }),
    () => a.send(address, frame, { reliable: true, connection: 'single' }),
    () => a.request(address, frame, { timeoutMs: 10_000, signal: new AbortController().signal }),
  ];
  for (let done = 0; done < exchanges; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => kinds[i % kinds.length]?.()));
  }
}

// HTTP costs five times as much time an exchange; a leak of one in a hundred would still show.
const TRANSPORTS: [string, number, () => Transport][] = [
  ['socket', tries(10_000, 3000), () => socketTransport({ bind: '127.0.0.1:0' })],
  ['http', tries(2_000, 600), () => httpTransport({ listen: httpListener({ bind: '127.0.0.1:0' }) })],
];

for (const [name, exchanges, create] of TRANSPORTS) {
  test(`${name}: ${exchanges} exchanges leave nothing behind`, { timeout: 60_000 }, async () => {
    // The first use of a module or of the resolver opens things that stay.
    const warm = create();
    await warm.start(createFakeHost());
    await warm.close();
    const before = await settled();

    const [a, b] = [create(), create()];
    const host = createFakeHost();
    host.answer = async (frame) => {
      host.received.length = 0;
      return frame;
    };
    await a.start(createFakeHost());
    const address = await b.start(host);
    await a.send(address, new Uint8Array(10), { reliable: true, connection: 'shared' });
    const running = await settled();
    await exchangeMany(a, address, exchanges);
    if (name === 'socket') await releasesTo(running);
    await Promise.all([a.close(), b.close()]);
    await releasesTo(before);
  });
}

test('a process ends by itself when its members have closed', { timeout: 30_000 }, async () => {
  const fixture = (file: string) => fileURLToPath(new URL(`fixtures/${file}`, import.meta.url));
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL('exit-member.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const child = spawn(process.execPath, ['--input-type=module', '-'], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: fixture('test-cert.pem'), TEST_KEY: fixture('test-key.pem') },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let doneMs = 0;
  child.stdout.on('data', (text) => {
    if (String(text).includes('done')) doneMs = performance.now();
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000);
  child.stdin.end(bundle.outputFiles[0]?.text);
  assert.equal(await exit, 0);
  clearTimeout(tooLong);
  assert.ok(doneMs > 0, 'the members did their work');
  assert.isBelow(performance.now() - doneMs, 2_000);
});
