/**
 * Which address of this machine others can dial when the bind address is a wildcard.
 */
import { networkInterfaces } from 'node:os';
import { GossipError } from '../../errors.js';
import { isWildcard } from '../address.js';

/**
 * Replaces a wildcard by the first address of an interface that is not internal; other hosts stay as they are.
 *
 * IPv4 comes first unless `preferIPv6`; an IPv4 wildcard takes IPv4 addresses only, because nothing else is bound.
 * Link-local IPv6 addresses are left out: they mean nothing without a zone, which others do not share.
 * @param interfaces - what the machine has; an argument for tests.
 * @throws {GossipError} `ERR_OPTION` when there is none, asking for `advertise`.
 */
export function dialableHost(bindHost: string, preferIPv6: boolean, interfaces = networkInterfaces()): string {
  if (!isWildcard(bindHost)) return bindHost;
  const outer = Object.values(interfaces)
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address));
  const v4 = outer.find(({ family }) => family === 'IPv4');
  const v6 = bindHost.includes(':') ? outer.find(({ family }) => family === 'IPv6') : undefined;
  const chosen = preferIPv6 ? (v6 ?? v4) : (v4 ?? v6);
  if (chosen) return chosen.address;
  throw new GossipError(
    'ERR_OPTION',
    `bind is the wildcard ${bindHost}, which nobody can dial, and this machine has no outside address to offer ` +
      'instead: pass advertise, the address under which others reach this member',
  );
}
