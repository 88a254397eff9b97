/**
 * Histories of a store: a few replicas as the pure machines that they are, on a network that loses, doubles, delays, reorders and cuts,
 * with clocks that are wrong and are set, pauses, and restarts with and without a disk. After each step the rules are checked that always hold;
 * when the faults have ended, those of an agreement.
 */
import { Random } from '../../src/core/random.js';
import { GossipError } from '../../src/index.js';
import { type Cell, type CellData, compareCells, idOf } from '../../src/store/cell.js';
import type { Effect, Input, ReplicaOptions, StoreLimits, Write } from '../../src/store/machine.js';
import { type Question, storedCell, tellStored } from '../../src/store/messages.js';
import { DEFAULT_STORE_LIMITS } from '../../src/store/options.js';
import type { StoredCell } from '../../src/store/persistence.js';
import { Replica } from '../../src/store/replica.js';
import { Agenda } from '../../src/testing/agenda.js';
import { Network } from '../../src/testing/network.js';

const START_MS = Date.UTC(2026, 0, 1);
const ANSWER_MS = 5000;
const DRIFT_MS = 3000;

/** What a history is made of. */
export interface HistoryOptions {
  seed: number;
  replicas?: number;
  /** Faults and writes take so long. */
  busyMs?: number;
  writes?: number;
  /** Remembered for so long; short in histories in which it is to be forgotten. */
  tombstoneMs?: number;
  limits?: Partial<StoreLimits>;
  /** Members that cannot be reached are members no more, so that the others do not wait for them. */
  forgets?: boolean;
  /** All have a disk; otherwise by chance. */
  disks?: boolean;
  /** The limits are too low for all that is written: there is no agreement to be had. */
  small?: boolean;
}

/** What a history came to. */
export interface History {
  steps: number;
  writes: number;
  acked: number;
  restarts: number;
  partitions: number;
  /** Of the wall's clock, and writes that were refused because of one. */
  jumps: number;
  tooEarly: number;
  fetched: number;
  collected: number;
  cells: number;
}

interface Place {
  readonly index: number;
  readonly member: string;
  readonly hasDisk: boolean;
  /** By how much its wall's clock is wrong as a rule, and by how much now. */
  usualSkewMs: number;
  skewMs: number;
  /** Its clock has been set. */
  jumped: boolean;
  replica: Replica | undefined;
  /** Counts the starts, so that what was meant for a former one is not for the next. */
  life: number;
  pausedUntilMs: number;
  wakeAtMs: number;
  readonly disk: Map<string, StoredCell>;
  diskFloor: number;
  /** The latest version of each cell in this life, and which are gone. */
  seen: Map<string, CellData>;
  answer: object | undefined;
  synced: boolean;
}

/** The sums that a writer had, the last of them now; all are kept while it could lose some. */
interface Sums {
  place: number;
  life: number;
  sums: number[];
  lost: boolean;
}

export class World {
  nowMs = 0;
  steps = 0;
  readonly places: Place[];
  readonly random: Random;
  readonly network: Network;
  readonly options: Required<Omit<HistoryOptions, 'limits'>> & { limits: StoreLimits };
  readonly #agenda = new Agenda();
  readonly #acked: CellData[] = [];
  readonly #waiting = new Map<number, { cells: CellData[]; place: Place; life: number }>();
  /** By cell, the newest version that somebody removed or that expires. */
  readonly #ended = new Map<string, number>();
  readonly #sums = new Map<string, Sums>();
  #refs = 0;
  readonly counts = {
    writes: 0,
    acked: 0,
    restarts: 0,
    partitions: 0,
    jumps: 0,
    tooEarly: 0,
    fetched: 0,
    collected: 0,
  };

  constructor(options: HistoryOptions) {
    this.random = new Random(options.seed);
    this.options = {
      replicas: 3 + this.random.below(3),
      busyMs: 15_000,
      writes: 40,
      tombstoneMs: 86_400_000,
      forgets: false,
      small: false,
      disks: false,
      ...options,
      limits: { ...DEFAULT_STORE_LIMITS, ...options.limits },
    };
    this.network = new Network({ delayMs: 5, jitterMs: 40 }, this.random);
    this.places = Array.from({ length: this.options.replicas }, (_, index) => ({
      index,
      member: `m${index}`,
      hasDisk: this.random.below(2) === 0 || this.options.disks,
      usualSkewMs: 0,
      skewMs: 0,
      jumped: false,
      replica: undefined,
      life: 0,
      pausedUntilMs: 0,
      wakeAtMs: Number.POSITIVE_INFINITY,
      disk: new Map(),
      diskFloor: 0,
      seen: new Map(),
      answer: undefined,
      synced: false,
    }));
  }

  /** Something happens later. */
  at(delayMs: number, happen: () => void): void {
    this.#agenda.add(this.nowMs + delayMs, { happen });
  }

  /** Lets time pass. */
  run(ms: number, until: () => boolean = () => false): void {
    const endMs = this.nowMs + ms;
    while (this.#agenda.nextMs <= endMs && !until()) {
      this.nowMs = Math.max(this.nowMs, this.#agenda.nextMs);
      this.#agenda.take()?.happen(this.nowMs);
      this.steps++;
    }
    if (this.#agenda.nextMs > endMs) this.nowMs = endMs;
  }

  start(place: Place): void {
    const hex = () => this.random.uint32().toString(16).padStart(8, '0');
    const options: ReplicaOptions = {
      name: 's',
      writer: hex() + hex(),
      random: () => this.random.unit(),
      limits: this.options.limits,
      syncIntervalMs: 1000,
      tombstoneMs: this.options.tombstoneMs,
      clockDriftMaxMs: DRIFT_MS,
    };
    place.replica = new Replica(options);
    place.life++;
    place.seen = new Map();
    place.synced = false;
    // Who begins anew with a clock that is behind by more than tombstones are kept is promised nothing.
    place.skewMs = place.usualSkewMs;
    if (place.hasDisk) {
      const input: Input = {
        type: 'restore',
        cells: tellStored(place.disk.values()),
        drop: [],
        floor: place.diskFloor,
        told: false,
      };
      place.replica.handle(input, this.nowMs, this.#clock(place));
      for (const cell of place.replica.table.all()) place.seen.set(cell.id, cell);
    }
    this.look(place);
  }

  /** The wall's clock of a place is set; what is timed there goes on as before. */
  jump(place: Place, skewMs: number): void {
    place.skewMs = skewMs;
    place.jumped = true;
  }

  crash(place: Place): void {
    for (const sums of this.#sums.values()) {
      if (sums.place === place.index && sums.life === place.life && !place.hasDisk) sums.lost = true;
    }
    place.replica = undefined;
    place.life++;
    this.counts.restarts++;
  }

  /** A replica is told who is there, as its member would see it. */
  look(place: Place): void {
    const there = (other: Place) =>
      other.replica !== undefined &&
      this.network.passes(place.index, other.index, this.nowMs) &&
      this.network.passes(other.index, place.index, this.nowMs);
    const others = this.places.filter((one) => one !== place);
    const alive = others.filter(there).map(({ member }) => member);
    const all = this.options.forgets ? alive : others.map(({ member }) => member);
    this.input(place, { type: 'members', alive, all });
  }

  /** All find out within a second what has changed. */
  lookAround(): void {
    for (const place of this.places) this.at(this.random.unit() * 1000, () => this.look(place));
  }

  input(place: Place, input: Input): void {
    const { replica, life } = place;
    if (!replica) return;
    if (place.pausedUntilMs > this.nowMs) {
      this.at(place.pausedUntilMs - this.nowMs, () => place.life === life && this.input(place, input));
      return;
    }
    for (const effect of replica.handle(input, this.nowMs, this.#clock(place))) this.#perform(place, effect);
    this.#check(place, replica);
    this.#rearm(place);
  }

  /** A write of an application; `majority`: with acks. */
  write(place: Place, write: Write, majority = false): void {
    const { replica, life } = place;
    if (!replica || place.pausedUntilMs > this.nowMs) return;
    this.counts.writes++;
    const ref = ++this.#refs;
    const wanted = majority ? ({ acks: 'majority', timeoutMs: 3000, ref } as const) : undefined;
    let effects: Effect[];
    try {
      effects = replica.handle({ type: 'write', write, wanted }, this.nowMs, this.#clock(place));
    } catch (error) {
      const code = error instanceof GossipError ? error.code : undefined;
      if (this.options.small && code === 'ERR_OVERLOADED') return;
      if (!place.jumped || code !== 'ERR_CLOCK') throw error;
      this.counts.tooEarly++;
      return;
    }
    const cells = effects.flatMap((effect) => (effect.type === 'save' ? effect.put : []));
    for (const cell of cells) {
      const id = idOf(cell);
      if (cell.removed || cell.expiresAtMs > 0) this.#ended.set(id, Math.max(cell.time, this.#ended.get(id) ?? 0));
      if (cell.kind === 'counter' && cell.writer === replica.options.writer) {
        const sums = this.#sums.get(id) ?? { place: place.index, life, sums: [0], lost: false };
        if (write.type === 'increment') sums.sums.push((sums.sums.at(-1) as number) + write.by);
        this.#sums.set(id, sums);
      }
    }
    if (majority) this.#waiting.set(ref, { cells, place, life });
    for (const effect of effects) this.#perform(place, effect);
    this.#check(place, replica);
    this.#rearm(place);
  }

  #clock(place: Place): number {
    return START_MS + this.nowMs + place.skewMs;
  }

  #rearm(place: Place): void {
    const { replica, life } = place;
    if (!replica) return;
    const atMs = Math.max(this.nowMs, replica.wakeAtMs);
    if (atMs === Number.POSITIVE_INFINITY || atMs === place.wakeAtMs) return;
    place.wakeAtMs = atMs;
    this.at(atMs - this.nowMs, () => {
      if (place.life !== life || place.wakeAtMs !== atMs) return;
      place.wakeAtMs = Number.POSITIVE_INFINITY;
      this.input(place, { type: 'tick' });
    });
  }

  #perform(place: Place, effect: Effect): void {
    switch (effect.type) {
      case 'tell':
        for (const other of this.places) {
          if (other !== place) this.#carry(place, other, { type: 'told', from: place.member, message: effect.message });
        }
        return;
      case 'ask':
        this.#ask(place, effect.to, effect.what, effect.message, effect.ref);
        return;
      case 'answer':
        place.answer = effect.message;
        return;
      case 'save':
        if (place.hasDisk) {
          for (const cell of effect.put) place.disk.set(idOf(cell), storedCell(cell));
          for (const cell of effect.drop) place.disk.delete(idOf(cell));
          place.diskFloor = effect.floor;
        }
        this.#watch(place, effect.put, effect.drop);
        return;
      case 'settled': {
        const waiting = this.#waiting.get(effect.ref);
        this.#waiting.delete(effect.ref);
        if (effect.error || !waiting) return;
        this.counts.acked++;
        this.#acked.push(...waiting.cells);
        return;
      }
      case 'synced':
        place.synced = true;
    }
  }

  #carry(from: Place, to: Place, input: Input, arrived?: () => void): void {
    const copies = this.network.copies(from.index, to.index);
    for (let copy = 0; copy < copies; copy++) {
      this.at(this.network.datagramMs(from.index, to.index), () => {
        if (!this.network.passes(from.index, to.index, this.nowMs)) return;
        if (arrived) arrived();
        else this.input(to, input);
      });
    }
  }

  #ask(from: Place, to: string, what: Question, message: object, ref: number): void {
    const other = this.places.find(({ member }) => member === to) as Place;
    const { life } = from;
    let settled = false;
    const settle = (answer: unknown) => {
      if (settled || from.life !== life) return;
      settled = true;
      this.input(from, { type: 'answered', from: to, message: answer, ref });
    };
    this.at(ANSWER_MS, () => settle(undefined));
    const asked: Input = { type: 'asked', from: from.member, what, message, ref };
    this.#carry(from, other, asked, () => {
      const ask = () => {
        if (!other.replica) return;
        if (other.pausedUntilMs > this.nowMs) {
          this.at(other.pausedUntilMs - this.nowMs, ask);
          return;
        }
        other.answer = undefined;
        this.input(other, asked);
        const { answer } = other;
        if (answer) this.#carry(other, from, asked, () => settle(answer));
      };
      ask();
    });
  }

  /** What was once removed, or replaced, does not come back in the life of a replica. */
  #watch(place: Place, put: readonly CellData[], drop: readonly CellData[]): void {
    for (const cell of put) {
      const id = idOf(cell);
      const seen = place.seen.get(id);
      if (seen && compareCells(cell, seen) < 0) {
        throw new Error(`m${place.index}: an old version is back: ${text(cell)} after ${text(seen)}`);
      }
      place.seen.set(id, cell);
    }
    for (const cell of drop) place.seen.set(idOf(cell), { ...cell, removed: true });
  }

  #check(place: Place, { table }: Replica): void {
    const { cellsMax, bytesMax } = this.options.limits;
    if (table.size > cellsMax || table.bytes > bytesMax) throw new Error(`m${place.index}: above its limits`);
  }

  /** The fingerprints, the bytes and the indexes are what the cells make them. */
  #audit(place: Place, { table }: Replica): void {
    let [low, high, bytes, empty] = [0, 0, 0, 0];
    const parts = new Uint32Array(table.fingerprints.length);
    for (const cell of table.all()) {
      low = (low ^ cell.hashLow) >>> 0;
      high = (high ^ cell.hashHigh) >>> 0;
      bytes += cell.bytes;
      parts[cell.part] = ((parts[cell.part] as number) ^ cell.hashLow) >>> 0;
      if (cell.value === undefined) empty++;
      if (![...table.field(cell.kind, cell.key, cell.field)].includes(cell)) throw new Error('an index is wrong');
    }
    const is = [...table.root, table.bytes, table.empty].join();
    const right = is === [low, high, bytes, empty].join() && table.fingerprints.every((one, i) => one === parts[i]);
    if (!right) throw new Error(`m${place.index}: its sums are wrong`);
  }

  /** Whether all replicas that are there hold the same. */
  agreed(): boolean {
    const up = this.places.flatMap(({ replica }) => replica ?? []);
    const roots = new Set(up.map(({ table }) => table.root.join()));
    return roots.size === 1;
  }

  /** What there is to see at a replica. */
  visible(place: Place): string {
    const replica = place.replica as Replica;
    const seen: string[] = [];
    for (const kind of ['register', 'set', 'map', 'counter'] as const) {
      for (const key of replica.table.keys(kind)) {
        for (const field of replica.table.fields(kind, key)) {
          const value = replica.table.visible(kind, key, field, this.#clock(place));
          if (value !== undefined) seen.push(`${kind} ${key} ${field} ${String(value)}`);
        }
      }
    }
    return seen.sort().join('\n');
  }

  /** The rules of an agreement: all hold the same, and everything that had to survive is there. */
  judge(): void {
    for (const place of this.places) if (place.replica) this.#audit(place, place.replica);
    const [first, ...others] = this.places.filter(({ replica }) => replica);
    for (const other of others) {
      const [one, two] = [this.visible(first as Place), this.visible(other)];
      if (one !== two) throw new Error(`not the same: m${(first as Place).index}\n${one}\nm${other.index}\n${two}`);
    }
    // Who was away for longer than anybody remembers may have lost what it did not write itself.
    if (this.options.forgets) return;
    const { table } = (first as Place).replica as Replica;
    for (const cell of this.#acked) {
      const held = table.get(idOf(cell));
      if (held ? compareCells(held, cell) >= 0 : (this.#ended.get(idOf(cell)) ?? 0) >= cell.time) continue;
      throw new Error(`a write that had a majority is lost: ${text(cell)}, held ${held && text(held)}`);
    }
    for (const [id, { sums, lost }] of this.#sums) {
      const held = (table.get(id)?.value ?? 0) as number;
      if (lost ? !sums.includes(held) : held !== sums.at(-1)) {
        throw new Error(`a counter is wrong: ${id.replaceAll('\0', ' ')} is ${held} of ${sums}`);
      }
    }
  }

  /** The figures of it. */
  figures(): History {
    const up = this.places.flatMap(({ replica }) => replica ?? []);
    const sum = (name: string) => up.reduce((total, { counters }) => total + (counters[name] ?? 0), 0);
    return {
      ...this.counts,
      steps: this.steps,
      fetched: sum('cellsFetched'),
      collected: sum('collected'),
      cells: up[0]?.table.size ?? 0,
    };
  }
}

function text({ kind, key, field, writer, time, removed }: CellData | Cell): string {
  return `${kind} ${key} ${field} ${time} ${writer}${removed ? ' removed' : ''}`;
}

const KEYS = ['a', 'b', 'c'];
const FIELDS = ['x', 'y', 'z', 'n7'];

function randomWrite(random: Random, ttl: boolean): Write {
  const key = KEYS[random.below(KEYS.length)] as string;
  const field = FIELDS[random.below(FIELDS.length)] as string;
  const value = random.below(1000);
  switch (random.below(8)) {
    case 0:
    case 1:
      return { type: 'put', kind: 'register', key, field: '', value, ttlMs: ttl && random.below(4) === 0 ? 2000 : 0 };
    case 2:
      return { type: 'remove', kind: 'register', key, field: '' };
    case 3:
      return { type: 'put', kind: 'set', key, field: `s${field}`, value: true, ttlMs: 0 };
    case 4:
      return { type: 'remove', kind: 'set', key, field: random.below(4) === 0 ? undefined : `s${field}` };
    case 5:
      return { type: 'put', kind: 'map', key, field, value, ttlMs: 0 };
    case 6:
      return { type: 'remove', kind: 'map', key, field: random.below(6) === 0 ? undefined : field };
    default:
      return { type: 'increment', key, by: random.below(9) - 2 };
  }
}

/** Runs one history with random faults. @throws Error: a rule was broken. */
export function runHistory(options: HistoryOptions): History {
  const world = new World(options);
  const { random, network, places } = world;
  const { busyMs, writes } = world.options;
  network.change({
    loss: random.below(3) * 0.1,
    duplicate: random.below(3) * 0.1,
    reorder: random.below(3) * 0.2,
  });
  const smallSkewMs = () => Math.floor((random.unit() * 2 - 1) * (DRIFT_MS / 2));
  for (const place of places) {
    place.usualSkewMs = random.below(2) * smallSkewMs();
    world.at(random.unit() * 2000, () => {
      world.start(place);
      world.lookAround();
    });
  }
  const any = () => places[random.below(places.length)] as Place;
  const during = () => 2000 + random.unit() * busyMs;
  for (let i = 0; i < writes; i++) {
    const write = randomWrite(random, true);
    world.at(during(), () => world.write(any(), write, random.below(3) === 0));
  }
  for (let i = random.below(4); i > 0; i--) {
    world.at(during(), () => {
      world.counts.partitions++;
      const left = places.filter(() => random.below(2) === 0).map(({ index }) => index);
      network.partition([left, places.map(({ index }) => index).filter((index) => !left.includes(index))]);
      world.lookAround();
      world.at(random.unit() * 6000, () => {
        network.heal();
        world.lookAround();
      });
    });
  }
  for (let i = random.below(3); i > 0; i--) {
    world.at(during(), () => {
      any().pausedUntilMs = world.nowMs + random.unit() * 4000;
    });
  }
  for (let i = random.below(3); i > 0; i--) {
    world.at(during(), () => {
      world.counts.jumps++;
      const place = any();
      const kind = random.below(3);
      if (kind === 0) place.usualSkewMs = smallSkewMs();
      // So far ahead that it is over before the end, or behind by an hour.
      world.jump(place, kind === 0 ? place.usualSkewMs : kind === 1 ? random.unit() * 20_000 : -3_600_000);
      world.at(random.unit() * 6000, () => {
        place.skewMs = place.usualSkewMs;
      });
    });
  }
  // Of those without a disk so many crash in all that a majority always has what it confirmed.
  let mayForget = Math.floor((places.length - 1) / 2);
  for (let i = random.below(4); i > 0; i--) {
    world.at(during(), () => {
      const place = any();
      if (!place.replica || (!place.hasDisk && mayForget-- <= 0)) return;
      world.crash(place);
      world.lookAround();
      world.at(random.unit() * 3000, () => {
        world.start(place);
        world.lookAround();
      });
    });
  }
  world.run(busyMs + 9000);
  network.heal();
  network.change({ loss: 0, duplicate: 0, reorder: 0 });
  for (const place of places) if (!place.replica) world.start(place);
  world.lookAround();
  world.run(2000);
  if (world.options.small) return world.figures();
  // A comparison that began before may take its time to be given up.
  world.run(120_000, () => world.agreed() && world.steps % 16 === 0);
  if (!world.agreed()) throw new Error(`no agreement after two minutes without faults`);
  // What has a time is over, by all clocks: what was written by one that was far ahead too.
  world.run(2 * DRIFT_MS);
  world.run(60_000, () => places.every(({ replica }) => replica?.table.expiresAtMs === Number.POSITIVE_INFINITY));
  world.judge();
  if (world.options.tombstoneMs < 60_000) {
    const left = () => places.reduce((sum, { replica }) => sum + (replica?.table.empty ?? 0), 0);
    world.run(300_000, () => left() === 0);
    if (left() > 0) throw new Error(`${left()} cells that were removed are not forgotten after five minutes`);
    if (!world.agreed()) world.run(60_000, () => world.agreed());
    world.judge();
  }
  return world.figures();
}
