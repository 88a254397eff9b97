/** What the protocol is told once, at the start. Defaults and presets stand in `options.ts`, checked there. */
import type { Limits } from '../limits.js';
import type { MemberRecord } from '../wire/packet.js';
import type { DialectFactory } from './dialect.js';
import type { MemberId } from './member-id.js';
import type { Metadata } from './metadata.js';

/** The timing of the protocol; all values in milliseconds unless the name says otherwise. */
export interface Timing {
  /** One probe of one member per interval. */
  probeIntervalMs: number;
  /** Wait for a direct ack before asking others. */
  probeTimeoutMs: number;
  /** How many others are asked to ping for us (SWIM's k). */
  indirectProbes: number;
  /** Suspicion lasts at least `suspicionMult × max(1, log10 N) × probeIntervalMs`. */
  suspicionMult: number;
  /** Unconfirmed, it lasts this many times longer (Lifeguard). */
  suspicionMaxMult: number;
  /** Waiting membership news is sent this often. */
  gossipIntervalMs: number;
  /** … to this many members. */
  gossipFanOut: number;
  /** Each piece of news is sent `retransmitMult × ⌈log10(N + 1)⌉` times. */
  retransmitMult: number;
  /** One digest exchange with a random member per interval. */
  syncIntervalMs: number;
  /** One random dead member is probed per interval, for ever. */
  deadProbeIntervalMs: number;
  /** A member that left is shown as leaving this long, then as dead. */
  leavingTimeoutMs: number;
  /** The dead are forgotten after this long. */
  tombstoneMs: number;
  /** An address that is being joined must answer within this time. */
  joinTimeoutMs: number;
  /** Seeds are tried again this often while the member is alone. */
  seedRetryMs: number;
  /** A time from elsewhere further ahead than this is refused. */
  clockDriftMaxMs: number;
}

/** Everything one machine is made from. */
export interface MachineConfig {
  id: MemberId;
  address: string;
  tags: readonly string[];
  applicationVersion: string;
  metadata: Metadata;
  metadataBytes: number;
  timing: Timing;
  limits: Limits;
  /** Unix milliseconds at monotonic zero. */
  epochMs: number;
  /** Seed of the member's randomness. */
  seed: number;
}

/** What a full member's has beside that. */
export interface CoreConfig extends MachineConfig {
  /** Tells why an application version may not join, or `undefined` when it may. Pure. */
  refuseVersion: (applicationVersion: string) => string | undefined;
  /** The rules toward peers of the Go library, when the plug-in is there. */
  foreign?: DialectFactory;
}

/** Version of the native protocol; members of another one are refused when they join. */
export const PROTOCOL_VERSION = 1;

/** What we tell about ourselves when we begin. */
export function ownRecord(config: MachineConfig, start: bigint): MemberRecord {
  const { id, address, tags, applicationVersion, metadata, metadataBytes } = config;
  return {
    id,
    incarnation: start,
    state: 'alive',
    dialect: 'native',
    bilingual: false,
    version: start,
    address,
    tags,
    protocolVersion: PROTOCOL_VERSION,
    applicationVersion,
    metadata,
    metadataBytes,
  };
}
