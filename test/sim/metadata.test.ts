/** What members say about themselves reaches everyone; while nothing changes, nothing is said. */
import { expect } from 'vitest';
import { createSimulation, type NetworkOptions, type Simulation } from '../../src/testing/index.js';
import { some } from '../effort.js';
import { seeded } from './seeded.js';

const test = seeded('metadata.test.ts');

function cluster(seed: number, members: number, network: NetworkOptions = {}): Simulation {
  const sim = createSimulation({ seed, members });
  sim.joinAll();
  if (!sim.runUntil(() => sim.converged(), 10_000)) throw new Error('the members did not find each other');
  sim.network.change(network);
  return sim;
}

function everywhere(
  sim: Simulation,
  about: number,
  fits: (metadata: Readonly<Record<string, unknown>>) => boolean,
): boolean {
  return sim.running().every((i) => {
    const metadata = sim.view(i).find(({ index }) => index === about)?.metadata;
    return metadata !== undefined && fits(metadata);
  });
}

test('small metadata is everywhere within two seconds', 3, (seed) => {
  const sim = cluster(seed, 50);
  sim.run(5000);
  sim.setMetadata(7, { zone: 'eu', load: 3, at: new Date(0), big: 2n ** 60n, bytes: new Uint8Array([1, 2]) });
  const fits = (metadata: Readonly<Record<string, unknown>>) => metadata.zone === 'eu' && metadata.big === 2n ** 60n;
  expect(sim.runUntil(() => everywhere(sim, 7, fits), 2000)).toBe(true);
});

test('20 kB are pulled by everyone within seconds, also at 10 % loss', 3, (seed) => {
  for (const loss of [0, 0.1]) {
    const sim = cluster(seed, 20, { loss });
    sim.run(5000);
    const text = 'x'.repeat(20_000);
    sim.setMetadata(3, { text });
    expect(sim.runUntil(() => everywhere(sim, 3, (metadata) => metadata.text === text), 5000)).toBe(true);
    // Each fetches it about once, not from everyone who mentions it.
    sim.run(10_000);
    expect(sim.traffic().reliableBytes).toBeLessThan(20 * 20_000 * 6);
  }
});

test('who joins later has all of it', 2, (seed) => {
  const sim = cluster(seed, 10);
  for (let i = 0; i < 10; i++) sim.setMetadata(i, { text: String(i).repeat(5000) });
  sim.run(10_000);
  const late = sim.addMember();
  sim.join(late, 4);
  sim.run(1000);
  for (const { index, metadata } of sim.view(late)) {
    if (index !== late) expect(metadata?.text).toBe(String(index).repeat(5000));
  }
});

test('of many changes in a row the last one stays', 2, (seed) => {
  const sim = cluster(seed, 10, { reorder: 0.3, duplicate: 0.3, jitterMs: 100 });
  for (let i = 0; i < 100; i++) {
    sim.setMetadata(2, { i });
    sim.run(20);
  }
  sim.run(10_000);
  expect(everywhere(sim, 2, ({ i }) => i === 99)).toBe(true);
  // Nobody ever saw it go back.
  expect(sim.view(5).find(({ index }) => index === 2)?.metadata).toEqual({ i: 99 });
});

test('nothing is sent about the membership while nothing changes', 2, (seed) => {
  for (const members of some([3, 20, 50], 2)) {
    const sim = cluster(seed, members);
    for (const i of sim.running()) sim.setMetadata(i, { name: `member ${i}`, text: 'x'.repeat(100) });
    sim.run(60_000);
    const before = sim.traffic();
    sim.run(120_000);
    const after = sim.traffic();
    const perSecond = (key: 'datagrams' | 'datagramBytes') => (after[key] - before[key]) / 120 / members;
    // A ping and an ack every 900 ms, and a digest now and then.
    expect(perSecond('datagrams')).toBeLessThan(2.3);
    expect(perSecond('datagramBytes')).toBeLessThan(124);
    // Each uses its connections to its neighbours, once in two minutes.
    const links = sim.running().reduce((sum, i) => sum + sim.neighbours(i).length, 0);
    expect(after.reliable - before.reliable).toBeLessThanOrEqual(links * 2);
  }
});
