/** Node, Deno and Bun: a process each that runs the bundle and leaves its report in a file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { outDir, root } from './bundle.mjs';

/** Runs a program to its end, or until the deadline. Rejects with what it wrote when it failed. */
async function run(command, args, deadlineMs) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  try {
    const [code, signal] = await once(child, 'close');
    if (code !== 0) throw new Error(`${command} ended with ${signal ?? code}: ${output.slice(-2_000)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** A runtime that is a command. */
function processRuntime(command, args) {
  return async (bundles, { name, deadlineMs, gateways }) => {
    const report = `${outDir}${name}.report.json`;
    await rm(report, { force: true });
    await run(command, [...args, bundles.node, report, ...gateways], deadlineMs);
    return JSON.parse(await readFile(report, 'utf8'));
  };
}

const bin = (name) => `${root}node_modules/.bin/${name}`;

/** The Node that runs this. */
export const ownNode = processRuntime(process.execPath, []);
export const bun = processRuntime(bin('bun'), []);
export const deno = processRuntime(bin('deno'), ['run', '--allow-all', '--no-lock', '--node-modules-dir=manual']);

/** Other versions of Node, fetched when they are not there. */
export const otherNode = (name) => processRuntime(`${root}tools/nodes/node_modules/${name}/bin/node`, []);

/** Fetches the other versions of Node, once for all of them. */
export async function fetchNodes() {
  if (existsSync(`${root}tools/nodes/node_modules`)) return;
  console.log('npm ci --prefix tools/nodes');
  await run('npm', ['ci', '--prefix', 'tools/nodes'], 300_000);
}
