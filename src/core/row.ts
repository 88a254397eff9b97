/** What is held about one member: small, since there may be tens of thousands, and shared where members are alike. */
import type { Dialect, MemberRecord, MemberState } from '../wire/packet.js';
import type { MemberId } from './member-id.js';
import { type Metadata, NO_METADATA } from './metadata.js';

const RANK: Record<MemberState, number> = { alive: 0, suspect: 1, leaving: 2, dead: 3 };

/** Tells whether opinion A about a member's state outranks opinion B. @source SWIM §4.2, with `left` beside `dead`. */
export function outranks(aIncarnation: bigint, a: MemberState, bIncarnation: bigint, b: MemberState): boolean {
  return aIncarnation > bIncarnation || (aIncarnation === bIncarnation && RANK[a] > RANK[b]);
}

/** What many members have in common: those that are alike share one. */
export type MemberTraits = Readonly<
  Pick<MemberRecord, 'dialect' | 'bilingual' | 'via' | 'tags' | 'protocolVersion' | 'applicationVersion'>
>;

function traitsOf(record: Readonly<MemberRecord>): MemberTraits {
  const { dialect, bilingual, via, tags, protocolVersion, applicationVersion } = record;
  return { dialect, bilingual, via, tags, protocolVersion, applicationVersion };
}

/**
 * What we hold about one member. Small, since there may be tens of thousands: it has all of its fields from the start, in one
 * object, as one that gets more later takes V8 three times the room.
 */
export class MemberRow {
  readonly id: MemberId;
  // What it says about itself, under one version.
  version: bigint;
  address: string;
  traits: MemberTraits;
  /** `undefined`: left out for its size. */
  metadata: Metadata | undefined;
  metadataBytes: number;
  // What is held of it.
  incarnation: bigint;
  state: MemberState;
  /** Monotonic time, in whole milliseconds, of the last packet from the member itself that cannot be an old one sent again. */
  heardMs: number;
  /** Monotonic time of the last change of `state`, likewise; no two changes have the same. */
  stateMs: number;

  constructor(record: Readonly<MemberRecord>, nowMs: number, traits: MemberTraits = traitsOf(record)) {
    const { id, version, address, metadata, metadataBytes, incarnation, state } = record;
    this.id = id;
    this.version = version;
    this.address = address;
    this.traits = traits;
    this.metadata = metadataBytes > 0 ? metadata : NO_METADATA;
    this.metadataBytes = metadataBytes;
    // A number of 64 bits has its own place in memory; most often the two are the same one.
    this.incarnation = incarnation === version ? version : incarnation;
    this.state = state;
    this.heardMs = this.stateMs = Math.ceil(nowMs);
  }

  get dialect(): Dialect {
    return this.traits.dialect;
  }

  get bilingual(): boolean {
    return this.traits.bilingual;
  }

  get via(): MemberId | undefined {
    return this.traits.via;
  }

  get tags(): readonly string[] {
    return this.traits.tags;
  }

  get protocolVersion(): number {
    return this.traits.protocolVersion;
  }

  get applicationVersion(): string {
    return this.traits.applicationVersion;
  }
}

/** Whether a member takes part: others count it, probe it and send to it. */
export function isActive({ state }: { readonly state: MemberState }): boolean {
  return state === 'alive' || state === 'suspect';
}

/** Builds the record that travels: a row without what only we know. */
export function toRecord(row: MemberRow, withMetadata: boolean): MemberRecord {
  // Field by field: what is spread here gets a hidden class of its own each time, 390 bytes.
  return {
    id: row.id,
    incarnation: row.incarnation,
    state: row.state,
    dialect: row.dialect,
    bilingual: row.bilingual,
    via: row.via,
    version: row.version,
    address: row.address,
    tags: row.tags,
    protocolVersion: row.protocolVersion,
    applicationVersion: row.applicationVersion,
    metadata: withMetadata ? row.metadata : undefined,
    metadataBytes: row.metadataBytes,
  };
}

/** Keeps what members have in common once. */
export class Alike {
  readonly #traits = new Map<string, MemberTraits>();

  traitsOf(record: MemberRecord): MemberTraits {
    /** Different ones kept. Source: guess; a gateway's leaves are alike. */
    const KEPT_MAX = 256;
    const own = traitsOf(record);
    // In an array, since JSON leaves out what is undefined.
    const key = JSON.stringify(Object.values(own));
    const known = this.#traits.get(key);
    if (known) return known;
    if (this.#traits.size >= KEPT_MAX) this.#traits.clear();
    this.#traits.set(key, own);
    return own;
  }
}

/** Parts of the table that are compared on their own; a member's is told by its id. */
export const CELLS = 256;

/** The part of the table that a member belongs to: the last byte of its id. */
export function cellOf(id: MemberId): number {
  return Number.parseInt(id.slice(-2), 16);
}

/** FNV-1a over an id's text. */
export function idHash(id: MemberId): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id.charCodeAt(i), 0x01000193);
  return h;
}

/**
 * What two tables must agree on, as 32 bits: FNV-1a goes on from the id over words, and is mixed in the end, so that like changes of
 * two rows do not cancel out. Rows that are not active count as absent.
 */
export function hash(row: Readonly<MemberRecord>): number {
  if (!isActive(row)) return 0;
  let h = idHash(row.id);
  for (const time of [row.incarnation, row.version]) {
    h = Math.imul(h ^ Number(BigInt.asUintN(32, time)), 0x01000193);
    h = Math.imul(h ^ Number(time >> 32n), 0x01000193);
  }
  h = Math.imul(h ^ RANK[row.state], 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}
