// The Go library has no store; its example kv has a table of its own, with messages of its own. This carries writes between the two.
import { type Cluster, defineMessage, defineRequest } from 'isogossip';
import type { Store } from 'isogossip/store';

interface Entry {
  val: unknown;
  /** Nanoseconds, and a number for writes of the same one. */
  v: { ts: bigint | number; ver: number };
  /** Deleted. */
  d: boolean;
}
interface Entries {
  e: Record<string, Entry>;
}
const fullSync = defineRequest<null, Entries>(128);
const sync = defineMessage<Entries>(129);

/** Writes of Go peers are written to the store, ours are told to them. */
export function shareWithGo(cluster: Cluster, store: Store): void {
  const known = new Map<string, Entry>();
  const isNewer = (key: string, { v }: Entry) => {
    const { ts, ver } = known.get(key)?.v ?? { ts: 0, ver: 0 };
    return BigInt(v.ts) > BigInt(ts) || (BigInt(v.ts) === BigInt(ts) && v.ver > ver);
  };

  cluster.handle(fullSync, () => ({ e: Object.fromEntries(known) }));
  cluster.on(sync, ({ data, from }) => {
    if (from.protocol !== 'v1') return;
    for (const [key, entry] of Object.entries(data.e ?? {})) {
      if (!isNewer(key, entry)) continue;
      known.set(key, entry);
      if (entry.d) void store.delete(key);
      else void store.set(key, entry.val);
    }
  });
  store.watch({ prefix: '' }, ({ key, kind, value, local }) => {
    const told = known.get(key);
    // What comes from Go, or what another of us has told it, is known there.
    if (kind !== 'register' || (told && told.val === value && told.d === (value === undefined))) return;
    const entry = { val: value ?? null, v: { ts: BigInt(Date.now()) * 1_000_000n, ver: 0 }, d: value === undefined };
    known.set(key, entry);
    if (local) void cluster.broadcast(sync, { e: { [key]: entry } });
  });
}
