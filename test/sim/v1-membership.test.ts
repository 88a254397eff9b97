/** Mixed clusters at rest: who knows whom, and that nobody suspects anybody. */
import { expect } from 'vitest';
import { createSimulation } from '../../src/testing/index.js';
import { gossipV1 } from '../../src/v1.js';
import { addGoLike } from '../../tools/sim/go-like-peer.js';
import { some, tries } from '../effort.js';
import { allAlive, apart, joinAll, mixed, sum, troubles } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('v1-membership.test.ts');
const SIZES = some(
  [
    [1, 1],
    [3, 3],
    [5, 5],
    [10, 5],
  ] as const,
  2,
);

test('everybody knows everybody, natives know who speaks what', 3, (seed) => {
  for (const [natives, gos] of SIZES) {
    const { sim, ...cluster } = mixed(seed, natives, gos);
    for (const a of cluster.natives) {
      expect(sim.view(a)).toHaveLength(natives + gos);
      for (const b of cluster.natives) expect(sim.record(a, b)).toMatchObject({ dialect: 'native', bilingual: true });
      for (const go of cluster.gos) {
        expect(sim.record(a, go.index)).toMatchObject({ dialect: 'v1', protocolVersion: 1, address: go.address });
      }
    }
    for (const go of cluster.gos) expect(go.table.in('alive')).toHaveLength(natives + gos - 1);
  }
});

test('five minutes without loss: no suspicion, and hardly a ping from Go-like peers', 2, (seed) => {
  for (const [natives, gos] of SIZES) {
    const cluster = mixed(seed, natives, gos);
    const { sim } = cluster;
    const trouble = troubles(cluster);
    sim.run(300_000);
    expect(trouble()).toEqual([]);
    for (const go of cluster.gos) {
      expect(go.broken).toEqual([]);
      expect(sum(cluster.natives.map((native) => go.pings.get(native) ?? 0))).toBe(0);
    }
  }
});

test('five minutes at 2 % loss: nobody dies', 2, (seed) => {
  for (const [natives, gos] of SIZES) {
    const cluster = mixed(seed, natives, gos);
    cluster.sim.network.change({ loss: 0.02 });
    const trouble = troubles(cluster);
    cluster.sim.run(300_000);
    expect(trouble().filter((what) => what.includes('dead'))).toEqual([]);
    expect(allAlive(cluster)).toBe(true);
  }
});

test('a Go-like peer that joined natives over one member meets all of them, and those that come later', 6, (seed) => {
  const cluster = apart(seed, 8, 2);
  const { sim, gos } = cluster;
  const [first, late] = gos as [(typeof gos)[0], (typeof gos)[0]];
  sim.joinAll();
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
  first.join(sim.address(3));
  // All eight introduce themselves; a join reply lists six at most.
  expect(sim.runUntil(() => first.table.in('alive').length === 8, 2000)).toBe(true);
  late.join(first.address);
  expect(sim.runUntil(() => allAlive(cluster), 10_000)).toBe(true);
  const native = sim.addMember({ v1: gossipV1().rules });
  cluster.natives.push(native);
  sim.join(native, 5);
  expect(sim.runUntil(() => allAlive(cluster), 1200)).toBe(true);
});

test('natives that join over a Go-like peer find each other and end up native', 3, (seed) => {
  const cluster = apart(seed, 4, 1);
  const { sim, natives, gos } = cluster;
  for (const native of natives) sim.join(native, (gos[0] as (typeof gos)[0]).address);
  expect(sim.runUntil(() => allAlive(cluster), 120_000)).toBe(true);
  for (const a of natives) for (const b of natives) expect(sim.record(a, b).dialect).toBe('native');
});

test('natives meet by a v1 join with the key `iso`, once, and speak no v1 to each other afterwards', 2, (seed) => {
  const sim = createSimulation({ seed, v1: gossipV1().wire });
  for (let i = 0; i < 5; i++) sim.addMember({ v1: gossipV1().rules });
  sim.joinAll();
  expect(sim.runUntil(() => sim.converged(), 10_000)).toBe(true);
  const v1Packets = () => sum(sim.running().map((member) => sim.stats(member).v1PacketsReceived ?? 0));
  // Who is pinged by somebody it has not heard of introduces itself as well.
  const joins = v1Packets();
  expect(joins).toBeGreaterThanOrEqual(4);
  expect(joins).toBeLessThan(10);
  sim.run(tries(300_000, 60_000));
  expect(v1Packets()).toBe(joins);
  for (let i = 0; i < 5; i++) expect(sim.refused(i)).toEqual({});
});

test('a member without the plug-in sees Go-like peers through the others, and they never hear of it', 3, (seed) => {
  const cluster = apart(seed, 3, 2);
  const { sim, natives, gos } = cluster;
  const plain = sim.addMember();
  joinAll(cluster);
  const all = () => allAlive(cluster) && sim.converged() && gos.every((go) => sim.state(plain, go.index) === 'alive');
  expect(sim.runUntil(all, 20_000)).toBe(true);
  const trouble = troubles(cluster);
  sim.run(tries(200_000, 60_000));
  expect(trouble()).toEqual([]);
  for (const go of gos) {
    expect(go.stateOf(plain)).toBe('unknown');
    expect(sim.record(plain, go.index)).toMatchObject({ dialect: 'v1', address: go.address });
    expect([...go.received.keys()].filter((key) => key.endsWith(`from ${plain}`))).toEqual([]);
    // A crash is known to it as to the others.
    go.crash();
  }
  for (const native of natives) expect(sim.record(native, plain).bilingual).toBe(false);
  expect(sim.runUntil(() => gos.every((go) => sim.state(plain, go.index) === 'dead'), 60_000)).toBe(true);
});

test('a member without the plug-in answers a v1 join natively, and a Go-like peer gets nowhere with it', 2, (seed) => {
  const sim = createSimulation({ seed, v1: gossipV1().wire });
  const plain = sim.addMember();
  const bilingual = sim.addMember({ v1: gossipV1().rules });
  const go = addGoLike(sim);
  const joined = sim.join(bilingual, plain);
  go.join(sim.address(plain));
  expect(sim.runUntil(() => joined.settled, 1000)).toBe(true);
  expect(joined.value).toBe(1);
  sim.run(5000);
  expect(sim.converged()).toBe(true);
  expect(sim.state(plain, go.index)).toBe('unknown');
  expect(go.table.in('alive')).toEqual([]);
});

test('versions that are not welcome are refused both ways, with the reason', 1, (seed) => {
  const { sim, gos } = apart(seed, 2, 2, {
    native: (i) => ({ applicationVersion: `n${i}`, refuseVersion: (v) => (v === 'g1' ? `not ${v}` : undefined) }),
    go: (i) => ({ applicationVersion: `g${i}`, versionCheck: (v) => v !== 'n1' }),
  });
  const [welcome, old] = gos as [(typeof gos)[0], (typeof gos)[0]];
  welcome.join(sim.address(0));
  old.join(sim.address(0));
  sim.run(2000);
  expect(old.rejections).toEqual(['not g1']);
  expect([sim.state(0, welcome.index), sim.state(0, old.index)]).toEqual(['alive', 'unknown']);
  const refused = sim.join(1, welcome.address);
  sim.run(5000);
  expect(refused.error).toMatchObject({ code: 'ERR_JOIN_REJECTED' });
  expect(refused.error?.message).toContain('incompatible application version: n1');
  expect(sim.state(1, welcome.index)).toBe('unknown');
});
