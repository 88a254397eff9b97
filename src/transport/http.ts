/**
 * Frames by HTTP: out through `fetch`, in through a `(Request) => Promise<Response>` that fits any server, or through
 * a listener that is passed in. It speaks to the Go library's HTTP transport as it is. Runs wherever fetch does.
 */
import { errorMessage, GossipError } from '../errors.js';
import type { Limits } from '../limits.js';
import { createDeadline, type Deadline } from './deadline.js';
import { retryKept } from './kept.js';
import { Outbox, packFrames, unpackFrames } from './outbox.js';
import { createLookup, type Lookup, type Resolver } from './resolver.js';
import type { RequestOptions, Transport, TransportHost } from './transport.js';
import { checkLength, parseUrlAddress, type UrlAddress } from './url-address.js';

export type { Endpoint, Resolver, SrvRecord } from './resolver.js';

/** Answers one HTTP request; never rejects. */
export type HttpHandler = (request: Request) => Promise<Response>;

/** What a listener needs of the transport. */
export interface HttpListenContext {
  limits: Limits;
  count(name: string, detail?: string): void;
}

/** A listener that is running. */
export interface HttpListening {
  /** `http://host:port` or `https://host:port` as others can dial it, without a path. */
  origin: string;
  /** Stops, and closes every connection. */
  close(): Promise<void>;
}

/** Starts a server that answers with `handler`; rejects with a `GossipError` when it cannot bind. `httpListener()` makes one. */
export type HttpListenFunction = (handler: HttpHandler, context: HttpListenContext) => Promise<HttpListening>;

/** Options of {@link httpTransport}. */
export interface HttpTransportOptions {
  /** The URL peers dial. Default: what `listen` reports, with `path`. Without `listen` it must be given. */
  advertise?: string;
  /**
   * Path of the whole cluster: it replaces the path of every URL that is dialled, because Go peers advertise none and
   * do the same. Default: each URL's own path.
   */
  path?: string;
  /** Sent with each request, and demanded of each. Compared in a time that does not depend on where it differs. */
  bearerToken?: string;
  /** Default: the global one. */
  fetch?: (request: Request) => Promise<Response>;
  /** Looks up the ports of `srv+https://` addresses; such addresses are refused without one. */
  resolver?: Resolver;
  /** Accepts requests. Default: nothing does, and the application passes its own server's requests to `handler`. */
  listen?: HttpListenFunction;
  /** How long a peer may take to accept what is posted. Default: 5,000 ms. Source: transportMaxWaitTime of the Go library. */
  timeoutMs?: number;
}

/** The transport, and the function that takes in what a server received. */
export interface HttpTransport extends Transport {
  /**
   * Answers one request: 200 with a frame or 204 without, 400 (too short to be a frame), 401, 405, 413, 503 (busy or
   * not running). Never rejects.
   */
  readonly handler: HttpHandler;
}

type FetchOne = (url: string, init: RequestInit) => Promise<Response>;

// A frame begins with two bytes of flags and length.
const FRAME_BYTES_MIN = 2;
const ONE_FRAME = 'application/octet-stream';
const FRAMES = 'application/vnd.isogossip.frames';
// How long close() waits for what is being sent. Source: the Transport contract.
const FLUSH_MS = 1_000;

/** Makes the transport; nothing is opened before `start`. */
export function httpTransport(options: HttpTransportOptions = {}): HttpTransport {
  const { path, bearerToken, listen, timeoutMs = 5_000 } = options;
  if (!(timeoutMs > 0)) throw new GossipError('ERR_OPTION', `timeoutMs must be above 0, not ${timeoutMs}`);
  if (path !== undefined && !path.startsWith('/'))
    throw new GossipError('ERR_OPTION', `path must begin with /: ${path}`);
  if (bearerToken !== undefined && !/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(bearerToken)) {
    throw new GossipError(
      'ERR_OPTION',
      'bearerToken must be printable ASCII, without a space at either end, and not empty',
    );
  }
  if (options.advertise !== undefined) httpUrl(options.advertise);
  else if (!listen) {
    throw new GossipError('ERR_OPTION', 'pass advertise, the URL peers dial, or listen, such as httpListener()');
  }
  const { fetch: own } = options;
  // A Request that is fetched is copied, and its body piped through a stream, which costs more than all the rest.
  const fetchOne: FetchOne = own ? (url, init) => own(new Request(url, init)) : (url, init) => fetch(url, init);
  const lookup = createLookup({ resolver: options.resolver });
  const exchanges = new Set<Deadline>();
  const sending = new Set<Promise<unknown>>();
  const token = bearerToken === undefined ? undefined : new TextEncoder().encode(bearerToken);
  let host: TransportHost | undefined;
  let listening: HttpListening | undefined;
  let working = 0;
  let closing: Promise<void> | undefined;
  /** What was sent before `close()` has had its time. */
  let flushed = false;

  const closedError = () => new GossipError('ERR_CLOSED', 'the HTTP transport is not running');

  /** Posts frames together; undefined when the peer accepted them and had nothing to say. */
  const post = async (
    address: string,
    frames: readonly Uint8Array[],
    { timeoutMs: limitMs, signal }: RequestOptions,
  ): Promise<Uint8Array | undefined> => {
    if (!host || flushed) throw closedError();
    const { limits } = host;
    if (exchanges.size >= limits.connectionsMax) {
      host.count('connectionsFull');
      throw new GossipError('ERR_OVERLOADED', `connectionsMax, ${limits.connectionsMax}, requests are under way`);
    }
    const url = httpUrl(address);
    const deadline = createDeadline(limitMs, `no answer from ${address}`, signal);
    exchanges.add(deadline);
    try {
      let failure: unknown;
      for (const target of await deadline.race(targets(url, path, lookup))) {
        try {
          return await exchange(fetchOne, target, frames, bearerToken, limits.frameBytesMax, deadline);
        } catch (error) {
          if (error instanceof GossipError) throw error;
          failure = error;
        }
      }
      if (url.srv) lookup.failed(`srv+${url.host}`);
      throw new GossipError('ERR_UNREACHABLE', `cannot reach ${address}: ${fetchFailure(failure)}`, { cause: failure });
    } finally {
      exchanges.delete(deadline);
      deadline.done();
    }
  };

  /** Frames of ours may arrive twice, and are taken once. */
  const postAgain = (address: string, frames: readonly Uint8Array[]): Promise<unknown> =>
    retryKept(() => post(address, frames, { timeoutMs }));
  const outbox = new Outbox(postAgain);

  /** What can be refused at once. */
  const check = (address: string, frame: Uint8Array): TransportHost => {
    if (!host || closing) throw closedError();
    const { frameBytesMax, stringBytesMax } = host.limits;
    if (frame.length > frameBytesMax) {
      throw new GossipError('ERR_TOO_LARGE', `a frame of ${frame.length} bytes is above ${frameBytesMax}`);
    }
    httpUrl(address, stringBytesMax);
    return host;
  };

  const handler: HttpHandler = async (request) => {
    if (token && !sameToken(token, request.headers.get('authorization'))) {
      host?.count('unauthorized');
      return refuse(401, 'bearer token missing or wrong', { 'www-authenticate': 'Bearer' });
    }
    if (request.method !== 'POST') {
      host?.count('wrongMethod', request.method);
      return refuse(405, 'frames are sent by POST', { allow: 'POST' });
    }
    if (!host || closing) return refuse(503, 'not running');
    if (working >= host.limits.incomingRequestsMax) {
      host.count('busy');
      return refuse(503, 'busy');
    }
    working++;
    try {
      const body = await readBody(request, host.limits.frameBytesMax);
      if (body === 'too large') {
        host.count('oversizedFrames');
        return refuse(413, `a frame has at most ${host.limits.frameBytesMax} bytes`);
      }
      if (body.length < FRAME_BYTES_MIN) {
        host.count('badFrames');
        return refuse(400, 'too short to be a frame');
      }
      if (request.headers.get('content-type') === FRAMES) {
        const frames = unpackFrames(body);
        if (!frames) {
          host.count('badFrames');
          return refuse(400, 'not what its content type says');
        }
        for (const one of frames) void host.receive(one, { reliable: true, carriage: 'native' });
        return new Response(null, { status: 204 });
      }
      const answer = await host.receive(body, { reliable: true, carriage: 'v1-plain' });
      if (!answer) return new Response(null, { status: 204 });
      return new Response(answer.slice(), { headers: { 'content-type': ONE_FRAME } });
    } catch (error) {
      host.count('brokenRequests', errorMessage(error));
      return refuse(400, 'the body could not be read');
    } finally {
      working--;
    }
  };

  return {
    name: 'http',
    carriage: (address) => (/^(srv\+)?https?:\/\//i.test(address) ? 'v1-plain' : undefined),
    datagramBytesMax: 0,
    handler,

    async start(owner) {
      if (host || closing) throw new GossipError('ERR_OPTION', 'a transport is started once, by one cluster');
      host = owner;
      try {
        listening = await listen?.(handler, owner);
      } catch (error) {
        host = undefined;
        throw error;
      }
      if (closing) {
        await listening?.close();
        throw new GossipError('ERR_CLOSED', 'the HTTP transport was closed while it started');
      }
      if (options.advertise === undefined) return `${listening?.origin}${path ?? '/'}`;
      const given = options.advertise;
      return path !== undefined && httpUrl(given).path === '/' ? given.replace(/\/$/, '') + path : given;
    },

    async send(address, frame, { connection }) {
      const { limits, count } = check(address, frame);
      const queued = outbox.bytes(address);
      if (queued + frame.length > limits.sendQueueBytesMax) {
        count('sendQueueFull', address);
        throw new GossipError(
          'ERR_OVERLOADED',
          `${queued} bytes are queued for ${address}; the limit is sendQueueBytesMax`,
        );
      }
      const single = connection === 'single';
      const sent = single ? post(address, [frame], { timeoutMs }) : outbox.send(address, frame, limits.frameBytesMax);
      sending.add(sent);
      try {
        await sent;
      } catch (error) {
        // What has not been accepted in time has, for a sender, not arrived.
        const late = error instanceof GossipError && error.code === 'ERR_TIMEOUT';
        throw late ? new GossipError('ERR_UNREACHABLE', error.message, { cause: error }) : error;
      } finally {
        sending.delete(sent);
      }
    },

    async request(address, frame, requestOptions) {
      check(address, frame);
      const answer = await post(address, [frame], requestOptions);
      if (answer) return answer;
      throw new GossipError('ERR_TIMEOUT', `${address} had no answer`);
    },

    close() {
      closing ??= (async () => {
        const limit = createDeadline(FLUSH_MS, 'not flushed');
        await limit.race(Promise.allSettled([...sending])).catch(() => {});
        limit.done();
        flushed = true;
        for (const deadline of exchanges)
          deadline.cancel(new GossipError('ERR_CLOSED', 'the HTTP transport was closed'));
        await listening?.close();
      })();
      return closing;
    },
  };
}

/** Reads an address and insists on HTTP. */
function httpUrl(text: string, stringBytesMax?: number): UrlAddress {
  checkLength(text, stringBytesMax);
  if (/^(srv\+)?https?:\/\//i.test(text)) return parseUrlAddress(text);
  throw new GossipError(
    'ERR_ADDRESS',
    `the HTTP transport cannot use ${JSON.stringify(text)}; write https://host[:port]/path`,
  );
}

/** The URLs to try for an address. An SRV name gives the port only: the host stays, because TLS checks it. */
async function targets(address: UrlAddress, path: string | undefined, lookup: Lookup): Promise<string[]> {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const at = (port: number | undefined) =>
    `${address.scheme}://${host}${port === undefined ? '' : `:${port}`}${path ?? address.path}`;
  if (!address.srv) return [at(address.port)];
  const ports = (await lookup.srv(address.host)).map(({ port }) => port);
  return [...new Set(ports)].map(at);
}

async function exchange(
  fetchOne: FetchOne,
  url: string,
  frames: readonly Uint8Array[],
  bearerToken: string | undefined,
  bytesMax: number,
  deadline: Deadline,
): Promise<Uint8Array | undefined> {
  const [first, ...more] = frames;
  // To one alone nothing is added: who does not know us would not understand it.
  const alone = more.length === 0 && first;
  const headers: Record<string, string> = { 'content-type': alone ? ONE_FRAME : FRAMES };
  if (bearerToken !== undefined) headers.authorization = `Bearer ${bearerToken}`;
  const init: RequestInit = {
    method: 'POST',
    headers,
    body: alone ? alone.slice() : packFrames(frames),
    // Not followed: a frame is for the peer it was sent to. ('error' does not exist everywhere.)
    redirect: 'manual',
    signal: deadline.signal,
  };
  const response = await deadline.race(fetchOne(url, init));
  try {
    if (!response.ok) {
      const hint = response.status === 401 ? ': check the option bearerToken' : '';
      throw new GossipError('ERR_UNREACHABLE', `${url} answered ${response.status}${hint}`);
    }
    if (response.status !== 200) return undefined;
    const answer = await deadline.race(readBody(response, bytesMax));
    if (answer === 'too large')
      throw new GossipError('ERR_TOO_LARGE', `the answer of ${url} is above ${bytesMax} bytes`);
    return answer.length < FRAME_BYTES_MIN ? undefined : answer;
  } finally {
    // Read to the end or given up: either way the connection is free again.
    if (response.body && !response.body.locked) await response.body.cancel().catch(() => {});
  }
}

/** Reads a body, holding no more than has arrived and never more than the limit. */
async function readBody(from: Request | Response, bytesMax: number): Promise<Uint8Array | 'too large'> {
  if (Number(from.headers.get('content-length') ?? 0) > bytesMax) return 'too large';
  if (!from.body) return new Uint8Array(0);
  const reader = from.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > bytesMax) {
      // Not awaited: a peer that goes on sending must not hold us up.
      reader.cancel().catch(() => {});
      return 'too large';
    }
    chunks.push(value);
  }
  reader.releaseLock();
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Compares every byte of the expected token, whatever was given, so that the time tells nothing about it. */
function sameToken(expected: Uint8Array, header: string | null): boolean {
  const given = new TextEncoder().encode(/^bearer (.*)$/i.exec(header ?? '')?.[1] ?? '');
  let difference = expected.length ^ given.length;
  for (let i = 0; i < expected.length; i++) difference |= (expected[i] as number) ^ (given[i] ?? 0);
  return difference === 0;
}

function refuse(status: number, why: string, headers: Record<string, string> = {}): Response {
  return new Response(`${why}\n`, { status, headers: { 'content-type': 'text/plain', ...headers } });
}

/** `fetch failed` says nothing; what went wrong is in its cause. */
function fetchFailure(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? cause.message || String((cause as { code?: unknown }).code) : errorMessage(error);
}
