/**
 * A gateway: an endpoint on a member through which browsers, and whoever else cannot be dialled, take part in the cluster.
 * It attaches to any server that accepts WebSockets, or listens by itself; what it does with a leaf is the core's
 * (`core/gateway.ts`).
 */
import {
  type Authorize,
  allowsOrigin,
  checkLeafLimits,
  checkPolicy,
  LEAF_LIMITS,
  type LeafLimits,
  type LeafPolicy,
} from './admission.js';
import type { Cluster } from './cluster.js';
import { Core } from './core/core.js';
import { Gateway as GatewayRules } from './core/gateway.js';
import type { Machine } from './core/machine.js';
import { checkNames, GossipError } from './errors.js';
import { type GatewayShell, LeafSession } from './leaf-session.js';
import { createDeadline } from './transport/deadline.js';
import { acceptMux, MUX_PROTOCOL } from './transport/mux.js';
import type { AcceptedInfo, WebSocketListenFunction } from './transport/websocket.js';
import { CLOSE, refuseSocket, type WebSocketLike } from './transport/websocket-connection.js';
import type { WebSocketListening } from './transport/websocket-links.js';
import type { WebSocketAcceptor } from './transport/websocket-pushed.js';
import { type AcceptedRequest, readRequest } from './transport/websocket-request.js';
import type { NativeEnv } from './wire/env.js';
import { ALL_PACKETS } from './wire/native/gateway-packets.js';
import { encodeOpenFrame } from './wire/native/open-frame.js';

export type { Admission, Authorize, LeafLimits, LeafMessage, LeafPolicy, LeafRequest, Verdict } from './admission.js';
export { LEAF_LIMITS } from './admission.js';
export type { WebSocketAcceptor } from './transport/websocket-pushed.js';

/** Options of {@link createGateway}. */
export interface GatewayOptions {
  /** The URL leaves dial. Default: what `listen` reports. Behind a load balancer: its URL. */
  url?: string;
  /** Accepts connections, for instance `webSocketListener({ bind })`. Default: nothing does, and the application calls `accept`. */
  listen?: WebSocketListenFunction;
  /** Decides who may be a leaf. Default: every page of an allowed origin, and every program. */
  authorize?: Authorize;
  /** Origins of pages, `*` for any. Default: the gateway's own host alone. */
  origins?: readonly string[] | '*';
  /** Single limits on top of {@link LEAF_LIMITS}, for each leaf. */
  limits?: Partial<LeafLimits>;
  /** What leaves may send, and whom they see. Default: everything and everybody. */
  policy?: LeafPolicy;
  /** Leaves at the same time, and those that want to be. Default 20,000. Source: guess, twice the largest tested. */
  leavesMax?: number;
  /** A leaf's death is told within twice this. Default 5,000 ms. Source: guess; a tenth of socket.io's pings' time. */
  pingIntervalMs?: number;
  /** Changes of the membership are told to leaves this often. Default 100 ms. Source: guess, below what a person notices. */
  batchMs?: number;
}

/** A running gateway. `bunWebSockets` and `hibernatingWebSockets` take it as it is. */
export interface Gateway extends WebSocketAcceptor, AsyncDisposable {
  /** The URL leaves dial. */
  readonly url: string;
  /** Leaves that are attached here. */
  readonly leaves: number;
  /**
   * Takes over a WebSocket that a server accepted: of one leaf, or with the subprotocol `isogossip.mux` of all tabs of a
   * browser (`sharedTabs()`); a server that chooses among subprotocols should choose that one.
   * @param info - its request, or what is known of it. Without headers there is no origin to be checked, no cookie and no
   *   ticket but the leaf's own. Never throws.
   */
  accept(socket: WebSocketLike, info?: AcceptedInfo | Request): void;
  /** Sends its leaves to other gateways and closes. Idempotent; happens by itself when the member leaves. */
  close(): Promise<void>;
}

/** How long leaves have to go elsewhere when the gateway closes. Source: as the transports' flush. */
const CLOSE_MS = 1000;
const CHECK_MS = 1000;

/** Their names. */
const OPTIONS: Record<keyof GatewayOptions, 1> = {
  url: 1,
  listen: 1,
  authorize: 1,
  origins: 1,
  limits: 1,
  policy: 1,
  leavesMax: 1,
  pingIntervalMs: 1,
  batchMs: 1,
};

/**
 * Makes a member a gateway.
 * @throws GossipError `ERR_OPTION`: no `url` to be known by, a leaf, or a member that is one already; `ERR_CLOSED`; what
 *   `listen` throws. Nothing was left open.
 */
export async function createGateway(cluster: Cluster, options: GatewayOptions = {}): Promise<Gateway> {
  checkNames(options, OPTIONS);
  const { core, options: own, closing } = cluster.inside;
  const { leavesMax = 20_000, pingIntervalMs = 5000, batchMs = 100, policy = {}, origins, authorize } = options;
  for (const [name, value] of Object.entries({ leavesMax, pingIntervalMs, batchMs })) {
    if (!(value > 0)) throw new GossipError('ERR_OPTION', `option ${name} must be above 0, not ${value}`);
  }
  checkPolicy(policy);
  checkLeafLimits(options.limits);
  if (origins !== undefined && origins !== '*' && !Array.isArray(origins)) {
    throw new GossipError('ERR_OPTION', "option origins must be a list of origins, or '*'");
  }
  checkMember(core, closing);
  if (options.url === undefined && !options.listen) {
    throw new GossipError('ERR_OPTION', 'pass url, which leaves dial, or listen, such as webSocketListener({ bind })');
  }
  let rules: GatewayRules | undefined;
  const sessions = new Map<number, LeafSession>();
  let lastSession = 0;
  let onEmpty = () => {};
  // Toward leaves nothing is sealed: TLS does that, and they have no key.
  const env: NativeEnv = {
    codec: own.codec,
    compressBytesMin: Number.POSITIVE_INFINITY,
    limits: own.limits,
    packets: ALL_PACKETS,
  };
  const shell: GatewayShell = {
    id: cluster.id,
    env,
    clock: own.clock,
    limits: { ...LEAF_LIMITS, ...options.limits },
    policy,
    authorize,
    encode: (packet) => encodeOpenFrame(packet, env) as Uint8Array<ArrayBuffer>,
    event: (event) => cluster.input({ type: 'leaf', event }),
    member: (id) => cluster.member(id),
    drop: (name, detail) => cluster.drop(name, detail),
    ended({ number }) {
      sessions.delete(number);
      if (sessions.size === 0) onEmpty();
    },
  };

  const { limits } = own;
  const count = (name: string, detail = '') => cluster.drop(`leaf.${name}`, detail);
  const muxOptions = { limits: { ...limits, sendQueueBytesMax: shell.limits.queueBytesMax }, count };

  const admit = (socket: WebSocketLike, request: AcceptedRequest) => {
    if (!rules || core.leaves.host !== rules || closing.aborted) {
      cluster.drop('leavesRefused', 'the gateway is not open');
      refuseSocket(socket, CLOSE.going, 'the gateway is not open');
    } else if (sessions.size >= leavesMax) {
      cluster.drop('leavesOverLimit', `leavesMax, ${leavesMax}, are here`);
      refuseSocket(socket, CLOSE.full, 'no room');
    } else {
      const session = new LeafSession(++lastSession, socket, request, shell);
      sessions.set(session.number, session);
    }
  };

  const accept: Gateway['accept'] = (socket, info = {}) => {
    const request = readRequest(info);
    if (!request || (request.origin !== undefined && !allowsOrigin(origins, request.origin, request.host))) {
      cluster.drop('foreignOrigins', request?.origin ?? 'the request cannot be read any more');
      refuseSocket(socket, CLOSE.refused, 'origin not allowed');
    } else if (socket.protocol === MUX_PROTOCOL) {
      acceptMux(socket, (one) => admit(one, request), muxOptions);
    } else {
      admit(socket, request);
    }
  };

  const listening = await options.listen?.({
    limits: { ...limits, connectionsMax: leavesMax },
    count,
    accept,
    allowsOrigin: (origin, host) => allowsOrigin(origins, origin, host),
  });
  try {
    // Meanwhile the member may have been closed, or become a gateway by somebody else's wish.
    checkMember(core, closing);
  } catch (error) {
    await listening?.close();
    throw error;
  }
  const url = options.url ?? (listening as WebSocketListening).url;
  const host = new GatewayRules(core, { url, pingIntervalMs, batchMs });
  core.leaves.host = rules = host;
  const tick = setInterval(() => {
    const nowMs = performance.now();
    for (const session of sessions.values()) session.check(nowMs);
  }, CHECK_MS);
  (tick as { unref?(): void }).unref?.();
  // The core has a new timer.
  cluster.input({ type: 'tick' });

  let stopped: Promise<void> | undefined;
  const stop = (politely: boolean) => {
    stopped ??= (async () => {
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve;
        if (sessions.size === 0) resolve();
      });
      const patience = createDeadline(politely ? CLOSE_MS : 0, 'leaves did not go');
      await patience.race(empty).catch(() => {});
      patience.done();
      clearInterval(tick);
      for (const session of sessions.values()) session.connection.destroy('the gateway was closed');
      await listening?.close();
    })();
    return stopped;
  };
  cluster.extra = {
    perform(effect) {
      if (effect.type === 'leaf-send') {
        const frame = shell.encode(effect.packet);
        for (const session of effect.sessions) sessions.get(session)?.send(frame);
      } else if (effect.type === 'leaf-close') {
        sessions.get(effect.session)?.close(effect.why, effect.reason);
      }
    },
    stop,
  };
  const close = () => {
    if (core.leaves.host === host) {
      cluster.input({ type: 'leaf', event: { kind: 'close' } });
      core.leaves.host = undefined;
    }
    return stop(true);
  };
  return {
    url,
    get leaves() {
      return host.size;
    },
    accept,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** @throws GossipError when a member cannot become a gateway. */
function checkMember(core: Machine, closing: AbortSignal): asserts core is Core {
  if (!(core instanceof Core)) throw new GossipError('ERR_OPTION', 'a leaf cannot be a gateway');
  if (core.leaves.host) throw new GossipError('ERR_OPTION', 'the member is a gateway already');
  if (closing.aborted) throw new GossipError('ERR_CLOSED', 'this member is closed');
}
