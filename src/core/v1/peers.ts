/**
 * What is known of each peer of the Go library: what its packets prove about it, what it tells about itself, and who
 * among us serves it. Such peers know no incarnations, so whoever has heard from one mints it.
 */
import type { MemberRecord } from '../../wire/packet.js';
import type { Core } from '../core.js';
import type { MemberId } from '../member-id.js';
import { estimateBytes, type Metadata } from '../metadata.js';
import { isActive, type MemberRow } from '../row.js';

/** `PROTOCOL_VERSION` of the Go library. */
export const V1_PROTOCOL_VERSION = 1;

/** One v1 peer. */
export interface V1Peer {
  readonly id: MemberId;
  /** It has joined us or answered a join of ours since it was last gone, so it knows us. */
  introduced: boolean;
  /** The latest message of its present life: whatever it sent before says nothing about now. */
  latestId: bigint;
  /** The leaves of ours that it knows, or is about to. */
  readonly leaves: Map<MemberId, Acquaintance>;
  /** Those of them whose introduction has not begun, and how many are under way. */
  readonly strangers: Set<MemberId>;
  joining: number;
  /** It will hear of our leaves anew. */
  meeting: boolean;
}

/** A leaf of ours and a peer. */
export interface Acquaintance {
  /** Whether it has taken the leaf's join, and when it answered. */
  state: 'stranger' | 'told' | 'refused';
  toldMs: number;
  /** It has asked for the leaf here, so this is where it knows it to be. */
  here: boolean;
  /** What is to be done when it has answered. */
  readonly waiting: (() => void)[];
}

/** What a v1 peer tells about itself; what a message leaves out stays as it was. */
export interface V1Info {
  version: bigint;
  metadata: Metadata;
  tags?: readonly string[];
  applicationVersion?: string;
}

export class V1Peers {
  readonly #peers = new Map<MemberId, V1Peer>();
  #active: MemberRow[] = [];
  /** By peer. Kept until the membership changes. */
  readonly #guardians = new Map<string, MemberId>();
  #epoch = -1;

  constructor(private readonly core: Core) {}

  /** The memory of one peer, begun when there is none. */
  get(id: MemberId): V1Peer {
    let peer = this.#peers.get(id);
    if (!peer) {
      peer = {
        id,
        introduced: false,
        latestId: 0n,
        leaves: new Map(),
        strangers: new Set(),
        joining: 0,
        meeting: false,
      };
      this.#peers.set(id, peer);
      this.#forgetRemoved();
    }
    return peer;
  }

  /** Alive and suspect v1 peers. */
  active(): readonly MemberRow[] {
    this.#refresh();
    return this.#active;
  }

  /**
   * Whether we are the one to pass broadcasts on to a peer: of the alive members that speak both dialects the one that wins
   * rendezvous hashing for the peer's id. With equal views exactly one member is.
   * @source Thaler and Ravishankar (1998), highest random weight.
   */
  guards(id: MemberId): boolean {
    this.#refresh();
    let guardian = this.#guardians.get(id);
    if (guardian === undefined) {
      const { core } = this;
      let best = -1;
      guardian = '';
      for (const row of [core.self, ...core.members.natives()]) {
        if (!row.bilingual || row.state !== 'alive') continue;
        const mine = weight(row.id, id);
        if (mine > best || (mine === best && row.id > guardian)) {
          best = mine;
          guardian = row.id;
        }
      }
      // Whose link is ill may be the only one that speaks v1.
      guardian ||= core.self.id;
      this.#guardians.set(id, guardian);
    }
    return guardian === this.core.self.id;
  }

  /**
   * A new packet of its own proves a peer alive. A leaver still sends for a moment: it is back only when it says so.
   * @param saysAlive - the packet tells its state, which is alive.
   */
  heard(row: MemberRow, messageId: bigint, saysAlive = false): void {
    if (!this.#isNew(row, messageId)) return;
    const { core } = this;
    row.heardMs = core.nowMs;
    if (row.state === 'leaving' && !(saysAlive && messageId > row.incarnation)) return;
    if (row.state !== 'alive') core.members.mergeState(row, core.hlc.now(core.nowMs), 'alive', core.self.id);
  }

  /** It said farewell. The message's id is the incarnation, so that everybody knows what was sent before it. */
  leaving(row: MemberRow, messageId: bigint): void {
    if (!this.#isNew(row, messageId) || !isActive(row)) return;
    const incarnation = messageId > row.incarnation ? messageId : row.incarnation;
    this.core.members.mergeState(row, incarnation, 'leaving', row.id);
  }

  #isNew(row: MemberRow, messageId: bigint): boolean {
    if (row.dialect !== 'v1') return false;
    const peer = this.get(row.id);
    if (messageId <= peer.latestId) return false;
    peer.latestId = messageId;
    return true;
  }

  /** Takes what it tells about itself, when that is news. */
  mergeInfo(row: MemberRow, info: V1Info): void {
    if (row.dialect !== 'v1' || this.core.tooFarAhead(info.version)) return;
    this.core.members.mergeInfo(row, this.record(row.id, row.address, info));
  }

  /** The record we would tell our own kind of a peer that has just answered. */
  record(id: MemberId, address: string, info: V1Info): MemberRecord {
    const { core } = this;
    const row = core.members.get(id);
    return {
      id,
      incarnation: row?.state === 'alive' ? row.incarnation : core.hlc.now(core.nowMs),
      state: 'alive',
      dialect: 'v1',
      bilingual: false,
      version: info.version,
      address,
      tags: info.tags ?? row?.tags ?? [],
      protocolVersion: V1_PROTOCOL_VERSION,
      applicationVersion: info.applicationVersion ?? row?.applicationVersion ?? '',
      metadata: info.metadata,
      metadataBytes: estimateBytes(info.metadata),
    };
  }

  #refresh(): void {
    const { members } = this.core;
    if (this.#epoch === members.epoch) return;
    this.#epoch = members.epoch;
    this.#active = members.active().filter((row) => row.dialect === 'v1');
    this.#guardians.clear();
  }

  /** The memory is never larger than twice the table. */
  #forgetRemoved(): void {
    if (this.#peers.size < 64 || this.#peers.size < this.core.members.size * 2) return;
    for (const id of this.#peers.keys()) if (!this.core.members.get(id)) this.#peers.delete(id);
  }
}

/** FNV-1a over both ids, finished with a mix so that neighbouring ids do not win together. */
function weight(guardian: MemberId, peer: MemberId): number {
  let h = 0x811c9dc5;
  for (const id of [guardian, peer]) {
    for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id.charCodeAt(i), 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
