/** Metadata between natives and Go-like peers, and what a mixed cluster costs while nothing happens. */
import { expect } from 'vitest';
import type { GoLikePeer } from '../../tools/sim/go-like-peer.js';
import { some, tries } from '../effort.js';
import { mixed, sum } from './mixed.js';
import { seeded } from './seeded.js';

const test = seeded('v1-metadata.test.ts');

test('metadata goes both ways, from the start and when it changes', 3, (seed) => {
  const { sim, natives, gos } = mixed(seed, 5, 3, {
    native: (i) => ({ metadata: { native: i } }),
    go: (i) => ({ metadata: { go: i } }),
  });
  const nativesSee = (about: number, metadata: unknown) => {
    for (const native of natives) {
      if (native === about) continue;
      expect(sim.view(native).find(({ index }) => index === about)?.metadata).toEqual(metadata);
    }
  };
  const gosSee = (about: number, metadata: unknown) => {
    for (const go of gos) if (go.index !== about) expect(go.table.get(sim.id(about))?.metadata).toEqual(metadata);
  };
  sim.run(5000);
  for (const native of natives) gosSee(native, { native });
  for (const { index } of gos) nativesSee(index, { go: index - 1_000_000 });

  sim.setMetadata(2, { native: 'two', list: [1, 'x', true, null] });
  gos[1]?.setMetadata({ go: 'one', nested: { a: 1 } });
  sim.run(2000);
  gosSee(2, { native: 'two', list: [1, 'x', true, null] });
  nativesSee(2, { native: 'two', list: [1, 'x', true, null] });
  nativesSee(1_000_001, { go: 'one', nested: { a: 1 } });
});

test('every change is told once at each, the last one wins, and nothing is told while nothing changes', 3, (seed) => {
  const { sim, natives, gos } = mixed(seed, 5, 3);
  sim.run(20_000);
  const nativeEvents = () => sim.events.filter(({ kind }) => kind === 'metadata').length;
  const goEvents = () => sum(gos.map(({ table }) => table.metadataEvents.length));
  const [before, goBefore] = [nativeEvents(), goEvents()];
  sim.run(tries(300_000, 60_000));
  expect([nativeEvents(), goEvents()]).toEqual([before, goBefore]);
  sim.setMetadata(3, { change: 1 });
  gos[2]?.setMetadata({ change: 2 });
  sim.run(20_000);
  // A native tells itself of its own change as well.
  expect(nativeEvents() - before).toBe(natives.length + natives.length);
  const atOthers = gos.flatMap(({ table }) => table.metadataEvents.filter(({ about }) => about === 3));
  expect(atOthers.filter(({ metadata }) => metadata.change === 1)).toHaveLength(gos.length);
  for (let i = 0; i < 20; i++) sim.setMetadata(3, { last: i });
  sim.run(5000);
  for (const go of gos) expect(go.table.get(sim.id(3))?.metadata).toEqual({ last: 19 });
});

test('an old update that comes late is not taken back, whoever passes it on', 2, (seed) => {
  const { sim, natives, gos } = mixed(seed, 3, 2);
  const go = gos[0] as GoLikePeer;
  const metadataTime = go.now();
  const messageId = go.now();
  sim.run(1000);
  go.setMetadata({ new: true });
  sim.run(1000);
  const message = { kind: 'metadata', metadataTime, metadata: { old: true }, state: 'alive' } as const;
  const packet = { dialect: 'v1', type: 4, senderId: go.id, messageId, ttl: 2, replyExpected: false, message } as const;
  for (const native of natives) sim.inject(native, packet);
  sim.run(1000);
  for (const native of natives) {
    expect(sim.view(native).find(({ index }) => index === 1_000_000)?.metadata).toEqual({ new: true });
  }
});

test(
  'at rest a native sends each Go-like peer one datagram in 1.2 s, a push/pull in 45 s, and rare pings',
  2,
  (seed) => {
    const sizes = [
      [1, 1],
      [3, 3],
      [10, 5],
    ] as const;
    for (const [natives, gos] of some(sizes, 2)) {
      const cluster = mixed(seed, natives, gos);
      const { sim } = cluster;
      sim.run(20_000);
      for (const go of cluster.gos) go.received.clear();
      const seconds = 600;
      const before = cluster.natives.map((native) => sim.traffic(native));
      const answered = cluster.gos.map((go) => sum(cluster.natives.map((native) => go.pings.get(native) ?? 0)));
      sim.run(seconds * 1000);
      for (const native of cluster.natives) {
        const got = (type: number) => sum(cluster.gos.map((go) => go.received.get(`${type} from ${native}`) ?? 0));
        expect(got(4) / gos / (seconds / 1.2)).toBeGreaterThan(0.97);
        expect(got(4) / gos / (seconds / 1.2)).toBeLessThan(1.03);
        expect(got(3)).toBeLessThan((seconds / 45) * 1.3);
        // Each second one member in turn is asked, a v1 peer only when it has been silent.
        expect(got(5)).toBeLessThan(seconds * (gos / (natives + gos - 1)) * 0.5);
        const types = new Set(
          cluster.gos.flatMap((go) => [...go.received.keys()]).filter((k) => k.endsWith(` ${native}`)),
        );
        expect([...types].filter((key) => !/^[345] from/.test(key))).toEqual([]);
        // Everything beside the keep-alives is the natives' own: a ping and its ack each second, a digest now and then.
        const datagrams = sim.traffic(native).datagrams - (before[native]?.datagrams ?? 0);
        expect((datagrams - got(4)) / seconds).toBeLessThan(natives === 1 ? 0.01 : 2.6);
      }
      expect(cluster.gos.map((go) => sum(cluster.natives.map((n) => go.pings.get(n) ?? 0)))).toEqual(answered);
    }
  },
);
