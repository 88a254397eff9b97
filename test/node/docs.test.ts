/**
 * Promises of the README and the other pages that a machine can check: the quick start and the guide run as printed, commands work,
 * links lead somewhere. That code compiles is told by types.test.ts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { some } from '../effort.js';
import { freePort } from '../free-port.js';
import { blocksOf, commandsOf, pages, ROOT, saveFiles, textOf } from './docs.js';
import { endAll, Program } from './program.js';

// On a busy machine a process takes seconds to start.
vi.setConfig({ testTimeout: 60_000 });
afterEach(endAll);

const blocks = pages.flatMap(blocksOf);
const block = (page: string, language: string) => {
  const found = blocksOf(page).filter((one) => one.language === language);
  expect(found).toHaveLength(1);
  return found[0]?.code as string;
};

describe('code', () => {
  test('each block is of a language that some test reads', () => {
    const read: Record<string, string> = {
      '': 'a diagram or a layout',
      ts: 'compiled by test/node/types.test.ts',
      js: 'compiled by test/node/types.test.ts',
      bash: 'run below',
      json: 'read below',
      text: 'compared below',
      toml: 'settings of the example at the edge, which the test of that example passes by hand',
      go: 'built and run by test/browsers/guide.browser.ts',
      html: 'opened by test/browsers/guide.browser.ts',
    };
    expect(blocks.filter(({ language }) => !(language in read))).toEqual([]);
  });

  test('lines of JSON can be read', () => {
    for (const line of blocks
      .filter(({ language }) => language === 'json')
      .flatMap(({ code }) => code.trim().split('\n'))) {
      expect(() => JSON.parse(line), line).not.toThrow();
    }
  });

  test.each(['README.md', 'docs/guide/locks.md', 'docs/guide/http.md'])(
    '%s: its program runs as printed and prints what is printed below it',
    async (page) => {
      // From the repository's root, where `isogossip` is this package; the same as a file there.
      const program = new Program(process.execPath, ['--input-type=module', '-e', block(page, 'js')]);
      expect(await program.ended).toBe(0);
      expect(program.printed).toBe(block(page, 'text'));
    },
  );
});

describe('commands', () => {
  /** Commands that are not run here, and why that is enough. */
  const ELSEWHERE: [RegExp, string][] = [
    [/^npm (ci|run build)$/, 'with them every run of these tests begins'],
    [/^npm test$/, 'this is it'],
    [/^npm start$/, 'test/node/demo.test.ts starts what it starts, and presses its keys'],
    [/^SEED=1234 npx vitest run test\/sim -t 'name of the test'$/, 'it would run the suites within the suites'],
    [/^SEEDS=1000000 .*test\/lock\/histories/, 'test/lock/histories.test.ts plays fewer'],
    [/^SEEDS=100000 .*test\/quorum\/histories/, 'test/quorum/histories.test.ts plays fewer'],
    [/^SEEDS=1000 .*test\/sim\/group/, 'test/sim/group.test.ts plays fewer'],
    [/^npm run sim -- --soak 5$/, 'five minutes; .ci/run runs it'],
    [
      /^npm run sim -- --replay --plan .*…/,
      'the plan is cut short here; test/sim/sim-command.test.ts replays whole ones',
    ],
    [
      /^npm run example service-registry |^deno run .* examples\/service-registry|^bun .*service-registry/,
      'test/runtime/service-registry.runtime.ts runs them from that page',
    ],
    [/^npm run example (?!service-registry )/, 'test/node/examples.test.ts runs them from their pages'],
    [
      /^(deno run|bun) .*examples\/(deno|bun)\/service\.ts ADDRESS$/,
      'test/runtime/examples.runtime.ts runs them from their pages',
    ],
    [/^node examples\/browser\/server\.mjs$/, 'test/browsers/examples.browser.ts runs it'],
    [/^node examples\/shared-cursors\/server\.mjs$/, 'test/browsers/cursors.browser.ts runs it'],
    [/^(mkdir -p|cd) /, 'a folder for the guide; made below'],
    [
      /^go (mod init|get) /,
      'test/browsers/guide.browser.ts builds with the versions of the Go peers, as CI may have no network',
    ],
    [/^go run \. Cyd /, 'test/browsers/guide.browser.ts runs it from that page'],
    [/^node (member|gateway)\.mjs /, 'run below, and with Go and a page by test/browsers/guide.browser.ts'],
  ];
  const HERE = /^(npx isogossip member|npm run sim)\b/;

  const all = pages.flatMap((page) => commandsOf(page).map((command) => ({ page, command })));

  test('each is run by a test', () => {
    const unknown = all.filter(
      ({ command }) => !HERE.test(command) && !ELSEWHERE.some(([which]) => which.test(command)),
    );
    expect(unknown).toEqual([]);
    const unused = ELSEWHERE.filter(([which]) => !all.some(({ command }) => which.test(command)));
    expect(unused).toEqual([]);
    // The tests that are named are there.
    for (const [, why] of ELSEWHERE)
      for (const [path] of why.matchAll(/(test\/|\.ci\/)[\w/.-]*\w/g)) expect(existsSync(ROOT + path), path).toBe(true);
  });

  const here = all
    .map(({ command }) => command)
    .filter((command) => HERE.test(command) && !ELSEWHERE.some(([which]) => which.test(command)));

  test.each(here.filter((command) => command.startsWith('npx isogossip')))('%s', async (command) => {
    const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    const [, line = ''] = /^npx isogossip (.*)$/.exec(command) ?? [];
    // At free ports; whom it joins is there.
    const first = new Program(process.execPath, [manifest.bin.isogossip, 'member', '--bind', '127.0.0.1:0']);
    const joined = await first.prints(/127\.0\.0\.1:(\d+)/);
    const words = line.replace(/(--join \S+:)\d+/, `$1${joined}`).replace(/(--bind \S+:)\d+/, `$1${await freePort()}`);
    const program = new Program(process.execPath, [manifest.bin.isogossip, ...words.split(' ')]);
    await program.prints(/127\.0\.0\.1:\d+/);
    if (words.includes('--join')) await program.prints(/alive/);
    program.kill('SIGTERM');
    expect(await program.ended).toBe(0);
  });

  // Smaller: what is tried is the command line. What it finds with so many the simulator's own tests say.
  test.each(
    some(
      here.filter((command) => command.startsWith('npm run sim')),
      3,
    ),
  )('%s', async (command) => {
    const words = command
      .replace(/^npm run sim( -- )?/, '')
      .replace(/(--members|--seeds) \d+/g, (_, name) => `${name} ${name === '--seeds' ? 1 : 4}`)
      .replace(/(--v1) \d+/, '$1 1')
      .replace(/(--svg) (\S+)/, (_, name, file) => `${name} ${join(tmpdir(), `isogossip-${process.pid}-${file}`)}`);
    const program = new Program(process.execPath, ['tools/sim/start.mjs', ...words.split(' ').filter(Boolean)]);
    expect(await program.ended, program.printed).toBe(0);
    expect(program.printed).toMatch(words ? /all \d+ rules held/ : /--scenario/);
  });

  test('the members of the guide find each other, chat and leave', async () => {
    const page = 'docs/guide/start.md';
    saveFiles(page);
    const ports = new Map<string, number>();
    const started: Program[] = [];
    for (const command of commandsOf(page).filter((one) => one.startsWith('node '))) {
      for (const [port] of command.matchAll(/\b80\d\d\b/g)) if (!ports.has(port)) ports.set(port, await freePort());
      const [, file = '', ...words] = command.replaceAll(/\b80\d\d\b/g, (port) => String(ports.get(port))).split(' ');
      const program = new Program(process.execPath, [`dist.guide/${file}`, ...words], {
        PORT: String(await freePort()),
      });
      await program.prints(new RegExp(`${words[0]} is at`));
      started.push(program);
    }
    const [ada, ben, eve] = started as [Program, Program, Program];
    await eve.prints(/open http/);
    for (const [who, others] of [
      [ada, ['Ben', 'Eve']],
      [ben, ['Ada', 'Eve']],
      [eve, ['Ada', 'Ben']],
    ] as const) {
      for (const other of others) await who.prints(new RegExp(`${other} is alive`));
    }
    ben.type('good morning');
    await ada.prints(/Ben: good morning/);
    await eve.prints(/Ben: good morning/);
    ben.kill('SIGINT');
    await ada.prints(/Ben has left/);
    expect(await ben.ended).toBe(0);
    eve.kill();
    await ada.prints(/Eve is dead/);
  });
});

describe('references', () => {
  test('each link to a file leads to one', () => {
    const broken = pages.flatMap((page) =>
      [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
        .map(([, path]) => path as string)
        .filter((path) => !existsSync(normalize(join(ROOT, dirname(page), path))) && !path.startsWith('api/'))
        .map((path) => `${page}: ${path}`),
    );
    expect(broken).toEqual([]);
  });

  test('each npm script exists, each subpath is an entry', () => {
    const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    const readme = textOf('README.md');
    const scripts = pages.flatMap((page) =>
      [...textOf(page).matchAll(/npm (?:run )?(start|test|(?<=run )[\w:]+)/g)].map(([, name]) => `${page}: ${name}`),
    );
    expect(scripts.length).toBeGreaterThan(20);
    expect(scripts.filter((one) => !((one.split(': ')[1] ?? '') in manifest.scripts))).toEqual([]);
    const subpaths = [...readme.matchAll(/`((?:codec|cipher|compressor|transport)\/[\w-]+|testing|group|store)`/g)].map(
      ([, path]) => path,
    );
    expect(subpaths.length).toBeGreaterThan(8);
    expect(subpaths.filter((path) => !(`./${path}` in manifest.exports))).toEqual([]);
    const imports = blocks.flatMap(({ code }) =>
      [...code.matchAll(/from 'isogossip(\/[\w/-]+)?'/g)].map(([, path]) => path),
    );
    expect(imports.filter((path) => path && !(`.${path}` in manifest.exports))).toEqual([]);
  });
});
