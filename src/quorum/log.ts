/**
 * A replica's log: entries that are agreed upon in order, behind a snapshot of what those before them have made. Who votes
 * stands in the log too; the latest that it holds counts, committed or not.
 */

/**
 * Who votes, by replica id: the majority of `voters` decides. While `next` is there, a majority of that as well; while `all` is there,
 * every single one of those as well.
 */
export interface Configuration {
  readonly voters: readonly string[];
  readonly next?: readonly string[];
  readonly all?: readonly string[];
}

/** The part of a replica's id that stays when it has forgotten what it knew. */
export function nameOf(id: string): string {
  return id.slice(0, id.lastIndexOf('#'));
}

/** What is agreed upon. `start` is the first entry of each leadership. */
export type Entry =
  | { readonly type: 'start'; readonly term: number }
  | { readonly type: 'voters'; readonly term: number; readonly configuration: Configuration }
  | { readonly type: 'command'; readonly term: number; readonly command: unknown };

/** All up to an index, as what it has made of the machine. */
export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
  readonly state: unknown;
}

/** Before anything was agreed upon. */
const EMPTY: Snapshot = { index: 0, term: 0, configuration: { voters: [] }, state: null };

/** Whether those for whom `has` holds decide. */
export function isQuorum(configuration: Configuration, has: (id: string) => boolean): boolean {
  return quorumValue(configuration, (id) => (has(id) ? 1 : 0)) === 1;
}

/** The largest value that those who decide have reached or passed. */
export function quorumValue({ voters, next, all }: Configuration, of: (id: string) => number): number {
  // Of 2 the lesser, of 3 the middle one, of 4 the third.
  const most = (ids: readonly string[]) =>
    ids.map(of).sort((a, b) => b - a)[Math.floor(ids.length / 2)] ?? Number.NEGATIVE_INFINITY;
  const decided = next ? Math.min(most(voters), most(next)) : most(voters);
  return all ? Math.min(decided, ...all.map(of)) : decided;
}

/** Everybody who votes. */
export function votersOf({ voters, next = [], all = [] }: Configuration): readonly string[] {
  return next.length + all.length > 0 ? [...new Set([...voters, ...next, ...all])] : voters;
}

export class Log {
  /** The latest in the log, and where it stands. */
  configuration: Configuration = EMPTY.configuration;
  configurationIndex = 0;

  constructor(
    public snapshot: Snapshot = EMPTY,
    public entries: Entry[] = [],
  ) {
    this.#configure();
  }

  get lastIndex(): number {
    return this.snapshot.index + this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.snapshot.term;
  }

  entry(index: number): Entry | undefined {
    return this.entries[index - this.snapshot.index - 1];
  }

  /** `undefined` for what is not in the log, or within the snapshot. */
  termAt(index: number): number | undefined {
    return index === this.snapshot.index ? this.snapshot.term : this.entry(index)?.term;
  }

  /** At most `count` entries from an index on. */
  from(index: number, count: number): Entry[] {
    const at = index - this.snapshot.index - 1;
    return this.entries.slice(at, at + count);
  }

  /** @returns its index. */
  append(entry: Entry): number {
    this.entries.push(entry);
    if (entry.type === 'voters') this.#configure();
    return this.lastIndex;
  }

  /**
   * Takes over entries that follow on `previousIndex`, and drops those of ours that contradict them.
   * @param committed - up to here nothing is dropped.
   * @returns whether anything changed; `undefined` when the entry before them is not ours, or what is committed is contradicted.
   */
  merge(
    previousIndex: number,
    previousTerm: number,
    entries: readonly Entry[],
    committed: number,
  ): boolean | undefined {
    const { snapshot } = this;
    // What lies within the snapshot is committed, and so the same.
    if (previousIndex >= snapshot.index && this.termAt(previousIndex) !== previousTerm) return undefined;
    let index = previousIndex;
    for (const [i, entry] of entries.entries()) {
      index++;
      if (index <= snapshot.index || this.termAt(index) === entry.term) continue;
      if (index <= committed) return undefined;
      this.entries.splice(index - snapshot.index - 1, Number.POSITIVE_INFINITY, ...entries.slice(i));
      this.#configure();
      return true;
    }
    return false;
  }

  /** Everything up to `index` becomes a snapshot. */
  compact(index: number, state: unknown): void {
    const term = this.termAt(index) as number;
    let { configuration } = this.snapshot;
    const taken = this.entries.splice(0, index - this.snapshot.index);
    for (const entry of taken) if (entry.type === 'voters') configuration = entry.configuration;
    this.snapshot = { index, term, configuration, state };
  }

  /** Takes over a snapshot; entries of ours that follow on it stay. */
  install(snapshot: Snapshot): void {
    const follows = this.termAt(snapshot.index) === snapshot.term;
    this.entries = follows ? this.entries.slice(snapshot.index - this.snapshot.index) : [];
    this.snapshot = snapshot;
    this.#configure();
  }

  #configure(): void {
    let at = this.entries.length - 1;
    while (at >= 0 && this.entries[at]?.type !== 'voters') at--;
    const entry = this.entries[at];
    this.configuration = entry?.type === 'voters' ? entry.configuration : this.snapshot.configuration;
    this.configurationIndex = entry ? this.snapshot.index + 1 + at : this.snapshot.index;
  }
}
