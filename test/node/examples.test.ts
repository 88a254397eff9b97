/** The examples for Node by the commands of their READMEs, as a person would run and use them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { some } from '../effort.js';
import { freePort } from '../free-port.js';
import { endAll, example, type Program } from './program.js';

// On a busy machine a process takes seconds to start.
vi.setConfig({ testTimeout: 60_000 });
afterEach(endAll);

/** The members that an example's README starts in one of its blocks, all at ports of their own. */
async function started(name: string, block = 0): Promise<Program[]> {
  const readme = readFileSync(fileURLToPath(new URL(`../../examples/${name}/README.md`, import.meta.url)), 'utf8');
  const blocks = [...readme.matchAll(/^```bash\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
  const commands = [...(blocks[block] ?? '').matchAll(/^npm run example (\S+) -- (.*)$/gm)];
  expect(commands.length).toBeGreaterThan(1);
  const ports = new Map<string, number>();
  const programs: Program[] = [];
  for (const [, example_ = '', line = ''] of commands) {
    expect(example_).toBe(name);
    for (const [port] of line.matchAll(/\b80\d\d\b/g)) if (!ports.has(port)) ports.set(port, await freePort());
    const options = line.replaceAll(/\b80\d\d\b/g, (port) => String(ports.get(port))).split(' ');
    programs.push(example(name, ...options));
    await programs.at(-1)?.prints(/I am \S+ at \S+/);
  }
  return programs;
}

const idOf = (program: Program) => program.prints(/I am (\S+) at/);

const WAYS: [name: string, block: number][] = [
  ['UDP and TCP', 0],
  ['HTTP', 1],
];
test.each(some(WAYS))('basic: members by %s see each other and their metadata, and leave', async (_name, block) => {
  const [one, two] = (await started('basic', block)) as [Program, Program];
  const [first, second] = [await idOf(one), await idOf(two)];
  await one.answers('peers', new RegExp(`${second}.*alive`));
  two.type('set-meta colour bright green');
  await one.answers('peers', new RegExp(`${second}.*colour = bright green`));
  await one.answers(`get-meta ${second} colour`, /colour = bright green/);
  await one.answers('whoami', new RegExp(first));
  await one.answers('nonsense', /no command nonsense/);
  two.type('exit');
  expect(await two.ended).toBe(0);
  await one.answers('peers', new RegExp(`${second}.*leaving`));
  one.kill('SIGINT');
  expect(await one.ended).toBe(0);
});

test('events: who comes, what they say of themselves and who leaves is told', async () => {
  const [one, two] = (await started('events')) as [Program, Program];
  const second = await idOf(two);
  await one.prints(new RegExp(`joined: ${second} was unknown, is alive`));
  await one.prints(new RegExp(`metadata of ${second} is {"dc":"development","intValue":42}`));
  two.type('set-meta colour green');
  await one.prints(new RegExp(`metadata of ${second} is .*"colour":"green"`));
  two.type('exit');
  await one.prints(new RegExp(`left: ${second} was alive, is leaving`));
});

test('usermessages: what one says the other prints', async () => {
  const [one, two] = (await started('usermessages')) as [Program, Program];
  const [first, second] = [await idOf(one), await idOf(two)];
  await one.answers('peers', new RegExp(`${second}.*alive`));
  one.type('gossip good morning');
  await two.prints(new RegExp(`${first} says: good morning`));
  expect(one.printed).not.toContain('good morning');
});

test('tagged: a message reaches those with its tag, and nobody else', async () => {
  const [one, two, three] = (await started('tagged')) as [Program, Program, Program];
  const ids = await Promise.all([one, two, three].map(async (each) => (await idOf(each)).slice(-8)));
  for (const each of [one, two, three]) {
    for (const id of ids) await each.answers('nodes taga', new RegExp(`${id} .*taga`));
  }
  one.type('send tagc for the third');
  one.type('send taga for all');
  await two.prints(/says to taga: for all/);
  await three.prints(/says to taga: for all/);
  expect(three.printed).toMatch(/says to tagc: for the third/);
  expect(two.printed).not.toContain('for the third');
  const listed = await two.answers('nodes tagc', /^.*tagc$/m);
  expect(listed).toContain(ids[2]);
});

test('health: who leaves and who dies is told, with how many are left', async () => {
  const [one, two, three] = (await started('health')) as [Program, Program, Program];
  await one.prints(/\(3 alive, 0 suspect, 0 leaving, 0 dead\)/);
  const [second, third] = await Promise.all([two, three].map(async (each) => (await idOf(each)).slice(-8)));
  three.type('exit');
  await one.prints(new RegExp(`${third}: alive -> leaving \\(2 alive`));
  two.kill();
  await one.prints(new RegExp(`${second}: suspect -> dead \\(1 alive, 0 suspect, 1 leaving, 1 dead\\)`));
});

test('kv: what one writes the other has, and who comes later as well', async () => {
  const [one, two] = (await started('kv')) as [Program, Program];
  const [, address = ''] = /I am \S+ at (\S+)/.exec(two.printed) ?? [];
  one.type('set colour bright green');
  one.type('set shape round');
  await two.prints(/colour is now bright green/);
  await two.prints(/shape is now round/);
  await two.answers('get colour', /colour = bright green/);
  two.type('delete shape');
  await one.prints(/shape is gone/);
  const three = example('kv', `--peers=${address}`);
  await three.answers('keys', /^colour$/m);
  await three.answers('get shape', /shape = nothing/);
});

test('leader: one of three leads, all know it, and another one when it is killed', async () => {
  const all = await started('leader');
  const elected = async (program: Program) => {
    await program.prints(/I lead, with token/);
    return program;
  };
  const leader = await Promise.any(all.map(elected));
  const [, address = ''] = /I am \S+ at (\S+)/.exec(leader.printed) ?? [];
  for (const each of all) await each.prints(new RegExp(`^${address} leads`, 'm'));
  expect(all.filter(({ printed }) => printed.includes('I lead,'))).toEqual([leader]);
  leader.kill();
  const others = all.filter((each) => each !== leader);
  const next = await Promise.any(others.map(elected));
  next.type('exit');
  expect(await next.ended).toBe(0);
  const [last] = others.filter((each) => each !== next);
  await last?.answers('leader', /^nobody leads$/m);
});
