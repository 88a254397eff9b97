/** What an application may set, with its defaults, presets and checks. Every error names the option and the fix. */
import type { Cipher } from './cipher/cipher.js';
import type { Clock } from './clock.js';
import { systemClock } from './clock.js';
import type { Codec } from './codec/codec.js';
import { msgpack } from './codec/msgpack.js';
import type { Compressor } from './compressor/compressor.js';
import type { Timing } from './core/config.js';
import type { DialectFactory } from './core/dialect.js';
import { isMemberId, type MemberId } from './core/member-id.js';
import { type Metadata, NO_METADATA } from './core/metadata.js';
import { checkBytes, checkName, GossipError } from './errors.js';
import type { Exchanges } from './exchanges.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import type { Link } from './link.js';
import type { Logger } from './logger.js';
import type { Transport } from './transport/transport.js';
import { randomSeed, uuidV7 } from './uuid.js';
import { decodeValue, encodeValue } from './wire/env.js';
import type { V1Wire } from './wire/wire.js';

/** The Go library's dialect, as `gossipV1()` from `isogossip/v1` makes it. */
export interface V1Plugin {
  readonly wire: V1Wire;
  readonly exchanges: (link: Link) => Exchanges;
  readonly rules: DialectFactory;
}

/** Named sets of timing: one machine, one data centre, the internet. */
export type Preset = 'local' | 'lan' | 'wan';

/** What `createCluster` takes; only the transport is required. */
export interface ClusterOptions {
  /** How bytes move, for instance `socketTransport({ bind: '127.0.0.1:8000' })`. */
  transport: Transport;
  /** The encoding of application data and metadata; the same for all members. Default `msgpack()`. */
  codec?: Codec;
  /** Seals everything, for instance `aesGcm([key])`. Default: nothing is sealed. */
  cipher?: Cipher;
  /** Compresses what is large enough, for instance `snappy()`. Default: nothing is compressed. */
  compressor?: Compressor;
  /** Payloads below this many bytes are not compressed. Default 256, as in the Go library. */
  compressBytesMin?: number;
  /** Makes peers of the Go library members of the same cluster: `gossipV1()` from `isogossip/v1`. */
  v1?: V1Plugin;
  /** A UUID. Default: a new UUIDv7. Keep it over restarts to be the same member again. */
  id?: MemberId;
  /** Words by which broadcasts can be addressed. Fixed for the life of the member. */
  tags?: readonly string[];
  /** Initial metadata. */
  metadata?: Metadata;
  /** The application's own version, shown to those we join. */
  applicationVersion?: string;
  /** Whether a joiner's application version is welcome: `true`, `false`, or a string that says why not. */
  acceptVersion?: (applicationVersion: string) => boolean | string;
  /** Default `lan`. */
  preset?: Preset;
  /** Single values on top of the preset. */
  timing?: Partial<Timing>;
  /** Single limits on top of the defaults. */
  limits?: Partial<Limits>;
  /** Default: silence. `console` and pino fit. */
  logger?: Logger;
  /** Leaves and closes the cluster when it fires. */
  signal?: AbortSignal;
  /** Deadline of requests that name none, and of all our own handlers, whatever time the asker gives. Default 10,000 ms. */
  requestTimeoutMs?: number;
  /** Time, for tests and simulations. Default: the platform's. */
  clock?: Clock;
  /** Seed of the protocol's randomness, for tests and simulations. Default: random. */
  seed?: number;
}

/** What has no default: all of them objects. */
type Absent = 'cipher' | 'compressor' | 'v1' | 'signal' | 'logger';

/** The options of a running cluster: what has a default is present. */
export interface ResolvedClusterOptions
  extends Required<Omit<ClusterOptions, Absent | 'preset'>>,
    Pick<ClusterOptions, Absent> {
  timing: Timing;
  limits: Limits;
}

/** memberlist's DefaultLANConfig where it has the value; the rest as said. */
const LAN = {
  /** memberlist: 1,000; what its pings leave of its idle bytes, ours are smaller. `docs/decisions/2026-11-27-lan-timing.md` */
  probeIntervalMs: 900,
  /** memberlist: 500; the same share of a shorter interval, so that helpers have as much time as we. */
  probeTimeoutMs: 400,
  indirectProbes: 3,
  /** memberlist: 4. The α of the fast profile that Lifeguard's paper measures; helpers' nacks confirm at once here. */
  suspicionMult: 2,
  /** Lifeguard's β. */
  suspicionMaxMult: 6,
  gossipIntervalMs: 200,
  gossipFanOut: 3,
  retransmitMult: 4,
  syncIntervalMs: 30_000,
  /** Guess: a healed partition of halves is noticed by somebody within a fraction of this. */
  deadProbeIntervalMs: 5000,
  /** LeavingNodeTimeout of the Go library. */
  leavingTimeoutMs: 30_000,
  /** Guess: three days, so that a partition over a weekend heals by itself. */
  tombstoneMs: 3 * 24 * 3_600_000,
  /** Guess: TCPDeadline of the Go library is 2 s; twice that, and one for ourselves. */
  joinTimeoutMs: 5000,
  /** Guess, as the Go library's first seed retry. */
  seedRetryMs: 3000,
  /** Guess: machines with NTP are within a second, laptops that woke up within a minute. */
  clockDriftMaxMs: 60_000,
} as const satisfies Timing;

/** Presets: `local` and `wan` change LAN's values as memberlist's DefaultLocalConfig and DefaultWANConfig do. */
export const PRESETS = {
  lan: LAN,
  local: {
    ...LAN,
    probeTimeoutMs: 200,
    indirectProbes: 1,
    gossipIntervalMs: 100,
    retransmitMult: 2,
    syncIntervalMs: 15_000,
    deadProbeIntervalMs: 2000,
    seedRetryMs: 1000,
  },
  wan: {
    ...LAN,
    probeIntervalMs: 5000,
    probeTimeoutMs: 3000,
    suspicionMult: 6,
    gossipIntervalMs: 500,
    gossipFanOut: 4,
    syncIntervalMs: 60_000,
    deadProbeIntervalMs: 10_000,
    joinTimeoutMs: 10_000,
  },
} as const satisfies Record<Preset, Timing>;

/**
 * Fills in the defaults and checks every value and what must hold between them.
 * @throws GossipError `ERR_OPTION`: nothing was started.
 */
export function resolveOptions(options: ClusterOptions): ResolvedClusterOptions {
  if (!options?.transport) bad('transport', 'is missing: pass socketTransport({ bind })');
  const preset = options.preset ?? 'lan';
  checkName(`preset ${preset}`, preset, PRESETS);
  const limits = over<Limits>('limits.', DEFAULT_LIMITS, options.limits);
  const timing = over<Timing>('timing.', PRESETS[preset], options.timing);
  const defaults = {
    transport: undefined,
    codec: msgpack(),
    cipher: undefined,
    compressor: undefined,
    compressBytesMin: 256,
    v1: undefined,
    id: uuidV7(),
    tags: [],
    metadata: NO_METADATA,
    applicationVersion: '',
    acceptVersion: () => true,
    preset,
    timing,
    limits,
    logger: undefined,
    signal: undefined,
    requestTimeoutMs: 10_000,
    clock: systemClock(),
    seed: randomSeed(),
  } satisfies Record<keyof ClusterOptions, unknown>;
  const resolved = over<object>('', defaults, { ...options, timing, limits }) as ResolvedClusterOptions;
  const { cipher, tags, applicationVersion, compressBytesMin } = resolved;
  if (timing.probeTimeoutMs >= timing.probeIntervalMs) {
    bad('timing.probeTimeoutMs', `must be below timing.probeIntervalMs (${timing.probeIntervalMs})`);
  }
  if (limits.datagramBytesMax > limits.frameBytesMax) {
    bad('limits.datagramBytesMax', `is above limits.frameBytesMax (${limits.frameBytesMax})`);
  }
  if (cipher && !(cipher.keyring?.size > 0)) {
    throw new GossipError('ERR_KEY', 'option cipher: pass aesGcm([key])');
  }
  resolved.id = resolved.id.toLowerCase();
  if (!isMemberId(resolved.id)) bad('id', `is "${options.id}", not a UUID`);
  // A copy: it will be frozen.
  resolved.tags = [...tags];
  if (tags.length > limits.tagsMax) bad('tags', `has ${tags.length} entries, above limits.tagsMax (${limits.tagsMax})`);
  for (const tag of tags) {
    if (typeof tag !== 'string' || tag === '') bad('tags', 'must be non-empty strings');
    checkShortString('tags', tag, limits);
  }
  checkShortString('applicationVersion', applicationVersion, limits);
  checkPositive('requestTimeoutMs', resolved.requestTimeoutMs);
  if (!(compressBytesMin >= 0)) bad('compressBytesMin', `is ${compressBytesMin}; it must be a number of bytes`);
  return resolved;
}

/**
 * Checks metadata against its limit.
 * @returns a copy, as others will decode it, and its encoded size. What the application keeps it may change.
 * @throws GossipError `ERR_TOO_LARGE`, `ERR_CODEC`
 */
export function resolveMetadata(
  metadata: Metadata,
  options: ResolvedClusterOptions,
): { metadata: Metadata; metadataBytes: number } {
  // Nobody would take a list for metadata, and of a Map there would be nothing.
  if (Object.prototype.toString.call(metadata) !== '[object Object]') bad('metadata', 'must be an object with keys');
  if (Object.keys(metadata).length === 0) return { metadata: NO_METADATA, metadataBytes: 0 };
  const encoded = encodeValue(metadata, options);
  checkBytes('metadata', encoded.length, options.limits.metadataBytesMax, 'metadataBytesMax');
  return { metadata: decodeValue(encoded, options) as Metadata, metadataBytes: encoded.length };
}

function bad(option: string, text: string): never {
  throw new GossipError('ERR_OPTION', `option ${option} ${text}`);
}

export function checkPositive(option: string, value: unknown): void {
  if (typeof value !== 'number' || !(value > 0)) bad(option, `is ${String(value)}; it must be a number above 0`);
}

export function checkShortString(option: string, value: string, limits: Limits): void {
  if (new TextEncoder().encode(value).length > limits.stringBytesMax) {
    bad(option, `has a value above limits.stringBytesMax (${limits.stringBytesMax} bytes)`);
  }
}

/**
 * The defaults and what is set over them, which must be of a known name and of the same type; what has no default is an object.
 * @param group - empty, or the option whose values are all positive numbers, and a dot.
 */
function over<T extends object>(group: string, defaults: T, own: Partial<T> | undefined): T {
  const all = { ...defaults } as Record<string, unknown>;
  for (const [name, value] of Object.entries(own ?? {})) {
    // As good as none.
    if (value == null) continue;
    const option = group + name;
    checkName(option, name, defaults);
    const type = typeof (defaults[name as keyof T] ?? {});
    if (group) checkPositive(option, value);
    // A logger may be a function that has methods.
    else if (typeof value !== type && !(value as Partial<Logger>).error) bad(option, `must be of type ${type}`);
    all[name] = value;
  }
  return all as T;
}
