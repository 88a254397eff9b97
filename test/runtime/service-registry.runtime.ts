/** The example of services that find each other, by the commands of its README: one of them dies under load, and no call fails. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../free-port.js';
import { endAll, Program } from '../node/program.js';
import { binary } from './members-hosts.js';

afterEach(endAll);

const README = fileURLToPath(new URL('../../examples/service-registry/README.md', import.meta.url));
const PROGRAMS: Record<string, [string, ...string[]]> = {
  'npm run example': [process.execPath, 'examples/run.mjs'],
  deno: [binary('deno/deno')],
  bun: [binary('bun/bin/bun.exe')],
};

test('services in Node, Deno and Bun find and call each other; one killed under load costs no call', async () => {
  const [, block = ''] = /^```bash\n(.*?)^```$/ms.exec(readFileSync(README, 'utf8')) ?? [];
  const ports = new Map<string, number>();
  const services: Program[] = [];
  for (const line of block.trim().split('\n')) {
    const [, name = '', rest = ''] = /^(npm run example|deno|bun) (.*)$/.exec(line) ?? [];
    for (const [port] of rest.matchAll(/\b80\d\d\b/g)) if (!ports.has(port)) ports.set(port, await freePort());
    const [command, ...before] = PROGRAMS[name] as [string, ...string[]];
    const options = rest.replaceAll(/\b80\d\d\b/g, (port) => String(ports.get(port))).replace(' -- ', ' ');
    services.push(new Program(command, [...before, ...options.split(' ')]));
    await services.at(-1)?.prints(/I am \S+ at \S+/);
  }
  const [node, deno, bun] = services as [Program, Program, Program];
  for (const [service, others] of [
    [node, ['Deno', 'Bun']],
    [deno, ['Node', 'Bun']],
    [bun, ['Node', 'Deno']],
  ] as const) {
    for (const other of others) await service.prints(new RegExp(`${other} offers thumbnails`));
    service.type('call owl.png');
    service.type('call owl.png');
    for (const other of others) await service.prints(new RegExp(`small-owl.png by ${other}`));
  }

  node.type('load 4');
  // The next answers come under load.
  await node.answers('call owl.png', /small-owl/);
  bun.kill();
  const told = await node.prints(/^\{.*$/m);
  expect(told).toMatch(/^\{.*"Deno":\d+.*\}, 0 failed/);
  expect(told).toMatch(/"Bun":\d+/);
  await node.prints(/Bun is dead/);
  await deno.prints(/Bun is dead/);
  deno.type('exit');
  await node.prints(/Deno is leaving/);
});
