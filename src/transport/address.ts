/**
 * Reads and writes every form an address can have. An address is a string everywhere else; this file alone knows what
 * is inside one. Pure: it resolves nothing and opens nothing.
 */
import { checkLength, invalid, parseUrlAddress, type UrlAddress } from './url-address.js';

/** `127.0.0.1:8000`, `[::1]:8000`. `host` has no brackets. */
interface IpAddress {
  kind: 'ip';
  host: string;
  port: number;
}

/** `db.example:8000`, or `db.example` where there is a default port. */
interface NameAddress {
  kind: 'name';
  host: string;
  port: number;
}

/** `srv+_gossip._tcp.example`: hosts and ports come from DNS SRV records. */
interface SrvAddress {
  kind: 'srv';
  name: string;
}

/** An address that has been read. */
export type Address = IpAddress | NameAddress | SrvAddress | UrlAddress;

/** What {@link parseAddress} may assume. */
export interface ParseAddressOptions {
  /** Port of an address that names none. Without it, such an address is an error. */
  defaultPort?: number;
  /** Longest address in UTF-8 bytes. Default: `DEFAULT_LIMITS.stringBytesMax`. */
  stringBytesMax?: number;
}

/** Where to bind: a host to listen on (an IP or a name) and a port, 0 for any free one. */
export interface BindAddress {
  host: string;
  port: number;
}

const FORMS = 'use ip:port, [ipv6]:port, host:port, srv+name, http(s)://host[:port]/path or srv+https://name/path';
const PORT_MAX = 65_535;
// RFC 1035 limits; underscores are allowed because SRV names and many internal names have them.
const NAME = /^(?=.{1,254}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?$/i;
const NUMERIC_NAME = /^[\d.]+$/;
const IPV4 = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;
const URL_FORM = /^(srv\+)?(https?|wss?):\/\//i;

/**
 * Reads an address that is to be dialled.
 *
 * `:port` and a bare `port` mean 127.0.0.1, because a Go peer that binds `:8000` advertises just that.
 * @throws {GossipError} `ERR_ADDRESS`, quoting the input and saying what to write instead.
 */
export function parseAddress(text: string, options: ParseAddressOptions = {}): Address {
  checkFilled(text, options.stringBytesMax);
  if (URL_FORM.test(text)) return parseUrlAddress(text);
  if (text.includes('://')) throw invalid(text, `its scheme is not one of http, https, ws, wss; ${FORMS}`);
  if (/^srv\+/i.test(text)) {
    const name = text.slice(4);
    if (!isName(name))
      throw invalid(text, 'after srv+ a DNS name is expected, without a port: srv+_gossip._tcp.example');
    return { kind: 'srv', name };
  }
  const { host, port = options.defaultPort } = splitHostPort(text);
  if (port === undefined) throw invalid(text, `it has no port; write ${bracketed(host)}:PORT`);
  if (port === 0) throw invalid(text, 'port 0 cannot be dialled; write the port the peer listens on');
  if (host === '') return { kind: 'ip', host: '127.0.0.1', port };
  return { kind: isIp(host) ? 'ip' : 'name', host, port };
}

/**
 * Reads an address to listen on: `ip:port`, `[v6]:port`, `name:port`, `host`, `:port` or a bare `port`.
 *
 * @param wildcard - host meant by `:port`; default `0.0.0.0`.
 * @returns a host and a port; the port is 0 (any free one) where none is given.
 * @throws {GossipError} `ERR_ADDRESS`, quoting the input.
 */
export function parseBind(text: string, wildcard = '0.0.0.0'): BindAddress {
  const forms = 'host:port, ip:port, [ipv6]:port or :port';
  if (typeof text !== 'string') throw invalid(text, `pass bind, a text: ${forms}`);
  checkFilled(text);
  if (text.includes('://') || text.includes('+')) throw invalid(text, `a bind address is ${forms}`);
  const { host, port = 0 } = splitHostPort(text);
  return { host: host === '' ? wildcard : host, port };
}

/** Writes an address so that {@link parseAddress} reads the same again. */
export function formatAddress(address: Address): string {
  switch (address.kind) {
    case 'ip':
    case 'name':
      return formatHostPort(address.host, address.port);
    case 'srv':
      return `srv+${address.name}`;
    case 'url': {
      const port = address.port === undefined ? '' : `:${address.port}`;
      const fragment = address.fragment === '' ? '' : `#${address.fragment}`;
      return `${address.srv ? 'srv+' : ''}${address.scheme}://${bracketed(address.host)}${port}${address.path}${fragment}`;
    }
  }
}

/** Writes `host:port`, with the brackets IPv6 needs. */
export function formatHostPort(host: string, port: number): string {
  return `${bracketed(host)}:${port}`;
}

/** Tells whether a host means "every interface": such an address can be bound but never dialled by others. */
export function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || (isIpv6(host) && /^[0:.]+$/.test(host));
}

/** Tells whether a host is a literal IPv4 or IPv6 address (without brackets). */
export function isIp(host: string): boolean {
  return IPV4.test(host) || isIpv6(host);
}

/** Tells whether a host is a literal IPv6 address (without brackets); a zone such as `%eth0` is allowed. */
export function isIpv6(host: string): boolean {
  // Most texts that are asked about are `ip:port`, for each packet: they have a single colon.
  if (host.indexOf(':') === host.lastIndexOf(':')) return false;
  const [literal = '', zone, ...more] = host.split('%');
  if (more.length > 0 || (zone !== undefined && !/^[\w.-]+$/.test(zone)) || !/^[\da-f:.]+$/i.test(literal))
    return false;
  return URL.canParse(`http://[${literal}]/`);
}

function splitHostPort(text: string): { host: string; port: number | undefined } {
  if (/^\d+$/.test(text)) return { host: '', port: parsePort(text, text) };
  if (isIpv6(text)) return { host: text, port: undefined };
  const bracket = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracket) {
    const host = bracket[1] ?? '';
    if (!isIpv6(host)) throw invalid(text, 'between the brackets an IPv6 address is expected, as in [::1]:8000');
    return { host, port: bracket[2] === undefined ? undefined : parsePort(bracket[2], text) };
  }
  const colon = text.lastIndexOf(':');
  const host = colon < 0 ? text : text.slice(0, colon);
  if (host.includes(':')) throw invalid(text, 'an IPv6 address with a port needs brackets, as in [::1]:8000');
  if (!(colon === 0 || IPV4.test(host) || isName(host))) {
    throw invalid(text, `${JSON.stringify(host)} is neither an IP address nor a DNS name; ${FORMS}`);
  }
  return { host, port: colon < 0 ? undefined : parsePort(text.slice(colon + 1), text) };
}

function parsePort(digits: string, text: string): number {
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port > PORT_MAX) {
    throw invalid(text, `its port ${JSON.stringify(digits)} is not a number from 0 to ${PORT_MAX}`);
  }
  return port;
}

function isName(host: string): boolean {
  return NAME.test(host) && !NUMERIC_NAME.test(host);
}

function bracketed(host: string): string {
  return isIpv6(host) ? `[${host}]` : host;
}

function checkFilled(text: string, bytesMax?: number): void {
  if (text === '') throw invalid(text, `it is empty; ${FORMS}`);
  checkLength(text, bytesMax);
}
