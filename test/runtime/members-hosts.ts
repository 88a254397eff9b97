/**
 * Starts members in Deno, Bun and workerd for the tests of this folder: bundles what they run once, gives each a process or
 * a Miniflare of its own, and ends those that are left when a test is over.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';
import { afterEach } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DEADLINE_MS = 20_000;

/** Something that runs a member. */
export interface Host {
  address: string;
  /** Settles when the member has left and, where it has a process, that has ended with 0. */
  ended: Promise<void>;
}

/** Whom to join; nobody to begin with. */
export type StartHost = (join?: string) => Promise<Host>;

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs after the test, the last first. */
export const after = (cleanup: () => Promise<unknown> | unknown) => void cleanups.push(cleanup);

/** Bundles our code into a folder beside `dist`, so that libraries are found by the runtime itself. */
async function bundleForProcess(name: string): Promise<string> {
  const outfile = `${ROOT}dist.members/${name}.js`;
  await build({
    entryPoints: [`${ROOT}test/runtime/${name}.ts`],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    logLevel: 'warning',
  });
  return outfile;
}

const binary = (path: string) => {
  const [name = ''] = path.split('/');
  const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return `${dirname(manifest)}${path.slice(name.length)}`;
};

/** A process that prints its address, and `left` at its end. */
async function startProcess(command: string, args: string[]): Promise<Host> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  after(() => kill(child));
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const lines: string[] = [];
  let onLine = () => {};
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine();
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0 && lines.at(-1) === 'left') resolve();
      else reject(new Error(`${command} ended with ${code ?? signal}: ${errors}`));
    });
  });
  ended.catch(() => {});
  const address = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${command} did not start: ${errors}`)), DEADLINE_MS);
    onLine = () => {
      clearTimeout(timer);
      resolve(lines[0] as string);
    };
    ended.catch(reject).finally(() => clearTimeout(timer));
  });
  return { address: await address, ended };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await closed;
}

/** A member in Deno, by the transport that is named. */
export const inDeno =
  (how: 'ws' | 'socket'): StartHost =>
  async (join) => {
    const script = await bundleForProcess('members-deno');
    const args = ['run', '--allow-all', '--cached-only', '--no-prompt', script, how, ...(join ? [join] : [])];
    return startProcess(binary('deno/deno'), args);
  };

/** A member in Bun. */
export const inBun =
  (how: 'ws' | 'socket'): StartHost =>
  async (join) =>
    startProcess(binary('bun/bin/bun.exe'), [await bundleForProcess('members-bun'), how, ...(join ? [join] : [])]);

/** A member in a Durable Object; its sockets by the hibernation API, or standard ones. */
export const inWorkerd =
  (sockets: 'hibernating' | 'plain'): StartHost =>
  async (join) => {
    const { outputFiles } = await build({
      entryPoints: [`${ROOT}test/runtime/members-workerd.ts`],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
    });
    const miniflare = new Miniflare({
      cf: false,
      host: '127.0.0.1',
      port: 0,
      modules: true,
      script: outputFiles[0]?.text as string,
      compatibilityDate: '2026-04-01',
      durableObjects: { MEMBER: 'Member' },
    });
    after(() => miniflare.dispose());
    const url = await miniflare.ready;
    const start = new URL('/start', url);
    if (join) start.searchParams.set('join', join);
    if (sockets === 'plain') start.searchParams.set('plain', '');
    const response = await fetch(start);
    const text = await response.text();
    if (!response.ok) throw new Error(`workerd did not start: ${text}`);
    return { address: text, ended: Promise.resolve() };
  };
