/**
 * Anti-entropy: now and then, and when members meet, a replica compares its table with another one's, first by one fingerprint, then by
 * those of its parts, and fetches what is newer in the parts that differ, a page at a time. When it has all that the other had, it
 * knows as much as that one, its floor too. Who is asked keeps nothing; when it finds that the asker has something else, it asks in turn.
 */
import { type Cell, type CellData, compareCells, idOf, PARTS, renewedCell } from './cell.js';
import {
  type CompareAnswer,
  type CompareMessage,
  check,
  number,
  PAGE_BYTES,
  type PullAnswer,
  type PullMessage,
  readNumbers,
  readVersions,
  record,
  tellCells,
} from './messages.js';
import type { Replica } from './replica.js';

/** An answer is waited for so long. Source: guess, as the default of a request. */
const ANSWER_MS = 5000;
/** Versions that are told in one question, and a part more, unless their keys are a page before. Source: guess, some 50 KiB. */
const VERSIONS_MAX = 1000;
/** The longest that one comparison takes, so that nobody holds us up for ever; what is left comes by the next. Source: guess, 64 MiB at 1 Mbit/s. */
const SESSION_MS = 600_000;
/** After it was found that there is something to fetch. Source: guess, long enough that not all come at once. */
const SOON_MS = 500;

/** A comparison that is under way. */
interface Session {
  readonly member: string;
  readonly endMs: number;
  ref: number;
  untilMs: number;
  has: Map<string, number>;
  floor: number;
  /** How many parts the tables are compared by. */
  of: number;
  /** Still to be fetched. */
  parts: number[];
  /** What was told in the question that waits. */
  told: Cell[];
  /** What has been removed and forgotten there. */
  readonly gone: Set<Cell>;
  /** Nothing had to be refused. */
  complete: boolean;
}

export class Comparison {
  #session: Session | undefined;
  #nextAtMs = 0;
  /** Members that are likely to have something for us. */
  readonly #wanted = new Set<string>();
  /** Members that have something which we could not take or read: they are asked in their turn, and not because they differ. */
  readonly #refused = new Set<string>();

  constructor(private readonly replica: Replica) {}

  get wakeAtMs(): number {
    if (this.#session) return this.#session.untilMs;
    return this.replica.alive.length > 0 ? this.#nextAtMs : Number.POSITIVE_INFINITY;
  }

  /** Members that were not there before. The first are asked at once. */
  met(members: readonly string[], nowMs: number): void {
    for (const member of this.#refused) if (!this.replica.alive.includes(member)) this.#refused.delete(member);
    if (members.length === 0) return;
    const first = members.length === this.replica.alive.length;
    for (const member of members) this.#wanted.add(member);
    this.#soon(nowMs, first ? 0 : SOON_MS);
  }

  tick(nowMs: number): void {
    if (this.#session && nowMs >= this.#session.untilMs) this.#end(false, nowMs);
    const { alive, options } = this.replica;
    if (this.#session || nowMs < this.#nextAtMs || alive.length === 0) return;
    const wanted = this.#wanted.size > 0 ? alive.filter((one) => this.#wanted.has(one)) : [];
    // Those that are left are not there any more.
    if (wanted.length === 0) this.#wanted.clear();
    const from = wanted.length > 0 ? wanted : alive;
    const member = from[Math.floor(options.random() * from.length)] as string;
    this.#wanted.delete(member);
    this.#session = {
      member,
      endMs: nowMs + SESSION_MS,
      ref: 0,
      untilMs: 0,
      has: new Map(),
      floor: 0,
      of: 0,
      parts: [],
      told: [],
      gone: new Set(),
      complete: true,
    };
    this.#ask('compare', this.#has(), nowMs);
  }

  /** Somebody compares with us. @throws GossipError */
  compared(from: string, message: unknown, nowMs: number): CompareAnswer {
    const { writer, has, floor } = this.replica.readHas(message);
    const { table, known } = this.replica;
    const root = readNumbers(record(message).r, 2 ** 32);
    known.heard(from, writer, has);
    if (root[0] !== table.root[0] || root[1] !== table.root[1]) {
      if (!this.#refused.has(from)) {
        this.#wanted.add(from);
        this.#soon(nowMs, SOON_MS);
      }
      return { ...this.#has(), p: table.digest(partsFor(table.size)) };
    }
    known.synced(has);
    this.replica.collect(floor);
    return this.#has();
  }

  /** Somebody fetches from us. @throws GossipError */
  pulled(message: unknown): PullAnswer {
    const { table, options } = this.replica;
    const of = partsOf(record(message).m);
    const parts = readNumbers(record(message).p, of);
    check(parts.length <= of);
    const floor = number(record(message).f);
    const theirs = new Map<string, CellData>();
    const gone: number[] = [];
    for (const [place, one] of readVersions(message, options.limits).entries()) {
      if (!one) continue;
      const id = idOf(one);
      theirs.set(id, one);
      if (one.time <= table.floor && !table.get(id)) gone.push(place);
    }
    const cells: Cell[] = [];
    let [bytes, done] = [0, 0];
    for (const part of parts) {
      for (const cell of table.inPart(part, of)) {
        const held = theirs.get(cell.id);
        // What is not held any more below their floor was removed.
        if (held ? compareCells(cell, held) <= 0 : cell.time <= floor) continue;
        if (bytes + cell.bytes > PAGE_BYTES && cells.length > 0) {
          return { ...tellCells(options.name, cells), d: done, x: gone };
        }
        bytes += cell.bytes;
        cells.push(cell);
      }
      done++;
    }
    return { ...tellCells(options.name, cells), d: done, x: gone };
  }

  /** An answer. @returns whether it was to a question of ours. @throws GossipError */
  answered(message: unknown, ref: number, nowMs: number): boolean {
    const session = this.#session;
    if (!session || session.ref !== ref) return false;
    session.ref = 0;
    try {
      if (message === null) this.#without(session.member, nowMs);
      else if (message === undefined) this.#end(false, nowMs);
      else if (session.has.size === 0) this.#compare(session, message, nowMs);
      else this.#fetched(session, message, nowMs);
    } catch (error) {
      session.complete = false;
      this.#end(false, nowMs);
      throw error;
    }
    return true;
  }

  /** A member keeps no such store. When nobody does, we have all there is. */
  #without(member: string, nowMs: number): void {
    const { known, alive, effects } = this.replica;
    known.without(member);
    this.#end(false, nowMs);
    if (known.allWithout(alive)) effects.push({ type: 'synced' });
    else if (this.#wanted.size > 0) this.#soon(nowMs, 0);
  }

  #compare(session: Session, message: unknown, nowMs: number): void {
    const { writer, has, floor } = this.replica.readHas(message);
    this.replica.known.heard(session.member, writer, has);
    session.has = has;
    session.floor = floor;
    const { p, r } = record(message);
    if (p !== undefined) {
      const { table } = this.replica;
      const theirs = readNumbers(p, 2 ** 32);
      const of = partsOf(theirs.length);
      const ours = table.digest(of);
      // As many parts as ours need, so that no question is too large for a message.
      session.of = Math.max(of, partsFor(table.size));
      const all = Array.from({ length: session.of }, (_, part) => part);
      session.parts = all.filter((part) => ours[part % of] !== theirs[part % of]);
      const [low, high] = readNumbers(r, 2 ** 32);
      // Parts that are the same by chance.
      if (session.parts.length === 0 && (low !== table.root[0] || high !== table.root[1])) session.parts = all;
      this.replica.count('comparisonsDiffering');
    }
    this.replica.count('comparisons');
    this.#fetch(session, nowMs);
  }

  #fetch(session: Session, nowMs: number): void {
    const { table, options } = this.replica;
    if (nowMs >= session.endMs) session.complete = false;
    if (session.parts.length === 0 || nowMs >= session.endMs) {
      this.#end(session.complete, nowMs);
      return;
    }
    const parts: number[] = [];
    session.told = [];
    let bytes = 0;
    for (const part of session.parts) {
      parts.push(part);
      for (const cell of table.inPart(part, session.of)) {
        session.told.push(cell);
        bytes += cell.id.length;
      }
      if (session.told.length >= VERSIONS_MAX || bytes >= PAGE_BYTES) break;
    }
    const message: PullMessage = {
      ...tellCells(options.name, session.told, false),
      f: table.floor,
      m: session.of,
      p: parts,
    };
    this.#ask('pull', message, nowMs);
  }

  #fetched(session: Session, message: unknown, nowMs: number): void {
    const { replica } = this;
    const { d, x } = record(message);
    const done = number(d);
    for (const place of readNumbers(x, session.told.length)) session.gone.add(session.told[place] as Cell);
    const read = replica.read(message);
    const { taken, refused } = replica.take(read.cells, false);
    replica.count('cellsFetched', taken.length);
    if (refused + read.refused > 0) session.complete = false;
    if (done === 0 && taken.length === 0) {
      // It cannot go on with this part.
      session.complete = false;
      session.parts.shift();
    } else session.parts.splice(0, done);
    this.#fetch(session, nowMs);
  }

  /**
   * Cells that are removed and forgotten elsewhere. What we have written, and the other is not known to have had, it may never have seen,
   * because we were away for longer than anybody waits: that is written once more.
   */
  #bury({ gone, floor, member }: Session, nowMs: number): void {
    const { table, known, options } = this.replica;
    const held = [...gone].filter((cell) => cell.time <= floor && table.get(cell.id) === cell);
    const confirmed = known.confirmed(member);
    const unknown = held.filter(
      ({ writer, time, value }) => writer === options.writer && time > confirmed && value !== undefined,
    );
    this.replica.drop(held);
    const again = unknown.map((cell) => renewedCell(cell, this.replica.mint()));
    this.replica.tell(this.replica.take(again, true).taken, nowMs);
  }

  #end(complete: boolean, nowMs: number): void {
    const session = this.#session as Session;
    this.#session = undefined;
    const { known, options, effects } = this.replica;
    if (!session.complete) this.#refused.add(session.member);
    if (complete) {
      this.#refused.delete(session.member);
      // Together with the floor, below which nobody can bring it back.
      this.#bury(session, nowMs);
      known.synced(session.has);
      this.replica.collect(session.floor);
      effects.push({ type: 'synced' });
    } else this.replica.count('comparisonsFailed');
    this.#nextAtMs = nowMs + options.syncIntervalMs * (0.5 + options.random());
    if (this.#wanted.size > 0) this.#soon(nowMs, SOON_MS);
  }

  #soon(nowMs: number, withinMs: number): void {
    this.#nextAtMs = Math.min(this.#nextAtMs, nowMs + withinMs * this.replica.options.random());
  }

  #ask(what: 'compare' | 'pull', message: object, nowMs: number): void {
    const session = this.#session as Session;
    session.ref = this.replica.nextRef();
    session.untilMs = nowMs + ANSWER_MS;
    this.replica.effects.push({ type: 'ask', to: session.member, what, message, ref: session.ref });
  }

  #has(): CompareMessage {
    const { known, options, table } = this.replica;
    const [w, k] = known.tell(this.replica.mint());
    return { n: options.name, w, k, f: table.floor, r: [...table.root] };
  }
}

/** So many parts that there are some eight cells in each. */
function partsFor(cells: number): number {
  let parts = 1;
  while (parts < PARTS && parts * 8 < cells) parts *= 2;
  return parts;
}

/** A number of parts that somebody names. @throws GossipError */
function partsOf(value: unknown): number {
  const parts = number(value);
  check(parts > 0 && parts <= PARTS && (parts & (parts - 1)) === 0);
  return parts;
}
