/**
 * Messages to one member, and requests with a reply and a deadline. A reply is believed only from the member that was
 * asked, for a request that is still open.
 */
import { GossipError, type GossipErrorCode } from '../errors.js';
import type { NativePacket, ReplyStatus } from '../wire/packet.js';
import type { Input, Outgoing } from './input.js';
import type { KnownMember, Machine } from './machine.js';
import type { MemberId } from './member-id.js';

interface PendingRequest {
  to: MemberId;
  /** The gateway of a leaf; without it nothing comes back. */
  via: MemberId | undefined;
  ref: number;
}

/** Takes the application's answer to whoever asked. */
type Asker = (status: ReplyStatus, payload: Uint8Array) => void;

/** What becomes of a request that was not answered. */
const FAILURES: Record<Exclude<ReplyStatus, 'ok'>, [GossipErrorCode, string]> = {
  'no-handler': ['ERR_NO_HANDLER', 'has no handler for this type'],
  failed: ['ERR_HANDLER', 'failed to answer'],
  unreachable: ['ERR_UNREACHABLE', 'could not be reached by a gateway'],
  refused: ['ERR_REFUSED', 'is kept from us by our gateway'],
};

export class Requests {
  readonly #pending = new Map<bigint, PendingRequest>();
  readonly #incoming = new Map<number, Asker>();
  #exchange = 0;

  constructor(private readonly core: Machine) {}

  get pending(): number {
    return this.#pending.size;
  }

  get incoming(): number {
    return this.#incoming.size;
  }

  /** A message of the application to one member. */
  send(input: Extract<Input, { type: 'send' }>): void {
    const row = this.#target(input.to, input.ref);
    if (!row) return;
    this.core.count('messagesSent');
    const foreign = this.core.foreignOf(row);
    if (foreign) foreign.send(row, input, input.reliable, input.ref);
    else this.core.send(row, { type: 'message', ...this.#addressed(row, input) }, input.reliable, input.ref);
  }

  #addressed(row: KnownMember, { messageType, payload }: Outgoing, messageId = this.core.mint()) {
    return { from: this.core.self.id, to: row.id, messageId, messageType, payload };
  }

  /** A request of the application; always ends in one `settled` effect. */
  request(input: Extract<Input, { type: 'request' }>): void {
    const row = this.#target(input.to, input.ref);
    if (!row) return;
    if (this.#pending.size >= this.core.limits.pendingRequestsMax) {
      this.core.count('requestsOverLimit');
      this.#settle(input.ref, 'ERR_OVERLOADED', 'limits.pendingRequestsMax are open');
      return;
    }
    this.core.count('requestsSent');
    const messageId = this.core.mint();
    this.#pending.set(messageId, { to: row.id, via: row.via, ref: input.ref });
    const foreign = this.core.foreignOf(row);
    if (foreign) {
      foreign.request(row, input, input.timeoutMs, (answer) => {
        const pending = this.#pending.get(messageId);
        this.#pending.delete(messageId);
        if (pending) this.core.emit({ type: 'settled', ref: pending.ref, ...answer });
      });
      return;
    }
    this.core.send(row, { type: 'request', ...this.#addressed(row, input, messageId) }, true);
    this.core.schedule(input.timeoutMs, () => {
      this.#fail(messageId, 'ERR_TIMEOUT', `${row.id} did not answer within ${input.timeoutMs} ms`);
    });
  }

  #target(to: MemberId, ref: number): KnownMember | undefined {
    const row = this.core.members.get(to);
    if (!row || row === this.core.self || row.state === 'dead') {
      this.#settle(ref, 'ERR_UNKNOWN_MEMBER', `${to} is no other living member`);
      return undefined;
    }
    const why = this.core.whyNot(row);
    if (why === undefined) return row;
    this.#settle(ref, 'ERR_UNREACHABLE', `${to} ${why}`);
    return undefined;
  }

  #settle(ref: number, code: GossipErrorCode, text: string) {
    this.core.emit({ type: 'settled', ref, error: new GossipError(code, text) });
  }

  #fail(messageId: bigint, code: 'ERR_TIMEOUT' | 'ERR_UNREACHABLE', text: string): void {
    const pending = this.#pending.get(messageId);
    if (!pending) return;
    this.#pending.delete(messageId);
    this.#settle(pending.ref, code, text);
  }

  /** The caller lost interest; a reply still to come is dropped. */
  cancel(ref: number): void {
    for (const [messageId, pending] of this.#pending) if (pending.ref === ref) this.#pending.delete(messageId);
  }

  /** A reliable send to a member failed, or it died: its requests cannot be answered any more. */
  unreachable(row: KnownMember, why: string): void {
    for (const [messageId, pending] of this.#pending) {
      if (pending.to === row.id || pending.via === row.id)
        this.#fail(messageId, 'ERR_UNREACHABLE', `${row.id} at ${row.address}: ${why}`);
    }
  }

  /** Delivers a direct message of either dialect, once. */
  deliver(from: MemberId, messageId: bigint, message: Outgoing): void {
    if (!this.core.history.accept(from, messageId, true)) return;
    this.core.members.heard(from);
    this.core.count('messagesDelivered');
    this.core.emit({
      type: 'message',
      from,
      messageType: message.messageType,
      payload: message.payload,
      tag: '',
      direct: true,
      hops: 0,
    });
  }

  onRequest(packet: Extract<NativePacket, { type: 'request' }>): void {
    const { from, messageId } = packet;
    this.ask(from, messageId, packet, (status, payload) => {
      const row = this.core.members.get(from);
      if (row)
        this.core.send(row, { type: 'reply', from: this.core.self.id, to: from, messageId, status, payload }, true);
    });
  }

  /** Puts a request of either dialect to the application, once. @returns whether it will be answered. */
  ask(from: MemberId, messageId: bigint, message: Outgoing, asker: Asker): boolean {
    const overloaded = this.#incoming.size >= this.core.limits.incomingRequestsMax;
    if (overloaded) this.core.drop('incomingRequestsOverLimit', from);
    if (overloaded || !this.core.history.accept(from, messageId, true)) return false;
    this.core.members.heard(from);
    this.core.count('requestsReceived');
    const exchange = ++this.#exchange;
    this.#incoming.set(exchange, asker);
    this.core.emit({
      type: 'incoming-request',
      exchange,
      from,
      messageType: message.messageType,
      payload: message.payload,
    });
    return true;
  }

  /** The application's answer. */
  reply(exchange: number, status: ReplyStatus, payload: Uint8Array): void {
    const asker = this.#incoming.get(exchange);
    this.#incoming.delete(exchange);
    asker?.(status, payload);
  }

  onReply(packet: Extract<NativePacket, { type: 'reply' }>): void {
    const pending = this.#pending.get(packet.messageId);
    if (!pending || pending.to !== packet.from) {
      this.core.drop('repliesNobodyAskedFor', packet.from);
      return;
    }
    this.#pending.delete(packet.messageId);
    this.core.members.heard(packet.from);
    if (packet.status === 'ok') {
      this.core.emit({ type: 'settled', ref: pending.ref, payload: packet.payload });
      return;
    }
    const [code, why] = FAILURES[packet.status];
    this.#settle(pending.ref, code, `${packet.from} ${why}`);
  }
}
