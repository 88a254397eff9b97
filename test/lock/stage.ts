/** What the parts of a history share: chance, time, the story so far, and how bad the network is. */
import { Random } from '../../src/core/random.js';
import { Agenda } from '../../src/testing/agenda.js';

export const TTL_MS = 1000;
/** What the docs promise to bear: rates of clocks between 1 - this and 1 + this. */
const RATE = 0.1;
/** Faults last for so long. */
const FAULTS_MS = 8 * TTL_MS;

/** A clock of its own: what it shows at a moment, and when it will show something. */
export class LocalClock {
  readonly rate: number;
  readonly offsetMs: number;

  constructor(random: Random) {
    this.rate = 1 + (random.unit() * 2 - 1) * RATE;
    this.offsetMs = random.below(1_000_000);
  }

  at(realMs: number): number {
    return this.offsetMs + realMs * this.rate;
  }

  /** A little later, so that rounding makes nobody wake too early, again and again. */
  real(localMs: number): number {
    return (localMs - this.offsetMs) / this.rate + 1e-6;
  }
}

export class Stage {
  readonly random: Random;
  readonly loss: number;
  readonly doubled: number;
  readonly tail: number;
  readonly churn: number;
  nowMs = 0;
  readonly #agenda = new Agenda();
  readonly #story: (() => string)[] = [];

  constructor(seed: number) {
    const random = new Random(seed);
    this.random = random;
    this.loss = random.unit() < 0.3 ? 0 : random.unit() * 0.4;
    this.doubled = random.unit() * 0.3;
    this.tail = random.unit() * 0.2;
    this.churn = random.unit();
  }

  /** All is well from now on. */
  get isQuiet(): boolean {
    return this.nowMs >= FAULTS_MS;
  }

  /** Lets everything happen for so long. */
  run(forMs: number = FAULTS_MS): void {
    const untilMs = this.nowMs + forMs;
    while (this.#agenda.nextMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.#agenda.nextMs);
      this.#agenda.take()?.happen(this.nowMs);
    }
    this.nowMs = untilMs;
  }

  in(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  at(realMs: number, run: () => void): void {
    this.#agenda.add(Math.max(realMs, this.nowMs), { happen: run });
  }

  /** Carries something: perhaps never, perhaps twice, after some time. */
  carry(run: () => void): void {
    const { random, isQuiet } = this;
    const copies = random.unit() < this.doubled ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (!isQuiet && random.unit() < this.loss) continue;
      const late = !isQuiet && random.unit() < this.tail;
      this.in(1 + random.unit() * (late ? 3 * TTL_MS : 20), run);
    }
  }

  tell(line: () => string): void {
    const atMs = this.nowMs;
    this.#story.push(() => `${atMs.toFixed(1)} ${line()}`);
  }

  broken(what: string): never {
    const story = this.#story.slice(-60).map((line) => line());
    throw new Error(`${what}\n${story.join('\n')}`);
  }
}
