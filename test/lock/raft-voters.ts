/**
 * Voters that agree by Raft: the replicas of a quorum and, on each, the voter's half of the locks as it is. They are cut off from each
 * other, stand still, die in the midst of what they do, start again with what they saved or without, and hand over.
 */
import type { Clock } from '../../src/clock.js';
import type { Answer, Command } from '../../src/lock/commands.js';
import type { LockTable } from '../../src/lock/table.js';
import { LockVoter } from '../../src/lock/voter.js';
import type { ReplicaEffect, ReplicaInput } from '../../src/quorum/input.js';
import { nameOf, votersOf } from '../../src/quorum/log.js';
import { readMessage, readSavedState, type SavedState } from '../../src/quorum/messages.js';
import { Replica } from '../../src/quorum/replica.js';
import { carried } from '../carried.js';
import { LocalClock, type Stage, TTL_MS } from './stage.js';
import type { Voters, VotersOwner } from './world.js';

/** A sixth of the sessions' time and less, as the docs advise. */
const LEASE_MS = 150;
const NAMES = ['v0', 'v1', 'v2'];
const EPOCH_MS = 1_800_000_000_000;
/** How often a command is handed on in search of the leader. */
const HOPS = 6;

interface Process {
  readonly name: string;
  readonly clock: LocalClock;
  readonly durable: boolean;
  disk: SavedState | undefined;
  replica: Replica;
  voter: LockVoter;
  /** What the voter hears of its quorum. */
  handlers: Record<string, ((event: never) => unknown)[]>;
  running: boolean;
  pausedUntilMs: number;
  waiting: ReplicaInput[];
  /** Counts its starts. */
  life: number;
  timerMs: number;
  leadership: string;
}

interface Open {
  readonly process: Process;
  readonly settled: (refused: string | undefined, result: unknown) => void;
}

export class RaftVoters implements Voters {
  readonly #stage: Stage;
  readonly #owner: VotersOwner;
  readonly #processes: Process[];
  readonly #open = new Map<number, Open>();
  #refs = 0;
  #groups = new Map<string, number>();
  /** The log as it was applied first: by index, what it answered. */
  readonly #answers = new Map<number, string>();
  #applied = 0;

  constructor(stage: Stage, owner: VotersOwner) {
    this.#stage = stage;
    this.#owner = owner;
    const durable = stage.random.unit() < 0.5;
    this.#processes = NAMES.map((name) => ({
      name,
      clock: new LocalClock(stage.random),
      durable,
      disk: undefined,
      replica: undefined as never,
      voter: undefined as never,
      handlers: {},
      running: false,
      pausedUntilMs: 0,
      waiting: [],
      life: 0,
      timerMs: Number.POSITIVE_INFINITY,
      leadership: '',
    }));
    for (const process of this.#processes) this.#start(process);
  }

  #local(process: Process): number {
    return process.clock.at(this.#stage.nowMs);
  }

  #start(process: Process): void {
    const { clock } = process;
    const life = ++process.life;
    Object.assign(process, { running: true, pausedUntilMs: 0, waiting: [], handlers: {}, leadership: '' });
    const time: Clock = {
      epochMs: 0,
      now: () => this.#local(process),
      schedule: (delayMs, run) => {
        let isWanted = true;
        const fire = () => {
          if (!isWanted || process.life !== life || !process.running) return;
          if (this.#stage.nowMs < process.pausedUntilMs) this.#stage.at(process.pausedUntilMs, fire);
          else run();
        };
        this.#stage.at(clock.real(this.#local(process) + delayMs), fire);
        return () => {
          isWanted = false;
        };
      },
    };
    const on = (event: string, handler: (event: never) => unknown) => {
      const all = process.handlers[event] ?? [];
      process.handlers[event] = all;
      all.push(handler);
      return () => {};
    };
    const member = (id: string) => ({ state: this.#owner.dead.has(id) ? 'dead' : 'alive' });
    const voter = new LockVoter({
      clock: time,
      cluster: { member, on } as never,
      tell: (id, answer) => this.#owner.tell(id, answer),
      count: () => {},
    });
    process.voter = voter;
    process.replica = new Replica(
      {
        name: process.name,
        names: NAMES,
        machine: voter.machine as never,
        leaseMs: LEASE_MS,
        random: () => this.#stage.random.unit(),
        wallMs: () => EPOCH_MS + this.#stage.nowMs,
        boot: `${life}`,
        durable: process.durable,
        saved: readSavedState(carried(process.disk)),
      },
      this.#local(process),
    );
    const local = () => this.#local(process);
    const quorum = {
      on,
      get leadership() {
        return process.replica.leadershipAt(local());
      },
      propose: (command: Command) =>
        new Promise((resolve) => {
          this.#search(process, command, HOPS, resolve);
        }),
    };
    voter.start(quorum as never);
    this.#arm(process);
  }

  #input(process: Process, input: ReplicaInput): void {
    if (!process.running) return;
    if (this.#stage.nowMs < process.pausedUntilMs) {
      process.waiting.push(input);
      return;
    }
    this.#perform(process, process.replica.handle(input, this.#local(process)));
    this.#arm(process);
    this.#heard(process);
  }

  /** Tells the voter's half when who leads has changed. */
  #heard(process: Process): void {
    const now = process.replica.leadershipAt(this.#local(process));
    const text = now ? `${now.leader} ${now.token}` : '';
    if (text === process.leadership) return;
    process.leadership = text;
    if (now?.mine) this.#stage.tell(() => `${process.name} leads in term ${now.token}`);
    this.#emit(process, 'leadership', { now });
  }

  #emit(process: Process, event: string, value?: unknown): void {
    for (const handler of process.handlers[event] ?? []) handler(value as never);
  }

  #arm(process: Process): void {
    const { life, clock, replica } = process;
    const atMs = clock.real(replica.wakeAtMs);
    if (atMs === process.timerMs) return;
    process.timerMs = atMs;
    this.#stage.at(atMs, () => {
      if (process.life !== life || process.timerMs !== atMs) return;
      process.timerMs = Number.POSITIVE_INFINITY;
      this.#input(process, { type: 'tick' });
    });
  }

  /** @param count - only so many: it dies meanwhile. */
  #perform(process: Process, effects: readonly ReplicaEffect[], count = effects.length): void {
    for (const effect of effects.slice(0, count)) {
      switch (effect.type) {
        case 'save':
          process.disk = effect.state;
          break;
        case 'send':
          this.#send(process.name, nameOf(effect.message.to), carried(effect.message));
          break;
        case 'settled': {
          const open = this.#open.get(effect.ref);
          this.#open.delete(effect.ref);
          open?.settled(effect.refused, effect.result);
          break;
        }
        case 'applied':
          this.#compare(effect);
          this.#emit(process, 'applied', effect);
      }
    }
  }

  /** All apply the same, to the same end. */
  #compare({ command, result, index, term }: Extract<ReplicaEffect, { type: 'applied' }>): void {
    const text = JSON.stringify([command, result, term]);
    const known = this.#answers.get(index);
    if (known !== undefined && known !== text) this.#stage.broken(`two things at ${index}: ${known} and ${text}`);
    this.#answers.set(index, text);
    if (index <= this.#applied) return;
    this.#applied = index;
    const { answer } = this.#owner.committed(command as Command, term);
    if (JSON.stringify(answer) !== JSON.stringify(result)) this.#stage.broken(`a voter answers otherwise: ${text}`);
  }

  #send(from: string, to: string, message: unknown): void {
    const target = this.#processes.find(({ name }) => name === to);
    const arriving = readMessage(message);
    if (!target || !arriving || this.#groups.get(from) !== this.#groups.get(to)) return;
    this.#stage.carry(() => this.#input(target, { type: 'message', message: arriving }));
  }

  arrive(command: Command, answered: (answer: Answer) => void): void {
    const process = this.#processes[this.#stage.random.below(NAMES.length)] as Process;
    this.#search(process, command, HOPS, (result) => answered(result as Answer));
  }

  /** Hands a command on until somebody leads, or gives up. */
  #search(process: Process, command: Command, hops: number, answered: (result: unknown) => void): void {
    if (!process.running || hops === 0) return;
    const ref = ++this.#refs;
    const settled = (refused: string | undefined, result: unknown) => {
      if (!refused) return answered(carried(result));
      const leader = process.replica.leadershipAt(this.#local(process))?.leader;
      const next = this.#processes.find(({ name }) => name === leader) ?? process;
      if (next === process) this.#stage.in(LEASE_MS, () => this.#search(process, command, hops - 1, answered));
      else if (this.#groups.get(process.name) === this.#groups.get(next.name)) {
        this.#stage.carry(() =>
          this.#search(next, command, hops - 1, (back) => this.#stage.carry(() => answered(back))),
        );
      }
    };
    this.#open.set(ref, { process, settled });
    this.#input(process, { type: 'propose', command: carried(command), ref });
  }

  fault(untilMs: number): void {
    const { random } = this.#stage;
    const leading = this.#processes.find((one) => one.running && one.replica.leads(this.#local(one)));
    // The one that leads is the one that matters.
    const process = (random.unit() < 0.5 && leading) || (this.#processes[random.below(NAMES.length)] as Process);
    const { life, name } = process;
    switch (random.below(4)) {
      case 0: {
        const groups = new Map(NAMES.map((one) => [one, random.below(2)]));
        this.#stage.tell(() => `${JSON.stringify([...groups])} are apart until ${untilMs}`);
        this.#groups = groups;
        this.#stage.at(untilMs, () => {
          if (this.#groups === groups) this.#groups = new Map();
        });
        return;
      }
      case 1:
        if (!process.running) return;
        this.#stage.tell(() => `${name} stands still until ${untilMs}`);
        process.pausedUntilMs = Math.max(process.pausedUntilMs, untilMs);
        this.#stage.at(process.pausedUntilMs, () => process.life === life && this.#wake(process));
        return;
      case 2:
        if (!process.running || !this.#mayForget(process)) return;
        this.#stage.tell(() => `${name} dies`);
        this.#crash(process);
        this.#stage.in(random.unit() * TTL_MS, () => this.#start(process));
        return;
      default:
        this.#input(process, { type: 'resign' });
    }
  }

  #wake(process: Process): void {
    if (this.#stage.nowMs < process.pausedUntilMs) return;
    for (const input of process.waiting.splice(0)) this.#input(process, input);
  }

  #crash(process: Process): void {
    if (this.#stage.random.unit() < 0.5 && this.#stage.nowMs >= process.pausedUntilMs) {
      const effects = process.replica.handle({ type: 'tick' }, this.#local(process));
      this.#perform(process, effects, this.#stage.random.below(effects.length + 1));
    }
    process.running = false;
    process.life++;
    for (const [ref, open] of this.#open) if (open.process === process) this.#open.delete(ref);
  }

  /** Whether those who remember are a quorum without this one: what is forgotten by a majority nobody can keep. */
  #mayForget(process: Process): boolean {
    if (process.durable) return true;
    const others = this.#processes.filter((other) => other !== process && other.running && !other.replica.fresh);
    const [newest] = others
      .map(({ replica }) => replica)
      .sort((a, b) => b.log.lastTerm - a.log.lastTerm || b.log.lastIndex - a.log.lastIndex);
    if (!newest) return false;
    const { voters, next, all } = newest.log.configuration;
    if (all) return false;
    const most = (ids: readonly string[]) =>
      ids.filter((id) => others.some(({ replica }) => replica.id === id)).length * 2 > ids.length;
    return most(voters) && (!next || most(next)) && votersOf(newest.log.configuration).length > 1;
  }

  deathsChanged(): void {
    for (const process of this.#processes) if (process.running) this.#emit(process, 'state');
  }

  heal(): void {
    this.#groups = new Map();
    for (const process of this.#processes) {
      if (!process.running) this.#start(process);
      process.pausedUntilMs = Math.min(process.pausedUntilMs, this.#stage.nowMs);
      this.#wake(process);
    }
  }

  tables(): LockTable[] {
    return this.#processes.map(({ voter }) => voter.table);
  }
}
