/** What the simulator itself promises: its network's model, clocks that drift, views that are there from the start, figures. */
import { describe, expect, test } from 'vitest';
import {
  createSimulation,
  type Delivery,
  type NetworkOptions,
  type Simulation,
  type SimulationEvent,
} from '../../src/testing/index.js';
import { Deadlines } from '../../src/testing/network.js';

/** Members that know each other, on a network without jitter. */
function connected(members: number, network: NetworkOptions = {}, options = {}): Simulation {
  const sim = createSimulation({ seed: 1, members, network: { delayMs: 10, jitterMs: 0, ...network }, ...options });
  sim.connectAll();
  return sim;
}

/** How long a message takes from one member to another. */
function tripMs(sim: Simulation, from: number, to: number, options = {}): number {
  const startMs = sim.nowMs;
  const arrived = () => sim.deliveries.find(({ data }) => data === startMs);
  sim.send(from, to, startMs, options);
  return sim.runUntil(() => arrived() !== undefined, 5000) ? (arrived() as Delivery).atMs - startMs : Infinity;
}

describe('links', () => {
  test('a link has options of its own, one way, until they are taken back', () => {
    const sim = connected(3);
    sim.network.link(0, 1, { delayMs: 300 });
    expect(tripMs(sim, 0, 1)).toBe(300);
    expect(tripMs(sim, 1, 0)).toBe(10);
    expect(tripMs(sim, 0, 2)).toBe(10);
    sim.network.link(0, 1, undefined);
    expect(tripMs(sim, 0, 1)).toBe(10);
  });

  test('what a link does not say is as everywhere, also when that changes', () => {
    const sim = connected(2);
    sim.network.link(0, 1, { loss: 1 });
    sim.network.change({ delayMs: 40 });
    expect(tripMs(sim, 0, 1, { reliable: false })).toBe(Infinity);
    expect(tripMs(sim, 1, 0, { reliable: false })).toBe(40);
    sim.network.link(0, 1, { loss: 0 });
    expect(tripMs(sim, 0, 1, { reliable: false })).toBe(40);
  });

  test('a link of a narrower band than its uplink has a queue of its own', () => {
    const sim = connected(3);
    sim.network.link(0, 1, { bandwidthBytesPerS: 1000 });
    sim.send(0, 1, 'x'.repeat(900), { reliable: false });
    expect(tripMs(sim, 0, 2, { reliable: false })).toBe(10);
    expect(tripMs(sim, 0, 1, { reliable: false })).toBeGreaterThan(900);
  });
});

describe('bandwidth', () => {
  test('a frame takes the time that its bytes take, headers included, and waits for those before it', () => {
    const sim = connected(3, { bandwidthBytesPerS: 10_000 });
    const before = sim.traffic(0).datagramBytes;
    const first = tripMs(sim, 0, 1, { reliable: false });
    const bytes = sim.traffic(0).datagramBytes - before;
    expect(first).toBeCloseTo(10 + bytes / 10);
    sim.send(0, 2, 'x'.repeat(1000), { reliable: false });
    expect(tripMs(sim, 0, 1, { reliable: false })).toBeGreaterThan(first + 100);
    expect(tripMs(sim, 1, 0, { reliable: false })).toBeLessThan(first + 10);
  });

  test('a full queue drops datagrams and counts them; reliable frames wait', () => {
    const sim = connected(3, { bandwidthBytesPerS: 10_000, queueBytes: 5000 });
    const text = 'x'.repeat(900);
    for (let i = 0; i < 20; i++) sim.send(0, 1, `${i}${text}`, { reliable: false });
    for (let i = 20; i < 40; i++) sim.send(0, 2, `${i}${text}`);
    const { queueDropped, queuedBytesMax, lost } = sim.traffic(0);
    expect({ queueDropped, lost }).toEqual({ queueDropped: 15, lost: 0 });
    expect(queuedBytesMax).toBeGreaterThan(5000 + 15 * 900);
    expect(sim.traffic().queueDropped).toBe(15);
    // Some 25 kB wait, 10 a millisecond; 5,000 of them, or what a tenth of a second takes, may.
    const chokedMs = (patienceMs: number) => sim.network.chokedUntilMs(0, patienceMs) - sim.nowMs;
    expect(chokedMs(10_000)).toBeCloseTo((queuedBytesMax - 5000) / 10);
    expect(chokedMs(100)).toBeCloseTo(queuedBytesMax / 10 - 100);
    sim.run(20_000);
    const arrived = sim.deliveries.map(({ data }) => Number.parseInt(data as string, 10));
    expect(arrived.filter((i) => i < 20)).toEqual([0, 1, 2, 3, 4]);
    expect(arrived.filter((i) => i >= 20)).toEqual(Array.from({ length: 20 }, (_, i) => i + 20));
  });
});

describe('flip-flop', () => {
  /** Which of ten datagrams, one every 100 ms, got through. */
  function through(sim: Simulation, from: number, to: number): string {
    const before = sim.deliveries.length;
    for (let i = 0; i < 10; i++) {
      sim.send(from, to, i, { reliable: false });
      sim.run(100);
    }
    const arrived = new Set(sim.deliveries.slice(before).map(({ data }) => data));
    return Array.from({ length: 10 }, (_, i) => (arrived.has(i) ? 'x' : '.')).join('');
  }

  test.each([
    ['in', 'xxxxxxxxxx', '..xx..xx..'],
    ['out', '..xx..xx..', 'xxxxxxxxxx'],
    ['both', '..xx..xx..', '..xx..xx..'],
  ] as const)('%s: cut first, then open, in turn, until it is ended', (ways, out, back) => {
    const sim = connected(3);
    sim.run(50);
    sim.flipFlop(0, { everyMs: 200, ways });
    expect(through(sim, 0, 1)).toBe(out);
    sim.flipFlop(0, { everyMs: 200, ways });
    expect(through(sim, 1, 0)).toBe(back);
    expect(through(sim, 1, 2)).toBe('xxxxxxxxxx');
    sim.heal();
    sim.flipFlop(0, undefined);
    expect(through(sim, 0, 1) + through(sim, 1, 0)).toBe('x'.repeat(20));
  });
});

describe('clocks', () => {
  test('a fast clock runs the timers early, a slow one late', () => {
    const probes = (clockDrift: number) => {
      const sim = createSimulation({ seed: 1 });
      sim.addMember({ clockDrift });
      sim.addMember();
      sim.connectAll();
      sim.run(200_000);
      return sim.stats(0).probes as number;
    };
    const straight = probes(0);
    expect(Math.abs(probes(0.1) / straight - 1.1)).toBeLessThan(0.02);
    expect(Math.abs(probes(-0.1) / straight - 0.9)).toBeLessThan(0.02);
  });

  test('a fast clock is ahead by as much as the time and the drift make', () => {
    const sim = createSimulation({ seed: 1 });
    sim.addMember({ clockDrift: 1e-2, clockAheadMs: 250 });
    sim.addMember();
    sim.connectAll();
    sim.run(100_000);
    for (const member of [0, 1]) sim.setMetadata(member, { new: true });
    const aheadMs = Number((sim.record(0, 0).version - sim.record(1, 1).version) >> 10n) / 1000;
    expect(aheadMs).toBeCloseTo(250 + 1000, 0);
  });
});

describe('a view that is there from the start', () => {
  test('each knows each other, and nothing was sent or told', () => {
    const sim = connected(50);
    expect(sim.converged()).toBe(true);
    expect(sim.traffic().datagrams + sim.traffic().reliable).toBe(0);
    expect(sim.events).toEqual([]);
    sim.run(60_000);
    expect(sim.events).toEqual([]);
    expect(sim.stats(0).digestsDiffered).toBeUndefined();
    expect(sim.stats(0).probes).toBeGreaterThan(50);
  });

  test('what one comes to know of another is not what others know', () => {
    const sim = connected(10);
    sim.partition([[0, 1, 2, 3, 4, 5, 6, 7, 8], [9]]);
    expect(sim.runUntil(() => sim.running().some((i) => sim.state(i, 9) === 'suspect'), 10_000)).toBe(true);
    expect(sim.state(9, 9)).toBe('alive');
    expect(sim.runUntil(() => sim.running().every((i) => i === 9 || sim.state(i, 9) === 'dead'), 60_000)).toBe(true);
    sim.heal();
    expect(sim.runUntil(() => sim.converged(), 60_000)).toBe(true);
  });

  test('who is removed by one is still known to the others, and may come back', () => {
    const sim = connected(8);
    for (let about = 1; about < 8; about++) sim.forget(0, about);
    expect(sim.view(0).map(({ index }) => index)).toEqual([0]);
    expect(sim.stats(0)).toMatchObject({ members: 1, membersAlive: 1 });
    expect(sim.converged([1, 2, 3, 4, 5, 6, 7])).toBe(true);
    expect(sim.runUntil(() => sim.converged(), 60_000)).toBe(true);
    expect(sim.view(0)).toHaveLength(8);
    expect(sim.stats(0).membersAlive).toBe(8);
    expect(() => sim.connectAll()).toThrow('know nobody');
  });

  test('half of them die and newcomers join: everybody agrees with everybody, row by row', () => {
    const sim = connected(24);
    for (let i = 0; i < 12; i++) sim.crash(i * 2, 'silent');
    for (let i = 0; i < 6; i++) sim.join(sim.addMember({ tags: ['new'] }), 1);
    expect(
      sim.runUntil(() => sim.converged() && sim.view(1).filter(({ state }) => state === 'dead').length === 12, 90_000),
    ).toBe(true);
    sim.run(60_000);
    const seen = (i: number) =>
      sim
        .view(i)
        .map(({ index, state, tags }) => `${index} ${state} ${tags}`)
        .sort();
    for (const i of sim.running())
      expect(seen(i).filter((row) => row.includes('alive'))).toEqual(seen(1).filter((row) => row.includes('alive')));
    expect(new Set(sim.running().map((i) => sim.stats(i).membersAlive))).toEqual(new Set([18]));
  });

  test('some of the members only', () => {
    const sim = createSimulation({ seed: 1, members: 5 });
    sim.connectAll([1, 2, 3]);
    expect(sim.converged([1, 2, 3])).toBe(true);
    expect(sim.view(0).map(({ index }) => index)).toEqual([0]);
    expect(sim.state(1, 4)).toBe('unknown');
  });

  test('they detect, refute and tell as others do', () => {
    const sim = connected(20);
    sim.crash(7, 'silent');
    expect(sim.runUntil(() => sim.running().every((i) => sim.state(i, 7) === 'dead'), 30_000)).toBe(true);
    sim.setMetadata(3, { role: 'leader' });
    sim.run(3000);
    for (const i of sim.running()) {
      expect(sim.view(i).find(({ index }) => index === 3)?.metadata).toEqual({ role: 'leader' });
    }
    sim.restart(7);
    sim.join(7, 0);
    expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
  });
});

describe('what is seen of a run', () => {
  test('callbacks are told of each change and message, whether they are kept or not', () => {
    for (const record of [true, false]) {
      const events: SimulationEvent[] = [];
      const deliveries: Delivery[] = [];
      const sim = createSimulation({
        seed: 1,
        members: 5,
        record,
        onEvent: (event) => events.push(event),
        onDelivery: (delivery) => deliveries.push(delivery),
      });
      sim.joinAll();
      sim.run(5000);
      sim.broadcast(1, 'hello');
      sim.run(5000);
      expect(deliveries.map(({ to }) => to).sort()).toEqual([0, 2, 3, 4]);
      expect(events.length).toBeGreaterThanOrEqual(20);
      expect(sim.events).toEqual(record ? events : []);
      expect(sim.deliveries).toEqual(record ? deliveries : []);
    }
  });

  test('a datagram is counted with its headers where it is sent and where it arrives', () => {
    const sim = connected(2, { duplicate: 1 });
    sim.send(0, 1, 'x'.repeat(100), { reliable: false });
    sim.run(50);
    const sent = sim.traffic(0);
    expect(sent).toMatchObject({ datagrams: 1, datagramsIn: 0, duplicated: 1, reliable: 0 });
    // Version and flags, type, from, to, time, message type, the codec's prefix, the text.
    expect(sent.datagramBytes).toBe(28 + 2 + 1 + 16 + 16 + 8 + 2 + 2 + 100);
    expect(sim.traffic(1)).toMatchObject({ datagramsIn: 2, datagramBytesIn: 2 * sent.datagramBytes });
    sim.crash(1, 'silent');
    sim.send(0, 1, 'nobody hears this', { reliable: false });
    sim.run(50);
    expect(sim.traffic(1).datagramsIn).toBe(2);
    expect(sim.traffic()).toMatchObject({ datagrams: 2, datagramsIn: 2 });
  });

  test('a reliable frame is counted with its segments, acknowledgements and, once, its connection', () => {
    const sim = connected(2);
    sim.send(0, 1, 'x'.repeat(3000));
    sim.run(50);
    const stream = 4 + 2 + 1 + 16 + 16 + 8 + 2 + 3 + 3000;
    const frame = stream + 3 * 40;
    expect(sim.traffic(0)).toMatchObject({
      reliable: 1,
      reliableBytes: frame + 4 * 40,
      reliableIn: 0,
      reliableBytesIn: 2 * 40 + 3 * 40,
    });
    expect(sim.traffic(1)).toMatchObject({
      reliable: 0,
      reliableBytes: 2 * 40 + 3 * 40,
      reliableIn: 1,
      reliableBytesIn: frame + 4 * 40,
    });
    sim.send(0, 1, 'x'.repeat(3000));
    sim.run(50);
    expect(sim.traffic(0).reliableBytes).toBe(2 * frame + 4 * 40);
  });
});

test('what has passed does not fill the memory', () => {
  const deadlines = new Deadlines();
  for (let i = 0; i < 100_000; i++) deadlines.set(i, i + 100, i);
  expect(deadlines.size).toBeLessThan(2048);
  expect(deadlines.get(99_999)).toBe(100_099);
});

test('all of it from one seed', () => {
  const run = (seed: number) => {
    const sim = createSimulation({ seed, network: { bandwidthBytesPerS: 20_000, queueBytes: 3000, loss: 0.02 } });
    for (let i = 0; i < 12; i++) sim.addMember({ clockDrift: (i - 6) * 1e-3 });
    sim.connectAll();
    sim.network.link(0, 1, { delayMs: (random) => 5 + random.unit() * random.unit() * 400, loss: 0.3 });
    sim.flipFlop(2, { everyMs: 700, ways: 'in' });
    for (let i = 0; i < 30; i++) {
      sim.broadcast(i % 12, { i, text: 'x'.repeat(800) }, { reliable: i % 3 === 0 });
      sim.run(500);
    }
    sim.crash(3);
    sim.run(10_000);
    sim.flipFlop(2, undefined);
    sim.restart(3);
    sim.join(3, 0);
    sim.run(20_000);
    return { hash: sim.traceHash, traffic: sim.traffic(), events: sim.events, deliveries: sim.deliveries };
  };
  const first = run(1);
  expect(run(1)).toEqual(first);
  expect(run(2).hash).not.toBe(first.hash);
  expect(first.traffic.queueDropped).toBeGreaterThan(0);
});
