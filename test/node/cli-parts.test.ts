/** The parts of the command that need no process: options, version ranges, values, the table, the screen. */
import type { WriteStream } from 'node:tty';
import { afterEach, describe, expect, test } from 'vitest';
import { helpText, type MemberArgs, readArgs } from '../../src/cli/args.js';
import { clusterOptions, gatewayOptions } from '../../src/cli/cluster-options.js';
import { createPersonFront } from '../../src/cli/person.js';
import { renderTable } from '../../src/cli/table.js';
import { fromJson, toJson } from '../../src/cli/values.js';
import { versionRange } from '../../src/cli/version-range.js';
import { type Cluster, createCluster, defineMessage, GossipError, type Member } from '../../src/index.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe('options', () => {
  test('all of them are read', () => {
    const line =
      'member --bind [::1]:8001 --advertise host:9 --join a:1 --join srv+_g._tcp.b --id 01a20a19-107e-769e-9b73-297ccd590adf ' +
      '--transport http --path /p --codec json --cipher secretbox --key 00FF --key aa --compressor deflate --compress-min 9 ' +
      '--bearer t --tag x --tag y --meta n=12 --meta s=a=b --meta big={"$int":"9007199254740993"} --app-version 1 ' +
      '--accept-app-version >=1 --preset wan --echo 130 --echo 131 --json';
    expect(readArgs(line.split(' '))).toEqual({
      bind: '[::1]:8001',
      advertise: 'host:9',
      join: ['a:1', 'srv+_g._tcp.b'],
      id: '01a20a19-107e-769e-9b73-297ccd590adf',
      transport: 'http',
      path: '/p',
      codec: 'json',
      cipher: 'secretbox',
      keys: [new Uint8Array([0, 255]), new Uint8Array([170])],
      compressor: 'deflate',
      compressBytesMin: 9,
      bearerToken: 't',
      tags: ['x', 'y'],
      metadata: { n: 12, s: 'a=b', big: 9007199254740993n },
      applicationVersion: '1',
      acceptRange: '>=1',
      preset: 'wan',
      echoTypes: [130, 131],
      json: true,
    } satisfies MemberArgs);
    expect(readArgs(['member'])).toMatchObject({
      bind: '127.0.0.1:0',
      transport: 'socket',
      codec: 'msgpack',
      json: false,
    });
    expect(readArgs(['-h'])).toBe('help');
    expect(readArgs(['member', '--version'])).toBe('version');
  });

  const wrong: [string, RegExp][] = [
    ['', /no command/],
    ['dance', /dance/],
    ['member extra', /extra/],
    ['member --colour red', /--colour/],
    ['member --bind', /--bind/],
    ['member --json=yes', /--json/],
    ['member --bind 127.0.0.1:99999', /99999/],
    ['member --cipher aes-gcm', /--key/],
    [`member --key ${'00'.repeat(16)}`, /--cipher/],
    ['member --cipher aes-gcm --key 00ff', /bytes/],
    ['member --cipher aes-gcm --key secret', /hexadecimal/],
    [`member --cipher rot13 --key ${'00'.repeat(16)}`, /aes-gcm, secretbox/],
    ['member --codec xml', /msgpack, msgpack-raw, json/],
    ['member --compressor zip', /snappy, deflate/],
    ['member --compress-min 5', /--compressor/],
    ['member --compressor snappy --compress-min few', /few/],
    ['member --preset moon', /local, lan, wan/],
    ['member --transport ws --bearer x', /--transport http/],
    ['member --transport ws --path x', /path/],
    ['member --gateway 127.0.0.1:99999', /99999/],
    ['member --transport pigeon', /socket, http, ws/],
    ['member --bearer x', /--transport http/],
    ['member --path /x', /--transport http or ws/],
    ['member --transport http --path x', /path/],
    ['member --echo five', /five/],
    ['member --meta name', /KEY=VALUE/],
    ['member --meta a={"$int":"x"}', /\$int/],
    ['member --accept-app-version =>1', /range/],
  ];
  test.each(wrong)('isogossip %s: refused in one line', async (line, says) => {
    const start = async () => {
      const args = readArgs(line === '' ? [] : line.split(' ')) as MemberArgs;
      await clusterOptions(args, silent);
      await gatewayOptions(args);
    };
    const error = await start().catch((reason: unknown) => reason as Error);
    expect(error).toBeInstanceOf(GossipError);
    expect(error?.message).toMatch(says);
    expect(error?.message).toMatch(/^[^\n]+$/);
    expect(error?.message).not.toContain('00ff');
  });

  test('help fits a terminal of 100 columns', () => {
    expect(
      helpText()
        .split('\n')
        .filter((line) => line.length > 100),
    ).toEqual([]);
  });
});

describe('version ranges', () => {
  const cases: [range: string, inside: string, outside: string][] = [
    ['1.2.3', '1.2.3 v1.2.3 1.2.3+build', '1.2.4 1.2 1.2.3-rc.1'],
    ['1.2.3-rc.1', '1.2.3-rc.1', '1.2.3 1.2.3-rc.2'],
    ['^1.2.0', '1.2.0 1.2.9 1.10.0', '1.1.9 2.0.0 2.0.0-rc.1 1.3.0-beta'],
    ['^0.2.3', '0.2.3 0.2.9', '0.3.0 0.2.2 1.0.0'],
    ['^0.0.3', '0.0.3', '0.0.4'],
    ['^0', '0.0.0 0.9.0', '1.0.0'],
    ['^0.0', '0.0.0 0.0.7', '0.1.0'],
    ['^1', '1.0.0 1.99.0', '2.0.0 0.9.9'],
    ['~1.2', '1.2.0 1.2.99', '1.3.0 1.1.0'],
    ['~1.2.3', '1.2.3 1.2.4', '1.2.2 1.3.0'],
    ['~1', '1.0.0 1.9.0', '2.0.0'],
    ['1.x', '1.0.0 1.9.9', '2.0.0 0.9.0'],
    ['1', '1.0.0 1.9.9', '2.0.0'],
    ['1.2.*', '1.2.0 1.2.7', '1.3.0'],
    ['>=1.0 <2', '1.0.0 1.9.9', '0.9.9 2.0.0'],
    ['>= 1.0 < 2', '1.0.0 1.9.9', '0.9.9 2.0.0'],
    ['>1.2', '1.3.0 2.0.0', '1.2.0 1.2.9'],
    ['>1.2.3', '1.2.4', '1.2.3'],
    ['<=1.2', '1.2.9 0.1.0', '1.3.0'],
    ['<=1.2.3', '1.2.3', '1.2.4'],
    ['=1.2.3', '1.2.3', '1.2.4'],
    ['1.x || ^3.1.0', '1.5.0 3.2.0', '2.0.0 3.0.9'],
    ['>=1.2.3-rc.1 <2', '1.2.3-rc.1 1.2.3-rc.10 1.2.3-rd 1.2.3 1.9.0', '1.2.3-beta 1.2.3-1 1.2.3-rc 1.4.0-rc.1'],
    ['*', '1.0.0 anything 2.0.0-rc.1', ''],
    ['build-77', 'build-77', 'build-78 1.0.0'],
  ];
  test.each(cases)('%s', (range, inside, outside) => {
    const accepts = versionRange(range);
    const words = (text: string) => text.split(' ').filter(Boolean);
    expect(words(inside).filter((version) => !accepts(version))).toEqual([]);
    expect(words(outside).filter((version) => accepts(version))).toEqual([]);
  });

  test('no version is in no range but the one of all', () => {
    expect(versionRange('>=0')('')).toBe(false);
    expect(versionRange('*')('')).toBe(true);
  });

  test.each(['=>1', '^', '>=a', '1 ||', '', 'a b', '^1.2.0 or so'])('"%s" is refused', (range) => {
    expect(() => versionRange(range)).toThrow(/not a version range/);
  });
});

describe('values', () => {
  const pairs: [unknown, unknown][] = [
    [2n ** 64n - 1n, { $int: '18446744073709551615' }],
    [-(2n ** 63n), { $int: '-9223372036854775808' }],
    [new Uint8Array([0, 1, 255]), { $bytes: 'AAH/' }],
    [new Uint8Array(0), { $bytes: '' }],
    [new Date(0), { $time: '1970-01-01T00:00:00.000Z' }],
    [[{ a: [new Uint8Array([1])] }], [{ a: [{ $bytes: 'AQ==' }] }]],
    [{ $int: 5 }, { $int: 5 }],
    [
      { $bytes: 'AQ==', more: 1 },
      { $bytes: 'AQ==', more: 1 },
    ],
  ];
  test.each(pairs)('%o', (value, json) => {
    expect(toJson(value)).toEqual(json);
    expect(fromJson(JSON.parse(JSON.stringify(json)))).toEqual(value);
  });

  test('a view of larger memory is only its own bytes', () => {
    expect(toJson(new Uint8Array([1, 2, 3]).subarray(1, 2))).toEqual({ $bytes: 'Ag==' });
  });

  test('what is read becomes the usual type', () => {
    expect(fromJson({ $int: '12' })).toBe(12);
    expect(fromJson({ $time: '2026-01-02T03:04:05.123456789+01:00' })).toEqual(new Date('2026-01-02T02:04:05.123Z'));
    expect(toJson(2 ** 60)).toEqual({ $int: '1152921504606846976' });
    expect(toJson(new Date(Number.NaN))).toBeNull();
    const odd = fromJson(JSON.parse('{"__proto__":{"x":1}}')) as Record<string, unknown>;
    expect(Object.keys(odd)).toEqual(['__proto__']);
    expect(odd.x).toBeUndefined();
  });
});

const member = (more: Partial<Member>): Member => ({
  id: '00000000-0000-4000-8000-000000000001',
  address: '127.0.0.1:1',
  via: undefined,
  state: 'alive',
  tags: [],
  metadata: {},
  applicationVersion: '',
  protocol: 'native',
  ...more,
});

describe('the table', () => {
  const wide = { columns: 120, rows: 20, colour: false };

  test('ourselves first, then by state; a sign for each state', () => {
    const members = [
      member({ id: 'dead', state: 'dead' }),
      member({ id: 'suspect', state: 'suspect', tags: ['web'], metadata: { n: 1n } }),
      member({ id: 'alive' }),
      member({ id: 'us' }),
    ];
    const [head, , ...rows] = renderTable(members, 'us', wide);
    expect(head).toBe('4 members, 2 alive');
    expect(rows.map((row) => row.replace(/ +/g, ' ').trim())).toEqual([
      '▸ ● alive 127.0.0.1:1 us native',
      '● alive 127.0.0.1:1 alive native',
      '? suspect 127.0.0.1:1 suspect native #web n={"$int":"1"}',
      '✗ dead 127.0.0.1:1 dead native',
    ]);
  });

  test('it fits its space, and says how many it does not show', () => {
    const members = Array.from({ length: 50 }, (_, i) => member({ id: `${i}`, metadata: { long: 'x'.repeat(200) } }));
    for (const space of [wide, { ...wide, columns: 40, rows: 6 }]) {
      const lines = renderTable(members, '0', space);
      expect(lines.length).toBe(space.rows);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(space.columns);
      expect(lines.at(-1)).toBe(`  … and ${50 - (space.rows - 3)} more`);
    }
  });
});

describe('the screen of a person', () => {
  const open: Cluster[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((cluster) => cluster.close()));
  });

  /** A terminal that understands what the front uses: text, and erasing some lines up to the end. */
  function createTerminal(colour: boolean) {
    const lines = [''];
    const written: string[] = [];
    const output = {
      isTTY: true,
      columns: 100,
      rows: 12,
      writable: true,
      hasColors: () => colour,
      on: () => output,
      write(text: string, done?: () => void) {
        written.push(text);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are made of them
        for (const [part] of text.matchAll(/\u001b\[(\d+)A\r\u001b\[J|\n|[^\n\u001b]+|\u001b\[\d*m/g)) {
          const up = /(\d+)A/.exec(part.startsWith('\u001b') ? part : '')?.[1];
          if (up !== undefined) lines.splice(lines.length - 1 - Number(up), Number.POSITIVE_INFINITY, '');
          else if (part === '\n') lines.push('');
          else lines[lines.length - 1] += part;
        }
        done?.();
        return true;
      },
    };
    return { output: output as unknown as WriteStream, lines, all: () => written.join('') };
  }

  test.each([true, false])('the table stands once, below what happened; colour: %s', async (colour) => {
    const network = createMemoryNetwork();
    const terminal = createTerminal(colour);
    const front = createPersonFront(terminal.output, { write: () => true } as unknown as WriteStream);
    const at = (address: string, more = {}) =>
      createCluster({ transport: network.transport({ address }), preset: 'local', ...more });
    const us = await at('us');
    const peer = await at('peer', { metadata: { evil: '\u001b[31m\u0007\u009b' } });
    open.push(us, peer);
    front.attach(us, () => {});
    const message = defineMessage(129);
    const seen = new Promise((resolve) => us.on(message, resolve));
    us.on('message', (one) => front.message(one));
    await us.join('peer');
    await peer.send(us.id, message, '\u001b]0;title\u0007');
    await seen;

    const text = terminal.lines.join('\n');
    expect(text).toMatch(new RegExp(`● alive.*${peer.id} at peer \\(new\\)`));
    expect(text.match(/Ctrl-C leaves/g)).toHaveLength(1);
    expect(text.match(/2 members, 2 alive/g)).toHaveLength(1);
    expect(text.indexOf('2 members')).toBeGreaterThan(text.indexOf('type 129'));
    // Nothing from the network moves the cursor or rings the bell.
    for (const unwanted of ['\u0007', '\u009b', '\u001b]']) expect(terminal.all()).not.toContain(unwanted);
    expect(text.includes('\u001b[31m')).toBe(false);
    expect(text.includes('\u001b[32m')).toBe(colour);

    await us.leave();
    await front.stopped();
    expect(terminal.lines.join('\n')).toMatch(/stopped\n$/);
    expect(terminal.lines.join('\n')).not.toContain('Ctrl-C');
  });
});
