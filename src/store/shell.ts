/**
 * The shell around a replica: it hears and sends, has the timer, the members and the disk, and carries out what the replica answers
 * with. All that is decided is the replica's.
 */
import { type Cluster, GossipError, type Member } from '../index.js';
import { whenOver } from '../subscribers.js';
import type { Kind } from './cell.js';
import type { Backing, WriteOptions } from './handles.js';
import { receive } from './hub.js';
import { Keeper } from './keeper.js';
import type { Effect, Input, Write } from './machine.js';
import { type CellsMessage, CHANGED, QUESTIONS, type Question, storedCell, tellStored } from './messages.js';
import type { ResolvedStoreOptions } from './options.js';
import type { StoredCell, StoredChange } from './persistence.js';
import { Replica } from './replica.js';
import { closed, type StoreChange, Watchers } from './watch.js';

/** A question is given up after this; also the time of the answer. Source: as `comparison.ts`. */
const ANSWER_MS = 5000;
/** The longest delay that platforms' timers take; a later wake-up is only re-armed. */
const WAIT_MS_MAX = 2_000_000_000;
/** The members are looked at so long after the first of many changes. Source: guess. */
const MEMBERS_MS = 20;

export class Shell implements Backing {
  /** Settles when we have had everything that another member had; at once for who is alone. */
  readonly ready: Promise<void>;
  readonly watchers = new Watchers();
  readonly #cluster: Cluster;
  readonly #options: ResolvedStoreOptions;
  readonly #replica: Replica;
  readonly #closing = new AbortController();
  readonly #stops: (() => void)[] = [];
  readonly #answers = new Map<number, (message: object) => void>();
  readonly #writes = new Map<number, { resolve(): void; reject(error: GossipError): void }>();
  #keeper: Keeper | undefined;
  #refs = 0;
  #isReady = () => {};
  #cancelTimer = () => {};
  #timerAtMs: number | undefined;
  #started = false;
  #looking = false;
  /** Whether all whom a broadcast reaches are to hear of the store. */
  #byBroadcast = false;
  /** What is being carried out. */
  readonly #effects: Effect[] = [];
  #closed: Promise<void> | undefined;

  constructor(cluster: Cluster, options: ResolvedStoreOptions) {
    this.#cluster = cluster;
    this.#options = options;
    const digits = () =>
      Math.floor(options.random() * 0x1_0000_0000)
        .toString(16)
        .padStart(8, '0');
    this.#replica = new Replica({ ...options, writer: digits() + digits() });
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
  }

  async start(): Promise<void> {
    const { name, persistence } = this.#options;
    // The name is taken while the disk is read, so that there are no two; what comes before it has been is not heard.
    this.#stops.push(
      receive(this.#cluster, name, {
        told: (from, message) => {
          if (this.#started && this.#belongs(from)) this.#handle({ type: 'told', from: from.id, message });
        },
        asked: (from, what, message) => this.#answer(from, what, message),
      }),
    );
    try {
      if (persistence) {
        const kept = await persistence.open(() => this.whole());
        this.#keeper = new Keeper(persistence, (delayMs, run) => this.#options.clock.schedule(delayMs, run));
        for (const { put, drop, floor } of kept) {
          const cells = tellStored(put.values());
          this.#replica.handle({ type: 'restore', cells, drop, floor, told: false }, this.#nowMs, this.#unixMs);
        }
      }
    } catch (error) {
      for (const stop of this.#stops) stop();
      // What it could not be opened for says more than what may go wrong now.
      await this.#keeper?.close().catch(() => {});
      if ((error as GossipError).code !== 'ERR_INVALID_DATA') throw error;
      const why = 'what is kept of the store cannot be read; put back a copy, or begin with none';
      throw new GossipError('ERR_STORAGE', why, { cause: error });
    }
    this.#started = true;
    const changed = () => this.#lookSoon();
    for (const event of ['joined', 'state', 'left', 'removed', 'metadata'] as const) {
      this.#stops.push(this.#cluster.on(event, changed));
    }
    this.#stops.push(this.#cluster.on('resumed', () => this.#handle({ type: 'missed' })));
    // A timer of ours would keep the process. Whoever closes the store, too, hears how that went.
    this.#stops.push(whenOver(this.#cluster.events(), () => void this.close().catch(() => {})));
    this.#look();
  }

  get #nowMs(): number {
    return this.#options.clock.now();
  }

  /** What the wall's clock says now. */
  get #unixMs(): number {
    return this.#options.clock.epochMs + this.#nowMs;
  }

  /** @throws GossipError `ERR_CLOSED` */
  open(): void {
    if (this.#closed) throw closed();
  }

  write(write: Write, { acks = 0, timeoutMs = 10_000 }: WriteOptions): Promise<void> {
    this.open();
    if (acks !== 'majority' && !(Number.isInteger(acks) && acks >= 0)) {
      throw new GossipError('ERR_OPTION', `acks must be a number of members or "majority", not ${acks}`);
    }
    if (typeof timeoutMs !== 'number' || !(timeoutMs > 0)) {
      throw new GossipError('ERR_OPTION', `timeoutMs must be a number above 0, not ${timeoutMs}`);
    }
    if (acks === 0) {
      this.#handle({ type: 'write', write, wanted: undefined });
      return Promise.resolve();
    }
    const ref = ++this.#refs;
    const untilMs = this.#nowMs + timeoutMs;
    const settled = new Promise<void>((resolve, reject) => this.#writes.set(ref, { resolve, reject }));
    try {
      this.#handle({ type: 'write', write, wanted: { acks, timeoutMs, ref } });
    } catch (error) {
      this.#writes.delete(ref);
      throw error;
    }
    return settled.then(() => this.#saved(untilMs));
  }

  /** Until all is on our own disk. @throws GossipError `ERR_TIMEOUT`, `ERR_CLOSED` */
  #saved(untilMs: number): Promise<void> {
    const keeper = this.#keeper;
    if (!keeper) return Promise.resolve();
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new GossipError('ERR_TIMEOUT', 'others have the write in time, and our own disk not; it stays'));
      const cancel = clock.schedule(Math.min(Math.max(0, untilMs - this.#nowMs), WAIT_MS_MAX), late);
      keeper.saved().then(resolve, reject).finally(cancel);
    });
  }

  visible(kind: Kind, key: string, field: string): unknown {
    return this.#replica.table.visible(kind, key, field, this.#unixMs);
  }

  /** All keys of a kind, those that are empty too. */
  keys(kind: Kind): Iterable<string> {
    return this.#replica.table.keys(kind);
  }

  fields(kind: Kind, key: string): string[] {
    const { table } = this.#replica;
    const unixMs = this.#unixMs;
    return [...table.fields(kind, key)].filter((field) => table.visible(kind, key, field, unixMs) !== undefined);
  }

  watchKey(kind: Kind, key: string, handler: (change: StoreChange) => unknown): () => void {
    return this.watchers.add(key, kind, handler);
  }

  restore(cells: readonly StoredCell[]): void {
    this.open();
    this.#handle({ type: 'restore', cells: tellStored(cells), drop: [], floor: 0, told: true });
  }

  /** @returns how many others are known to have all that was written here. */
  async flush(): Promise<number> {
    this.open();
    const time = this.#replica.writtenThrough;
    await this.#keeper?.saved();
    return this.#replica.known.having(time);
  }

  stats(): Record<string, number> {
    const { table, known, counters } = this.#replica;
    return {
      ...counters,
      cells: table.size,
      cellsEmpty: table.empty,
      bytes: table.bytes,
      replicas: known.size + 1,
      watchers: this.watchers.size,
      handlersFailed: this.watchers.failed,
      changesDropped: this.watchers.dropped,
      saves: this.#keeper?.saves ?? 0,
      savesFailed: this.#keeper?.failed ?? 0,
      unsaved: this.#keeper?.unsaved ?? 0,
    };
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      // Others are to have what was written.
      for (const effect of this.#replica.handle({ type: 'closing' }, this.#nowMs, this.#unixMs)) {
        if (effect.type === 'tell' || effect.type === 'save') this.#perform(effect);
      }
      this.#closing.abort();
      this.#cancelTimer();
      for (const stop of this.#stops) stop();
      this.watchers.close();
      for (const { reject } of this.#writes.values()) reject(closed());
      this.#writes.clear();
      this.#isReady();
      await this.#keeper?.close();
    })();
    return this.#closed;
  }

  /** All there is. */
  whole(): StoredChange {
    const { table } = this.#replica;
    return {
      put: new Map(Array.from(table.all(), (cell) => [cell.id, storedCell(cell)])),
      drop: [],
      floor: table.floor,
    };
  }

  /** Whether a member keeps the store. */
  #belongs(member: Member): boolean {
    if (this.#chooses(member)) return true;
    this.#replica.count('strangers');
    return false;
  }

  /** What the application's function says; when it fails, no. */
  #chooses(member: Member): boolean {
    try {
      return this.#options.members(member);
    } catch {
      this.#replica.count('membersFailed');
      return false;
    }
  }

  async #answer(from: Member, what: Question, message: unknown): Promise<object | undefined> {
    if (!this.#belongs(from) || !this.#started) return undefined;
    const ref = ++this.#refs;
    let answer: object | undefined;
    this.#answers.set(ref, (given) => {
      answer = given;
    });
    this.#handle({ type: 'asked', from: from.id, what, message, ref });
    this.#answers.delete(ref);
    // Who confirms has it on the disk.
    if (what === 'put') await this.#keeper?.saved();
    return answer;
  }

  #lookSoon(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#options.clock.schedule(MEMBERS_MS, () => {
      this.#looking = false;
      this.#look();
    });
  }

  /** Tells the replica who is there. */
  #look(): void {
    if (this.#closed) return;
    const { tag, broadcasts } = this.#options;
    const members = this.#cluster.members();
    this.#byBroadcast =
      broadcasts && members.every((one) => one.protocol === 'native' || (tag && !one.tags.includes(tag)));
    const all = members.filter((one) => one.id !== this.#cluster.id && one.state !== 'leaving' && this.#chooses(one));
    const alive = all.filter(({ state }) => state === 'alive' || state === 'suspect').map(({ id }) => id);
    this.#handle({ type: 'members', alive, all: all.map(({ id }) => id) });
    if (alive.length === 0) this.#isReady();
  }

  #handle(input: Input): void {
    if (this.#closed) return;
    // A handler may call us: what comes of that waits for what was there before it.
    const idle = this.#effects.length === 0;
    for (const effect of this.#replica.handle(input, this.#nowMs, this.#unixMs)) this.#effects.push(effect);
    if (idle) {
      for (const effect of this.#effects) this.#perform(effect);
      this.#effects.length = 0;
    }
    this.#rearm();
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'tell':
        this.#tell(effect.message);
        return;
      case 'ask': {
        const { to, what, message, ref } = effect;
        const answered = (answer: unknown) => this.#handle({ type: 'answered', from: to, message: answer, ref });
        const how = { timeoutMs: ANSWER_MS, signal: this.#closing.signal };
        this.#cluster.request(to, QUESTIONS[what], message, how).then(
          (answer: unknown) => answered(answer),
          (error: unknown) => answered((error as GossipError).code === 'ERR_NO_HANDLER' ? null : undefined),
        );
        return;
      }
      case 'answer':
        this.#answers.get(effect.ref)?.(effect.message);
        return;
      case 'changed':
        this.watchers.tell(effect.change);
        return;
      case 'save':
        this.#keeper?.save(effect.put, effect.drop, effect.floor);
        return;
      case 'settled': {
        const write = this.#writes.get(effect.ref);
        this.#writes.delete(effect.ref);
        if (effect.error) write?.reject(effect.error);
        else write?.resolve();
        return;
      }
      case 'synced':
        this.#isReady();
    }
  }

  /**
   * By the tree of broadcasts where everybody on it may hear; to each member where it may not: members outside of the group have no use
   * for it, and peers of the Go library must not be sent what they have not registered.
   */
  #tell(message: CellsMessage): void {
    const { tag } = this.#options;
    const failed = () => this.#replica.count('tellsFailed');
    if (this.#byBroadcast) {
      try {
        this.#cluster.broadcast(CHANGED, message, tag ? { tag } : {}).catch(failed);
      } catch {
        failed();
      }
      return;
    }
    for (const to of this.#replica.alive) {
      this.#cluster.send(to, CHANGED, message, { reliable: true }).catch(failed);
    }
  }

  #rearm(): void {
    const { clock } = this.#options;
    const atMs = this.#replica.wakeAtMs;
    if (this.#closed || atMs === this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = atMs;
    this.#cancelTimer = () => {};
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = clock.schedule(Math.min(Math.max(0, atMs - this.#nowMs), WAIT_MS_MAX), () => {
      this.#timerAtMs = undefined;
      this.#handle({ type: 'tick' });
    });
  }
}
