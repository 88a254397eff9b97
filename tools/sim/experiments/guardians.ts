/**
 * What broadcasts cost where some members are v1 peers, beside a cluster of as many v1 peers alone: packets sent by ours and by
 * theirs, and whom they reach. Ours send each v1 peer a broadcast once, by its guardian; the Go library's send it to a few at
 * random, and whoever gets it for the first time does so again.
 */
import { createSimulation, type Simulation } from '../../../src/testing/index.js';
import { gossipV1 } from '../../../src/v1.js';
import { addGoLike, type GoLikePeer } from '../go-like-peer.js';
import { type Experiment, percent, table } from './experiment.js';

const PAUSE_MS = 500;
/** Until all know all. Source: guess, above what a hundred Go-like peers need. */
const WHOLE_MS = 300_000;
/** Of the members of a mixed cluster so many are v1 peers. Source: the scenario `mixed`. */
const V1_SHARE = 0.25;

interface Cluster {
  sim: Simulation;
  gos: GoLikePeer[];
  /** What was handed to applications of ours. */
  handed: number;
}

/** What is counted, of all members together. */
interface Counts {
  /** Packets of application messages that Go-like peers have sent, and got. */
  goSent: number;
  goGot: number;
  /** … that ours have sent to v1 peers, and to each other, with what announces them. */
  toV1: number;
  amongUs: number;
  /** Messages handed to applications. */
  goDelivered: number;
  delivered: number;
}

/** The experiment. */
export const guardians: Experiment = (quick, progress) => {
  const messages = quick ? 20 : 200;
  const rows = (quick ? [10, 30] : [10, 30, 100]).flatMap((size) => {
    const peers = Math.ceil(size * V1_SHARE);
    const mixed = whole(size - peers, peers);
    const alone = whole(0, size);
    return ([false, true] as const).flatMap((reliable) =>
      [
        { name: 'mixed, ours tell', cluster: mixed, byGo: false },
        { name: 'mixed, Go peers tell', cluster: mixed, byGo: true },
        { name: 'Go peers alone', cluster: alone, byGo: true },
      ].map(({ name, cluster, byGo }) => {
        progress(`${size} members, ${reliable ? 'reliable' : 'best effort'}: ${name}`);
        const { sim, gos } = cluster;
        const before = counted(cluster);
        for (let i = 0; i < messages; i++) {
          if (byGo) gos[i % gos.length]?.broadcast({ i }, { reliable });
          else sim.broadcast(i % sim.size, { i }, { reliable });
          sim.run(PAUSE_MS);
        }
        const after = counted(cluster);
        const of = (what: keyof Counts) => after[what] - before[what];
        const each = (what: keyof Counts, by: number) => (by > 0 ? (of(what) / messages / by).toFixed(2) : '–');
        return [
          size,
          reliable ? 'reliable' : 'best effort',
          name,
          percent(of('goDelivered'), messages * (gos.length - (byGo ? 1 : 0))),
          sim.size > 0 ? percent(of('delivered'), messages * (sim.size - (byGo ? 0 : 1))) : '–',
          each('goGot', gos.length),
          each('goSent', gos.length),
          each('toV1', sim.size),
          each('amongUs', sim.size),
          ((of('goSent') + of('toV1') + of('amongUs')) / messages).toFixed(1),
        ];
      }),
    );
  });
  const text = [
    `A quarter of the members are v1 peers, without loss; ${messages} broadcasts a row, one each ${PAUSE_MS / 1000} s by the members in turn, seed 1.`,
    'Packets for each broadcast.',
    '',
    table(
      [
        'members',
        '',
        '',
        'of v1 peers got it',
        'of ours',
        'a v1 peer gets',
        'a v1 peer sends',
        'one of us sends to v1 peers',
        'and among us',
        'all send',
      ],
      rows,
    ),
  ].join('\n');
  return { title: 'Guardians: what v1 peers get, and what it costs', text };
};

/** So many of ours and of theirs, who all know each other. */
function whole(ours: number, theirs: number): Cluster {
  const v1 = gossipV1();
  const onDelivery = () => {
    cluster.handed++;
  };
  const sim = createSimulation({ seed: 1, v1: v1.wire, record: false, onDelivery });
  for (let i = 0; i < ours; i++) sim.addMember({ v1: v1.rules });
  const gos = Array.from({ length: theirs }, () => addGoLike(sim));
  const cluster: Cluster = { sim, gos, handed: 0 };
  sim.connectAll();
  for (const go of gos)
    if (go !== gos[0] || ours > 0) go.join(ours > 0 ? sim.address(0) : (gos[0] as GoLikePeer).address);
  const everybody = ours + theirs;
  const known = () =>
    gos.every((go) => go.sees('alive').length === everybody - 1) &&
    sim.running().every((member) => sim.view(member).length === everybody);
  if (!sim.runUntil(known, WHOLE_MS)) throw new Error(`${ours} and ${theirs} did not become one cluster`);
  sim.run(3000);
  return cluster;
}

function counted({ sim, gos, handed }: Cluster): Counts {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
  const stats = sim.running().map((member) => sim.stats(member));
  return {
    goSent: sum(gos.map(({ spread }) => spread)),
    goGot: sum(gos.flatMap(({ copies }) => [...copies.values()])),
    toV1: sum(stats.map(({ v1BroadcastsSent = 0 }) => v1BroadcastsSent)),
    amongUs: sum(stats.map(({ broadcastsRelayed = 0, ihavesSent = 0 }) => broadcastsRelayed + ihavesSent)),
    goDelivered: sum(gos.map(({ deliveries }) => deliveries.length)),
    delivered: handed,
  };
}
