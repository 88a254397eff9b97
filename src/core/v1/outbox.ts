/** Making and sending v1 packets; every one of them has a connection, or a datagram, of its own. */
import { V1_TYPE, type V1Message, type V1Packet } from '../../wire/v1/packet.js';
import type { Core } from '../core.js';
import type { ExchangeDone, PacketSource } from '../input.js';
import { type MemberId, NOBODY } from '../member-id.js';
import type { MemberRow } from '../row.js';
import { V1_PROTOCOL_VERSION } from './peers.js';
import { isoMark, v1Address } from './shown.js';

/** Source: TCPDeadline of the Go library. */
export const EXCHANGE_TIMEOUT_MS = 2000;
/**
 * A metadata update this often keeps a Go peer from opening a connection to ask: it asks who was silent for 1.5 s.
 * Source: its SuspectTimeout, and a live measurement (none in 45 s at 1.2 s).
 */
export const KEEPALIVE_MS = 1200;
/**
 * Changes of metadata within this time go out as one. A Go peer's check for the newer of two and its taking of it are
 * two steps: of two updates at the same moment it may keep the older one for ever. Source: guess, its handlers' time many
 * times over.
 */
export const METADATA_PAUSE_MS = 50;

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

  /**
   * Answers a packet whose sender waits; without a message it is let go.
   * @param senderId - who answers: ourselves, or a leaf.
   */
  respond(source: PacketSource, message: V1Message | undefined, senderId?: MemberId): void {
    const { exchange } = source;
    if (exchange === undefined) return;
    if (!message) this.core.emit({ type: 'respond', exchange });
    else {
      const packet = { ...this.packet(V1_TYPE.reply, message, undefined, senderId), ttl: 1 };
      this.core.emit({ type: 'respond', exchange, packet });
    }
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

  /** What we tell about ourselves, or about a leaf of ours in its name. */
  metadata(row = this.core.self): V1Packet {
    const { id, version: metadataTime, metadata = {}, state } = row;
    return this.packet(V1_TYPE.metadata, { kind: 'metadata', metadataTime, metadata, state }, undefined, id);
  }

  /** Introduces us, or a leaf of ours, to whoever is at an address. */
  join(row: MemberRow, to: string): V1Packet {
    const { id, version: metadataTime, metadata = {}, tags, applicationVersion } = row;
    const message: V1Message = {
      kind: 'join',
      id,
      address: v1Address(this.core, row, to) ?? '',
      protocolVersion: V1_PROTOCOL_VERSION,
      applicationVersion,
      state: 'alive',
      tags,
      metadataTime,
      metadata,
      ...isoMark(row),
    };
    return this.packet(V1_TYPE.join, message, NOBODY, id);
  }
}
