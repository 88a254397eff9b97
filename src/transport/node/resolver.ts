/**
 * The resolver of Node: the system's own rules (hosts file, search domains, `localhost`) for addresses, DNS for SRV.
 */
import { Resolver as DnsResolver, lookup } from 'node:dns/promises';
import { GossipError } from '../../errors.js';
import type { Resolver } from '../resolver.js';

/** Options of {@link systemResolver}. */
export interface SystemResolverOptions {
  /** DNS servers to ask instead of the system's, as `ip`, `ip:port` or `[v6]:port`. */
  servers?: string[];
  /** How long one question to a server may take before it is repeated, once. Default: 2,000 ms. Source: guess. */
  timeoutMs?: number;
}

/**
 * Makes a resolver.
 *
 * Without `servers`, addresses come from the operating system, which knows more than DNS. With them, A and AAAA are
 * asked of those servers at the same time, and the operating system only when neither has an answer.
 * @throws {GossipError} `ERR_OPTION` when a server is not an IP address.
 */
export function systemResolver({ servers, timeoutMs = 2_000 }: SystemResolverOptions = {}): Resolver {
  const dns = new DnsResolver({ timeout: timeoutMs, tries: 2 });
  if (servers) {
    try {
      dns.setServers(servers);
    } catch (cause) {
      throw new GossipError(
        'ERR_OPTION',
        `servers: ${servers.join(', ')}: each must be an IP, with a port if need be`,
        {
          cause,
        },
      );
    }
  }
  const bySystem = async (host: string) => (await lookup(host, { all: true })).map(({ address }) => address);
  const byServers = async (host: string) => {
    const answers = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  };
  return {
    async lookupIp(host) {
      if (!servers) return bySystem(host);
      const found = await byServers(host);
      return found.length > 0 ? found : bySystem(host);
    },
    async lookupSrv(name) {
      const records = await dns.resolveSrv(name);
      return records.map(({ name: host, port, priority, weight }) => ({ host, port, priority, weight }));
    },
  };
}
