/**
 * What a member does that runs in another runtime and can only be talked to as a member: it answers, asks back, repeats
 * what it hears, and leaves when it is told to. The test on the other side knows nothing else of it.
 */
import { type Cluster, type ClusterOptions, createCluster, defineMessage, defineRequest } from '../../src/index.js';
import { createStore } from '../../src/store/store.js';
import { takesPart } from './lock-behaviour.js';
import { stateOf, writeAs } from './store-behaviour.js';

export const chat = defineMessage<string>(129);
export const add = defineRequest<{ a: number; b: number }, number>(130);
/** The sum, but asked of whoever asks. */
export const askBack = defineRequest<{ a: number; b: number }, number>(131);
/** How many numbered messages have come, and whether in order. */
export const counted = defineRequest<null, { count: number; ordered: boolean }>(132);
const numbered = defineMessage<{ n: number; filling: Uint8Array }>(133);
export const goodbye = defineMessage<null>(134);
export const stats = defineRequest<null, Record<string, number>>(135);

/** What is in its store. */
export const storeState = defineRequest<null, string>(138);
/** Writes into it. */
export const storeWrite = defineRequest<{ who: string; round: number }, null>(139);

/** In capitals. */
export const upper = defineRequest<string, string>(137);

/** Asks for as many of them in return. */
export const floodBack = defineRequest<number, null>(136);
/** This many bytes of filling, so that 1,000 are more than may be under way on one connection. */
const FILLING_BYTES = 2_000;

/** Sends numbered messages. */
export async function flood(cluster: Cluster, to: string, count: number): Promise<void> {
  const filling = new Uint8Array(FILLING_BYTES).fill(7);
  const sends: Promise<void>[] = [];
  for (let n = 0; n < count; n++) sends.push(cluster.send(to, numbered, { n, filling }, { reliable: true }));
  await Promise.all(sends);
}

/** Counts numbered messages, and whether they come in order. */
export function count(cluster: Cluster): () => { count: number; ordered: boolean } {
  let [count, ordered] = [0, true];
  cluster.on(numbered, ({ data }) => {
    if (data.n !== count) ordered = false;
    count++;
  });
  return () => ({ count, ordered });
}

/** Starts a member with these habits. `left` settles when it was told to go and has gone. */
export async function startMember(options: ClusterOptions): Promise<{ cluster: Cluster; left: Promise<void> }> {
  const cluster = await createCluster({ preset: 'local', ...options });
  const counts = count(cluster);
  cluster.on(chat, ({ data }) => {
    if (!data.startsWith('echo ')) cluster.broadcast(chat, `echo ${data}`);
  });
  cluster.handle(add, ({ data }) => data.a + data.b);
  cluster.handle(askBack, ({ data, from }) => cluster.request(from.id, add, data));
  cluster.handle(counted, counts);
  cluster.handle(floodBack, async ({ data, from }) => {
    await flood(cluster, from.id, data);
    return null;
  });
  cluster.handle(stats, () => ({ ...cluster.stats() }));
  const store = await createStore(cluster, { syncIntervalMs: 1000 });
  cluster.handle(storeState, () => stateOf(store));
  cluster.handle(storeWrite, ({ data }) => {
    writeAs(store, data.who, data.round);
    return null;
  });
  const endLocks = takesPart(cluster);
  const left = new Promise<void>((resolve, reject) => {
    cluster.on(
      goodbye,
      () =>
        void Promise.all([store.close(), endLocks()])
          .then(() => cluster.leave())
          .then(resolve, reject),
    );
  });
  return { cluster, left };
}
