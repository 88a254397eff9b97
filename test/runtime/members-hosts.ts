/**
 * Starts members in Deno, Bun and workerd for the tests of this folder: bundles what they run once, gives each a process or
 * a Miniflare of its own, and ends those that are left when a test is over.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
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

type How = 'ws' | 'socket' | 'both';

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

/** A program that npm has installed, by its path from its package on. */
export const binary = (path: string) => {
  const [name = ''] = path.split('/');
  const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return `${dirname(manifest)}${path.slice(name.length)}`;
};

/** Ends with the test. */
function spawnMember(command: string, args: string[]): ChildProcess & { stdout: Readable; stderr: Readable } {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  after(() => kill(child));
  return child;
}

/** A process that has printed its first line. */
export interface Running {
  line: string;
  /** All its lines, when it has ended with 0. */
  ended: Promise<string[]>;
  /** What Ctrl-C does. */
  interrupt(): void;
}

async function startProcess(command: string, args: string[]): Promise<Running> {
  const child = spawnMember(command, args);
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
  const ended = new Promise<string[]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(lines);
      else reject(new Error(`${command} ended with ${code ?? signal}: ${errors}`));
    });
  });
  ended.catch(() => {});
  const line = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${command} did not start: ${errors}`)), DEADLINE_MS);
    onLine = () => {
      clearTimeout(timer);
      resolve(lines[0] as string);
    };
    ended.catch(reject).finally(() => clearTimeout(timer));
  });
  return { line: await line, ended, interrupt: () => child.kill('SIGINT') };
}

/** A member that prints its address, and `left` at its end. */
async function startMember([command = '', ...args]: string[]): Promise<Host> {
  const { line, ended } = await startProcess(command, args);
  const left = ended.then((lines) => {
    if (lines.at(-1) !== 'left') throw new Error(`${command} ended without a word`);
  });
  left.catch(() => {});
  return { address: line, ended: left };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await closed;
}

/** What stands in front of a program: a command and its first arguments. */
export const DENO = [binary('deno/deno'), 'run', '--allow-all', '--cached-only', '--no-prompt'];
export const BUN = [binary('bun/bin/bun.exe')];

/** A member in Deno, by the transport that is named. */
export const inDeno =
  (how: How): StartHost =>
  async (join) =>
    startMember([...DENO, await bundleForProcess('members-deno'), how, ...(join ? [join] : [])]);

/** A member in Bun. */
export const inBun =
  (how: How): StartHost =>
  async (join) =>
    startMember([...BUN, await bundleForProcess('members-bun'), how, ...(join ? [join] : [])]);

/** A Durable Object `Member` and what stands before it. */
async function startWorkerd(
  source: BuildOptions,
  bindings: Record<string, string>,
  port: number,
  durableObjects: Record<string, string> = { MEMBER: 'Member' },
): Promise<Miniflare> {
  const { outputFiles } = await build({
    ...source,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['workerd', 'worker'],
    target: 'es2022',
    // Of the package by its own name esbuild says what it keeps to itself about others in node_modules.
    logLevel: 'error',
  });
  const miniflare = new Miniflare({
    cf: false,
    host: '127.0.0.1',
    port,
    modules: true,
    script: outputFiles?.[0]?.text as string,
    bindings,
    compatibilityDate: '2026-04-01',
    durableObjects,
  });
  await miniflare.ready;
  return miniflare;
}

/** A member in a Durable Object; its sockets by the hibernation API, or standard ones. */
export const inWorkerd =
  (sockets: 'hibernating' | 'plain'): StartHost =>
  async (join) => {
    const start = new URL('/start', await workerdForTest('members-workerd.ts', {}, 0));
    if (join) start.searchParams.set('join', join);
    if (sockets === 'plain') start.searchParams.set('plain', '');
    const response = await fetch(start);
    const text = await response.text();
    if (!response.ok) throw new Error(`workerd did not start: ${text}`);
    return { address: text, ended: Promise.resolve() };
  };

/** Runs a program as a user would, from a file of the project; it imports the package by its name. */
async function runProgram(name: string, program: string, [command = '', ...args]: string[]): Promise<void> {
  await mkdir(`${ROOT}dist.members`, { recursive: true });
  const file = `${ROOT}dist.members/${name}.js`;
  await writeFile(file, program);
  spawnMember(command, [...args, file]).stderr.on('data', (text) => console.error(`${name}: ${text}`));
}

export const runInDeno = (program: string) => runProgram('page-deno', program, DENO);
export const runInBun = (program: string) => runProgram('page-bun', program, BUN);
export const runInWorkerd = async (program: string, port: number) => {
  const miniflare = await startWorkerd(
    { stdin: { contents: program, resolveDir: ROOT } },
    { URL: `ws://127.0.0.1:${port}/` },
    port,
  );
  after(() => miniflare.dispose());
};

/** The command of an example's README that names its runtime, with an address to join. */
export async function runExample(runtime: 'deno' | 'bun', join: string): Promise<Running> {
  const readme = await readFile(`${ROOT}examples/${runtime}/README.md`, 'utf8');
  const command = new RegExp(`^${runtime} (.*)$`, 'm').exec(readme)?.[1];
  const args = (command ?? '').replace('ADDRESS', join).split(' ');
  return startProcess(binary(runtime === 'deno' ? 'deno/deno' : 'bun/bin/bun.exe'), args);
}

/** The worker of the example at the edge, and a member to join. */
export async function runEdgeExample(join: string, port: number): Promise<void> {
  const bindings = { URL: `ws://127.0.0.1:${port}`, SEED: join };
  const miniflare = await startWorkerd({ entryPoints: [`${ROOT}examples/edge/worker.js`] }, bindings, port);
  after(() => miniflare.dispose());
}

/** A worker of this folder, until the test ends. */
async function workerdForTest(file: string, bindings: Record<string, string>, port: number): Promise<URL> {
  const miniflare = await startWorkerd({ entryPoints: [`${ROOT}test/runtime/${file}`] }, bindings, port);
  after(() => miniflare.dispose());
  return miniflare.ready;
}

/** A gateway in a Durable Object. @returns its URL. */
export async function startGatewayInWorkerd(port: number): Promise<string> {
  const url = `ws://127.0.0.1:${port}/gossip`;
  await workerdForTest('gateway-workerd.ts', { URL: url }, port);
  return url;
}

/** The gateways of the contract in a Durable Object, until `close`. */
export async function startContractGateways(): Promise<{ gateways: [string, string]; close(): Promise<void> }> {
  const source = { entryPoints: [`${ROOT}test/runtime/contracts.web.ts`] };
  const miniflare = await startWorkerd(source, {}, 0, { CONTRACTS: 'Contracts' });
  const response = await fetch(new URL('/stage', await miniflare.ready));
  return { ...((await response.json()) as { gateways: [string, string] }), close: () => miniflare.dispose() };
}
