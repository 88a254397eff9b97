/** Making and sending v1 packets; every one of them has a connection, or a datagram, of its own. */
import { V1_TYPE, type V1Message, type V1Packet } from '../../wire/v1/packet.js';
import type { Core } from '../core.js';
import type { ExchangeDone, PacketSource } from '../input.js';
import type { MemberId } from '../member-id.js';
import type { MemberRow } from '../members.js';

/** Source: TCPDeadline of the Go library. */
export const EXCHANGE_TIMEOUT_MS = 2000;

export class V1Outbox {
  readonly #exchanges = new Map<number, (result: ExchangeDone) => void>();
  #exchange = 0;

  constructor(private readonly core: Core) {}

  /** Sends to each; without `to.targetId` the packet is for everyone. */
  send(to: readonly MemberRow[], packet: V1Packet, reliable: boolean, ref?: number): void {
    if (to.length > 0) this.core.send(to, packet, reliable, ref);
  }

  /** Sends and waits for the answer on the same connection; `done` is called once, without a packet on failure. */
  exchange(to: string, v1: V1Packet, timeoutMs: number, done: (result: ExchangeDone) => void): void {
    const exchange = ++this.#exchange;
    this.#exchanges.set(exchange, done);
    const packet = { ...v1, ttl: 1, replyExpected: true };
    this.core.emit({ type: 'exchange', exchange, to, packet, timeoutMs });
  }

  exchanged(result: ExchangeDone): void {
    const done = this.#exchanges.get(result.exchange);
    this.#exchanges.delete(result.exchange);
    done?.(result);
  }

  /** Answers a packet whose sender waits; without a message it is let go. */
  respond(source: PacketSource, message: V1Message | undefined): void {
    const { exchange } = source;
    if (exchange === undefined) return;
    if (!message) this.core.emit({ type: 'respond', exchange });
    else this.core.emit({ type: 'respond', exchange, packet: { ...this.packet(V1_TYPE.reply, message), ttl: 1 } });
  }

  /** @param senderId - ourselves, or a leaf of ours. */
  packet(type: number, message: V1Message, targetId?: MemberId, senderId = this.core.self.id): V1Packet {
    const { core } = this;
    return {
      dialect: 'v1',
      type,
      senderId,
      ...(targetId === undefined ? {} : { targetId }),
      messageId: core.hlc.now(core.nowMs),
      // Nothing of ours needs to be forwarded: each peer is sent to by whoever serves it.
      ttl: 0,
      replyExpected: false,
      message,
    };
  }

  /** What we tell about ourselves. */
  metadata(): V1Packet {
    const { self } = this.core;
    return this.packet(V1_TYPE.metadata, {
      kind: 'metadata',
      metadataTime: self.version,
      metadata: self.metadata ?? {},
      state: self.state,
    });
  }
}
