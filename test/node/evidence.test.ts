/**
 * Real processes that are killed, killed and started again, or frozen: in which order the others see what, and who finds it by
 * what. How long it takes is the benchmark's to say; here the preset is so slow that silence alone would take far longer than
 * a test may.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, expect, test, vi } from 'vitest';
import { type Cluster, createCluster, defineMessage, type Member } from '../../src/index.js';
import { socketTransport } from '../../src/transport/node/socket.js';
import { built } from './built.js';

const program = built(new URL('evidence-member.ts', import.meta.url));

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const ID = '0192f0c1-2233-7abc-8def-0123456789ab';
const hello = defineMessage<string>(129);

/** Members in this process. They note what they see of others' states. */
async function members(count: number): Promise<{ clusters: Cluster[]; seen: string[][] }> {
  const clusters: Cluster[] = [];
  const seen: string[][] = [];
  for (let i = 0; i < count; i++) {
    const cluster = await createCluster({ transport: socketTransport({ bind: '127.0.0.1:0' }), preset: 'wan' });
    closing.push(() => cluster.close());
    const states: string[] = [];
    const note = ({ member }: { member: Member }) =>
      void states.push(member.id === ID ? member.state : `another ${member.state}`);
    cluster.on('joined', note);
    cluster.on('state', note);
    clusters.push(cluster);
    seen.push(states);
    if (i > 0) await cluster.join((clusters[0] as Cluster).address);
  }
  const whole = () => clusters.every((cluster) => cluster.members().length === count);
  await vi.waitFor(() => expect(whole()).toBe(true), 10_000);
  for (const states of seen) states.length = 0;
  return { clusters, seen };
}

/** A member in a process of its own, loaded; it binds and joins when it is told to. */
async function processOf(bind: string, seed: string): Promise<{ child: ChildProcess; start(): Promise<void> }> {
  const child = spawn(process.execPath, [program, bind, seed, ID], { stdio: ['pipe', 'pipe', 'inherit'] });
  closing.push(() => child.kill('SIGKILL'));
  const said = (word: string) =>
    new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (text) => String(text).includes(word) && resolve());
      child.once('exit', () => reject(new Error(`it ended before it was ${word}`)));
    });
  await said('ready');
  return {
    child,
    async start() {
      const joined = said('joined');
      child.stdin.write('go\n');
      await joined;
    },
  };
}

/** A cluster of three here and one process, to which each of them has an open connection. */
async function cluster(): Promise<Awaited<ReturnType<typeof members>> & { child: ChildProcess; address: string }> {
  const found = await members(3);
  const seed = found.clusters[0] as Cluster;
  const { child, start } = await processOf('127.0.0.1:0', seed.address);
  await start();
  await vi.waitFor(() => expect(found.seen).toEqual([['alive'], ['alive'], ['alive']]), 10_000);
  for (const one of found.clusters) await one.send(ID, hello, 'hello');
  const address = seed.members().find(({ id }) => id === ID)?.address ?? '';
  return { ...found, child, address };
}

const evidenceOf = (clusters: Cluster[]) => clusters.map((one) => one.stats().evidence ?? 0);

test('a process that is killed is suspect at once, then dead, for all', { timeout: 60_000 }, async () => {
  const { clusters, seen, child } = await cluster();
  child.kill('SIGKILL');
  const expected = ['alive', 'suspect', 'dead'];
  await vi.waitFor(() => expect(seen).toEqual([expected, expected, expected]), 25_000);
  // By silence alone it would have taken half a minute and more.
  expect(Math.max(...evidenceOf(clusters))).toBeGreaterThan(0);
});

test('one that is killed and starts again in between is not dead at all', { timeout: 60_000 }, async () => {
  const { clusters, seen, child, address } = await cluster();
  const next = await processOf(address, (clusters[0] as Cluster).address);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  await next.start();
  await vi.waitFor(() => {
    for (const one of clusters) expect(one.members().find(({ id }) => id === ID)?.state).toBe('alive');
  }, 20_000);
  expect(seen.flat().filter((text) => text !== 'alive' && text !== 'suspect')).toEqual([]);
  expect(Math.max(...evidenceOf(clusters))).toBeGreaterThan(0);
});

test('one that stands still for a moment is no evidence against itself, and not dead', {
  timeout: 60_000,
}, async () => {
  const { clusters, seen, child } = await cluster();
  const before = evidenceOf(clusters);
  child.kill('SIGSTOP');
  const failed = () => clusters.some((one) => (one.stats().indirectProbes ?? 0) > 0);
  // Once somebody has asked others because of its silence it may go on.
  await vi.waitFor(() => expect(failed()).toBe(true), 30_000);
  child.kill('SIGCONT');
  await vi.waitFor(() => {
    for (const one of clusters) expect(one.members().find(({ id }) => id === ID)?.state).toBe('alive');
  }, 20_000);
  expect(seen.flat().filter((text) => text.includes('dead') || text.includes('another'))).toEqual([]);
  expect(evidenceOf(clusters)).toEqual(before);
});
