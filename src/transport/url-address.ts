/** The addresses that are URLs, which are all that a carrier over HTTP or WebSocket takes. Pure, as `address.ts` is. */
import { GossipError } from '../errors.js';
import { DEFAULT_LIMITS } from '../limits.js';

/** `https://host:port/path`, `srv+https://name/path`; `ws` and `wss` alike. */
export interface UrlAddress {
  kind: 'url';
  scheme: 'http' | 'https' | 'ws' | 'wss';
  /** Whether the port is to be looked up by SRV; `port` is undefined then. */
  srv: boolean;
  /** Without brackets. */
  host: string;
  /** Undefined: the scheme's own. */
  port: number | undefined;
  /** Begins with `/`; a query string belongs to it. */
  path: string;
  /** What stands after `#`, or empty: the member behind a gateway. */
  fragment: string;
}

/**
 * Reads a URL that is to be dialled.
 * @param address - what it is part of, for the error.
 * @throws {GossipError} `ERR_ADDRESS`
 */
export function parseUrl(text: string, address = text): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw invalid(address, 'it is not a valid URL; write scheme://host[:port]/path', cause);
  }
  if (url.username !== '' || url.password !== '') throw invalid(address, 'it must not carry a user name or password');
  if (url.port === '0') throw invalid(address, 'port 0 cannot be dialled; write the port the peer listens on');
  return url;
}

/**
 * Reads an address that begins like a URL: `scheme://` or `srv+scheme://`, of a known scheme.
 * @throws {GossipError} `ERR_ADDRESS`
 */
export function parseUrlAddress(text: string): UrlAddress {
  const srv = /^srv\+/i.test(text);
  const url = parseUrl(srv ? text.slice(4) : text, text);
  if (srv && url.port !== '') throw invalid(text, 'the port of an srv+ URL is looked up; write it without one');
  return {
    kind: 'url',
    scheme: url.protocol.slice(0, -1) as UrlAddress['scheme'],
    srv,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? undefined : Number(url.port),
    path: url.pathname + url.search,
    fragment: url.hash.slice(1),
  };
}

/** @throws {GossipError} `ERR_ADDRESS` when an address is longer than it may be. */
export function checkLength(text: string, bytesMax: number = DEFAULT_LIMITS.stringBytesMax): void {
  // A UTF-16 unit is at least one byte of UTF-8, so that the encoder never sees a text much above the limit.
  if (text.length > bytesMax || new TextEncoder().encode(text).length > bytesMax) {
    throw invalid(`${text.slice(0, 40)}…`, `it is longer than ${bytesMax} bytes`);
  }
}

/** The error of an address that cannot be used. */
export function invalid(text: string, why: string, cause?: unknown): GossipError {
  return new GossipError('ERR_ADDRESS', `cannot use the address ${JSON.stringify(text)}: ${why}`, { cause });
}
