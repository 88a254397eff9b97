/**
 * Messages to one member, and requests with a reply and a deadline. A reply is believed only from the member that was
 * asked, for a request that is still open.
 */
import { GossipError, type GossipErrorCode } from '../errors.js';
import type { NativePacket, ReplyStatus } from '../wire/packet.js';
import type { Input, Outgoing } from './input.js';
import type { Machine } from './machine.js';
import type { MemberId } from './member-id.js';
import type { MemberRow } from './members.js';

interface PendingRequest {
  to: MemberId;
  /** The gateway of a leaf; without it nothing comes back. */
  via: MemberId | undefined;
  ref: number;
}

/** Whom an answer of the application goes to. */
type Asker =
  | { kind: 'native'; from: MemberId; messageId: bigint }
  | { kind: 'foreign'; answer: (payload?: Uint8Array) => void };

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
    const { core } = this;
    const row = this.#target(input.to, input.ref);
    if (!row) return;
    core.count('messagesSent');
    const foreign = core.foreignOf(row);
    if (foreign) foreign.send(row, input, input.reliable, input.ref);
    else core.send(row, { type: 'message', ...this.#addressed(row, input) }, input.reliable, input.ref);
  }

  #addressed(row: MemberRow, { messageType, payload }: Outgoing, messageId = this.core.hlc.now(this.core.nowMs)) {
    return { from: this.core.self.id, to: row.id, messageId, messageType, payload };
  }

  /** A request of the application; always ends in one `settled` effect. */
  request(input: Extract<Input, { type: 'request' }>): void {
    const { core } = this;
    const row = this.#target(input.to, input.ref);
    if (!row) return;
    if (this.#pending.size >= core.config.limits.pendingRequestsMax) {
      core.count('requestsOverLimit');
      this.#settle(input.ref, 'ERR_OVERLOADED', 'limits.pendingRequestsMax requests are open');
      return;
    }
    core.count('requestsSent');
    const messageId = core.hlc.now(core.nowMs);
    this.#pending.set(messageId, { to: row.id, via: row.via, ref: input.ref });
    const foreign = core.foreignOf(row);
    if (foreign) {
      foreign.request(row, input, input.timeoutMs, (answer) => {
        const pending = this.#pending.get(messageId);
        this.#pending.delete(messageId);
        if (pending) core.emit({ type: 'settled', ref: pending.ref, ...answer });
      });
      return;
    }
    core.send(row, { type: 'request', ...this.#addressed(row, input, messageId) }, true);
    core.schedule(input.timeoutMs, () => {
      this.#fail(messageId, 'ERR_TIMEOUT', `${row.id} did not answer within ${input.timeoutMs} ms`);
    });
  }

  #target(to: MemberId, ref: number): MemberRow | undefined {
    const { core } = this;
    const row = core.members.get(to);
    if (!row || row === core.self || row.state === 'dead') {
      const why = row === core.self ? 'is ourselves' : row ? 'is dead' : 'is not a member';
      this.#settle(ref, 'ERR_UNKNOWN_MEMBER', `${to} ${why}`);
      return undefined;
    }
    const why = core.whyNot(row);
    if (why === undefined) return row;
    this.#settle(ref, 'ERR_UNREACHABLE', `${to} ${why}`);
    return undefined;
  }

  #settle(
    ref: number,
    code: 'ERR_UNKNOWN_MEMBER' | 'ERR_UNREACHABLE' | 'ERR_OVERLOADED' | 'ERR_TIMEOUT',
    text: string,
  ) {
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
  unreachable(row: MemberRow, why: string): void {
    for (const [messageId, pending] of this.#pending) {
      if (pending.to === row.id || pending.via === row.id)
        this.#fail(messageId, 'ERR_UNREACHABLE', `${row.id} at ${row.address}: ${why}`);
    }
  }

  onMessage(packet: Extract<NativePacket, { type: 'message' }>): void {
    this.deliver(packet.from, packet.messageId, packet);
  }

  /** Delivers a direct message of either dialect, once. */
  deliver(from: MemberId, messageId: bigint, message: Outgoing): void {
    const { core } = this;
    if (!core.history.accept(from, messageId, true)) return;
    core.members.heard(from);
    core.count('messagesDelivered');
    const { messageType, payload } = message;
    core.emit({ type: 'message', from, messageType, payload, tag: '', direct: true });
  }

  onRequest(packet: Extract<NativePacket, { type: 'request' }>): void {
    this.ask(packet.from, packet.messageId, packet, {
      kind: 'native',
      from: packet.from,
      messageId: packet.messageId,
    });
  }

  /** Puts a request of either dialect to the application, once. */
  ask(from: MemberId, messageId: bigint, message: Outgoing, asker: Asker): void {
    const { core } = this;
    const overloaded = this.#incoming.size >= core.config.limits.incomingRequestsMax;
    if (overloaded) core.drop('incomingRequestsOverLimit', from);
    if (overloaded || !core.history.accept(from, messageId, true)) {
      if (asker.kind === 'foreign') asker.answer();
      return;
    }
    core.members.heard(from);
    core.count('requestsReceived');
    const exchange = ++this.#exchange;
    this.#incoming.set(exchange, asker);
    const { messageType, payload } = message;
    core.emit({ type: 'incoming-request', exchange, from, messageType, payload });
  }

  /** The application's answer. */
  reply(exchange: number, status: ReplyStatus, payload: Uint8Array): void {
    const asker = this.#incoming.get(exchange);
    if (!asker) return;
    this.#incoming.delete(exchange);
    const { core } = this;
    if (asker.kind === 'foreign') {
      asker.answer(status === 'ok' ? payload : undefined);
      return;
    }
    const row = core.members.get(asker.from);
    if (!row) return;
    const { messageId } = asker;
    core.send(row, { type: 'reply', from: core.self.id, to: row.id, messageId, status, payload }, true);
  }

  onReply(packet: Extract<NativePacket, { type: 'reply' }>): void {
    const { core } = this;
    const pending = this.#pending.get(packet.messageId);
    if (!pending || pending.to !== packet.from) {
      core.drop('repliesNobodyAskedFor', packet.from);
      return;
    }
    this.#pending.delete(packet.messageId);
    core.members.heard(packet.from);
    const { ref } = pending;
    if (packet.status === 'ok') {
      core.emit({ type: 'settled', ref, payload: packet.payload });
      return;
    }
    core.emit({ type: 'settled', ref, error: new GossipError(...failureOf(packet.status, packet.from)) });
  }
}

function failureOf(status: ReplyStatus, from: MemberId): [GossipErrorCode, string] {
  switch (status) {
    case 'no-handler':
      return ['ERR_NO_HANDLER', `${from} has no handler for this type`];
    case 'unreachable':
      return ['ERR_UNREACHABLE', `${from} could not be reached by its gateway, or by ours`];
    case 'refused':
      return ['ERR_REFUSED', 'our gateway does not let this through'];
    default:
      return ['ERR_HANDLER', `the handler of ${from} failed`];
  }
}
