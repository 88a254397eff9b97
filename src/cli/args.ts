/**
 * The command line: which options there are, their help, and the reading of them by Node's own `parseArgs`. Nothing is
 * opened here; what cannot work is told in one line before anything starts.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { GossipError, type Preset } from '../index.js';
import { fromJson } from './values.js';
import { versionRange } from './version-range.js';

interface Option {
  type: 'string' | 'boolean';
  multiple?: boolean;
  short?: string;
  /** What stands behind the option in the help. */
  value?: string;
  help: string;
}

const OPTIONS = {
  bind: { type: 'string', value: 'HOST:PORT', help: 'listen here; port 0 picks one (default 127.0.0.1:0)' },
  advertise: { type: 'string', value: 'ADDR', help: 'what peers dial (default: the bound address)' },
  join: {
    type: 'string',
    multiple: true,
    value: 'ADDR',
    help: 'a member to join: host:port, srv+name, https://…, wss://…',
  },
  id: { type: 'string', value: 'UUID', help: 'default: a new UUIDv7' },
  transport: { type: 'string', value: 'socket|http|ws', help: 'UDP and TCP (default), HTTP, or WebSocket' },
  path: { type: 'string', value: 'PATH', help: 'path of the cluster, for http and ws (default /gossip)' },
  gateway: { type: 'string', value: 'HOST:PORT', help: 'also accept WebSocket leaves here' },
  codec: { type: 'string', value: 'NAME', help: 'msgpack (default), msgpack-raw or json' },
  cipher: { type: 'string', value: 'NAME', help: 'aes-gcm or secretbox' },
  key: { type: 'string', multiple: true, value: 'HEX', help: 'repeatable: the first seals, all open' },
  compressor: { type: 'string', value: 'NAME', help: 'snappy or deflate' },
  'compress-min': { type: 'string', value: 'BYTES', help: 'smaller payloads are not compressed (default 256)' },
  bearer: { type: 'string', value: 'TOKEN', help: 'sent and demanded, for http' },
  tag: { type: 'string', multiple: true, value: 'T', help: 'broadcasts can be addressed to it; repeatable' },
  meta: {
    type: 'string',
    multiple: true,
    value: 'KEY=VALUE',
    help: 'metadata; VALUE is JSON or else a string; repeatable',
  },
  'app-version': { type: 'string', value: 'V', help: "the application's version, told to those we join" },
  'accept-app-version': { type: 'string', value: 'RANGE', help: '1.2.3, ^1.2.0, ~1.2, 1.x, ">=1.0 <2" or *' },
  preset: { type: 'string', value: 'NAME', help: 'timing: local, lan (default) or wan' },
  echo: { type: 'string', multiple: true, value: 'TYPE', help: 'answer requests of this type with their own data' },
  json: { type: 'boolean', help: 'JSON lines out, commands as JSON lines in' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
  version: { type: 'boolean', help: 'show the version of isogossip' },
} as const satisfies Record<string, Option>;

/** What `isogossip member` was asked to be. Options that were not given are missing. */
export interface MemberArgs {
  bind: string;
  advertise?: string;
  join: string[];
  id?: string;
  transport: 'socket' | 'http' | 'ws';
  path: string;
  gateway?: string;
  codec: 'msgpack' | 'msgpack-raw' | 'json';
  cipher?: 'aes-gcm' | 'secretbox';
  keys: Uint8Array[];
  compressor?: 'snappy' | 'deflate';
  compressBytesMin?: number;
  bearerToken?: string;
  tags: string[];
  metadata: Record<string, unknown>;
  applicationVersion?: string;
  acceptRange?: string;
  preset?: Preset;
  echoTypes: number[];
  json: boolean;
}

/**
 * Reads the command line.
 * @returns what to be, or which text to show.
 * @throws GossipError `ERR_OPTION`, with a message of one line.
 */
export function readArgs(argv: readonly string[]): MemberArgs | 'help' | 'version' {
  const { values, positionals } = parse(argv);
  if (values.help) return 'help';
  if (values.version) return 'version';
  const [command, ...rest] = positionals;
  if (command === undefined) throw bad('no command: try "isogossip member", or "isogossip --help"');
  if (command !== 'member') throw bad(`unknown command "${command}": there is "isogossip member"`);
  if (rest.length > 0) throw bad(`unexpected "${rest.join(' ')}" after "member"`);

  const transport = oneOf('transport', values.transport, ['socket', 'http', 'ws'] as const) ?? 'socket';
  const cipher = oneOf('cipher', values.cipher, ['aes-gcm', 'secretbox'] as const);
  const compressor = oneOf('compressor', values.compressor, ['snappy', 'deflate'] as const);
  const keys = (values.key ?? []).map(hexKey);
  if (cipher && keys.length === 0) throw bad('--cipher needs at least one --key HEX');
  if (!cipher && keys.length > 0) throw bad('--key needs --cipher aes-gcm or --cipher secretbox');
  if (!compressor && values['compress-min'] !== undefined) throw bad('--compress-min needs --compressor');
  if (transport !== 'http' && values.bearer !== undefined) throw bad('--bearer needs --transport http');
  if (transport === 'socket' && values.path !== undefined) throw bad('--path needs --transport http or ws');
  if (values['accept-app-version'] !== undefined) versionRange(values['accept-app-version']);
  const preset = oneOf('preset', values.preset, ['local', 'lan', 'wan'] as const);
  const compressBytesMin = integer('compress-min', values['compress-min']);
  return {
    bind: values.bind ?? '127.0.0.1:0',
    join: values.join ?? [],
    transport,
    path: values.path ?? '/gossip',
    codec: oneOf('codec', values.codec, ['msgpack', 'msgpack-raw', 'json'] as const) ?? 'msgpack',
    keys,
    tags: values.tag ?? [],
    metadata: Object.fromEntries((values.meta ?? []).map(metadataEntry)),
    echoTypes: (values.echo ?? []).map((text) => integer('echo', text) as number),
    json: values.json ?? false,
    ...(values.advertise !== undefined && { advertise: values.advertise }),
    ...(values.id !== undefined && { id: values.id }),
    ...(values.gateway !== undefined && { gateway: values.gateway }),
    ...(cipher && { cipher }),
    ...(compressor && { compressor }),
    ...(compressBytesMin !== undefined && { compressBytesMin }),
    ...(values.bearer !== undefined && { bearerToken: values.bearer }),
    ...(values['app-version'] !== undefined && { applicationVersion: values['app-version'] }),
    ...(values['accept-app-version'] !== undefined && { acceptRange: values['accept-app-version'] }),
    ...(preset && { preset }),
  };
}

/** The help text. */
export function helpText(): string {
  const rows = Object.entries<Option>(OPTIONS).map(([name, { value, help, short }]): [string, string] => [
    `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`,
    help,
  ]);
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    'isogossip member [options]     a member of a gossip cluster, until it is told to leave',
    '',
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    '',
    'With --json, standard input takes one command a line:',
    '  {"cmd":"broadcast","type":129,"data":"hello"}   send, request, meta, members, stats, join, leave',
    'SIGTERM, Ctrl-C and, with --json, the end of the input leave the cluster gracefully.',
  ].join('\n');
}

function parse(argv: readonly string[]) {
  const options = OPTIONS as Readonly<typeof OPTIONS> satisfies ParseArgsConfig['options'];
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    // Node's hints on how to quote would fill three lines.
    const text = error instanceof Error ? error.message : String(error);
    throw bad(`${text.split(/\n|\. To /)[0]?.replace(/\.$/, '')}; see isogossip --help`);
  }
}

function bad(message: string): GossipError {
  return new GossipError('ERR_OPTION', message);
}

function oneOf<const T extends string>(name: string, value: string | undefined, choices: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (!found) throw bad(`--${name} can be ${choices.join(', ')}; not "${value}"`);
  return found;
}

function integer(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d{1,9}$/.test(value)) throw bad(`--${name} must be a whole number, not "${value}"`);
  return Number(value);
}

/** A key that cannot be read is not shown: standard error often ends in a log file. */
function hexKey(text: string): Uint8Array {
  if (!/^([0-9a-f]{2})+$/i.test(text)) throw bad('--key must be hexadecimal digits, two a byte');
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

function metadataEntry(text: string): [string, unknown] {
  const at = text.indexOf('=');
  if (at < 1) throw bad(`--meta takes KEY=VALUE, not "${text}"`);
  const value = text.slice(at + 1);
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    parsed = value;
  }
  return [text.slice(0, at), fromJson(parsed)];
}
