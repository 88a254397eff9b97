/**
 * Who is well: up, on time, and connected both ways to most others that are up. It is the run's own knowledge, by which what
 * members think of each other is judged.
 */

/** Whether anything gets from one member to another, in general: flip-flops and the like are told by {@link Health.ail}. */
type Passes = (from: number, to: number) => boolean;

interface Condition {
  up: boolean;
  /** Since when its process has run. */
  upSinceMs: number;
  /** Since when nothing is wrong with it; of no meaning while something is. */
  wellSinceMs: number;
  /** Troubles that it has now. */
  troubles: number;
  cutOff: boolean;
}

export class Health {
  readonly #conditions = new Map<number, Condition>();
  /** Asked for all the time, and changed now and then. */
  #up: readonly number[] | undefined;
  /** Troubles that everyone has. */
  #common = 0;
  #commonUntilMs = Number.NEGATIVE_INFINITY;
  #divided = false;

  constructor(
    private readonly now: () => number,
    private readonly passes: Passes,
    /** The gateway where a leaf is, or while it is at none all it could go to: it is as well as the best of them. */
    private readonly gatewaysOf: (member: number) => readonly number[] | undefined = () => undefined,
    /** Until when what a member sends comes too late, or not at all, for all that it sends itself. */
    private readonly chokedUntilMs: (member: number) => number = () => Number.NEGATIVE_INFINITY,
  ) {}

  /** A process began. @param longAgo - it is known to all, and whatever was wrong with it is forgotten. */
  started(member: number, longAgo = false): void {
    const nowMs = longAgo ? Number.NEGATIVE_INFINITY : this.now();
    const before = this.#conditions.get(member);
    const { troubles = 0, cutOff = false } = before ?? {};
    this.#up = undefined;
    this.#conditions.set(member, { up: true, upSinceMs: nowMs, wellSinceMs: nowMs, troubles, cutOff });
    if (this.#divided) this.connectionsChanged(true);
  }

  /** A process ended. */
  ended(member: number): void {
    this.#of(member).up = false;
    this.#up = undefined;
    if (this.#divided) this.connectionsChanged(true);
  }

  /** Members are in trouble from now on; @returns what ends it. */
  ail(members: readonly number[]): () => void {
    for (const member of members) this.#of(member).troubles++;
    return () => {
      const nowMs = this.now();
      for (const member of members) {
        const condition = this.#of(member);
        condition.troubles--;
        condition.wellSinceMs = nowMs;
      }
      if (this.#divided) this.connectionsChanged(true);
    };
  }

  /** Everyone is; @returns what ends it. */
  ailAll(): () => void {
    this.#common++;
    return () => {
      this.#common--;
      this.#commonUntilMs = this.now();
    };
  }

  /** Cuts or partitions have changed. @param divided - whether there are any. */
  connectionsChanged(divided: boolean): void {
    const nowMs = this.now();
    this.#divided = divided;
    // Who has troubles of its own may not be reached at any moment.
    const sound = [...this.#conditions]
      .filter(([, { up, troubles }]) => up && troubles === 0)
      .map(([member]) => member);
    const up = this.up();
    for (const member of up) {
      const reached = divided
        ? sound.filter((other) => other !== member && this.passes(member, other) && this.passes(other, member)).length
        : up.length;
      const condition = this.#of(member);
      const cutOff = reached * 2 <= up.length - 1;
      if (condition.cutOff && !cutOff) condition.wellSinceMs = nowMs;
      condition.cutOff = cutOff;
    }
  }

  /** Numbers of those whose processes run. */
  up(): readonly number[] {
    this.#up ??= [...this.#conditions].filter(([, { up }]) => up).map(([member]) => member);
    return this.#up;
  }

  isUp(member: number): boolean {
    return this.#conditions.get(member)?.up ?? false;
  }

  /** Since when a member's process has run; infinity when it does not. */
  upSinceMs(member: number): number {
    const condition = this.#conditions.get(member);
    return condition?.up ? condition.upSinceMs : Number.POSITIVE_INFINITY;
  }

  /** Since when a member has been well; infinity when it is not. */
  wellSinceMs(member: number): number {
    const condition = this.#conditions.get(member);
    if (!condition?.up || condition.troubles > 0 || condition.cutOff || this.#common > 0)
      return Number.POSITIVE_INFINITY;
    const chokedUntilMs = this.chokedUntilMs(member);
    if (chokedUntilMs > this.now()) return Number.POSITIVE_INFINITY;
    const ownMs = Math.max(condition.wellSinceMs, this.#commonUntilMs, chokedUntilMs);
    const gateways = this.gatewaysOf(member);
    return gateways ? Math.max(ownMs, Math.min(...gateways.map((gateway) => this.wellSinceMs(gateway)))) : ownMs;
  }

  /** Whether a member has been well for so long. */
  isWell(member: number, forMs = 0): boolean {
    return this.now() - this.wellSinceMs(member) >= forMs;
  }

  #of(member: number): Condition {
    const found = this.#conditions.get(member);
    if (!found) throw new Error(`the run has no member ${member}`);
    return found;
  }
}
