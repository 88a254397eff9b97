/**
 * What a member does that runs in another runtime and can only be talked to as a member: it answers, asks back, repeats
 * what it hears, and leaves when it is told to. The test on the other side knows nothing else of it.
 */
import { type Cluster, type ClusterOptions, createCluster, defineMessage, defineRequest } from '../../src/index.js';

export const chat = defineMessage<string>(129);
export const add = defineRequest<{ a: number; b: number }, number>(130);
/** The sum, but asked of whoever asks. */
export const askBack = defineRequest<{ a: number; b: number }, number>(131);
/** How many numbered messages have come, and whether in order. */
export const counted = defineRequest<null, { count: number; ordered: boolean }>(132);
export const numbered = defineMessage<{ n: number; filling: Uint8Array }>(133);
export const goodbye = defineMessage<null>(134);
export const stats = defineRequest<null, Record<string, number>>(135);

/** Starts a member with these habits. `left` settles when it was told to go and has gone. */
export async function startMember(options: ClusterOptions): Promise<{ cluster: Cluster; left: Promise<void> }> {
  const cluster = await createCluster({ preset: 'local', ...options });
  let [count, ordered] = [0, true];
  cluster.on(chat, ({ data }) => {
    if (!data.startsWith('echo ')) cluster.broadcast(chat, `echo ${data}`);
  });
  cluster.on(numbered, ({ data }) => {
    if (data.n !== count) ordered = false;
    count++;
  });
  cluster.handle(add, ({ data }) => data.a + data.b);
  cluster.handle(askBack, ({ data, from }) => cluster.request(from.id, add, data));
  cluster.handle(counted, () => ({ count, ordered }));
  cluster.handle(stats, () => ({ ...cluster.stats() }));
  const left = new Promise<void>((resolve, reject) => {
    cluster.on(goodbye, () => void cluster.leave().then(resolve, reject));
  });
  return { cluster, left };
}
