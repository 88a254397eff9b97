/**
 * Locks among real processes: a holder that is killed, one that is killed while it is a voter, and one that is frozen and goes on writing
 * when the lock is somebody else's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, expect, test, vi } from 'vitest';
import { type Cluster, createCluster } from '../../src/index.js';
import { createLocks, type Locks } from '../../src/lock/index.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { freePort } from '../free-port.js';
import { built } from './built.js';

const program = built(new URL('locks-member.ts', import.meta.url));

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const TTL_MS = 3000;
const LEASE_MS = 500;

/** Members of this process that vote; `other` votes too, or will. */
async function here(count: number, other: readonly string[]): Promise<{ voters: string[]; locks: Locks[] }> {
  const clusters: Cluster[] = [];
  for (let i = 0; i < count; i++) {
    const cluster = await createCluster({ transport: socketTransport({ bind: '127.0.0.1:0' }), preset: 'local' });
    closing.push(() => cluster.close());
    if (i > 0) await cluster.join((clusters[0] as Cluster).address);
    clusters.push(cluster);
  }
  const voters = [...clusters.map(({ address }) => address), ...other];
  const locks: Locks[] = [];
  for (const cluster of clusters) {
    locks.push(await createLocks(cluster, { voters, sessionTtlMs: TTL_MS, leaseMs: LEASE_MS }));
  }
  return { voters, locks };
}

/** The holder. */
async function holder(
  bind: string,
  voters: readonly string[],
): Promise<{ child: ChildProcess; lines: string[]; token: number }> {
  const args = [program, bind, voters.join(), `${TTL_MS}`, `${LEASE_MS}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  closing.push(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await vi.waitFor(() => expect(lines[0]).toMatch(/^got/), 20_000);
  return { child, lines, token: Number(lines[0]?.split(' ')[1]) };
}

test('a holder that is killed is waited for no longer than its time', { timeout: 60_000 }, async () => {
  const { voters, locks } = await here(3, []);
  const { child, token } = await holder('127.0.0.1:0', voters);
  const next = (locks[1] as Locks).acquire('a');
  child.kill('SIGKILL');
  const killedMs = performance.now();
  const lock = await next;
  expect(lock.token).toBeGreaterThan(token);
  // And the time that a busy machine takes.
  expect(performance.now() - killedMs).toBeLessThan(TTL_MS + 2000);
});

test('so is one that was a voter, and perhaps led the others', { timeout: 60_000 }, async () => {
  const bind = `127.0.0.1:${await freePort()}`;
  const { voters, locks } = await here(2, [bind]);
  const { child, token } = await holder(bind, voters);
  child.kill('SIGKILL');
  const lock = await (locks[1] as Locks).acquire('a', { timeoutMs: 20_000 });
  expect(lock.token).toBeGreaterThan(token);
});

test('one that was frozen goes on writing, is kept out by its token, and learns that it has lost', {
  timeout: 60_000,
}, async () => {
  const { voters, locks } = await here(3, []);
  const { child, lines, token } = await holder('127.0.0.1:0', voters);
  child.kill('SIGSTOP');
  const lock = await (locks[0] as Locks).acquire('a', { timeoutMs: 20_000 });
  expect(lock.token).toBeGreaterThan(token);
  lines.length = 0;
  child.kill('SIGCONT');
  await vi.waitFor(() => expect(lines).toContain('lost'), 10_000);
  // Whatever it still wrote bears the old token, and is refused by it; then it is silent.
  const late = lines.slice(0, lines.indexOf('lost'));
  expect(late.filter((line) => line !== `write ${token}`)).toEqual([]);
  expect(lines.indexOf('lost')).toBe(lines.length - 1);
  expect(lock.signal.aborted).toBe(false);
});
