/** Messages of leaves and for them: by their gateways, to everybody and from everybody, once. */
import { expect } from 'vitest';
import { createSimulation, type Simulation } from '../../src/testing/index.js';
import { seen, until, world } from './leaves.js';
import { mixed } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('leaf-messages.test.ts');

/** Who got a message since, each as often as it came. */
function heard(sim: Simulation, data: unknown): number[] {
  return sim.deliveries.filter((one) => one.data === data).map(({ to }) => to);
}

const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

test('broadcasts of leaves and members reach everybody else once', 4, (seed) => {
  const { sim, leaves } = world(seed, { members: 7, gateways: 3, leaves: 6 });
  const all = sim.running();
  for (const from of [0, 5, ...leaves]) {
    for (const reliable of [false, true]) {
      const data = `from ${from} ${reliable}`;
      sim.broadcast(from, data, { reliable });
      sim.run(500);
      expect(sorted(heard(sim, data))).toEqual(all.filter((one) => one !== from));
    }
  }
});

test('broadcasts that travel as one reach leaves one by one, once and in their order', 2, (seed) => {
  const { sim, leaves } = world(seed, { members: 4, gateways: 2, leaves: 4 });
  const all = Array.from({ length: 30 }, (_, i) => i);
  for (const i of all) sim.broadcast(3, i);
  sim.run(500);
  expect(sim.stats(0).broadcastsHeld).toBe(2);
  for (const leaf of leaves) {
    expect(sim.deliveries.filter(({ to }) => to === leaf).map(({ data }) => data)).toEqual(all);
  }
});

test('a tagged broadcast reaches leaves with the tag, also where neither gateway nor relay has it', 4, (seed) => {
  const { sim } = world(seed, { members: 9, gateways: 3, leaves: 0 });
  const tagged = [0, 1, 2].map((gateway) => sim.addLeaf({ gateways: [gateway], tags: ['page'] }));
  const others = [0, 1, 2].map((gateway) => sim.addLeaf({ gateways: [gateway], tags: ['other'] }));
  until(sim, () => sim.converged(), 5000);
  for (const from of [8, 0, tagged[0] as number, others[1] as number]) {
    const data = `from ${from}`;
    sim.broadcast(from, data, { tag: 'page' });
    sim.run(500);
    expect(sorted(heard(sim, data))).toEqual(tagged.filter((one) => one !== from));
  }
});

test(
  'direct messages and requests go both ways: member, gateway, leaf of the same and of another gateway',
  4,
  (seed) => {
    const { sim, leaves } = world(seed, { members: 5, gateways: 2, leaves: 4 });
    const all = sim.running();
    for (const from of all) {
      for (const to of all) {
        if (from === to || (!leaves.includes(from) && !leaves.includes(to))) continue;
        const asked = sim.request(from, to, `${from}?`);
        const sent = sim.send(from, to, `${from} to ${to}`);
        sim.run(200);
        expect(asked).toMatchObject({ settled: true, value: `${from}?` });
        expect(sent).toMatchObject({ settled: true });
        expect(sent.error).toBeUndefined();
        expect(heard(sim, `${from} to ${to}`)).toEqual([to]);
      }
    }
  },
);

test('who asks a leaf that is gone is told soon, not at its deadline', 3, (seed) => {
  const { sim, leaves } = world(seed, { gateways: 2, leaves: 2 });
  const [a = 0, b = 0] = leaves;
  sim.crash(a);
  sim.run(50);
  const asked = [3, 0, b].map((from) => sim.request(from, a, 'anybody?', { timeoutMs: 60_000 }));
  sim.run(500);
  for (const { error } of asked) expect(error?.code).toBe('ERR_UNREACHABLE');
  // Nor does it wait when the leaf dies with the question.
  const c = sim.addLeaf({ gateways: [0], answer: () => undefined });
  until(sim, () => [3, b].every((at) => sim.state(at, c) === 'alive'), 3000);
  const more = [3, b].map((from) => sim.request(from, c, 'anybody?', { timeoutMs: 60_000 }));
  sim.run(500);
  sim.crash(c);
  sim.run(11_000);
  for (const { error } of more) expect(error?.code).toBe('ERR_UNREACHABLE');
});

test('what a leaf says while it is on its way to another gateway arrives, and is answered', 4, (seed) => {
  const { sim, leaves } = world(seed, { members: 5, gateways: 2, leaves: 2 });
  const leaf = leaves[0] as number;
  sim.setMetadata(leaf, { name: 'Ada' });
  sim.run(3000);
  sim.crash(0);
  until(sim, () => sim.gatewayOf(leaf) === undefined, 100);
  sim.broadcast(leaf, 'on my way');
  const sent = sim.send(leaf, 4, 'only you');
  const asked = sim.request(leaf, 4, 'you?', { timeoutMs: 5000 });
  const impatient = sim.request(leaf, 4, 'now?', { timeoutMs: 1 });
  const dropped = sim.request(leaf, 4, 'never mind');
  dropped.cancel();
  until(sim, () => sim.gatewayOf(leaf) === 1, 3000);
  sim.run(500);
  expect(sorted(heard(sim, 'on my way'))).toEqual([1, 2, 3, 4, leaves[1]]);
  expect(heard(sim, 'only you')).toEqual([4]);
  expect(sent.settled).toBe(true);
  expect(asked.value).toBe('you?');
  expect(impatient.error?.code).toBe('ERR_TIMEOUT');
  expect(sim.stats(leaf)).toMatchObject({ waiting: 0, requestsPending: 0, requestsSent: 1 });
});

test('too much is not kept for a gateway that does not come', 1, (seed) => {
  const { sim, leaves } = world(seed, { gateways: 1 });
  const leaf = leaves[0] as number;
  sim.crash(0);
  until(sim, () => sim.gatewayOf(leaf) === undefined, 100);
  const sent = Array.from({ length: 300 }, (_, i) => sim.send(leaf, 1, i));
  expect(sent.filter(({ error }) => error?.code === 'ERR_OVERLOADED')).toHaveLength(300 - 256);
  expect(sim.stats(leaf)).toMatchObject({ waiting: 256, waitingOverLimit: 44 });
});

test('a leaf whose clock is an hour off is a member like others from its first word', 3, (seed) => {
  for (const clockAheadMs of [3_600_000, -3_600_000]) {
    const { sim } = world(seed, { leaves: 0 });
    const leaf = sim.addLeaf({ gateways: [0, 1], clockAheadMs });
    // Said before any gateway has shown the time.
    sim.broadcast(leaf, 'first');
    until(sim, () => sim.converged(), 3000);
    sim.run(500);
    expect(sorted(heard(sim, 'first'))).toEqual([0, 1, 2, 3]);
    const asked = [sim.request(leaf, 3, 'you?'), sim.request(3, leaf, 'and you?')];
    sim.broadcast(3, 'to all');
    sim.setMetadata(leaf, { n: 1 });
    sim.run(1000);
    expect(asked.map(({ value }) => value)).toEqual(['you?', 'and you?']);
    expect(heard(sim, 'to all')).toContain(leaf);
    sim.crash(0);
    until(sim, () => sim.converged() && sim.gatewayOf(leaf) === 1, 20_000);
    expect(seen(sim, leaf).filter((what) => what.endsWith('dead'))).toEqual([]);
    for (const member of [1, 2, 3]) expect(sim.stats(member).clockDrift).toBeUndefined();
  }
});

test('leaves see Go peers and their broadcasts', 2, (seed) => {
  const { sim, gos, natives } = mixed(seed, 3, 2);
  sim.gateway(natives[0] as number);
  const leaf = sim.addLeaf({ gateways: [natives[0] as number] });
  until(sim, () => gos.every(({ index }) => sim.state(leaf, index) === 'alive'), 5000);
  const row = sim.record(leaf, gos[0]?.index as number);
  expect(row.dialect).toBe('v1');
});

test('a leaf sees and hears whom the policy shows it, and is heard by all', 3, (seed) => {
  const hidden = 3;
  const { sim, leaves } = world(seed, { leaves: 0 }, { sees: (_leaf, member) => member !== hidden });
  const leaf = sim.addLeaf({ gateways: [0] });
  until(sim, () => [0, 1, 2].every((i) => sim.state(leaf, i) === 'alive') && sim.state(hidden, leaf) === 'alive', 5000);
  sim.setMetadata(hidden, { secret: 1 });
  sim.broadcast(hidden, 'psst');
  sim.broadcast(leaf, 'hello');
  const asked = sim.request(hidden, leaf, 'hear me?', { timeoutMs: 60_000 });
  sim.run(2000);
  expect(sim.state(leaf, hidden)).toBe('unknown');
  expect(heard(sim, 'psst')).not.toContain(leaf);
  expect(heard(sim, 'hello')).toContain(hidden);
  expect(asked.error?.code).toBe('ERR_UNREACHABLE');
  sim.crash(hidden);
  sim.crash(2);
  until(sim, () => sim.state(0, hidden) === 'dead' && sim.state(leaf, 2) === 'dead', 30_000);
  sim.forget(0, hidden);
  sim.disconnect(leaf);
  sim.run(5000);
  expect(sim.gatewayOf(leaf)).toBe(0);
  expect(seen(sim, hidden).filter((what) => what.startsWith(`${leaf} `))).toEqual([]);
  expect(leaves).toEqual([]);
});

test('a slow leaf is told changes once, all together, and hears nobody it does not know', 3, (seed) => {
  const { sim, leaves } = world(seed, { members: 5, gateways: 1 }, { queueBytesMax: 64 * 1024 });
  const leaf = leaves[0] as number;
  sim.narrow(leaf, 2000);
  for (let i = 0; i < 200; i++) {
    sim.setMetadata(2, { i, text: 'x'.repeat(100) });
    if (i % 10 === 0) sim.setMetadata(3, { i });
    sim.run(200);
  }
  // Somebody comes while the leaf is behind, and speaks.
  sim.broadcast(1, 'x'.repeat(6000));
  sim.run(20);
  const late = sim.addMember();
  sim.join(late, 0);
  until(sim, () => [0, 1, 2, 3, 4].every((i) => sim.state(i, late) === 'alive'), 5000);
  sim.broadcast(late, 'I am new');
  sim.run(20_000);
  expect(heard(sim, 'I am new')).toContain(leaf);
  expect(sim.stats(leaf).unknownSenders).toBeUndefined();
  expect(sim.view(leaf).find(({ index }) => index === 2)?.metadata?.i).toBe(199);
  expect(sim.stats(leaf).attached).toBe(1);
  expect(seen(sim, leaf).filter((what) => what.endsWith('dead'))).toEqual([]);
});

test('a leaf that does not take what is for it is closed, and comes back when it can', 3, (seed) => {
  const { sim, leaves } = world(seed, { members: 3, gateways: 1, leaves: 2 }, { queueBytesMax: 64 * 1024 });
  const [slow = 0, quick = 0] = leaves;
  sim.narrow(slow, 1000);
  for (let i = 0; i < 20; i++) {
    sim.broadcast(1, `${i}${'x'.repeat(10_000)}`);
    sim.run(100);
  }
  expect(sim.stats(0).leavesExpelled).toBe(1);
  expect(sim.deliveries.filter(({ to }) => to === quick)).toHaveLength(20);
  sim.narrow(slow, Number.POSITIVE_INFINITY);
  until(sim, () => sim.stats(slow).attached === 2 && sim.converged(), 60_000);
});

test('nothing of a gateway, a leaf or a member grows in a long run of all that can happen', 1, (seed) => {
  const { sim, leaves } = world(seed, { members: 4, gateways: 2, leaves: 3 });
  const round = () => {
    for (let i = 0; i < 30; i++) {
      const guest = sim.addLeaf({ gateways: [i % 2] });
      sim.run(1000);
      sim.broadcast(guest, i);
      sim.request(guest, 2, i);
      if (i % 2) sim.crash(guest);
      else sim.leave(guest);
      sim.disconnect(leaves[i % 3] as number);
      sim.setMetadata(leaves[0] as number, { i });
    }
    // Longer than anything of it is remembered.
    sim.run(1_000_000);
    return [0, 1, 2, 3, ...leaves].map((at) => {
      const { members, historySize, requestsPending, requestsIncoming, newsWaiting, suspicionsRunning } = sim.stats(at);
      return { members, historySize, requestsPending, requestsIncoming, newsWaiting, suspicionsRunning };
    });
  };
  const first = round();
  expect(round()).toEqual(first);
  expect(first[0]).toMatchObject({ members: 7, requestsPending: 0, requestsIncoming: 0, suspicionsRunning: 0 });
});

test('a simulation of leaves is the same again from the same seed', 2, (seed) => {
  const run = (): string => {
    const { sim, leaves } = world(seed, { members: 4, gateways: 2, leaves: 5 });
    sim.narrow(leaves[1] as number, 5000);
    sim.suspend(leaves[2] as number, 12_000);
    sim.page(leaves[3] as number, 'asleep');
    sim.broadcast(leaves[0] as number, 'x'.repeat(1000));
    sim.crash(0, 'silent');
    sim.run(60_000);
    return sim.traceHash;
  };
  expect(run()).toBe(run());
  const other = createSimulation({ seed: seed + 100 });
  expect(other.traceHash).not.toBe(run());
});
