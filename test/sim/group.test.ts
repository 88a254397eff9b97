/**
 * Groups under churn. At any time a group is exactly those members of its cluster's view that are alive or suspect and match; its
 * events, replayed, make the same set; entering and leaving alternate; a data group has a value for each, made once and dropped
 * once. First the group alone, on a cluster that is only played, by the hundred thousand (`SEEDS=200` makes so many: with
 * `--testTimeout=3600000`, 80 s of a processor); then on whole clusters that crash, restart, part and heal.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { Random } from '../../src/core/random.js';
import { createGateway, type Gateway } from '../../src/gateway.js';
import { createDataGroup, type GroupCriteria } from '../../src/group/index.js';
import type { Cluster, ClusterEvent, Member, Transport } from '../../src/index.js';
import { Harness } from '../unit/cluster-harness.js';
import { seeded } from './seeded.js';

const simulate = seeded('group.test.ts');

/** The criteria under test, each beside the same said plainly. */
const CRITERIA: readonly [GroupCriteria, (member: Member) => boolean][] = [
  [{}, () => true],
  [{ tag: 'web' }, ({ tags }) => tags.includes('web')],
  [{ where: { zone: 'eu' } }, ({ metadata }) => metadata.zone === 'eu'],
  [{ where: { load: '*' } }, ({ metadata }) => metadata.load !== undefined],
  [{ tag: 'web', where: { zone: /^e/ } }, ({ tags, metadata }) => tags.includes('web') && metadata.zone === 'eu'],
  [{ where: { load: (load) => Number(load) < 2 } }, ({ metadata }) => Number(metadata.load) < 2],
];

/** A leaf that is back has copies anew of those who are as they were; nobody is told of that. */
const same = (a: unknown, b: unknown) => a === b || isDeepStrictEqual(a, b);

/** Cheaper than `expect`, a million times. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** A group, what its events make of it, and what its view says. */
function watch(cluster: Cluster, [criteria, fits]: (typeof CRITERIA)[number]) {
  const made = new Set<string>();
  const group = createDataGroup(cluster, {
    ...criteria,
    create: ({ id }) => {
      must(!made.has(id), 'a value is made once');
      made.add(id);
      return id;
    },
    drop: (value) => must(made.delete(value), 'a value is dropped once'),
  });
  const replayed = new Map([...group].map((member) => [member.id, member]));
  group.on('entered', ({ member }) => {
    must(!replayed.has(member.id), 'who enters was not in');
    replayed.set(member.id, member);
  });
  group.on('changed', ({ member, previous }) => {
    must(replayed.get(member.id) === previous && member !== previous, 'who changes was in as before');
    replayed.set(member.id, member);
  });
  group.on('left', ({ member, previous }) => {
    must(replayed.get(member.id) === previous, 'who leaves was in');
    replayed.delete(member.id);
  });
  return {
    group,
    check() {
      const view = cluster.members().filter((member) => /^(alive|suspect)$/.test(member.state) && fits(member));
      const { criteriaFailed, handlersFailed } = group.stats();
      must(criteriaFailed === 0 && handlersFailed === 0, 'nothing fails');
      must(group.size === view.length && replayed.size === view.length && made.size === view.length, 'so many are in');
      for (const member of view) {
        must(group.has(member.id) && same(replayed.get(member.id), member), 'a member is in, as the view has it');
        must(made.has(member.id) && group.get(member) === member.id, 'a member has a value');
      }
      must(
        [...group].every((member) => same(member, cluster.member(member.id))),
        'all are as the view has them',
      );
    },
  };
}

/** A cluster that is only played: its view changes by chance, several members at a time, before any event of it is told. */
class Played {
  readonly #rows = new Map<string, Member>();
  readonly #handlers = new Map<string, Set<(event: ClusterEvent) => unknown>>();
  readonly #random: Random;
  #self: Member;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#self = this.#member('self');
    this.#rows.set('self', this.#self);
  }

  get id(): string {
    return this.#self.id;
  }

  get self(): Member {
    return this.#self;
  }

  members(): Member[] {
    return [...this.#rows.values()];
  }

  member(id: string): Member | undefined {
    return this.#rows.get(id);
  }

  on(name: string, handler: (event: ClusterEvent) => unknown): () => void {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  get listeners(): number {
    return [...this.#handlers.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** One step: up to four changes of the view, then their events. A failure of a handler is a failure of the test. */
  async step(): Promise<void> {
    const events = Array.from({ length: 1 + this.#random.below(4) }, () => this.#change());
    for (const event of events) {
      for (const handler of this.#handlers.get(event.type) ?? []) await handler(event);
    }
  }

  #change(): ClusterEvent {
    const random = this.#random;
    const id = `m${random.below(6)}`;
    const known = this.#rows.get(id);
    const previous = known?.state ?? 'unknown';
    switch (random.below(known ? 5 : 8)) {
      case 0: {
        // As when a gateway says who we are: only the next event tells of it.
        this.#rows.delete(this.#self.id);
        this.#self = this.#member(random.below(4) > 0 ? this.#self.id : `m${random.below(6)}`);
        this.#rows.set(this.#self.id, this.#self);
        return { type: 'resumed', member: this.#self, awayMs: 1 };
      }
      case 1:
        if (!known || id === this.id) break;
        this.#rows.delete(id);
        return { type: 'removed', member: { ...known, state: 'removed' }, previous };
      case 2:
        if (!known || id === this.id) break;
        return this.#put({ ...known, state: 'dead' }, 'state', previous);
      case 3:
        if (!known || id === this.id) break;
        return this.#put({ ...known, state: known.state === 'alive' ? 'suspect' : 'alive' }, 'state', previous);
      case 4:
        if (!known) break;
        return this.#put({ ...known, metadata: this.#metadata() }, 'metadata', previous);
    }
    if (id === this.id) return { type: 'metadata', member: this.#self };
    return this.#put(this.#member(id), 'joined', previous);
  }

  #put(member: Member, type: 'joined' | 'state' | 'metadata', previous: Member['state'] | 'unknown'): ClusterEvent {
    this.#rows.set(member.id, member);
    if (member.id === this.id) this.#self = member;
    return { type, member, previous } as ClusterEvent;
  }

  #member(id: string): Member {
    const tags = this.#random.below(2) ? ['web'] : ['db', 'web'].slice(0, this.#random.below(3));
    const rest = { address: 'm', via: undefined, applicationVersion: '', protocol: 'native' } as const;
    return { id, state: 'alive', tags, metadata: this.#metadata(), ...rest };
  }

  #metadata(): Member['metadata'] {
    const zone = ['eu', 'us', undefined][this.#random.below(3)];
    const load = this.#random.below(2) ? this.#random.below(4) : undefined;
    return { ...(zone && { zone }), ...(load !== undefined && { load }) };
  }
}

const HISTORIES = 1000;
const STEPS = 12;

simulate(`${HISTORIES} histories of a view of six`, 10, async (seed) => {
  for (let history = 0; history < HISTORIES; history++) {
    const played = new Played(seed * HISTORIES + history);
    const criteria = CRITERIA[history % CRITERIA.length] as (typeof CRITERIA)[number];
    const { group, check } = watch(played as unknown as Cluster, criteria);
    check();
    for (let step = 0; step < STEPS; step++) {
      await played.step();
      check();
    }
    group.close();
    expect(played.listeners, 'nothing listens to a group that is closed').toBe(0);
  }
});

simulate('clusters that crash, restart, part and heal', 6, async (seed) => {
  const random = new Random(seed);
  const harness = new Harness();
  /** Members on the far side of a partition. */
  let far = new Set<string>();
  const options = (address: string) => ({
    transport: parted(harness.network.transport({ address }), address, (a, b) => far.has(a) !== far.has(b)),
    tags: random.below(2) ? ['web'] : [],
    metadata: { zone: random.below(2) ? 'eu' : 'us', load: random.below(4) },
  });
  const addresses = ['m0', 'm1', 'm2', 'm3', 'm4'];
  const running = new Map<string, { member: Cluster; watched: ReturnType<typeof watch>[] }>();
  const start = async (address: string) => {
    const member = await harness.member(options(address));
    const watched = CRITERIA.map((one) => watch(member, one));
    running.set(address, { member, watched });
    void member.join(addresses.filter((other) => other !== address)).catch(() => {});
  };
  for (const address of addresses) await start(address);
  const gateways = new Map<string, Gateway>();
  const open = async () => {
    const host = running.get('m0')?.member;
    if (host) gateways.set('wss://g/', await createGateway(host, { url: 'wss://g/' }));
  };
  await open();
  const leaf = await harness.leaf(gateways, { metadata: { zone: 'eu', load: 1 } });
  const ofLeaf = CRITERIA.map((one) => watch(leaf, one));

  for (let second = 0; second < 40; second++) {
    const address = addresses[random.below(addresses.length)] as string;
    const there = running.get(address);
    switch (random.below(8)) {
      case 0:
        if (running.size < 3 || !there) break;
        running.delete(address);
        void (random.below(2) ? there.member.close() : there.member.leave());
        break;
      case 1:
        if (there) break;
        await start(address);
        if (address === 'm0') await open();
        break;
      case 2:
        far = new Set(random.below(2) ? random.sample(addresses, 2) : []);
        break;
      case 3:
        leaf.setMetadata({ load: random.below(4) });
        break;
      default:
        there?.member.setMetadata({ load: random.below(4), zone: random.below(2) ? 'eu' : 'us' });
    }
    for (let tenth = 0; tenth < 10; tenth++) {
      await harness.clock.advance(100);
      for (const { watched } of [...running.values(), { watched: ofLeaf }]) for (const { check } of watched) check();
    }
  }
  // What is left agrees, and so do its groups.
  far = new Set();
  await harness.clock.advance(60_000);
  for (const { watched } of [...running.values(), { watched: ofLeaf }]) for (const { check } of watched) check();
  const sizes = [...running.values()].map(({ watched }) => watched.map(({ group }) => group.size));
  for (const one of sizes) expect(one).toEqual(sizes[0]);
});

/** A transport whose frames are lost between the sides of a partition. */
function parted(transport: Transport, own: string, apart: (a: string, b: string) => boolean): Transport {
  return {
    ...transport,
    async send(address, frame, options) {
      if (!apart(own, address)) await transport.send(address, frame, options);
    },
  };
}
