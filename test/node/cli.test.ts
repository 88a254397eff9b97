/** The built command as processes: two members that talk, ways to end, and everything that must end with 2 and one line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { createCluster, defineRequest } from '../../src/index.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { some } from '../effort.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const DEADLINE_MS = 15_000;

type Line = Record<string, unknown>;

interface Running {
  id: string;
  address: string;
  lines: Line[];
  exited: Promise<{ code: number | null; stderr: string; stdout: string }>;
  child: ChildProcess;
  waitFor(holds: (line: Line) => boolean): Promise<Line>;
  /** Sends a command with a ref of its own and waits for its answer. */
  call(command: Line): Promise<Line>;
}

const children = new Set<ChildProcess>();
afterEach(async () => {
  const ended = [...children].map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(ended);
});

function run(args: readonly string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  children.add(child);
  const lines: Line[] = [];
  const watchers = new Set<() => void>();
  let stderr = '';
  let stdout = '';
  child.stdin.on('error', () => {});
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  if (args.includes('--json')) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(JSON.parse(line) as Line);
      for (const look of [...watchers]) look();
    });
  }
  const exited = new Promise<{ code: number | null; stderr: string; stdout: string }>((resolve) => {
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code, stderr, stdout });
      for (const look of [...watchers]) look();
    });
  });
  const waitFor = (holds: (line: Line) => boolean) => {
    const place = new Error();
    return new Promise<Line>((resolve, reject) => {
      const settle = (found?: Line) => {
        clearTimeout(timer);
        watchers.delete(look);
        if (found) return resolve(found);
        place.message = `no such line within ${DEADLINE_MS} ms; ${JSON.stringify(lines, null, 1)}\n${stderr}`;
        reject(place);
      };
      const look = () => {
        const found = lines.find(holds);
        if (found || !children.has(child)) settle(found);
      };
      const timer = setTimeout(settle, DEADLINE_MS);
      watchers.add(look);
      look();
    });
  };
  let refs = 0;
  const call = (command: Line) => {
    const ref = `ref ${++refs}`;
    child.stdin.write(`${JSON.stringify({ ...command, ref })}\n`);
    return waitFor((line) => line.ref === ref);
  };
  return { id: '', address: '', lines, exited, child, waitFor, call };
}

async function start(...args: string[]): Promise<Running> {
  const bind = args.includes('--bind') ? [] : ['--bind', '127.0.0.1:0'];
  const running = run(['member', '--json', '--preset', 'local', ...bind, ...args]);
  const started = await running.waitFor(() => true);
  expect(started).toMatchObject({ event: 'started', id: expect.any(String), address: expect.any(String) });
  return Object.assign(running, { id: started.id, address: started.address });
}

const sees = (other: Running, state: string) => (line: Line) =>
  line.event === 'member' && line.id === other.id && line.state === state;

/** Everything a codec can carry, as it stands in JSON lines. */
const VALUES = {
  nothing: null,
  yes: true,
  text: 'grüß dich, 世界 🎈',
  whole: -12,
  fraction: 0.25,
  widest: { $int: '18446744073709551615' },
  lowest: { $int: '-9223372036854775808' },
  bytes: { $bytes: 'AAH/gA==' },
  list: [1, [2, { deep: [] }], {}],
};

describe('two members', () => {
  test('join, tell, ask, change and leave', async () => {
    const seed = await start('--echo', '130', '--meta', 'zone="eu"', '--meta', 'note=not json', '--tag', 'red');
    const joiner = await start('--join', seed.address, '--tag', 'blue', '--tag', 'fast');
    expect(await joiner.waitFor(sees(seed, 'alive'))).toEqual({
      event: 'member',
      id: seed.id,
      address: seed.address,
      state: 'alive',
      previous: 'unknown',
      tags: ['red'],
      protocol: 'native',
    });
    expect(await seed.waitFor(sees(joiner, 'alive'))).toMatchObject({ tags: ['blue', 'fast'], previous: 'unknown' });

    expect(await joiner.call({ cmd: 'request', to: seed.id.toUpperCase(), type: 130, data: VALUES })).toMatchObject({
      event: 'response',
      from: seed.id,
      data: VALUES,
    });
    expect(await seed.waitFor((line) => line.type === 130)).toMatchObject({
      event: 'message',
      from: joiner.id,
      data: VALUES,
    });
    expect(await seed.call({ cmd: 'request', to: joiner.id, type: 130, data: 1 })).toMatchObject({
      event: 'error',
      code: 'ERR_NO_HANDLER',
    });

    expect(await joiner.call({ cmd: 'broadcast', type: 129, data: 'to all' })).toMatchObject({ event: 'ok' });
    expect(await seed.waitFor((line) => line.type === 129)).toEqual({
      event: 'message',
      type: 129,
      from: joiner.id,
      data: 'to all',
    });
    await seed.call({ cmd: 'broadcast', type: 131, data: 'to red', tag: 'red' });
    await seed.call({ cmd: 'broadcast', type: 131, data: 'to blue', tag: 'blue', reliable: true });
    expect(await joiner.waitFor((line) => line.type === 131)).toMatchObject({ data: 'to blue', tag: 'blue' });
    expect(await seed.call({ cmd: 'send', to: joiner.id, type: 65_535, reliable: true })).toMatchObject({
      event: 'ok',
    });
    expect(await joiner.waitFor((line) => line.type === 65_535)).toMatchObject({ data: null });

    const metadata = { note: 'not json', load: 0.5, since: { $time: '2026-01-02T03:04:05.678Z' } };
    const { note: _, ...set } = metadata;
    expect(await seed.call({ cmd: 'meta', set, delete: ['zone'] })).toMatchObject({ event: 'ok' });
    const isThere = (line: Line) =>
      line.event === 'metadata' && (line.metadata as Line).load === 0.5 && !(line.metadata as Line).zone;
    expect(await joiner.waitFor(isThere)).toEqual({ event: 'metadata', id: seed.id, metadata });
    const { members } = (await joiner.call({ cmd: 'members' })) as { members: Line[] };
    expect(members).toHaveLength(2);
    expect(members).toContainEqual({
      id: seed.id,
      address: seed.address,
      state: 'alive',
      tags: ['red'],
      metadata,
      protocol: 'native',
    });
    expect(members).toContainEqual(expect.objectContaining({ id: joiner.id, state: 'alive', metadata: {} }));
    const { stats } = (await joiner.call({ cmd: 'stats' })) as { stats: Record<string, number> };
    expect(stats.membersAlive).toBe(2);
    expect(Object.values(stats).every((value) => typeof value === 'number')).toBe(true);

    expect(await joiner.call({ cmd: 'leave' })).toMatchObject({ event: 'ok' });
    await seed.waitFor(sees(joiner, 'leaving'));
    expect((await joiner.exited).code).toBe(0);
    expect(joiner.lines.at(-1)).toEqual({ event: 'stopped' });
  });

  const ways: [string, string[]][] = [
    ['HTTP with a bearer token', ['--transport', 'http', '--bearer', 'token', '--path', '/inner']],
    [
      'JSON, secretbox, deflate',
      ['--codec', 'json', '--cipher', 'secretbox', '--key', 'ab'.repeat(32), '--compressor', 'deflate'],
    ],
    [
      'old msgpack, AES-128, snappy',
      [
        '--codec',
        'msgpack-raw',
        '--cipher',
        'aes-gcm',
        '--key',
        'ab'.repeat(16),
        '--compressor',
        'snappy',
        '--compress-min',
        '1',
      ],
    ],
    ['WebSocket, sealed', ['--transport', 'ws', '--path', '/inner', '--cipher', 'aes-gcm', '--key', 'ab'.repeat(32)]],
  ];
  for (const [name, args] of some(ways, 2)) {
    test(`by ${name}`, async () => {
      const seed = await start(...args, '--echo', '130');
      const joiner = await start(...args, '--join', seed.address);
      if (args.includes('--path')) expect(seed.address).toMatch(/^(http|ws):\/\/127\.0\.0\.1:\d+\/inner$/);
      await joiner.waitFor(sees(seed, 'alive'));
      const data = { text: 'x'.repeat(5000), widest: VALUES.widest, list: VALUES.list };
      const answer = await joiner.call({ cmd: 'request', to: seed.id, type: 130, data });
      expect(answer).toMatchObject({ event: 'response', data });
    });
  }

  test('keys are rotated by a member that holds both', async () => {
    const [old, young] = ['01'.repeat(32), '02'.repeat(32)];
    const seed = await start('--cipher', 'aes-gcm', '--key', young, '--key', old);
    const joiner = await start('--cipher', 'aes-gcm', '--key', old, '--key', young, '--join', seed.address);
    await joiner.waitFor(sees(seed, 'alive'));
  });

  test('a version that is not wanted is told why, by option and by command', async () => {
    const seed = await start('--app-version', '1.4.0', '--accept-app-version', '^1.2.0');
    const refused = await start('--app-version', '2.0.0', '--join', seed.address);
    const error = await refused.waitFor((line) => line.event === 'error');
    expect(error).toEqual({
      event: 'error',
      code: 'ERR_JOIN_REJECTED',
      message: expect.stringMatching(/version 2\.0\.0.*\^1\.2\.0/),
    });
    expect(await refused.call({ cmd: 'join', addresses: [seed.address] })).toMatchObject({
      event: 'error',
      code: 'ERR_JOIN_REJECTED',
    });
    const taken = await start('--app-version', '1.9.3');
    expect(await taken.call({ cmd: 'join', addresses: [seed.address] })).toMatchObject({ event: 'ok' });
    await seed.waitFor(sees(taken, 'alive'));
    expect(seed.lines.filter((line) => line.id === refused.id)).toEqual([]);
  });
});

describe('ends', () => {
  const ways: [string, (running: Running) => void][] = [
    ['SIGTERM', ({ child }) => child.kill('SIGTERM')],
    ['the end of the input', ({ child }) => child.stdin?.end()],
    ['SIGINT', ({ child }) => child.kill('SIGINT')],
    ['leave', ({ child }) => child.stdin?.write('{"cmd":"leave"}\n')],
  ];
  for (const [name, end] of some(ways, 2)) {
    test(`by ${name}: 0, nothing on standard error, everything written`, async () => {
      const running = await start();
      end(running);
      expect(await running.exited).toMatchObject({ code: 0, stderr: '' });
      expect(running.lines.at(-1)).toEqual({ event: 'stopped' });
    });
  }

  test('a command in flight is answered before the end', async () => {
    const running = await start();
    running.child.stdin?.end('{"cmd":"join","addresses":["127.0.0.1:9"],"ref":"j"}\n{"cmd":"members","ref":"m"}\n');
    expect((await running.exited).code).toBe(0);
    expect(running.lines.find((line) => line.ref === 'j')).toMatchObject({ event: 'error' });
    expect(running.lines.find((line) => line.ref === 'm')).toMatchObject({ event: 'members' });
    expect(running.lines.at(-1)).toEqual({ event: 'stopped' });
  });

  test('without a terminal a person reads lines, and the end of the input means nothing', async () => {
    const person = run(['member', '--bind', '127.0.0.1:0', '--preset', 'local', '--tag', 'web']);
    person.child.stdin?.end();
    const address = await new Promise<string>((resolve) => {
      let text = '';
      person.child.stdout?.on('data', (chunk: string) => {
        text += chunk;
        const match = /started .* at (\S+)\n/.exec(text);
        if (match?.[1]) resolve(match[1]);
      });
    });
    const other = await start('--join', address, '--meta', 'name=Ada');
    await other.waitFor((line) => line.event === 'member');
    await other.call({ cmd: 'leave' });
    await other.exited;
    person.child.kill('SIGINT');
    const { code, stdout, stderr } = await person.exited;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`● alive   ${other.id} at ${other.address} (new)`);
    expect(stdout).toContain(`↓ leaving ${other.id}`);
    expect(stdout).toMatch(/stopped\n$/);
    expect(stdout).not.toContain('\u001b');
  });

  test('with --gateway it takes leaves, which are members like others', async () => {
    const person = run(['member', '--bind', '127.0.0.1:0', '--preset', 'local', '--gateway', '127.0.0.1:0']);
    const [address, url] = await new Promise<[string, string]>((resolve) => {
      let text = '';
      person.child.stdout?.on('data', (chunk: string) => {
        text += chunk;
        const match = /started .* at (\S+)\n.*leaves .* at (\S+)\n/.exec(text);
        if (match?.[1] && match[2]) resolve([match[1], match[2]]);
      });
    });
    const other = await start('--join', address, '--echo', '130');
    await using leaf = await createCluster({ transport: webSocketTransport({ gateways: [url] }) });
    await leaf.join();
    expect(await other.waitFor((line) => line.event === 'member' && line.id === leaf.id)).toMatchObject({
      address: `${url}#${leaf.id}`,
      state: 'alive',
    });
    const seen = new Promise<void>((resolve) => {
      leaf.on('joined', ({ member }) => member.id === other.id && resolve());
      if (leaf.member(other.id)) resolve();
    });
    await seen;
    expect(await leaf.request(other.id, defineRequest(130), 'from a leaf')).toBe('from a leaf');
    await leaf.leave();
    await other.waitFor((line) => line.event === 'member' && line.id === leaf.id && line.state === 'leaving');
    person.child.kill('SIGINT');
    expect(await person.exited).toMatchObject({ code: 0, stderr: '' });
  });
});

test('a wrong command is answered with its ref, and harms nothing', async () => {
  const running = await start();
  const wrong: Line[] = [
    { cmd: 'sing' },
    {},
    { cmd: 'broadcast', data: 1 },
    { cmd: 'broadcast', type: 5, data: 1 },
    { cmd: 'broadcast', type: '129', data: 1 },
    { cmd: 'broadcast', type: 129, data: { $bytes: '!' } },
    { cmd: 'broadcast', type: 129, data: { $int: 'twelve' } },
    { cmd: 'broadcast', type: 129, data: { $time: 'yesterday' } },
    { cmd: 'broadcast', type: 129, tag: 7 },
    { cmd: 'send', type: 129 },
    { cmd: 'request', to: running.id, type: 129, timeoutMs: -1 },
    { cmd: 'meta', set: [1] },
    { cmd: 'meta', delete: 'x' },
    { cmd: 'join' },
    { cmd: 'join', addresses: [] },
  ];
  for (const command of wrong) {
    expect(await running.call(command), JSON.stringify(command)).toMatchObject({ event: 'error', code: 'ERR_OPTION' });
  }
  const stranger = '00000000-0000-4000-8000-000000000001';
  expect(await running.call({ cmd: 'send', to: stranger, type: 129 })).toMatchObject({ code: 'ERR_UNKNOWN_MEMBER' });
  expect(await running.call({ cmd: 'join', addresses: ['no port'] })).toMatchObject({ event: 'error' });
  running.child.stdin?.write('no json\n[]\n\n');
  await running.waitFor(
    (line) => line.event === 'error' && line.ref === undefined && /JSON/.test(String(line.message)),
  );
  expect(await running.call({ cmd: 'members' })).toMatchObject({ event: 'members' });
  const errors = running.lines.filter((line) => line.event === 'error' && line.ref === undefined);
  expect(errors.map(({ code }) => code)).toEqual(['ERR_OPTION', 'ERR_OPTION']);
});

describe('ends with 2 and one line', () => {
  // Every way to be wrong is tried in cli-parts.test.ts; these go all the way, one for each place that refuses.
  const wrong: [string, RegExp][] = [
    ['', /no command/],
    ['member --colour red', /--colour/],
    ['member --cipher aes-gcm --key 00ff', /bytes/],
    ['member --id 12', /"12"/],
    ['member --echo 5', /128/],
  ];
  test.each(some(wrong, 2))('isogossip %s', async (line, says) => {
    const { code, stderr, stdout } = await run(line === '' ? [] : line.split(' ')).exited;
    expect(stderr).toMatch(/^isogossip: [^\n]+\n$/);
    expect(stderr).toMatch(says);
    expect(stderr).not.toContain('00ff');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  const ways: [string, string][] = [
    ['socket', '--transport socket --bind'],
    ['that of the gateway', '--gateway'],
    ['http', '--transport http --bind'],
    ['ws', '--transport ws --bind'],
  ];
  test.each(some(ways, 2))('an address in use: %s', async (_name, options) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const line = `member --json ${options} 127.0.0.1:${port}`;
    const { code, stderr, stdout } = await run(line.split(' ')).exited;
    await new Promise((resolve) => server.close(resolve));
    expect(stderr).toMatch(new RegExp(`^isogossip: [^\\n]*127\\.0\\.0\\.1:${port}[^\\n]*in use\\n$`));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

test('help names every option, version is that of the package', async () => {
  const help = await run(['--help']).exited;
  expect(help).toMatchObject({ code: 0, stderr: '' });
  for (const option of ['--bind', '--join', '--accept-app-version', '--compress-min', '--json']) {
    expect(help.stdout).toContain(option);
  }
  const version = await run(['--version']).exited;
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
