/**
 * The contract between the cluster and the ways to move bytes. A transport knows addresses and frames; it knows no
 * members, no packets and no dialects. A frame is opaque to it, but for the two flag bytes at its front.
 */
import type { Limits } from '../limits.js';
import type { ResolvedLogger } from '../logger.js';

/**
 * What a carrier takes: `native` frames alone, or those of the Go library's wire too, either as native ones (`v1`) or
 * neither sealed nor compressed (`v1-plain`, its HTTP rule).
 */
export type Carriage = 'native' | 'v1' | 'v1-plain';

/** How one frame should travel. */
export interface SendOptions {
  /** `true`: over a carrier that repeats what was lost; `false`: a datagram where there is one and the frame fits. */
  reliable: boolean;
  /**
   * `shared`: a lasting connection that carries many frames. `single`: a connection of its own that is closed after
   * this frame, which is what peers that speak the Go library's wire expect.
   */
  connection: 'shared' | 'single';
}

/** How one exchange of a frame for a frame should travel; always reliable, always a connection of its own. */
export interface RequestOptions {
  timeoutMs: number;
  signal?: AbortSignal;
}

/** Where a received frame came from. */
export interface FrameSource {
  /** Transport address of the sending socket, when there is one that can be sent to (a datagram's source). */
  address?: string;
  /** Whether the carrier is one that repeats what was lost. */
  reliable: boolean;
  /** What may come this way; other frames are refused. Default: `v1`. */
  carriage?: Carriage;
  /** Less of it is read while the answer to a frame is open, and what tells who is alive comes another way. */
  mayWait?: boolean;
}

/** What a transport may call of its owner. */
export interface TransportHost {
  /**
   * Takes one received frame. The bytes belong to the receiver from here on.
   *
   * @returns a frame to answer with on the same connection or in the same HTTP response, `undefined` (at once or later)
   *   for none. Never rejects. A transport bounds how many promises of one connection are open (backpressure).
   */
  receive(frame: Uint8Array, source: FrameSource): undefined | Promise<Uint8Array | undefined>;
  /** Tells that a shared connection to `address` ended without being asked to: evidence, not proof, that the peer died. */
  disconnected(address: string): void;
  /** Counts something under `transport.<name>` in `stats()`; the first of each name is logged by the owner. */
  count(name: string, detail?: string): void;
  readonly logger: ResolvedLogger;
  readonly limits: Limits;
}

/** Where a member goes that cannot be dialled. */
export interface GatewayList {
  /** The preferred first. */
  readonly urls: readonly string[];
  /** What the gateway's `authorize` is to see; asked for at each attempt. */
  ticket(): string | Promise<string>;
}

/** One way to move bytes between members. Made by a factory such as `socketTransport()`; used by one cluster. */
export interface Transport {
  readonly name: string;
  /** The largest frame that may go as a datagram; 0 when this transport has none. */
  readonly datagramBytesMax: number;
  /** Present when nobody can dial us: the member is a leaf of one of these gateways. */
  readonly gateways?: GatewayList;
  /**
   * Tells from the form of an address what can travel there; `undefined`: this transport cannot dial it. It is asked
   * of single addresses only, one part of the list that a member has who can be reached in several ways.
   */
  carriage(address: string): Carriage | undefined;
  /**
   * Binds and begins to deliver frames.
   * @returns the address other members dial, or several joined by spaces. Never a wildcard.
   * @throws GossipError `ERR_ADDRESS_IN_USE`, `ERR_ADDRESS`, `ERR_OPTION`; nothing is left open.
   */
  start(host: TransportHost): Promise<string>;
  /**
   * Sends one frame. Settles when the carrier has taken it (datagram handed to the kernel, stream flushed or below its
   * high-water mark, HTTP answered).
   * @throws GossipError `ERR_UNREACHABLE`, `ERR_RESOLVE`, `ERR_ADDRESS`, `ERR_TOO_LARGE`, `ERR_OVERLOADED`, `ERR_CLOSED`. Where a
   *   dial was refused, since nobody listens, its `cause` has the code `ECONNREFUSED`, if the platform tells.
   */
  send(address: string, frame: Uint8Array, options: SendOptions): Promise<void>;
  /**
   * Sends one frame and waits for the one that answers it, on a connection of its own. Only asked for where the
   * carriage is not `native`.
   * @throws GossipError as `send`, and `ERR_TIMEOUT` (no answer, or closed without one), `ERR_ABORTED`.
   */
  request(address: string, frame: Uint8Array, options: RequestOptions): Promise<Uint8Array>;
  /** Ends the shared connection to an address, after what has been sent. */
  disconnect?(address: string): void;
  /** Closes everything it opened and waits for it; frames already accepted by `send` are flushed, bounded by 1 s. Idempotent. */
  close(): Promise<void>;
}
