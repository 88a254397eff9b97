/**
 * The connections of a WebSocket transport: one to each peer, dialled when there is something to send, and those that
 * somebody has accepted for it. What a leaf and a member that listens have in common.
 */
import { checkBytes, errorMessage, GossipError } from '../errors.js';
import type { Backoff } from './backoff.js';
import type { Transport, TransportHost } from './transport.js';
import { checkLength, invalid, parseUrl } from './url-address.js';
import type { WebSocketConstructor } from './websocket-client.js';
import { CLOSE, WebSocketConnection, type WebSocketLike } from './websocket-connection.js';

/** What a transport does its own way. */
export interface WebSocketLinksOptions {
  protocols: string[] | undefined;
  idleTimeoutMs: number | undefined;
  timeoutMs: number | undefined;
  /** The client to dial with. */
  client(frameBytesMax: number): WebSocketConstructor | Promise<WebSocketConstructor>;
  /** Makes an attempt to connect, and more of them where one may have failed for nothing. Default: one. */
  retry?(attempt: () => Promise<void>): Promise<void>;
  /** Paces dials; without it who sends does. */
  backoff?: Backoff;
  /**
   * Begins to take in sockets.
   * @returns where others can dial us. Without it nobody can.
   */
  listen?(host: TransportHost, links: AcceptingLinks): Promise<WebSocketListening>;
}

/** What who listens does with sockets. */
export interface AcceptingLinks {
  /** How many connections there are, of both directions; infinite while the transport does not run. */
  count(): number;
  /** Makes one of a socket that was accepted. */
  adopt(socket: WebSocketLike, onEnd: () => void): unknown;
}

/** A listener that is running. */
export interface WebSocketListening {
  /** `ws://host:port/path` or `wss://…`, as others can dial it. */
  url: string;
  /** Stops, and ends every connection it still has. */
  close(): Promise<void>;
}

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
  /** Settles when the peer has said hello, and is absent once nothing waits for that any more. */
  ready?: Promise<void>;
}

/**
 * Makes a transport; nothing is opened before `start`.
 * @throws {GossipError} `ERR_OPTION` when an option cannot work.
 */
export function createWebSocketLinks(options: WebSocketLinksOptions): Transport {
  const {
    protocols = [],
    idleTimeoutMs = 300_000,
    timeoutMs = 10_000,
    retry = (attempt) => attempt(),
    backoff,
  } = options;
  for (const [name, value] of Object.entries({ idleTimeoutMs, timeoutMs })) {
    if (!(value > 0)) throw new GossipError('ERR_OPTION', `${name} must be above 0, not ${value}`);
  }
  const connections = new Set<WebSocketConnection>();
  const dialled = new Map<string, Dialled>();
  /** Connections whose peers say that they are at an address. */
  const claimed = new Map<string, WebSocketConnection>();
  const queuedBytes = new Map<string, number>();
  const sending = new Set<Promise<void>>();
  let running: Running | undefined;
  let started = false;
  let listening: WebSocketListening | undefined;
  let closing: Promise<void> | undefined;
  let tick: ReturnType<typeof setInterval> | undefined;
  let onEmpty = () => {};

  const closedError = () => new GossipError('ERR_CLOSED', 'the WebSocket transport is not running');

  const count = () => (running && !closing ? connections.size : Number.POSITIVE_INFINITY);

  const hasOther = (name: string, than: WebSocketConnection): boolean =>
    [dialled.get(name)?.connection, claimed.get(name)].some((one) => one && one !== than && !one.ended);

  /**
   * Makes a connection of a socket.
   * @param dialledAt - absent for an accepted one.
   */
  const adopt = (
    { host, ownAddress }: Running,
    socket: WebSocketLike,
    onEnd: (reason: string) => void,
    dialledAt?: string,
    onHello = () => {},
  ): WebSocketConnection => {
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
        for (const name of names) backoff?.worked(name);
        onHello();
      },
      onFrame(frame) {
        const [address] = names;
        // Native frames have no answer on the same connection.
        void host.receive(frame, { reliable: true, carriage: 'native', ...(address && { address }) });
      },
      onClose(quietly, reason) {
        connections.delete(connection);
        for (const name of names) {
          if (dialled.get(name)?.connection === connection) dialled.delete(name);
          if (claimed.get(name) === connection) claimed.delete(name);
          if (!quietly && !closing && !hasOther(name, connection)) host.disconnected(name);
        }
        onEnd(reason);
        if (connections.size === 0) onEmpty();
      },
    });
    connections.add(connection);
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
    const waitMs = backoff?.waitMs(address) ?? 0;
    if (waitMs > 0) {
      throw new GossipError('ERR_UNREACHABLE', `${address} failed a moment ago; it is not dialled for ${waitMs} ms`);
    }
    if (connections.size >= now.host.limits.connectionsMax) evict(now.host);
    const way = {} as Dialled;
    const attempt = () =>
      new Promise<void>((resolve, reject) => {
        if (closing) throw closedError();
        const socket = new now.Client(address, protocols);
        way.connection = adopt(now, socket, (reason) => reject(new Error(reason)), address, resolve);
        dialled.set(address, way);
      });
    way.ready = retry(attempt).catch((cause) => {
      if (dialled.get(address) === way) dialled.delete(address);
      if (closing) throw closedError();
      backoff?.failed(address);
      throw new GossipError('ERR_UNREACHABLE', `cannot connect to ${address}: ${errorMessage(cause)}`, { cause });
    });
    // The first to hear of it, so that those who wait go next.
    const onReady = () => {
      way.ready = undefined;
    };
    way.ready.then(onReady, onReady);
    return way;
  };

  const sendOne = async (now: Running, address: string, frame: Uint8Array): Promise<void> => {
    let way = dialled.get(address);
    if (!way || way.connection.over) {
      const theirs = claimed.get(address);
      if (theirs?.usable) return theirs.write(frame.slice());
      way = dial(now, address);
    } else {
      // Last in the map is the one used last.
      dialled.delete(address);
      dialled.set(address, way);
    }
    // What was sent while dialling goes before what comes now. Else at once: a page that goes has no other moment.
    if (way.ready) await way.ready;
    await way.connection.write(frame.slice());
  };

  return {
    name: 'websocket',
    carriage: (address) => (canDial(address) ? 'native' : undefined),
    datagramBytesMax: 0,

    async start(host) {
      if (started || closing) throw new GossipError('ERR_OPTION', 'a transport is started once, by one cluster');
      started = true;
      const Client = await options.client(host.limits.frameBytesMax);
      listening = closing
        ? undefined
        : await options.listen?.(host, { count, adopt: (socket, onEnd) => adopt(running as Running, socket, onEnd) });
      if (closing) {
        await listening?.close();
        throw new GossipError('ERR_CLOSED', 'the WebSocket transport was closed while it started');
      }
      running = { host, Client, ownAddress: listening?.url ?? '-' };
      tick = setInterval(
        () => {
          const nowMs = performance.now();
          for (const connection of connections) connection.check(nowMs);
        },
        Math.min(1_000, Math.max(10, Math.min(timeoutMs, idleTimeoutMs) / 4)),
      );
      // A number in browsers and workers.
      (tick as { unref?(): void }).unref?.();
      return listening?.url ?? '';
    },

    async send(address, frame) {
      if (!running || closing) throw closedError();
      const { frameBytesMax, sendQueueBytesMax, stringBytesMax } = running.host.limits;
      checkBytes('a frame', frame.length, frameBytesMax, 'frameBytesMax');
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
        let timer: ReturnType<typeof setTimeout> | undefined;
        const late = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, FLUSH_MS);
        });
        await Promise.race([late, Promise.allSettled(sending)]);
        const empty = new Promise<void>((resolve) => {
          onEmpty = resolve;
        });
        for (const connection of connections) connection.close();
        // Whoever does not take its bytes in time does not get them.
        if (connections.size > 0) await Promise.race([late, empty]);
        clearTimeout(timer);
        for (const connection of connections) connection.destroy('the transport was closed');
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

/** Insists on a URL of a WebSocket. @throws {GossipError} `ERR_ADDRESS` */
export function checkUrl(text: string, stringBytesMax?: number): void {
  checkLength(text, stringBytesMax);
  if (!canDial(text)) throw invalid(text, 'write wss://host[:port]/path');
  parseUrl(text);
}
