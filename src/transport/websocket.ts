/**
 * The transport every runtime has: frames over WebSocket, one lasting connection per peer that serves both directions.
 * It dials with the platform's client, and takes in the sockets that any server has accepted.
 */
import { errorMessage, GossipError } from '../errors.js';
import type { Limits } from '../limits.js';
import { parseAddress } from './address.js';
import { createBackoff } from './backoff.js';
import { createDeadline, type Deadline } from './deadline.js';
import type { Transport, TransportHost } from './transport.js';
import { platformWebSocket, type WebSocketConstructor } from './websocket-client.js';
import { CLOSE, refuseSocket, WebSocketConnection, type WebSocketLike } from './websocket-connection.js';
import { type AcceptedInfo, isOwnSite, readRequest } from './websocket-request.js';

export type { WebSocketConstructor } from './websocket-client.js';
export type { WebSocketLike, WebSocketLikeEvent } from './websocket-connection.js';
export type { AcceptedInfo } from './websocket-request.js';

/** What a listener needs of the transport. */
export interface WebSocketListenContext {
  limits: Limits;
  count(name: string, detail?: string): void;
  /** Whether a page of this origin may connect to the host it asked for. Other programs than browsers have no origin. */
  allowsOrigin(origin: string, host: string): boolean;
  /** Chooses one of the subprotocols that a client offers, or none. Default: the first. */
  protocol?(offered: readonly string[]): string | undefined;
  /** Takes over a socket that was accepted. */
  accept(socket: WebSocketLike, info?: AcceptedInfo): void;
}

/** A listener that is running. */
export interface WebSocketListening {
  /** `ws://host:port/path` or `wss://…`, as others can dial it. */
  url: string;
  /** Stops, and ends every connection it still has. */
  close(): Promise<void>;
}

/** Starts to accept; rejects with a `GossipError` when it cannot. `webSocketListener()` makes one. */
export type WebSocketListenFunction = (context: WebSocketListenContext) => Promise<WebSocketListening>;

/** Options of {@link webSocketTransport}. */
export interface WebSocketTransportOptions {
  /** The URL peers dial. Default: what `listen` reports. Without `listen` it must be given. */
  advertise?: string;
  /** Accepts connections. Default: nothing does, and the application passes its own server's sockets to `accept`. */
  listen?: WebSocketListenFunction;
  /**
   * URLs of gateways, the preferred first: this member cannot be dialled, and takes part as a leaf of one of them. Excludes
   * `advertise` and `listen`.
   */
  gateways?: readonly string[];
  /** With `gateways`: what the gateway's `authorize` is to see, or a function that is asked at each attempt. */
  ticket?: string | (() => string | Promise<string>);
  /** Subprotocols to offer when dialling. Default: none. */
  protocols?: string[];
  /** A connection without traffic ends after this. Default: 60,000 ms. Source: as `socketTransport`. */
  idleTimeoutMs?: number;
  /** A connection must be open, and have said hello, within this. Default: 10,000 ms. Source: as `socketTransport`. */
  timeoutMs?: number;
  /** The client to dial with. Default: the runtime's own; `ws` where there is none. */
  WebSocket?: WebSocketConstructor;
  /** From 0 to below 1; spreads the pauses after failed dials. Default: `Math.random`. */
  random?: () => number;
}

/** The transport, and the method that takes in what a server accepted. */
export interface WebSocketTransport extends Transport {
  /**
   * Takes over a socket that a server accepted, open or about to be, or closes it when there is no room. Never throws.
   * @param info - pass the `Request` where there is one: then pages of other sites are closed out. Deno's cannot be read
   *   after the upgrade: copy its headers before.
   */
  accept(socket: WebSocketLike, info?: AcceptedInfo): void;
}

// The share of `connectionsMax` kept free for connections of our own, so that a flood cannot silence us. Source: guess.
const OUTGOING_SHARE = 0.25;
// The accepting side waits this much longer in silence, so that one side closes and the other need not. Source: guess.
const ACCEPTED_PATIENCE = 2;
// How long close() waits for what is being sent, and then for peers to close. Source: the Transport contract.
const FLUSH_MS = 1_000;

/** Everything that exists between start and close. */
interface Running {
  host: TransportHost;
  Client: WebSocketConstructor;
  ownAddress: string;
}

/** A connection that we dialled, or are still dialling. */
interface Dialled {
  connection: WebSocketConnection;
  /** Settles when the peer has said hello. */
  ready: Promise<void>;
}

/**
 * Makes the transport; nothing is opened before `start`.
 * @throws {GossipError} `ERR_ADDRESS`, `ERR_OPTION` when an option cannot work.
 */
export function webSocketTransport(options: WebSocketTransportOptions = {}): WebSocketTransport {
  const {
    advertise,
    listen,
    gateways,
    ticket = '',
    idleTimeoutMs = 60_000,
    timeoutMs = 10_000,
    protocols = [],
  } = options;
  for (const [name, value] of Object.entries({ idleTimeoutMs, timeoutMs })) {
    if (!(value > 0)) throw new GossipError('ERR_OPTION', `${name} must be above 0, not ${value}`);
  }
  if (gateways) {
    if (advertise !== undefined || listen) throw new GossipError('ERR_OPTION', 'a leaf, with gateways, is not dialled');
    if (gateways.length === 0) throw new GossipError('ERR_OPTION', 'gateways needs at least one URL');
    for (const url of gateways) checkUrl(url);
  } else if (advertise !== undefined) checkUrl(advertise);
  else if (!listen) {
    const text = 'pass gateways, or advertise, the URL peers dial, or listen, such as webSocketListener()';
    throw new GossipError('ERR_OPTION', text);
  }
  // A leaf paces itself: it has other gateways to go to.
  const backoff = createBackoff(gateways ? () => 0 : options.random);
  const incoming = new Set<WebSocketConnection>();
  const outgoing = new Set<WebSocketConnection>();
  const dialled = new Map<string, Dialled>();
  /** Connections whose peers say that they are at an address. */
  const claimed = new Map<string, WebSocketConnection>();
  const queuedBytes = new Map<string, number>();
  const dials = new Set<Deadline>();
  const sending = new Set<Promise<void>>();
  let running: Running | undefined;
  let started = false;
  let listening: WebSocketListening | undefined;
  let closing: Promise<void> | undefined;
  let tick: ReturnType<typeof setInterval> | undefined;
  let onEmpty = () => {};

  const closedError = () => new GossipError('ERR_CLOSED', 'the WebSocket transport is not running');
  const total = () => incoming.size + outgoing.size;

  const hasOther = (name: string, than: WebSocketConnection): boolean =>
    [dialled.get(name)?.connection, claimed.get(name)].some((one) => one && one !== than && !one.ended);

  /**
   * Makes a connection of a socket.
   * @param dialledAt - absent for an accepted one.
   */
  const adopt = (
    { host, ownAddress }: Running,
    socket: WebSocketLike,
    dialledAt?: string,
    onHello = () => {},
    onEnd: (reason: string) => void = () => {},
  ): WebSocketConnection => {
    const into = dialledAt === undefined ? incoming : outgoing;
    /** Where the peer is, by our own dialling and by its word. */
    const names = new Set<string>();
    const connection: WebSocketConnection = new WebSocketConnection(socket, {
      limits: host.limits,
      timeoutMs,
      idleTimeoutMs: dialledAt === undefined ? idleTimeoutMs * ACCEPTED_PATIENCE : idleTimeoutMs,
      role: dialledAt === undefined ? 'accepted' : 'dialled',
      ownAddress,
      count: host.count,
      onHello(address) {
        if (dialledAt !== undefined) names.add(dialledAt);
        if (address !== undefined && address !== dialledAt && address !== ownAddress && canDial(address)) {
          names.add(address);
          claimed.set(address, connection);
        }
        for (const name of names) backoff.worked(name);
        onHello();
      },
      onFrame(frame) {
        const [address] = names;
        const source = { reliable: true, carriage: 'native' } as const;
        // Native frames have no answer on the same connection.
        void host.receive(frame, address === undefined ? source : { ...source, address });
      },
      onClose(quietly, reason) {
        into.delete(connection);
        for (const name of names) {
          if (dialled.get(name)?.connection === connection) dialled.delete(name);
          if (claimed.get(name) === connection) claimed.delete(name);
          if (!quietly && !closing && !hasOther(name, connection)) host.disconnected(name);
        }
        onEnd(reason);
        if (total() === 0) onEmpty();
      },
    });
    into.add(connection);
    return connection;
  };

  /** Closes the connection of ours that has been unused the longest, to make room. */
  const evict = (host: TransportHost): void => {
    for (const [address, { connection }] of dialled) {
      if (connection.usable && connection.quiet && !queuedBytes.has(address)) {
        dialled.delete(address);
        connection.close(CLOSE.idle, 'evicted');
        return;
      }
    }
    const { connectionsMax } = host.limits;
    host.count('connectionsFull');
    throw new GossipError('ERR_OVERLOADED', `connectionsMax, ${connectionsMax}, connections are open and busy`);
  };

  const dial = (now: Running, address: string): Dialled => {
    const waitMs = backoff.waitMs(address);
    if (waitMs > 0) {
      throw new GossipError('ERR_UNREACHABLE', `${address} failed a moment ago; it is not dialled for ${waitMs} ms`);
    }
    if (total() >= now.host.limits.connectionsMax) evict(now.host);
    const failed = (cause: unknown): GossipError => {
      if (cause instanceof GossipError && cause.code === 'ERR_CLOSED') return cause;
      backoff.failed(address);
      return new GossipError('ERR_UNREACHABLE', `cannot connect to ${address}: ${errorMessage(cause)}`, { cause });
    };
    let socket: WebSocketLike;
    try {
      socket = new now.Client(address, protocols);
    } catch (cause) {
      throw failed(cause);
    }
    const deadline = createDeadline(timeoutMs, 'no hello');
    dials.add(deadline);
    let [onHello, onEnd] = [() => {}, (_reason: string) => {}];
    const hello = new Promise<void>((resolve, reject) => {
      [onHello, onEnd] = [resolve, (reason) => reject(new Error(reason))];
    });
    const connection = adopt(now, socket, address, onHello, onEnd);
    const ready = deadline
      .race(hello)
      .catch((cause): never => {
        connection.destroy('given up');
        if (dialled.get(address)?.connection === connection) dialled.delete(address);
        throw failed(cause);
      })
      .finally(() => {
        dials.delete(deadline);
        deadline.done();
      });
    return { connection, ready };
  };

  const sendOne = async (now: Running, address: string, frame: Uint8Array): Promise<void> => {
    let way = dialled.get(address);
    if (!way || way.connection.over) {
      const theirs = claimed.get(address);
      if (theirs?.usable) return theirs.write(frame.slice());
      way = dial(now, address);
    }
    // Last in the map is the one used last.
    dialled.delete(address);
    dialled.set(address, way);
    // Always awaited: what was sent while dialling goes before what comes now.
    await way.ready;
    await way.connection.write(frame.slice());
  };

  const accept: WebSocketTransport['accept'] = (socket, info = {}) => {
    const { connectionsMax } = running?.host.limits ?? { connectionsMax: 0 };
    const most = Math.max(1, Math.floor(connectionsMax * (1 - OUTGOING_SHARE)));
    const request = readRequest(info);
    // A page of another site must not speak to us with its visitor's reach.
    if (!request || (request.origin !== undefined && !isOwnSite(request.origin, request.host))) {
      running?.host.count('foreignOrigins', request?.origin ?? 'the request cannot be read any more');
      refuseSocket(socket, CLOSE.refused, 'origin not allowed');
    } else if (running && !closing && incoming.size < most && total() < connectionsMax) {
      adopt(running, socket);
    } else {
      running?.host.count('refusedConnections', request.remoteAddress);
      refuseSocket(socket, CLOSE.full, 'no room');
    }
  };

  return {
    name: 'websocket',
    carriage: (address) => (canDial(address) ? 'native' : undefined),
    datagramBytesMax: 0,
    ...(gateways && { gateways: { urls: gateways, ticket: () => (typeof ticket === 'function' ? ticket() : ticket) } }),

    accept,

    async start(host) {
      if (started || closing) throw new GossipError('ERR_OPTION', 'a transport is started once, by one cluster');
      started = true;
      const Client = options.WebSocket ?? (await platformWebSocket(host.limits.frameBytesMax));
      const context = { limits: host.limits, count: host.count, allowsOrigin: isOwnSite, accept };
      listening = closing ? undefined : await listen?.(context);
      if (closing) {
        await listening?.close();
        throw new GossipError('ERR_CLOSED', 'the WebSocket transport was closed while it started');
      }
      const ownAddress = gateways ? '-' : (advertise ?? (listening as WebSocketListening).url);
      running = { host, Client, ownAddress };
      tick = setInterval(
        () => {
          const nowMs = performance.now();
          for (const connection of [...incoming, ...outgoing]) connection.check(nowMs);
        },
        Math.min(1_000, Math.max(10, Math.min(timeoutMs, idleTimeoutMs) / 4)),
      );
      // A number in browsers and workers.
      (tick as { unref?(): void }).unref?.();
      return gateways ? '' : ownAddress;
    },

    async send(address, frame) {
      if (!running || closing) throw closedError();
      const { frameBytesMax, sendQueueBytesMax, stringBytesMax } = running.host.limits;
      if (frame.length > frameBytesMax) {
        throw new GossipError(
          'ERR_TOO_LARGE',
          `a frame of ${frame.length} bytes is above frameBytesMax, ${frameBytesMax}`,
        );
      }
      checkUrl(address, stringBytesMax);
      const before = queuedBytes.get(address) ?? 0;
      if (before + frame.length > sendQueueBytesMax) {
        running.host.count('sendQueueFull', address);
        throw new GossipError(
          'ERR_OVERLOADED',
          `${before} bytes are queued for ${address}; the limit is sendQueueBytesMax`,
        );
      }
      queuedBytes.set(address, before + frame.length);
      const sent = sendOne(running, address, frame);
      sending.add(sent);
      try {
        await sent;
      } finally {
        sending.delete(sent);
        const left = (queuedBytes.get(address) ?? 0) - frame.length;
        if (left > 0) queuedBytes.set(address, left);
        else queuedBytes.delete(address);
      }
    },

    async request(address) {
      if (!running || closing) throw closedError();
      throw new GossipError('ERR_ADDRESS', `no exchange of the Go library can be had by WebSocket at ${address}`);
    },

    disconnect(address) {
      dialled.get(address)?.connection.close();
    },

    close() {
      closing ??= (async () => {
        const limit = createDeadline(FLUSH_MS, 'not flushed');
        try {
          await limit.race(Promise.allSettled([...sending]));
          const empty = new Promise<void>((resolve) => {
            onEmpty = resolve;
            if (total() === 0) resolve();
          });
          for (const connection of [...incoming, ...outgoing]) connection.close();
          await limit.race(empty);
        } catch {
          // Whoever does not take its bytes in time does not get them.
        } finally {
          limit.done();
        }
        for (const deadline of dials) deadline.cancel(closedError());
        for (const connection of [...incoming, ...outgoing]) connection.destroy('the transport was closed');
        clearInterval(tick);
        await listening?.close();
      })();
      return closing;
    },
  };
}

/** Tells from its form whether an address can be dialled by WebSocket. What is behind a gateway cannot. */
function canDial(address: string): boolean {
  return /^wss?:\/\/[^#]+$/i.test(address);
}

/** Reads an address and insists on WebSocket. */
function checkUrl(text: string, stringBytesMax?: number): void {
  const address = parseAddress(text, { defaultPort: 1, ...(stringBytesMax === undefined ? {} : { stringBytesMax }) });
  if (address.kind === 'url' && canDial(text)) return;
  throw new GossipError(
    'ERR_ADDRESS',
    `the WebSocket transport cannot use ${JSON.stringify(text)}; write wss://host[:port]/path`,
  );
}
