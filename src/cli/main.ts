#!/usr/bin/env node
/**
 * The command `isogossip`: reads its options, runs one member until it is told to leave, and ends with 0, or with 2 and one
 * line on standard error when it cannot start.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { createGateway } from '../gateway.js';
import { createCluster, defineRequest, GossipError } from '../index.js';
import { helpText, type MemberArgs, readArgs } from './args.js';
import { clusterOptions, gatewayOptions } from './cluster-options.js';
import { printable } from './front.js';
import { createJsonFront } from './json-lines.js';
import { createPersonFront } from './person.js';

const EXIT_USAGE = 2;

async function main(): Promise<number> {
  try {
    const args = readArgs(process.argv.slice(2));
    if (args === 'help') console.log(helpText());
    else if (args === 'version') console.log(packageVersion());
    else await member(args);
    return 0;
  } catch (error) {
    if (!(error instanceof GossipError)) throw error;
    console.error(printable(`isogossip: ${error.message}`));
    return EXIT_USAGE;
  }
}

async function member(args: MemberArgs): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const front = args.json
    ? createJsonFront({ input: stdin, output: stdout, errors: stderr })
    : createPersonFront(stdout, stderr);
  let stop = () => {};
  const stopping = new Promise<void>((resolve) => {
    stop = resolve;
  });
  // One that does not come back from leaving can still be ended: a second signal has its usual effect.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, stop);

  const echoes = [...new Set(args.echoTypes)].map((type) => defineRequest(type));
  const leaves = await gatewayOptions(args);
  const cluster = await createCluster(await clusterOptions(args, front.logger));
  const gateway = leaves && (await createGateway(cluster, leaves));
  cluster.on('message', (message) => front.message(message));
  for (const echo of echoes) {
    cluster.handle(echo, ({ data, from }) => {
      front.message({ type: echo.type, data, from, tag: '' });
      return data;
    });
  }
  front.attach(cluster, stop, gateway?.url);
  if (args.join.length > 0) {
    cluster.join(args.join).catch((error: GossipError) => {
      if (error.code !== 'ERR_CLOSED') front.joinFailed(error);
    });
  }
  await stopping;
  await cluster.leave();
  await front.stopped();
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

const exitCode = await main();
// Standard input may still be open; what was written has been flushed.
process.exit(exitCode);
