/**
 * Histories of a quorum in virtual time, from a seed: voters whose clocks run apart, on a network that loses, doubles, delays and
 * cuts; they pause, die, start again with and without what they knew, come and go. After each step everything that must never
 * happen is looked for.
 */
import { Random } from '../../src/core/random.js';
import type { Refusal, ReplicaEffect, ReplicaInput } from '../../src/quorum/input.js';
import { type Entry, nameOf, votersOf } from '../../src/quorum/log.js';
import type { ReplicatedMachine } from '../../src/quorum/machine.js';
import { type QuorumMessage, readMessage, readSavedState, type SavedState } from '../../src/quorum/messages.js';
import { Replica } from '../../src/quorum/replica.js';
import { Agenda } from '../../src/testing/agenda.js';
import { carried } from '../carried.js';

export const LEASE_MS = 1000;
/** What the docs promise to bear: rates of clocks between 1 - this and 1 + this. */
const DRIFT = 0.1;

/** What a history is made of. */
export interface Faults {
  voters: number;
  /** Members that are no voters at first. */
  spare: number;
  /** Share of voters with a disk. */
  durable: number;
  loss: number;
  duplicate: number;
  /** Share of messages that come seconds late. */
  late: number;
  /** How often each of these happens, a second. */
  partitions: number;
  pauses: number;
  crashes: number;
  changes: number;
  resignations: number;
  whims: number;
  proposals: number;
  /** Voters may forget so much that nobody knows all that was agreed upon; and so it may be lost. */
  careless: boolean;
  forMs: number;
}

/** Remembers a digest of every command in order. */
class Chain implements ReplicatedMachine<unknown, number, null, number> {
  digest = 0;
  count = 0;
  apply(command: unknown): number {
    this.digest = (Math.imul(this.digest ^ (command as number), 0x9e3779b1) + 1) | 0;
    return ++this.count;
  }
  query(): number {
    return this.count;
  }
  snapshot(): unknown {
    return { digest: this.digest, count: this.count };
  }
  restore(snapshot: unknown): void {
    Object.assign(this, snapshot as object);
  }
}

interface Process {
  name: string;
  rate: number;
  offsetMs: number;
  durable: boolean;
  disk: SavedState | undefined;
  replica: Replica;
  machine: Chain;
  running: boolean;
  pausedUntilMs: number;
  waiting: ReplicaInput[];
  life: number;
  led: boolean;
  timerMs: number;
}

/** One history. */
export class World {
  readonly random: Random;
  readonly agenda = new Agenda();
  readonly processes: Process[] = [];
  nowMs = 0;
  /** Of everything that has happened, for whoever looks for the cause. */
  trace: string[] | undefined;
  /** What has been committed: by index, the digest behind it. */
  committed = new Map<number, string>();
  digests: { index: number; digest: number; count: number }[] = [];
  readonly entries = new Map<string, string>();
  readonly leaders = new Map<number, string>();
  readonly proposals = new Map<number, Refusal | 'ok' | 'open'>();
  readonly proposers = new Map<number, Process>();
  readonly appliedCommands = new Set<number>();
  acknowledged = 0;
  /** A quorum has forgotten: commands may be lost from now on. Leases, terms and tokens hold all the same. */
  lossy = false;
  successes = 0;
  latestToken = 0;
  leaderships = 0;
  #command = 0;
  #groups = new Map<string, number>();
  #steps = 0;

  constructor(
    seed: number,
    readonly faults: Faults,
  ) {
    this.random = new Random(seed);
    const names = Array.from({ length: faults.voters + faults.spare }, (_, i) => `v${i}`);
    for (const name of names) {
      const rate = 1 + (this.random.unit() * 2 - 1) * DRIFT;
      const offsetMs = this.random.unit() * 1e6;
      const durable = this.random.unit() < faults.durable;
      const machine = new Chain();
      const process = {
        name,
        rate,
        offsetMs,
        durable,
        machine,
        disk: undefined,
        running: true,
        life: 0,
        led: false,
        waiting: [],
      };
      this.processes.push({
        ...process,
        replica: undefined as never,
        pausedUntilMs: 0,
        timerMs: Number.POSITIVE_INFINITY,
      });
      this.start(this.processes.at(-1) as Process);
    }
  }

  get names(): string[] {
    return Array.from({ length: this.faults.voters }, (_, i) => `v${i}`);
  }

  local(process: Process, atMs = this.nowMs): number {
    return process.offsetMs + atMs * process.rate;
  }

  start(process: Process): void {
    process.machine = new Chain();
    process.life++;
    process.running = true;
    process.led = false;
    process.waiting = [];
    process.pausedUntilMs = 0;
    const localMs = this.local(process);
    process.replica = new Replica(
      {
        name: process.name,
        names: this.names,
        machine: process.machine,
        leaseMs: LEASE_MS,
        random: () => this.random.unit(),
        // The walls are right within some milliseconds: two beginnings are further apart.
        wallMs: () => 1_800_000_000_000 + this.nowMs + process.rate * 10,
        boot: `${process.life}`,
        durable: process.durable,
        saved: readSavedState(carried(process.disk)),
      },
      localMs,
    );
    this.#arm(process);
  }

  after(delayMs: number, happen: () => void): void {
    this.agenda.add(this.nowMs + delayMs, { happen });
  }

  /** Lets everything happen up to a time. */
  run(untilMs: number, holds: () => boolean = () => false): boolean {
    while (this.agenda.nextMs <= untilMs) {
      this.nowMs = this.agenda.nextMs;
      this.agenda.take()?.happen(this.nowMs);
      if (++this.#steps > 100_000) throw new Error('this history does not end');
      if (holds()) return true;
    }
    this.nowMs = untilMs;
    return false;
  }

  input(process: Process, input: ReplicaInput): void {
    if (!process.running) return;
    if (this.nowMs < process.pausedUntilMs) {
      if (process.waiting.length < 10_000) process.waiting.push(input);
      return;
    }
    const effects = process.replica.handle(input, this.local(process));
    this.perform(process, effects);
    this.check(process);
    this.#arm(process);
  }

  #arm(process: Process): void {
    const { life } = process;
    // A little later, so that rounding makes nobody wake too early, again and again.
    const atMs = Math.max(this.nowMs, (process.replica.wakeAtMs - process.offsetMs) / process.rate + 1e-6);
    if (atMs === process.timerMs) return;
    process.timerMs = atMs;
    this.agenda.add(atMs, {
      happen: () => {
        if (process.life !== life || process.timerMs !== atMs) return;
        process.timerMs = Number.POSITIVE_INFINITY;
        if (this.nowMs < process.pausedUntilMs) {
          this.agenda.add(process.pausedUntilMs, {
            happen: () => process.life === life && this.input(process, { type: 'tick' }),
          });
        } else this.input(process, { type: 'tick' });
      },
    });
  }

  /** @param count - only so many: it dies meanwhile. */
  perform(process: Process, effects: readonly ReplicaEffect[], count = effects.length): void {
    for (const effect of effects.slice(0, count)) {
      switch (effect.type) {
        case 'save':
          process.disk = effect.state;
          break;
        case 'send':
          this.send(process.name, effect.message);
          break;
        case 'settled': {
          const before = this.proposals.get(effect.ref);
          if (before !== undefined) {
            if (before !== 'open') this.fail(`proposal ${effect.ref} is settled twice`);
            this.proposals.set(effect.ref, effect.refused ?? 'ok');
            if (!effect.refused) this.acknowledged = Math.max(this.acknowledged, effect.result as number);
            if (!effect.refused) this.successes++;
          }
          break;
        }
        case 'applied':
          this.#applied(process, effect.index, effect.term, effect.command as number, effect.result as number);
          break;
        case 'restored':
          this.#compare(process);
      }
    }
  }

  #applied(process: Process, index: number, term: number, command: number, count: number): void {
    this.appliedCommands.add(command);
    if (this.lossy) return;
    const text = `${term} ${command}`;
    const known = this.committed.get(index);
    if (known !== undefined && known !== text)
      this.fail(`${process.name} applies ${text} at ${index}, where ${known} is committed`);
    this.committed.set(index, text);
    // A message's effects come together: the digest is that behind the last of them.
    if (process.machine.count === count) {
      const { digest } = process.machine;
      const before = this.digests[count];
      if (before && (before.digest !== digest || before.index !== index))
        this.fail(`${process.name} differs at ${index}`);
      this.digests[count] = { index, digest, count };
    }
  }

  #compare({ name, machine: { count, digest }, replica }: Process): void {
    const known = this.lossy ? undefined : this.digests[count];
    if (count > 0 && known && known.digest !== digest) this.fail(`${name} is told of another past than there was`);
    if (known && known.index > replica.applied) this.fail(`${name} is told of a future`);
  }

  send(from: string, message: QuorumMessage): void {
    const { random, faults } = this;
    this.#checkEntries(message);
    const toName = baseOf(nameOf(message.to));
    const target = this.processes.find(({ name }) => name === toName);
    if (!target || !this.passes(from, toName) || random.unit() < faults.loss) return;
    const copies = random.unit() < faults.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const delayMs = 1 + 20 * random.unit() ** 3 + (random.unit() < faults.late ? random.unit() * 4 * LEASE_MS : 0);
      const arriving = readMessage(carried(message));
      if (!arriving) throw new Error(`unreadable: ${JSON.stringify(message)}`);
      this.after(delayMs, () => {
        if (!this.passes(from, toName)) return;
        this.trace?.push(`${this.nowMs.toFixed(1)} ${JSON.stringify(arriving)}`);
        const called = nameOf(arriving.to);
        if (called !== target.replica.name) this.input(target, { type: 'called', name: called });
        this.input(target, { type: 'message', message: arriving });
      });
    }
  }

  passes(from: string, to: string): boolean {
    const [a, b] = [this.#groups.get(from), this.#groups.get(to)];
    // A group 9 hears and is not heard.
    return a === b || (a !== 9 && b === 9 && this.#groups.size > 0);
  }

  cut(groups: Map<string, number>): void {
    this.#groups = groups;
  }

  /** Log matching: an index and a term mean one entry, and one entry before it. */
  #checkEntries(message: QuorumMessage): void {
    if (message.type !== 'append') return;
    let { previousTerm } = message;
    for (const [i, entry] of message.entries.entries()) {
      const key = `${message.previousIndex + 1 + i}:${entry.term}`;
      const text = `${previousTerm} ${textOf(entry)}`;
      const known = this.entries.get(key);
      if (known !== undefined && known !== text) this.fail(`two entries are ${key}: ${known} and ${text}`);
      this.entries.set(key, text);
      previousTerm = entry.term;
    }
  }

  /** What must never be, looked for after one process has done something. */
  check(process: Process): void {
    const { replica } = process;
    if (replica.leader) {
      const other = this.leaders.get(replica.term);
      if (other !== undefined && other !== replica.id)
        this.fail(`${other} and ${replica.id} lead in term ${replica.term}`);
      this.leaders.set(replica.term, replica.id);
    }
    const leads = replica.leads(this.local(process));
    if (leads) {
      for (const other of this.processes) {
        if (other !== process && other.running && other.replica.leads(this.local(other))) {
          this.fail(`${process.name} and ${other.name} hold a lease, ${replica.term} and ${other.replica.term}`);
        }
      }
      if (!process.led) {
        if (replica.term <= this.latestToken) this.fail(`token ${replica.term} after ${this.latestToken}`);
        this.latestToken = replica.term;
        this.leaderships++;
        this.trace?.push(`${this.nowMs.toFixed(1)} ${replica.id} leads in ${replica.term}`);
      }
      if (!this.lossy && process.machine.count < this.acknowledged) {
        this.fail(
          `${process.name} leads and has ${process.machine.count} of ${this.acknowledged} acknowledged commands`,
        );
      }
    }
    process.led = leads;
  }

  propose(process: Process): void {
    const command = ++this.#command;
    this.proposals.set(command, process.running ? 'open' : 'not-leader');
    this.proposers.set(command, process);
    this.input(process, { type: 'propose', command, ref: command });
  }

  fail(text: string): never {
    if (this.trace)
      for (const { name, replica: r, running } of this.processes) {
        const { configuration, lastIndex, lastTerm } = r.log;
        console.log(
          name,
          running,
          r.id,
          r.term,
          r.fresh,
          { ...configuration },
          lastIndex,
          lastTerm,
          r.committed,
          r.counters,
        );
      }
    throw new Error(`at ${this.nowMs.toFixed(1)} ms: ${text}`);
  }

  /** Dies now, or in the midst of what it does next. */
  crash(process: Process): void {
    if (this.random.unit() < 0.5 && this.nowMs >= process.pausedUntilMs) {
      const effects = process.replica.handle({ type: 'tick' }, this.local(process));
      this.perform(process, effects, this.random.below(effects.length + 1));
    }
    process.running = false;
    process.life++;
    // Nobody will hear of them.
    for (const [ref, state] of this.proposals) {
      if (state === 'open' && this.proposers.get(ref) === process) this.proposals.set(ref, 'lost');
    }
    if (!process.durable) process.disk = undefined;
    this.trace?.push(`${this.nowMs.toFixed(1)} ${process.replica.id} dies`);
  }

  /** Whether a quorum of those who vote would remember, if this one forgot. */
  mayForget(process: Process): boolean {
    if (process.durable) return true;
    const newest = this.newest();
    if (!newest) return false;
    const { voters, next, all } = newest.replica.log.configuration;
    if (all) return false;
    const remembers = (id: string) =>
      this.processes.some((other) => other !== process && other.replica.id === id && (other.running || other.durable));
    const most = (ids: readonly string[]) => ids.filter(remembers).length * 2 > ids.length;
    return most(voters) && (!next || most(next));
  }

  /** Who has the latest log of those that are there, which has all that was committed. */
  newest(): Process | undefined {
    return this.processes
      .filter(({ replica, running, durable }) => (running || durable) && !replica.fresh)
      .sort(
        (a, b) => b.replica.log.lastTerm - a.replica.log.lastTerm || b.replica.log.lastIndex - a.replica.log.lastIndex,
      )[0];
  }

  leading(): Process | undefined {
    return this.processes.find((process) => process.running && process.replica.leads(this.local(process)));
  }

  voters(): readonly string[] {
    return votersOf(this.newest()?.replica.log.configuration ?? { voters: [] });
  }
}

/** Another name of the same process, as members have an id and an address. */
export function aliasOf(name: string): string {
  return `${name}'`;
}

function baseOf(name: string): string {
  return name.replace("'", '');
}

/** As a text that is the same for what is the same. */
function textOf(entry: Entry): string {
  return entry.type === 'command' ? `${entry.term} ${entry.command}` : JSON.stringify(entry);
}
