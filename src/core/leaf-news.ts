/**
 * What a gateway tells its leaves of the membership: changes of a moment together, encoded once for all who see the same.
 * A leaf that is slow is told each change once, as it is in the end, when it has caught up.
 */
import type { News } from '../wire/packet.js';
import type { Core } from './core.js';
import type { MemberId } from './member-id.js';
import { recordBytes, stateNews } from './news.js';
import { hash, type MemberRow, toRecord } from './row.js';
import { statePackets } from './sync.js';

/** Bytes and pieces of news in one packet to leaves. Source: guess, as state packets. */
const BATCH_BYTES_MAX = 64 * 1024;
const BATCH_MAX = 256;
/** So many leaves are told in a moment; to tell more takes longer, and so is done less often. Source: measured, 20 µs each. */
const CROWD = 1000;

/** A leaf, as far as it is told things. */
export interface Told {
  readonly id: MemberId;
  /** Absent when its connection has ended; it may be back. */
  session: number | undefined;
  /** Whom it may see; absent: everybody. */
  readonly sees: ((id: MemberId) => boolean) | undefined;
  /** It has just come and has not been shown the members; these it knew, as a fingerprint and a number. */
  fresh: readonly [fingerprint: number, members: number] | undefined;
  /** It is slow: what it has to be told when it has caught up. */
  behind: Changes | undefined;
}

/** Members that changed, and whether more than their state did. */
export type Changes = Map<MemberId, boolean>;

export class LeafNews {
  /** What leaves have to be told, each member once. */
  #changed: Changes = new Map();
  /** When leaves were last told, and whether there is a time at which they will be. */
  #toldMs = Number.NEGATIVE_INFINITY;
  #armed = false;

  /** @param tooMuch - called with a leaf for which more waits than there can be members. */
  constructor(
    private readonly core: Core,
    private readonly batchMs: number,
    private readonly leaves: ReadonlyMap<number, Told>,
    private readonly tooMuch: (leaf: Told) => void,
  ) {}

  /** A row appeared, changed or was removed. @param whole - more than its state did. */
  changed(id: MemberId, whole: boolean): void {
    if (this.leaves.size === 0) return;
    note(this.#changed, id, whole);
    this.arm();
  }

  /** Leaves are told at once after a quiet time, else once per batch: a change, or a crowd that comes in, is encoded once. */
  arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    const pauseMs = this.batchMs * Math.max(1, this.leaves.size / CROWD);
    this.core.schedule(this.#toldMs + pauseMs - this.core.nowMs, () => this.#tell());
  }

  /** A leaf is about to hear from a member, and must know it. */
  introduce(id: MemberId, { behind, session, fresh }: Told): void {
    if (fresh || this.#changed.has(id)) this.#tell();
    const whole = behind?.get(id);
    if (whole === undefined || session === undefined) return;
    behind?.delete(id);
    this.#tellOf(new Map([[id, whole]]), [session]);
  }

  /** A leaf does not take what it is sent, or has caught up. */
  slow(leaf: Told, slow: boolean): void {
    const { behind, session, sees } = leaf;
    leaf.behind = slow ? (behind ?? new Map()) : undefined;
    if (behind && !slow && session !== undefined) this.#tellOf(behind, [session], sees);
  }

  /** It has forgotten a member, who may live. */
  again({ sees, session }: Told, id: MemberId | undefined): void {
    const row = id !== undefined && (sees?.(id) ?? true) ? this.core.members.get(id) : undefined;
    if (row && session !== undefined) this.#showRows([row], false, [session]);
  }

  #tell(): void {
    this.#armed = false;
    this.#toldMs = this.core.nowMs;
    const changes = this.#changed;
    this.#changed = new Map();
    const all: number[] = [];
    const fresh: Told[] = [];
    for (const [session, leaf] of this.leaves) {
      const { behind, sees } = leaf;
      if (leaf.fresh) fresh.push(leaf);
      else if (behind) {
        for (const [id, whole] of changes) note(behind, id, whole);
        if (behind.size > this.core.config.limits.membersMax) this.tooMuch(leaf);
      } else if (sees) this.#tellOf(changes, [session], sees);
      else all.push(session);
    }
    if (all.length > 0) this.#tellOf(changes, all);
    this.#show(fresh);
  }

  /** Shows the members to those that have just come, but to those that still know them. */
  #show(fresh: readonly Told[]): void {
    const { members } = this.core;
    const current: number[] = [];
    const all: number[] = [];
    for (const leaf of fresh) {
      const { sees } = leaf;
      const session = leaf.session as number;
      if (sees)
        this.#showRows(
          [...members.all()].filter(({ id }) => sees(id)),
          true,
          [session],
        );
      else if (this.#knowsAll(leaf)) current.push(session);
      else all.push(session);
      leaf.fresh = undefined;
    }
    this.#showRows([], false, current);
    this.#showRows(members.all(), true, all);
  }

  /** Whether what it knew of all others is what we know of them. */
  #knowsAll({ id, fresh }: Told): boolean {
    const { members } = this.core;
    const row = members.get(id);
    if (!row || fresh?.[1] !== members.activeCount - 1) return false;
    return fresh[0] === (members.fingerprint ^ hash(row)) >>> 0;
  }

  /** @param whole - whoever is not among the rows is no more. */
  #showRows(rows: Iterable<MemberRow>, whole: boolean, sessions: readonly number[]): void {
    if (sessions.length === 0) return;
    for (const packet of statePackets(this.core.self.id, rows, whole)) {
      this.core.emit({ type: 'leaf-send', sessions, packet });
    }
  }

  #tellOf(changes: Changes, sessions: readonly number[], sees?: (id: MemberId) => boolean): void {
    const { core } = this;
    const from = core.self.id;
    const gone: MemberId[] = [];
    let news: News[] = [];
    let bytes = 0;
    const flush = () => {
      if (news.length > 0) core.emit({ type: 'leaf-send', sessions, packet: { type: 'news', from, news } });
      news = [];
      bytes = 0;
    };
    for (const [id, whole] of changes) {
      if (sees && !sees(id)) continue;
      const row = core.members.get(id);
      if (!row) {
        gone.push(id);
        continue;
      }
      const record = toRecord(row, true);
      const more = whole ? recordBytes(record) : 0;
      if (news.length >= BATCH_MAX || (bytes > 0 && bytes + more > BATCH_BYTES_MAX)) flush();
      news.push(whole ? { kind: 'record', record } : stateNews(row, row.id));
      bytes += more;
    }
    flush();
    for (let at = 0; at < gone.length; at += BATCH_MAX) {
      const ids = gone.slice(at, at + BATCH_MAX);
      core.emit({ type: 'leaf-send', sessions, packet: { type: 'forgotten', from, ids } });
    }
  }
}

function note(changes: Changes, id: MemberId, whole: boolean): void {
  changes.set(id, whole || (changes.get(id) ?? false));
}
