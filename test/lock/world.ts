/**
 * Histories of locks: clients and voters in virtual time, from a seed, with everything between them going wrong: what is sent is
 * lost, late, doubled and overtaken, clients and voters are cut off, stand still and die, their clocks differ and run at different
 * rates, and living members are taken for dead. What must hold is checked at every step. How the voters agree is another file's: by
 * a plain list, so that a history takes a moment, or by Raft.
 */
import { type ClientEffect, type ClientInput, LockClient } from '../../src/lock/client.js';
import type { Answer, Command } from '../../src/lock/commands.js';
import { type Applied, LockTable } from '../../src/lock/table.js';
import { LocalClock, Stage, TTL_MS } from './stage.js';

const NAMES = ['a', 'b', 'c'];
/** When all is well again, all must come to an end within this. */
const QUIET_MS = 20 * TTL_MS;

/** Those who agree on the table. */
export interface Voters {
  /** A client's command has come to them. */
  arrive(command: Command, answered: (answer: Answer) => void): void;
  /** Something bad happens among them, perhaps until then. */
  fault(untilMs: number): void;
  /** Somebody was taken for dead. */
  deathsChanged(): void;
  heal(): void;
  /** Their tables, as they are in the end. */
  tables(): LockTable[];
}

/** What they have of the history. */
export interface VotersOwner {
  /** Who is taken for dead. */
  readonly dead: ReadonlySet<string>;
  /** The next command of the log, once. */
  committed(command: Command, term: number): Applied;
  /** Tells a client something that it did not ask for. */
  tell(member: string, answer: Answer): void;
}

/** What a history did, so that a soak can show that it has tried something. */
export interface LockFigures {
  commands: number;
  granted: number;
  waited: number;
  lost: number;
  expired: number;
  refused: number;
  writes: number;
  writesFenced: number;
}

export const noFigures = (): LockFigures => ({
  commands: 0,
  granted: 0,
  waited: 0,
  lost: 0,
  expired: 0,
  refused: 0,
  writes: 0,
  writesFenced: 0,
});

class Client {
  readonly machine: LockClient;
  readonly clock: LocalClock;
  readonly id: string;
  pausedUntilMs = 0;
  cutUntilMs = 0;
  isDown = false;
  claim = 0;
  /** By claim: what the application knows. */
  readonly names = new Map<number, string>();
  readonly held = new Map<number, number>();
  wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(stage: Stage, number: number) {
    this.id = `member-${number}`;
    this.clock = new LocalClock(stage.random);
    let keys = 0;
    this.machine = new LockClient({ ttlMs: TTL_MS, newKey: () => `${this.id}.${keys++}` });
  }
}

/** One history. Throws what is broken, with the last things that happened. */
export class LockHistory implements VotersOwner {
  readonly figures = noFigures();
  readonly dead = new Set<string>();
  readonly #stage: Stage;
  readonly #voters: Voters;
  /** The log as it stands, applied at once. */
  readonly #truth = new LockTable();
  readonly #clients: Client[] = [];
  #members = 0;
  /** For each lock: the token of its last holder, and the highest that the resource behind it has seen. */
  readonly #lastTokens = new Map<string, number>();
  readonly #fences = new Map<string, number>();
  #tokenMax = 0;
  /** When each claim came into the log. */
  readonly #arrivals = new Map<string, number>();
  readonly #lastArrivals = new Map<string, number>();

  constructor(seed: number, voters: (stage: Stage, owner: VotersOwner) => Voters) {
    this.#stage = new Stage(seed);
    this.#voters = voters(this.#stage, this);
    for (let i = 2 + this.#stage.random.below(4); i > 0; i--) this.#start();
  }

  run(): LockFigures {
    const stage = this.#stage;
    stage.in(stage.random.below(TTL_MS), () => this.#fault());
    stage.run();
    this.#heal();
    stage.run(QUIET_MS);
    this.#checkEnd();
    return this.figures;
  }

  /** The network between a client and the others. */
  #carry(client: Client, run: () => void): void {
    if (this.#stage.nowMs >= client.cutUntilMs) this.#stage.carry(run);
  }

  tell(member: string, answer: Answer): void {
    const client = this.#clients.find(({ id }) => id === member);
    if (client) this.#carry(client, () => this.#input(client, { type: 'told', answer }));
  }

  committed(command: Command, term: number): Applied {
    const index = this.figures.commands++;
    const applied = this.#truth.apply(command, term);
    this.#stage.tell(() => `log ${index}: ${JSON.stringify(command)} => ${JSON.stringify(applied.answer)}`);
    if (command.type === 'expire' && this.#truth.beats(command.session) === undefined) this.figures.expired++;
    this.#arrived(command);
    const passed = [];
    for (const name of NAMES) {
      const now = this.#truth.holder(name);
      if (now && now.token > (this.#lastTokens.get(name) ?? 0)) passed.push({ name, ...now });
    }
    for (const now of passed.sort((a, b) => a.token - b.token)) this.#passed(now);
    return applied;
  }

  /** Claims are numbered as the log brings them. */
  #arrived(command: Command): void {
    if (command.type !== 'turn') return;
    for (const operation of command.operations) {
      if (operation.type !== 'acquire' && operation.type !== 'try') continue;
      const claim = `${command.session}/${operation.claim}`;
      if (!this.#arrivals.has(claim)) this.#arrivals.set(claim, this.#arrivals.size);
    }
  }

  /** A lock has a new holder: with a token above all before, and nobody who came earlier has been left waiting. */
  #passed({ name, ...now }: { name: string; session: number; claim: number; token: number }): void {
    if (now.token <= this.#tokenMax) this.#stage.broken(`token ${now.token} after ${this.#tokenMax}`);
    this.#tokenMax = now.token;
    const arrival = this.#arrivals.get(`${now.session}/${now.claim}`) as number;
    const last = this.#lastArrivals.get(name) ?? -1;
    if (arrival <= last) this.#stage.broken(`lock ${name}: who came as number ${arrival} was passed over for ${last}`);
    this.#lastArrivals.set(name, arrival);
    this.#lastTokens.set(name, now.token);
  }

  // The clients.

  #start(): void {
    const client = new Client(this.#stage, this.#members++);
    this.#clients.push(client);
    this.#stage.in(this.#stage.random.below(TTL_MS), () => this.#act(client));
  }

  #input(client: Client, input: ClientInput): void {
    if (client.isDown) return;
    if (this.#stage.nowMs < client.pausedUntilMs) {
      this.#stage.at(client.pausedUntilMs, () => this.#input(client, input));
      return;
    }
    const effects = client.machine.handle(input, client.clock.at(this.#stage.nowMs));
    for (const effect of effects) this.#effect(client, effect);
    const wakeAtMs = client.clock.real(client.machine.wakeAtMs);
    if (wakeAtMs === client.wakeAtMs) return;
    client.wakeAtMs = wakeAtMs;
    if (wakeAtMs === Number.POSITIVE_INFINITY) return;
    this.#stage.at(wakeAtMs, () => {
      if (client.wakeAtMs !== wakeAtMs) return;
      client.wakeAtMs = Number.NaN;
      this.#input(client, { type: 'tick' });
    });
  }

  #effect(client: Client, effect: ClientEffect): void {
    switch (effect.type) {
      case 'call': {
        const { call, what, timeoutMs } = effect;
        // In this order it takes a sixth of the time.
        const command: Command = { member: client.id, ...what };
        const answered = (answer: Answer) =>
          this.#carry(client, () => this.#input(client, { type: 'answer', call, answer }));
        this.#carry(client, () => this.#voters.arrive(command, answered));
        this.#stage.in(timeoutMs, () => this.#input(client, { type: 'failed', call }));
        return;
      }
      case 'granted':
        this.#granted(client, effect.claim, effect.token);
        return;
      case 'lost':
        this.figures.lost++;
        if (!client.held.delete(effect.claim))
          this.#stage.broken(`${client.id} lost what it did not have: ${effect.claim}`);
        client.names.delete(effect.claim);
        this.#stage.tell(() => `${client.id} lost ${effect.claim}`);
        return;
      case 'refused':
        this.figures.refused++;
        if (!client.names.delete(effect.claim)) this.#stage.broken(`${client.id} was refused what it does not ask for`);
        this.#stage.tell(() => `${client.id} was refused ${effect.claim}: ${effect.code}`);
        return;
      default:
    }
  }

  #granted(client: Client, claim: number, token: number): void {
    const name = client.names.get(claim);
    if (name === undefined) this.#stage.broken(`${client.id} was granted ${claim}, which it does not want`);
    this.#stage.tell(() => `${client.id} has ${name} by ${claim}, token ${token}`);
    if (!client.machine.holds(claim, client.clock.at(this.#stage.nowMs)))
      this.#stage.broken(`${client.id} was granted what is over`);
    this.figures.granted++;
    client.held.set(claim, token);
    this.#believers(name);
    this.#write(client, claim, name);
    const random = this.#stage.random;
    const heldMs = this.#stage.isQuiet ? 0.05 * TTL_MS : random.unit() ** 2 * 2 * TTL_MS;
    if (random.unit() < 0.3)
      this.#stage.in(heldMs * random.unit(), () => this.#input(client, { type: 'extend', claim }));
    this.#stage.in(heldMs * random.unit(), () => this.#write(client, claim, name));
    this.#stage.in(heldMs, () => this.#release(client, claim));
  }

  /** No two clients believe at the same moment that they have a lock: by their own clocks, also while they stand still. */
  #believers(name: string): void {
    const believers = this.#clients.filter((client) =>
      [...client.held.keys()].some(
        (claim) =>
          client.names.get(claim) === name &&
          !client.isDown &&
          client.machine.holds(claim, client.clock.at(this.#stage.nowMs)),
      ),
    );
    if (believers.length > 1)
      this.#stage.broken(`lock ${name} is held by ${believers.map(({ id }) => id).join(' and ')}`);
  }

  /** Writes to what the lock protects: at once, where it must be let in, and late, where a newer token keeps it out. */
  #write(client: Client, claim: number, name: string): void {
    const token = client.held.get(claim);
    if (token === undefined || !client.machine.holds(claim, client.clock.at(this.#stage.nowMs))) return;
    const arrive = (isLate: boolean) => {
      this.figures.writes++;
      const seen = this.#fences.get(name) ?? 0;
      if (token >= seen) {
        this.#fences.set(name, token);
        return;
      }
      this.figures.writesFenced++;
      if (!isLate) this.#stage.broken(`lock ${name}: ${client.id} holds it and writes by ${token} after ${seen}`);
    };
    arrive(false);
    this.#stage.in(this.#stage.random.unit() * 3 * TTL_MS, () => arrive(true));
  }

  #release(client: Client, claim: number): void {
    if (this.#stage.nowMs < client.pausedUntilMs) {
      this.#stage.at(client.pausedUntilMs, () => this.#release(client, claim));
      return;
    }
    this.#input(client, { type: 'release', claim });
    // It is not held from now on, whatever becomes of the call.
    client.held.delete(claim);
    client.names.delete(claim);
  }

  /** An application at work: asks for a lock now and then, and sometimes thinks better of it. */
  #act(client: Client): void {
    if (client.isDown || this.#stage.isQuiet) return;
    const random = this.#stage.random;
    this.#stage.in(random.unit() * TTL_MS, () => this.#act(client));
    if (this.#stage.nowMs < client.pausedUntilMs || client.names.size >= 4) return;
    const claim = ++client.claim;
    const name = NAMES[random.below(random.below(NAMES.length) + 1)] as string;
    const isTry = random.unit() < 0.2;
    client.names.set(claim, name);
    this.#stage.tell(() => `${client.id} wants ${name} by ${claim}`);
    const timeoutMs = random.unit() < 0.3 ? random.unit() * 4 * TTL_MS : Number.POSITIVE_INFINITY;
    this.#input(client, { type: 'acquire', claim, name, isTry, timeoutMs });
    if (client.names.has(claim) && !client.held.has(claim)) this.figures.waited++;
    if (random.unit() < 0.2) {
      this.#stage.in(random.unit() * TTL_MS, () => {
        if (client.names.has(claim) && !client.held.has(claim)) this.#release(client, claim);
      });
    }
  }

  // The faults.

  #fault(): void {
    if (this.#stage.isQuiet) return;
    const random = this.#stage.random;
    this.#stage.in(random.unit() * TTL_MS * (0.2 + 2 * this.#stage.churn), () => this.#fault());
    const client = this.#clients[random.below(this.#clients.length)] as Client;
    const untilMs = this.#stage.nowMs + random.unit() ** 2 * 3 * TTL_MS;
    switch (random.below(9)) {
      case 0:
        this.#stage.tell(() => `${client.id} stands still until ${untilMs}`);
        client.pausedUntilMs = Math.max(client.pausedUntilMs, untilMs);
        return;
      case 1:
        this.#stage.tell(() => `${client.id} is cut off until ${untilMs}`);
        client.cutUntilMs = untilMs;
        return;
      case 2:
        if (random.unit() < 0.5) return;
        this.#stage.tell(() => `${client.id} dies`);
        client.isDown = true;
        client.held.clear();
        this.#stage.in(random.unit() * TTL_MS, () => this.dead.add(client.id));
        this.#start();
        return;
      case 3:
        this.#stage.tell(() => `${client.id} is taken for dead`);
        this.dead.add(client.id);
        if (random.unit() < 0.7) this.#stage.in(random.unit() * 2 * TTL_MS, () => this.#revive(client));
        this.#voters.deathsChanged();
        return;
      case 4:
        this.#start();
        return;
      default:
        this.#voters.fault(untilMs);
    }
  }

  #revive(client: Client): void {
    if (!client.isDown) this.dead.delete(client.id);
  }

  #heal(): void {
    this.#stage.tell(() => 'all is well from now on');
    for (const client of this.#clients) {
      client.pausedUntilMs = Math.min(client.pausedUntilMs, this.#stage.nowMs);
      client.cutUntilMs = 0;
      this.#revive(client);
      this.#input(client, { type: 'tick' });
    }
    this.#voters.heal();
  }

  /** Nobody waits for ever, nothing is left behind, and the voters agree. */
  #checkEnd(): void {
    for (const { id, names, isDown } of this.#clients) {
      if (!isDown && names.size > 0) this.#stage.broken(`${id} still waits for ${[...names].join(' ')}`);
    }
    const left = this.#truth.snapshot();
    if (left.locks.length > 0) this.#stage.broken(`held without a holder: ${JSON.stringify(left.locks)}`);
    if (left.sessions.length > 0) this.#stage.broken(`left behind: ${JSON.stringify(left.sessions)}`);
    for (const table of this.#voters.tables()) {
      if (JSON.stringify(table.snapshot()) !== JSON.stringify(left)) this.#stage.broken('voters differ');
    }
  }
}
