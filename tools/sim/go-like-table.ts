/** How a Go-like peer sees the others, and whom it chooses among them: the library's node list and its formulas. */
import type { MemberId } from '../../src/core/member-id.js';
import type { Metadata } from '../../src/core/metadata.js';
import type { Random } from '../../src/core/random.js';
import type { Simulation } from '../../src/testing/index.js';
import type { V1State, V1StateEntry } from '../../src/wire/v1/packet.js';

/** What a peer knows of somebody else. */
export interface GoNode {
  id: MemberId;
  address: string;
  tags: readonly string[];
  state: V1State;
  stateTime: bigint;
  heardMs: number;
  metadata: Metadata;
  metadataTime: bigint;
}

export class GoTable {
  readonly #nodes = new Map<MemberId, GoNode>();
  /** States that changed, by number. */
  readonly events: { atMs: number; about: number; state: V1State; previous: V1State | 'new' }[] = [];
  readonly metadataEvents: { atMs: number; about: number; metadata: Metadata }[] = [];

  constructor(
    private readonly sim: Simulation,
    private readonly random: Random,
    private readonly now: () => bigint,
  ) {}

  /** Forgets everybody. */
  clear(): void {
    this.#nodes.clear();
  }

  get(id: MemberId): GoNode | undefined {
    return this.#nodes.get(id);
  }

  add(id: MemberId, address: string, tags: readonly string[], state: V1State): GoNode {
    const [heardMs, stateTime] = [this.sim.nowMs, this.now()];
    const node: GoNode = { id, address, tags, state, stateTime, heardMs, metadata: {}, metadataTime: 0n };
    this.#nodes.set(id, node);
    this.events.push({ atMs: this.sim.nowMs, about: this.sim.indexOf(id), state, previous: 'new' });
    return node;
  }

  setState(node: GoNode, state: V1State, time?: bigint): void {
    if (node.state === state) return;
    this.events.push({ atMs: this.sim.nowMs, about: this.sim.indexOf(node.id), state, previous: node.state });
    node.state = state;
    node.stateTime = time ?? this.now();
  }

  updateMetadata(node: GoNode, own: { metadata: Metadata; metadataTime: bigint }): void {
    if (own.metadataTime <= node.metadataTime) return;
    node.metadata = own.metadata;
    node.metadataTime = own.metadataTime;
    this.metadataEvents.push({ atMs: this.sim.nowMs, about: this.sim.indexOf(node.id), metadata: own.metadata });
  }

  in(...states: V1State[]): GoNode[] {
    return [...this.#nodes.values()].filter((node) => states.includes(node.state));
  }

  /** Time since its state changed. */
  ageMs(node: GoNode): number {
    return Number((this.now() - node.stateTime) >> 10n) / 1000;
  }

  /** Random alive or suspect ones. */
  some(size: number, without: readonly MemberId[], tag?: string): GoNode[] {
    const fit = this.in('alive', 'suspect').filter(
      ({ id, tags }) => !without.includes(id) && (tag === undefined || tags.includes(tag)),
    );
    return this.random.sample(fit, size);
  }

  // The library counts itself among the alive.

  get aliveCount(): number {
    return this.in('alive').length + 1;
  }

  get fanOut(): number {
    const total = this.in('alive', 'suspect').length + 1;
    return Math.min(total, Math.max(3, Math.min(Math.ceil(Math.log2(total)), 10)));
  }

  get maxTtl(): number {
    return Math.max(1, Math.min(Math.ceil(Math.log2(this.aliveCount)) + 2, 8));
  }

  get joinReplySize(): number {
    const total = this.aliveCount;
    return total <= 5 ? total : total <= 20 ? Math.ceil(total * 0.8) : total <= 100 ? 20 : 25;
  }

  /** Some of what it knows, for a push/pull. */
  entries(self: readonly V1StateEntry[], without: MemberId): V1StateEntry[] {
    const all = [...self, ...this.in('alive', 'suspect', 'leaving', 'dead').filter(({ id }) => id !== without)];
    const size = Math.min(all.length, Math.max(3, Math.min(Math.ceil(Math.log2(all.length) * 0.8) + 2, 16)));
    const some = this.random.sample(all, size);
    return some.map(({ id, address, state, stateTime }) => ({ id, address, state, stateTime }));
  }
}
