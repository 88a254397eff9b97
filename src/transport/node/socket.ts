/**
 * The usual transport on Node: UDP and TCP on one port. Small best-effort frames go as datagrams, everything else over
 * TCP, either on a lasting connection or on one per frame as the Go library does.
 */
import { errorMessage, GossipError } from '../../errors.js';
import { DEFAULT_LIMITS } from '../../limits.js';
import { type BindAddress, formatHostPort, isIp, parseAddress, parseBind } from '../address.js';
import { createLookup, type Endpoint, type Lookup, type Resolver } from '../resolver.js';
import type { Transport, TransportHost } from '../transport.js';
import { type DialFunction, dialTcp, type ListenFunction, type Listening, listenTcp } from './dial.js';
import { dialableHost } from './interfaces.js';
import { systemResolver } from './resolver.js';
import { createTcp, type Tcp } from './tcp.js';
import { bindUdp, type Udp } from './udp.js';

export type { DialFunction, ListenFunction, Listening } from './dial.js';

/** Options of {@link socketTransport}. */
export interface SocketTransportOptions {
  /** Where to listen: `ip:port`, `[v6]:port`, `name:port`, `:port` or `port`. Port 0 picks a free one. */
  bind: string;
  /** What peers dial: any address form but a URL. Without a port, or with port 0: the bound one. Default: the bound address. */
  advertise?: string;
  /** Port of addresses that name none. Default: none, such an address is an error. */
  defaultPort?: number;
  /** Opens connections in place of TCP. */
  dial?: DialFunction;
  /** Accepts connections in place of TCP. Implies that there are no datagrams. */
  listen?: ListenFunction;
  /** Default: {@link systemResolver}. */
  resolver?: Resolver;
  /** Try IPv6 addresses of a name first. Default: `false`. */
  preferIPv6?: boolean;
  /** A shared connection without traffic ends after this. Default: 300,000 ms. Source: guess, above the pause at which a member uses those to its neighbours. */
  idleTimeoutMs?: number;
  /** A connection must be open, and a frame complete, within this. Default: 10,000 ms. Source: TCPTimeout of memberlist. */
  timeoutMs?: number;
}

// With port 0 the free TCP port may be taken for UDP; then another is tried. Source: guess.
const BIND_TRIES = 20;
// Literal addresses remembered. Source: guess.
const KNOWN_MAX = 4096;

/** Everything that exists between start and close. */
interface Running {
  host: TransportHost;
  lookup: Lookup;
  tcp: Tcp;
  udp: Udp | undefined;
  listening: Listening;
}

/**
 * Makes the transport; nothing is opened before `start`.
 * @throws {GossipError} `ERR_ADDRESS`, `ERR_OPTION` when an option cannot work.
 */
export function socketTransport(options: SocketTransportOptions): Transport {
  const { defaultPort, preferIPv6 = false, idleTimeoutMs = 300_000, timeoutMs = 10_000 } = options ?? {};
  positive('idleTimeoutMs', idleTimeoutMs);
  positive('timeoutMs', timeoutMs);
  if (defaultPort !== undefined && !(Number.isInteger(defaultPort) && defaultPort > 0 && defaultPort < 65_536)) {
    throw new GossipError('ERR_OPTION', `defaultPort must be a port from 1 to 65535, not ${defaultPort}`);
  }
  const bind = parseBind(options?.bind, preferIPv6 ? '::' : '0.0.0.0');
  if (options.advertise !== undefined) advertised(options.advertise, 1);
  let running: Running | undefined;
  let closing: Promise<void> | undefined;
  /** Endpoints by their literal addresses, which are read once and not for each datagram. */
  const known = new Map<string, Endpoint>();

  const use = (frame: Uint8Array): Running => {
    if (!running || closing) throw new GossipError('ERR_CLOSED', 'the socket transport is not running');
    const { frameBytesMax } = running.host.limits;
    if (frame.length > frameBytesMax) {
      throw new GossipError(
        'ERR_TOO_LARGE',
        `a frame of ${frame.length} bytes is above frameBytesMax, ${frameBytesMax}`,
      );
    }
    return running;
  };

  /** Sends by UDP; false when no endpoint is of this socket's IP family. */
  const sendDatagram = async ({ host, lookup, udp }: Running, address: string, frame: Uint8Array): Promise<boolean> => {
    if (!udp) return false;
    const parsed = parseAddress(address, { defaultPort, stringBytesMax: host.limits.stringBytesMax });
    const endpoints = await lookup.endpoints(address, parsed);
    let failure: unknown;
    for (const endpoint of endpoints) {
      const reachable = udp.reachable(endpoint);
      if (!reachable) continue;
      if (parsed.kind === 'ip') {
        if (known.size >= KNOWN_MAX) known.clear();
        known.set(address, reachable);
      }
      try {
        await udp.send(reachable, frame);
        return true;
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure) throw failure;
    return false;
  };

  const send: Transport['send'] = async (address, frame, { reliable, connection }) => {
    const now = use(frame);
    if (!reliable && frame.length < now.host.limits.datagramBytesMax && (await sendDatagram(now, address, frame)))
      return;
    await (connection === 'shared' ? now.tcp.sendShared(address, frame) : now.tcp.sendSingle(address, frame));
  };
  return {
    name: 'socket',
    carriage: (address) => (address.includes('://') ? undefined : 'v1'),
    get datagramBytesMax() {
      if (options.listen) return 0;
      return (running?.host.limits ?? DEFAULT_LIMITS).datagramBytesMax - 1;
    },

    async start(host) {
      if (running || closing) throw new GossipError('ERR_OPTION', 'a transport is started once, by one cluster');
      const resolver = options.resolver ?? systemResolver();
      const lookup = createLookup({ resolver, preferIPv6 });
      const at = await literal(bind, lookup);
      // Found out before anything is bound, so that a failure leaves nothing open.
      const outerHost = options.advertise === undefined ? dialableHost(at.host, preferIPv6) : '';
      const tcp = createTcp({
        host,
        lookup,
        dial: options.dial ?? dialTcp,
        defaultPort,
        idleTimeoutMs,
        timeoutMs,
        datagrams: !options.listen,
      });
      try {
        const bound = await bindBoth(host, at, options.listen, tcp);
        if (closing) {
          await bound.udp?.close();
          await tcp.close(bound.listening);
          throw new GossipError('ERR_CLOSED', 'the socket transport was closed while it started');
        }
        running = { host, lookup, tcp, ...bound };
        const { port } = bound.listening;
        return options.advertise === undefined ? formatHostPort(outerHost, port) : advertised(options.advertise, port);
      } catch (error) {
        await tcp.close(undefined);
        throw error;
      }
    },

    send(address, frame, options) {
      // An idle member sends little else: no promise more than it takes.
      const endpoint = options.reliable || closing ? undefined : known.get(address);
      if (endpoint && running?.udp && frame.length < running.host.limits.datagramBytesMax)
        return running.udp.send(endpoint, frame);
      return send(address, frame, options);
    },

    async request(address, frame, requestOptions) {
      return use(frame).tcp.request(address, frame, requestOptions);
    },

    close() {
      closing ??= (async () => {
        await running?.tcp.close(running.listening);
        await running?.udp?.close();
      })();
      return closing;
    },
  };
}

/** Binds TCP, then UDP on the same port; another port when it was ours to choose and UDP's is taken. */
async function bindBoth(
  host: TransportHost,
  { host: bindHost, port }: BindAddress,
  listen: ListenFunction | undefined,
  tcp: Tcp,
): Promise<{ listening: Listening; udp: Udp | undefined }> {
  for (let attempt = 1; ; attempt++) {
    let listening: Listening | undefined;
    try {
      listening = await (listen ?? listenTcp)(bindHost, port, tcp.accept);
      return { listening, udp: listen ? undefined : await bindUdp(host, bindHost, listening.port) };
    } catch (cause) {
      await listening?.close();
      const inUse = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (inUse && port === 0 && attempt < BIND_TRIES) continue;
      const address = formatHostPort(bindHost, port);
      if (inUse) {
        const carrier = listening ? 'UDP' : 'TCP';
        throw new GossipError('ERR_ADDRESS_IN_USE', `cannot bind ${address}: its ${carrier} port is in use`, { cause });
      }
      throw new GossipError('ERR_ADDRESS', `cannot bind ${address}: ${errorMessage(cause)}`, { cause });
    }
  }
}

async function literal({ host, port }: BindAddress, lookup: Lookup): Promise<BindAddress> {
  if (isIp(host)) return { host, port };
  const [first] = await lookup.endpoints(`bind ${host}`, { kind: 'name', host, port });
  return { host: first?.host ?? host, port };
}

/** Completes `advertise` with the bound port. */
function advertised(text: string, boundPort: number): string {
  if (/^srv\+/i.test(text) && !text.includes('://')) {
    parseAddress(text);
    return text;
  }
  if (text.includes('://'))
    throw new GossipError('ERR_OPTION', `advertise: a socket cannot be reached by the URL ${text}`);
  const { host, port } = parseBind(text, '');
  try {
    return formatHostPort(dialableOption(host), port === 0 ? boundPort : port);
  } catch (cause) {
    throw new GossipError('ERR_OPTION', `advertise: ${errorMessage(cause)}`, { cause });
  }
}

function dialableOption(host: string): string {
  if (host !== '' && host !== '0.0.0.0' && host !== '::') return host;
  throw new Error('nobody can dial a wildcard; name a host or leave the option out');
}

function positive(name: string, value: number): void {
  if (!(value > 0)) throw new GossipError('ERR_OPTION', `${name} must be above 0, not ${value}`);
}
