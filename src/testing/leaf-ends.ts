/**
 * Both ends of a simulated leaf's connection: what sockets and sessions do for real members. The gateway's end admits
 * everyone; who may be a leaf is no business of the protocol's.
 */
import type { Effect } from '../core/effect.js';
import type { GatewayConfig } from '../core/gateway.js';
import type { Input } from '../core/input.js';
import type { LeafEvent } from '../core/leaves.js';
import type { MemberId } from '../core/member-id.js';
import { NO_METADATA } from '../core/metadata.js';
import { GossipError } from '../errors.js';
import type { NativePacket } from '../wire/packet.js';
import type { Carrier } from './carrier.js';
import type { Line, LineEnd, LinePlace } from './line.js';
import type { SimulatedGatewayOptions } from './options.js';

/** What an end needs of the member it belongs to. */
export interface EndOwner extends LinePlace {
  readonly carrier: Carrier;
  input(input: Input): void;
  encode(packet: NativePacket): Uint8Array;
  /** Encodes one that goes to many. */
  encodeForMany(packet: NativePacket): Uint8Array;
  /** Opens a frame; `undefined` when that fails. */
  open(frame: Uint8Array): NativePacket | undefined;
  indexOf(id: MemberId): number;
}

/** A share of its queue from which on a leaf counts as slow. Source: as a real gateway's sessions. */
const SLOW_SHARE = 16;
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;

/** The leaf's end. */
export class LeafEnd {
  #line: Line | undefined;
  /** What belongs to an earlier connection is known by its number. */
  #dial = 0;

  constructor(private readonly owner: EndOwner) {}

  attach({ to, packet }: Extract<Effect, { type: 'attach' }>): void {
    this.disconnect();
    const { owner } = this;
    const dial = this.#dial;
    const now = (input: Input) => {
      if (dial === this.#dial) owner.input(input);
    };
    const end: LineEnd = {
      frame(frame) {
        const arrived = owner.open(frame);
        if (arrived) now({ type: 'packet', packet: arrived, source: { address: to, reliable: true } });
      },
      closed: () => now({ type: 'disconnected', address: to }),
    };
    owner.carrier.dial(owner, to, end, (result) => {
      owner.whenAwake(() => {
        if (result instanceof GossipError) {
          now({ type: 'send-failed', address: to, reliable: true, error: result });
        } else if (dial === this.#dial) {
          this.#line = result;
          result.send(owner, owner.encode(packet));
        } else result.close(owner);
      });
    });
  }

  send(packet: NativePacket): void {
    this.#line?.send(this.owner, this.owner.encode(packet));
  }

  disconnect(): void {
    this.#dial++;
    this.#line?.close(this.owner);
    this.#line = undefined;
  }

  /** Something in between ends the connection; both sides notice. */
  cut(): void {
    this.#line?.cut();
  }
}

/** The gateway's end of its leaves' connections. */
export class GatewayEnd {
  readonly #lines = new Map<number, { line: Line; slow: boolean }>();
  #last = 0;

  constructor(
    private readonly owner: EndOwner,
    readonly url: string,
    readonly options: SimulatedGatewayOptions,
  ) {}

  get config(): GatewayConfig {
    const { pingIntervalMs = 5000, batchMs = 100 } = this.options;
    return { url: this.url, pingIntervalMs, batchMs };
  }

  accept(line: Line): LineEnd {
    const session = ++this.#last;
    this.#lines.set(session, { line, slow: false });
    let attached = false;
    return {
      frame: (frame) => {
        const packet = this.owner.open(frame);
        if (!packet) return;
        if (attached) this.#event({ kind: 'packet', session, packet });
        else if (packet.type === 'attach') this.#attach(session, packet);
        attached ||= packet.type === 'attach';
      },
      closed: () => {
        this.#lines.delete(session);
        this.#event({ kind: 'closed', session });
      },
      drained: () => this.#drained(session),
    };
  }

  #attach(session: number, packet: Extract<NativePacket, { type: 'attach' }>): void {
    const { record, hidden, fingerprint, members } = packet;
    const { owner, options } = this;
    const { sees } = options;
    const leaf = owner.indexOf(record.id);
    this.#event({
      kind: 'attach',
      session,
      record: { ...record, metadata: record.metadata ?? NO_METADATA },
      hidden,
      fingerprint,
      members,
      sees: sees && ((id) => id === record.id || sees(leaf, owner.indexOf(id))),
    });
  }

  get #queueBytesMax(): number {
    return this.options.queueBytesMax ?? QUEUE_BYTES_MAX;
  }

  send(sessions: readonly number[], packet: NativePacket): void {
    const { owner } = this;
    const frame = owner.encodeForMany(packet);
    for (const session of sessions) {
      const found = this.#lines.get(session);
      if (!found) continue;
      const queued = found.line.queuedBytes(owner) + frame.length;
      if (queued > this.#queueBytesMax) {
        this.#soon({ kind: 'expel', session, why: 'slow', reason: 'it does not take what is for it' });
        continue;
      }
      found.line.send(owner, frame);
      if (found.slow || queued <= this.#queueBytesMax / SLOW_SHARE) continue;
      found.slow = true;
      this.#soon({ kind: 'slow', session, slow: true });
    }
  }

  #drained(session: number): void {
    const found = this.#lines.get(session);
    if (!found?.slow || found.line.queuedBytes(this.owner) > this.#queueBytesMax / SLOW_SHARE) return;
    found.slow = false;
    this.#soon({ kind: 'slow', session, slow: false });
  }

  close(session: number): void {
    this.#lines.get(session)?.line.close(this.owner);
    this.#lines.delete(session);
  }

  /** A new process has none of its former life's connections. */
  restart(): void {
    this.#lines.clear();
  }

  #event(event: LeafEvent): void {
    this.owner.input({ type: 'leaf', event });
  }

  /** Not from inside the core. */
  #soon(event: LeafEvent): void {
    const { life } = this.owner;
    this.owner.carrier.at(0, () => {
      if (this.owner.life === life) this.#event(event);
    });
  }
}
