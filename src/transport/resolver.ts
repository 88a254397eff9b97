/**
 * From names to endpoints, without a platform: the interface a resolver has, the order in which its answers are tried,
 * and a short, bounded cache in front of it.
 */
import { errorMessage, GossipError } from '../errors.js';
import type { Address } from './address.js';
import { isIp, isIpv6 } from './address.js';

/** One DNS SRV record. */
export interface SrvRecord {
  host: string;
  port: number;
  /** Lower is tried first. */
  priority: number;
  /** Among equal priorities, the share of being tried first. */
  weight: number;
  /** The host's addresses, if the resolver knows them already; otherwise they are looked up. */
  ips?: string[];
}

/** How names are looked up. Answers need no order; an empty list and a rejection both mean "no such name". */
export interface Resolver {
  lookupIp(host: string): Promise<string[]>;
  lookupSrv(name: string): Promise<SrvRecord[]>;
}

/** Something that can be dialled: a literal IP address and a port. */
export interface Endpoint {
  host: string;
  port: number;
}

/** Looks addresses up, remembering answers for a moment. */
export interface Lookup {
  /**
   * The endpoints of an address, in the order to try them.
   * @param key - the address as text; what the answer is remembered under.
   * @throws {GossipError} `ERR_RESOLVE` when there is none right now.
   */
  endpoints(key: string, address: Address): Promise<Endpoint[]>;
  /** The usable SRV records of a name, in the order to try them. @throws {GossipError} `ERR_RESOLVE` */
  srv(name: string): Promise<SrvRecord[]>;
  /** Says that this endpoint answered, so that it is tried first next time. */
  worked(key: string, endpoint: Endpoint): void;
  /** Says that nothing answered, so that the name is looked up anew next time. */
  failed(key: string): void;
}

/** What {@link createLookup} needs. */
export interface LookupOptions {
  /** Absent: names cannot be looked up, only literal addresses work. */
  resolver?: Resolver | undefined;
  preferIPv6?: boolean | undefined;
}

// Source: guess; long enough that a burst of packets asks once, short enough that a moved service is found at once.
const CACHE_MS = 5_000;
// Source: guess; more names than a cluster that is addressed by name has members alive within 5 s.
const CACHE_ENTRIES_MAX = 4_096;
// Source: guess; more targets behind one name are not tried, so that an answer cannot make us dial for ever.
const ENDPOINTS_MAX = 32;

/** Makes a lookup with a cache of its own. */
export function createLookup({ resolver, preferIPv6 = false }: LookupOptions): Lookup {
  const endpointCache = createCache<Endpoint[]>();
  const srvCache = createCache<SrvRecord[]>();

  const need = (name: string): Resolver => {
    if (resolver) return resolver;
    throw new GossipError('ERR_RESOLVE', `cannot look up ${name}: pass the option resolver (systemResolver() on Node)`);
  };

  const lookupIps = async (host: string): Promise<string[]> => {
    if (isIp(host)) return [host];
    const found = await ask(host, 'IP address', () => need(host).lookupIp(host));
    const usable = found.filter(isIp);
    if (usable.length === 0) throw new GossipError('ERR_RESOLVE', `${host} has no IP address`);
    // A stable sort: within a family the resolver's order stays.
    return usable.sort((a, b) => Number(isIpv6(a) !== preferIPv6) - Number(isIpv6(b) !== preferIPv6));
  };

  const srv = (name: string): Promise<SrvRecord[]> =>
    srvCache.get(name, async () => {
      const found = await ask(name, 'SRV record', () => need(name).lookupSrv(name));
      // RFC 2782: a target of "." says that the service is not offered here.
      const usable = found.filter((record) => record.port > 0 && record.host !== '' && record.host !== '.');
      if (usable.length === 0) throw new GossipError('ERR_RESOLVE', `${name} has no usable SRV record`);
      return orderSrv(usable).slice(0, ENDPOINTS_MAX);
    });

  const srvEndpoints = async (name: string): Promise<Endpoint[]> => {
    let failure: unknown;
    const lists = await Promise.all(
      (await srv(name)).map(async ({ host, port, ips }) => {
        try {
          return (ips ?? (await lookupIps(host))).map((ip) => ({ host: ip, port }));
        } catch (error) {
          failure ??= error;
          return [];
        }
      }),
    );
    const all = lists.flat();
    if (all.length === 0) {
      throw new GossipError('ERR_RESOLVE', `none of the targets of ${name} has an IP address`, { cause: failure });
    }
    return all;
  };

  return {
    srv,
    async endpoints(key, address) {
      if (address.kind === 'ip') return [{ host: address.host, port: address.port }];
      const found = await endpointCache.get(key, async () => {
        const all =
          address.kind === 'srv'
            ? await srvEndpoints(address.name)
            : (await lookupIps(address.host)).map((host) => ({ host, port: address.port ?? 0 }));
        return all.slice(0, ENDPOINTS_MAX);
      });
      // A copy, because worked() reorders the remembered list.
      return [...found];
    },
    worked(key, endpoint) {
      const entry = endpointCache.peek(key);
      if (entry && entry[0] !== endpoint && entry.includes(endpoint)) {
        entry.splice(0, entry.length, endpoint, ...entry.filter((other) => other !== endpoint));
      }
    },
    failed(key) {
      endpointCache.delete(key);
      if (/^srv\+/i.test(key)) srvCache.delete(key.slice(4));
    },
  };
}

/**
 * Orders SRV records: by priority, then at random in proportion to their weights.
 * @source RFC 2782, "Weight".
 */
export function orderSrv(records: readonly SrvRecord[], random: () => number = Math.random): SrvRecord[] {
  const left = [...records].sort((a, b) => a.priority - b.priority || a.weight - b.weight);
  const ordered: SrvRecord[] = [];
  while (left.length > 0) {
    const group = left.filter((record) => record.priority === left[0]?.priority);
    // Plus one, so that records of weight 0 are tried in a random order too.
    let mark = random() * group.reduce((sum, record) => sum + record.weight + 1, 0);
    let chosen = 0;
    while (chosen < group.length - 1) {
      mark -= (group[chosen]?.weight ?? 0) + 1;
      if (mark < 0) break;
      chosen++;
    }
    ordered.push(...left.splice(chosen, 1));
  }
  return ordered;
}

async function ask<T>(name: string, what: string, lookup: () => Promise<T>): Promise<T> {
  try {
    return await lookup();
  } catch (cause) {
    if (cause instanceof GossipError) throw cause;
    throw new GossipError('ERR_RESOLVE', `cannot look up the ${what} of ${name}: ${errorMessage(cause)}`, { cause });
  }
}

/** Remembers what a load returned for `CACHE_MS`; a load under way is shared, a failed one forgotten. */
function createCache<T>() {
  const entries = new Map<string, { value: Promise<T>; settled?: T; bornMs: number }>();
  return {
    get(key: string, load: () => Promise<T>): Promise<T> {
      const known = entries.get(key);
      if (known && performance.now() - known.bornMs < CACHE_MS) return known.value;
      const entry: { value: Promise<T>; settled?: T; bornMs: number } = { value: load(), bornMs: performance.now() };
      entries.delete(key);
      entries.set(key, entry);
      entry.value.then(
        (value) => {
          entry.settled = value;
        },
        () => {
          if (entries.get(key) === entry) entries.delete(key);
        },
      );
      if (entries.size > CACHE_ENTRIES_MAX) entries.delete(entries.keys().next().value as string);
      return entry.value;
    },
    peek: (key: string): T | undefined => entries.get(key)?.settled,
    delete: (key: string) => entries.delete(key),
  };
}
