/**
 * Between core and transport: packets become frames and frames packets. A packet is encoded once however many it goes
 * to, and the order of packets from one peer to one peer is kept although a cipher may take its time.
 */

import { addressParts } from './core/addresses.js';
import type { Input, Packet, PacketSource } from './core/input.js';
import type { MemberId } from './core/member-id.js';
import { errorMessage, type GossipError, type GossipErrorCode, toGossipError } from './errors.js';
import type { Exchanges } from './exchanges.js';
import type { ResolvedLogger } from './logger.js';
import type { FrameSource, SendOptions, Transport, TransportHost } from './transport/transport.js';
import { type FrameMaker, peekFrame } from './wire/wire.js';

/** What arrives is opened in its order, whoever sent it; no address is empty. */
const OPENING = '';

/** Why a frame was refused, as the name it is counted under; without one here it is `framesMalformed`. */
const REFUSALS: Partial<Record<GossipErrorCode, string>> = {
  ERR_CIPHER: 'framesNotOpened',
  ERR_COMPRESSED: 'framesNotDecompressed',
  ERR_PACKET: 'packetsMalformed',
  ERR_CODEC: 'packetsNotDecoded',
  ERR_TOO_LARGE: 'framesTooLarge',
};

/** What a link tells its owner. */
export interface LinkOwner {
  /** @returns when whoever sent the packet may send more; `undefined`: at once. */
  input(input: Input): Promise<undefined> | undefined;
  count(name: string): void;
  drop(name: string, detail: string): void;
}

export class Link {
  /** The last of what waits its turn: toward an address, and under `OPENING` of what arrived. */
  readonly #tails = new Map<string, Promise<void>>();
  #opening = 0;
  /** Of the Go library's plug-in, when it is there. */
  exchanges: Exchanges | undefined;
  /** Sends not yet settled, so that a leaving member can wait for its farewell. */
  readonly #unsettled = new Set<Promise<void>>();

  constructor(
    readonly wire: FrameMaker,
    readonly transport: Transport,
    private readonly selfId: MemberId,
    /** Nobody as long as there is no member: what arrives before is not for us. */
    public owner?: LinkOwner,
  ) {}

  /** What the transport calls. */
  host(logger: ResolvedLogger): TransportHost {
    return {
      logger,
      limits: this.wire.env.limits,
      receive: (frame, source) => this.#receive(frame, source),
      disconnected: (address) => this.owner?.input({ type: 'disconnected', address }),
      count: (name, detail) => this.owner?.drop(`transport.${name}`, detail ?? ''),
    };
  }

  /**
   * Sends one packet to each address.
   * @param done - called once per address: without an error when the carrier has taken it.
   */
  send(to: readonly string[], packet: Packet, reliable: boolean, done?: (error?: GossipError) => void): void {
    // A v1 peer takes one packet a connection.
    const options: SendOptions = { reliable, connection: packet.dialect === 'v1' ? 'single' : 'shared' };
    const frames: (Uint8Array | Promise<Uint8Array>)[] = [];
    for (const address of to) {
      const plain = packet.dialect === 'v1' && this.transport.carriage(this.part(address)) === 'v1-plain';
      // Only for a v1 packet to peers on sockets and on HTTP there are two.
      const kind = Number(plain);
      const encode = () => {
        frames[kind] ??= this.wire.encode(packet, plain);
        return frames[kind] as Uint8Array;
      };
      this.#inOrder(
        address,
        encode,
        (frame) => this.#sendNow(address, frame, options, done),
        (error) => this.#notEncoded(error, done),
      );
    }
  }

  /** Goes on with a value: at once, or when it is there and all before it of the same kind have been gone on with. */
  #inOrder<T>(
    kind: string,
    make: () => T | Promise<T>,
    next: (value: T) => void,
    failed: (error: unknown) => void,
  ): void {
    let value: T | Promise<T>;
    try {
      value = make();
    } catch (error) {
      failed(error);
      return;
    }
    const before = this.#tails.get(kind);
    if (!before && !(value instanceof Promise)) {
      next(value);
      return;
    }
    // Settled, not only resolved: one that fails must not let its followers overtake those before it.
    const tail = Promise.allSettled([value, before]).then(([result]) => {
      if (this.#tails.get(kind) === tail) this.#tails.delete(kind);
      if (result.status === 'fulfilled') next(result.value);
      else failed(result.reason);
    });
    this.#tails.set(kind, tail);
  }

  #notEncoded(error: unknown, done?: (error: GossipError) => void): void {
    const failure = toGossipError(error, 'ERR_UNREACHABLE');
    this.owner?.drop('packetsNotEncoded', failure.message);
    done?.(failure);
  }

  #sendNow(address: string, frame: Uint8Array, options: SendOptions, done?: (error?: GossipError) => void): void {
    this.owner?.count('framesSent');
    // Of the promises of an idle member most are made here: no more than it takes.
    let sent: Promise<void>;
    try {
      sent = Promise.resolve(this.transport.send(this.part(address), frame, options));
    } catch (error) {
      sent = Promise.reject(error);
    }
    const settled = sent.then(
      () => {
        this.#unsettled.delete(settled);
        done?.();
      },
      (error) => {
        this.#unsettled.delete(settled);
        const failure = toGossipError(error, 'ERR_UNREACHABLE');
        this.owner?.input({ type: 'send-failed', address, reliable: options.reliable, error: failure });
        done?.(failure);
      },
    );
    this.#unsettled.add(settled);
  }

  /** The first part of a member's address that we can dial; where there is none, the transport is to say so. */
  part(address: string): string {
    return addressParts(address).find((part) => this.transport.carriage(part)) ?? address;
  }

  /** Resolves when everything sent so far has been taken or refused. */
  async flush(): Promise<void> {
    await Promise.all(this.#tails.values());
    await Promise.all(this.#unsettled);
  }

  #receive(
    frame: Uint8Array,
    { carriage = 'v1', ...source }: FrameSource,
  ): undefined | Promise<Uint8Array | undefined> {
    this.owner?.count('framesReceived');
    const peek = peekFrame(frame);
    const plain = carriage === 'v1-plain';
    if (peek.dialect === 'v1' && (carriage === 'native' || !this.exchanges)) {
      this.owner?.drop('v1FramesRefused', `by a ${carriage} carrier`);
      if (!peek.replyExpected || carriage === 'native') return undefined;
      return this.encode({ type: 'native-only', from: this.selfId }, plain);
    }
    if (peek.replyExpected) return this.exchanges?.receive(frame, source, plain);
    return this.open(frame, source, plain);
  }

  /** Encodes an answer; one that cannot be is none. */
  async encode(packet: Packet, plain: boolean): Promise<Uint8Array | undefined> {
    try {
      return await this.wire.encode(packet, plain);
    } catch (error) {
      this.#notEncoded(error);
      return undefined;
    }
  }

  /**
   * Opens a frame, in the order in which frames came, and hands its packet to the owner.
   * @param refused - called when there is none.
   * @returns when whoever sent it may send more; `undefined`: at once, or nobody knows, as it is still being opened.
   */
  open(frame: Uint8Array, source: PacketSource, plain: boolean, refused = () => {}): Promise<undefined> | undefined {
    /** Frames being opened at the same time; more than this arrive faster than they can be opened. Source: guess. */
    const OPENING_MAX = 4096;
    const refuse = (error: unknown) => {
      this.#opening--;
      this.dropFrame(error, source.address);
      refused();
    };
    let room: Promise<undefined> | undefined;
    const deliver = (packet: Packet) => {
      this.#opening--;
      // A packet that our own code fails on must not take the carrier down with it.
      try {
        room = this.owner?.input({ type: 'packet', packet, source });
      } catch (error) {
        this.owner?.drop('packetsFailed', errorMessage(error));
        refused();
      }
    };
    if (this.#opening >= OPENING_MAX) {
      this.owner?.drop('framesOverLimit', source.address ?? '');
      refused();
      return undefined;
    }
    this.#opening++;
    this.#inOrder(OPENING, () => this.wire.decode(frame, plain), deliver, refuse);
    return room;
  }

  /** Counts a frame that was refused. */
  dropFrame(error: unknown, from: string | undefined): void {
    const { code, message } = toGossipError(error, 'ERR_UNREACHABLE');
    this.owner?.drop(REFUSALS[code] ?? 'framesMalformed', from ? `${message} (from ${from})` : message);
  }
}
