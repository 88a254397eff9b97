/**
 * How quorums of a cluster share its two message types: what arrives is given to the quorum of its name. One handler for each
 * cluster, so that several quorums, elections and locks live in one.
 */
import type { Cluster, Member, MessageType, RequestType } from '../index.js';

/** 64 to 127 are not the application's; 96 to 111 are those of isogossip's own modules. See docs/protocol.md. */
export const SAY: MessageType<Envelope> = { type: 96, schema: undefined };
export const ASK: RequestType<Envelope, unknown> = { type: 97, schema: undefined, answerSchema: undefined };

/** What is for one quorum. */
export interface Envelope {
  /** Its name. */
  readonly q: string;
  readonly m: unknown;
}

/** A quorum at this member, as what arrives is given to it. */
interface Station {
  said(value: unknown, from: Member): void;
  asked(value: unknown, from: Member, signal: AbortSignal): Promise<unknown> | unknown;
}

interface Router {
  readonly stations: Map<string, Station>;
  stop(): void;
}

const ROUTERS = new WeakMap<Cluster, Router>();

function routerOf(cluster: Cluster): Router {
  const known = ROUTERS.get(cluster);
  if (known) return known;
  const stations = new Map<string, Station>();
  const of = (data: Envelope | null) => stations.get(typeof data?.q === 'string' ? data.q : '');
  const stops = [
    cluster.on(SAY, ({ data, from }) => of(data)?.said(data.m, from)),
    cluster.handle(ASK, ({ data, from, signal }) => of(data)?.asked(data.m, from, signal) ?? null),
  ];
  const router = { stations, stop: () => stops.forEach((stop) => void stop()) };
  ROUTERS.set(cluster, router);
  return router;
}

/**
 * Lets a quorum hear what is for its name.
 * @returns a function that ends it; `undefined` when the name is taken.
 */
export function listen(cluster: Cluster, name: string, station: Station): (() => void) | undefined {
  const router = routerOf(cluster);
  if (router.stations.has(name)) return undefined;
  router.stations.set(name, station);
  return () => {
    router.stations.delete(name);
    if (router.stations.size > 0) return;
    router.stop();
    ROUTERS.delete(cluster);
  };
}
