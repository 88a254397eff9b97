/**
 * The shell around the core: it owns the transport and the one timer, carries out effects and gives the application its
 * API. All protocol decisions are the core's.
 */
// For users whose `lib` lacks it: TypeScript 5.2 and later know it.
/// <reference lib="esnext.disposable" preserve="true" />

import { Answers, type RequestHandler } from './answers.js';
import type { Effect, LeafEffect, MembershipChange } from './core/effect.js';
import type { Input } from './core/input.js';
import type { Machine } from './core/machine.js';
import { isMemberId, type MemberId } from './core/member-id.js';
import type { Metadata } from './core/metadata.js';
import { checkBytes, errorMessage, GossipError } from './errors.js';
import type { ClusterEvent, EventMap, Member, Message } from './events.js';
import type { Link } from './link.js';
import type { ResolvedLogger } from './logger.js';
import { MemberView } from './member-view.js';
import { checkType, type MessageType, type RequestType, validate } from './message.js';
import { checkPositive, checkShortString, type ResolvedClusterOptions, resolveMetadata } from './options.js';
import { Pressure } from './pressure.js';
import { AsyncQueue, Subscribers } from './subscribers.js';
import { decodeValue, encodeValue } from './wire/env.js';
import { Wishes } from './wishes.js';

/** What a gateway or a leaf does beside what every member does. */
interface Extra {
  perform(effect: LeafEffect): void;
  /** Resolves when all that it has opened is closed; those that have been told to go are given a moment. */
  stop?(politely: boolean): Promise<void>;
}

/** A member of a cluster: the one object an application works with. Made by {@link createCluster}. */
export class Cluster implements AsyncDisposable {
  readonly #options: ResolvedClusterOptions;
  readonly #log: ResolvedLogger;
  readonly #link: Link;
  readonly #core: Machine;
  readonly #subscribers = new Subscribers(this);
  readonly #answers = new Answers(this);
  readonly #queues = new Set<AsyncQueue<ClusterEvent>>();
  readonly #wishes = new Wishes(this);
  readonly #pressure: Pressure;
  /** What is being carried out. */
  readonly #effects: Effect[] = [];
  readonly #view = new MemberView();
  readonly #closing = new AbortController();
  #cancelTimer = () => {};
  #timerAtMs: number | undefined;
  #closed: Promise<void> | undefined;

  /** @internal Present at gateways and leaves. */
  extra: Extra | undefined;

  /** @internal Use {@link createCluster}. */
  constructor(
    options: ResolvedClusterOptions,
    link: Link,
    core: Machine,
    log: ResolvedLogger,
    pressure = new Pressure(options.limits.broadcastQueueBytesMax),
  ) {
    this.#options = options;
    this.#link = link;
    this.#core = core;
    this.#log = log;
    this.#pressure = pressure;
    this.#rearm();
    const { signal } = options;
    const stop = () => {
      this.leave().catch((error) => log.error('leaving failed', { error: errorMessage(error) }));
    };
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { signal: this.#closing.signal });
  }

  /** Our own id. That of a leaf may become another one with `join()`: its gateway's `authorize` has the last word. */
  get id(): MemberId {
    return this.#core.self.id;
  }

  /** The address others dial. */
  get address(): string {
    return this.#core.self.address;
  }

  /** Ourselves as others see us. */
  get self(): Member {
    return this.#view.member(this.#core.self);
  }

  /** Every member known, ourselves included, the dead too until they are forgotten. */
  members(): Member[] {
    return Array.from(this.#core.members.all(), (row) => this.#view.member(row));
  }

  /** One member, if it is known. */
  member(id: MemberId): Member | undefined {
    const row = this.#core.members.get(id);
    return row && this.#view.member(row);
  }

  /**
   * Joins the cluster that is behind one or more addresses. They are remembered and tried again for ever while we are
   * alone, also when this fails.
   *
   * A leaf joins by itself; this adds gateways to its list, or without any waits until it is at one.
   *
   * @param addresses - `host:port`, `srv+name`, `https://…`: any form the transport knows.
   * @returns how many of the addresses had answered when the first did, at least 1; 0 only when all of them are our own.
   * @throws GossipError `ERR_JOIN_FAILED` (none answered; they are retried), `ERR_JOIN_REJECTED` (with the peer's reason;
   *   that address is not retried), `ERR_ABORTED` (trying goes on), `ERR_CLOSED`.
   */
  async join(addresses: string | readonly string[] = [], options: { signal?: AbortSignal } = {}): Promise<number> {
    const list = [addresses].flat() as string[];
    if (list.length === 0 ? !this.#options.transport.gateways : list.some((one) => typeof one !== 'string'))
      throw new GossipError('ERR_OPTION', 'join needs at least one address, as a text');
    return (await this.#ask((ref) => ({ type: 'join', addresses: list, ref }), options.signal)) as number;
  }

  /** Hears every message of a kind (its data checked by its schema), or an event by name. @returns a function that stops it. */
  on<T>(message: MessageType<T>, handler: (message: Message<T>) => unknown): () => void;
  on<K extends keyof EventMap>(event: K, handler: (event: EventMap[K]) => unknown): () => void;
  on(what: MessageType<unknown> | string, handler: (value: never) => unknown): () => void {
    if (typeof what === 'string') return this.#subscribers.add(what, handler);
    const { schema } = what;
    checkType(what.type, 0);
    if (!schema) return this.#subscribers.add(what.type, handler);
    return this.#subscribers.add(what.type, async (message: Message<unknown>) => {
      let data: unknown;
      try {
        data = await validate(schema, message.data);
      } catch (error) {
        this.drop('messagesInvalid', `type ${message.type}: ${errorMessage(error)}`);
        return;
      }
      await handler({ ...message, data } as never);
    });
  }

  /**
   * Answers requests of a kind. Its handler's answer, or the fact that it failed, goes back to the asker.
   * @returns a function that stops answering.
   * @throws GossipError `ERR_OPTION`: the kind has a handler already.
   */
  handle<Q, A>(request: RequestType<Q, A>, handler: RequestHandler<Q, NoInfer<A>>): () => void {
    return this.#answers.handle(request, handler);
  }

  /**
   * Sends a message to every member, ourselves excepted, each delivering it at most once.
   * Need not be awaited. Whoever sends a lot awaits it, and so sends as fast as the carriers take.
   *
   * @param options - `tag`: only to members with it; `reliable`: to peers of the Go library, too, by a carrier that repeats what
   *   is lost. Among our own kind everything is.
   * @returns when there is room for more, mostly at once. Rejects with `ERR_OVERLOADED` when the carriers have not taken
   *   `limits.broadcastQueueBytesMax` yet; the message was not sent, and is counted (`broadcastsRefused`).
   * @throws GossipError at once: `ERR_CODEC`, `ERR_TOO_LARGE`, `ERR_CLOSED`: nothing was sent.
   */
  broadcast<T>(message: MessageType<T>, data: T, options: { tag?: string; reliable?: boolean } = {}): Promise<void> {
    const { tag = '', reliable = false } = options;
    if (tag) checkShortString('tag', tag, this.#options.limits);
    checkType(message.type, 0);
    const payload = this.encode(data);
    if (this.#pressure.isAbove(payload.length)) {
      const why = 'limits.broadcastQueueBytesMax wait to be sent; await broadcast()';
      this.drop('broadcastsRefused', why);
      const refused = Promise.reject(new GossipError('ERR_OVERLOADED', why));
      // Whoever does not await it finds it in the counters and the log.
      refused.catch(() => {});
      return refused;
    }
    this.#handle({ type: 'broadcast', messageType: message.type, payload, tag, reliable });
    return this.#pressure.room();
  }

  /**
   * Sends a message to one member.
   * @returns when the carrier has taken it; that is no proof of arrival. For one, use a request.
   * @throws GossipError `ERR_UNKNOWN_MEMBER`, `ERR_UNREACHABLE`, `ERR_CODEC`, `ERR_TOO_LARGE`, `ERR_CLOSED`.
   */
  async send<T>(
    to: Member | MemberId,
    message: MessageType<T>,
    data: T,
    options: { reliable?: boolean } = {},
  ): Promise<void> {
    const id = idOf(to);
    checkType(message.type, 0);
    const payload = this.encode(data);
    const { reliable = false } = options;
    await this.#ask((ref) => ({ type: 'send', to: id, messageType: message.type, payload, reliable, ref }));
  }

  /**
   * Asks one member and waits for its answer.
   * @param options - `timeoutMs`: default `requestTimeoutMs` of the cluster. The handler has no longer than the `requestTimeoutMs` of
   *   its own member: what takes longer ends in `ERR_HANDLER`.
   * @throws GossipError `ERR_TIMEOUT`, `ERR_ABORTED`, `ERR_NO_HANDLER`, `ERR_HANDLER`, `ERR_INVALID_DATA` (the answer does
   *   not fit its schema), and as {@link send}.
   */
  async request<Q, A>(
    to: Member | MemberId,
    request: RequestType<Q, A>,
    data: Q,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<A> {
    const id = idOf(to);
    checkType(request.type, 0);
    const payload = this.encode(data);
    const { timeoutMs = this.#options.requestTimeoutMs } = options;
    checkPositive('timeoutMs', timeoutMs);
    const answer = (await this.#ask(
      (ref) => ({ type: 'request', to: id, messageType: request.type, payload, timeoutMs, ref }),
      options.signal,
    )) as Uint8Array;
    return validate(request.answerSchema, decodeValue(answer, this.#options));
  }

  /**
   * Every change of the membership from now on. Reads at its own pace; an iterator too far behind
   * (`limits.eventQueueMax`) loses its oldest events, which is counted.
   */
  events(): AsyncIterableIterator<ClusterEvent> {
    const queue = new AsyncQueue<ClusterEvent>(
      this.#options.limits.eventQueueMax,
      () => this.drop('eventsDropped', 'events() is read too slowly'),
      (ended) => this.#queues.delete(ended),
    );
    if (this.#closed) queue.end();
    else this.#queues.add(queue);
    return queue;
  }

  /**
   * Sets keys of our own metadata and keeps the others; a key set to `undefined` is removed.
   * @throws GossipError `ERR_TOO_LARGE` (`limits.metadataBytesMax`), `ERR_CODEC`, `ERR_CLOSED`: nothing was changed.
   */
  setMetadata(values: Metadata): void {
    const metadata = { ...this.#core.self.metadata, ...values };
    const keys = Object.keys(values);
    this.#handle({ type: 'set-metadata', ...resolveMetadata(metadata, this.#options), keys });
  }

  /** Removes keys of our own metadata. */
  deleteMetadata(...keys: string[]): void {
    // As every codec does with it, what is undefined is left out.
    this.setMetadata(Object.fromEntries(keys.map((key) => [key, undefined])));
  }

  /** Forgets a member at once; if it lives it will come back by itself. */
  forget(member: Member | MemberId): void {
    this.#handle({ type: 'forget', id: idOf(member) });
  }

  /** Every counter, and the present size of everything that can grow. */
  stats(): Record<string, number> {
    return { ...this.#core.stats(), broadcastsUnsentBytes: this.#pressure.bytes };
  }

  /** Tells the others that we go, waits until they have been told (1 s at most), and closes. Idempotent. */
  leave(): Promise<void> {
    return this.#close(true);
  }

  /** Closes without a word: to the others we have crashed. Idempotent. */
  close(): Promise<void> {
    return this.#close(false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  #close(politely: boolean): Promise<void> {
    /** How long a leaving member waits for its farewell to be taken. Source: guess, as the transports' own flush. */
    const FAREWELL_MS = 1000;
    this.#closed ??= (async () => {
      this.#closing.abort();
      this.#answers.close(closed());
      if (politely) {
        this.input({ type: 'leave' });
        // In a handler's call the farewell goes out once the handler has returned.
        await undefined;
        await new Promise<void>((resolve) => {
          const cancel = this.#options.clock.schedule(FAREWELL_MS, resolve);
          void this.#link.flush().then(cancel).then(resolve);
        });
      }
      this.#cancelTimer();
      this.#wishes.fail(closed());
      this.#pressure.free();
      for (const queue of this.#queues) queue.end();
      await Promise.all([this.#options.transport.close(), this.extra?.stop?.(politely)]);
    })();
    return this.#closed;
  }

  /** @internal What a gateway or a leaf on this member stands on. */
  get inside(): { core: Machine; options: ResolvedClusterOptions; link: Link; closing: AbortSignal } {
    return { core: this.#core, options: this.#options, link: this.#link, closing: this.#closing.signal };
  }

  /** @internal What the link calls. @returns when whoever sent a packet may go on; `undefined`: now. */
  input(input: Input): Promise<undefined> | undefined {
    if (this.#closed) return undefined;
    this.#run(this.#core.handle(input, this.#options.clock.now()));
    return this.#pressure.after?.(input);
  }

  /** @internal */
  count(name: string): void {
    this.#core.count(name);
  }

  /** @internal Counts something refused; the first of its kind is told to the log. */
  drop(name: string, detail: string): void {
    this.#core.drop(name, detail);
    this.input({ type: 'tick' });
  }

  #handle(input: Input): void {
    if (this.#closed) throw closed();
    this.input(input);
  }

  #run(effects: readonly Effect[]): void {
    // A handler may call us: what comes of that waits for what was there before it.
    const idle = this.#effects.length === 0;
    for (const effect of effects) this.#effects.push(effect);
    if (idle) {
      try {
        for (const effect of this.#effects) this.#perform(effect);
      } finally {
        this.#effects.length = 0;
      }
    }
    this.#rearm();
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'send': {
        const { to, packet, ref } = effect;
        const taken = this.#pressure.sending(packet, to.length);
        const done = (error?: GossipError) => {
          taken?.();
          this.#wishes.settle(ref, undefined, error);
        };
        this.#link.send(to, packet, effect.reliable, taken || ref !== undefined ? done : undefined);
        return;
      }
      case 'exchange':
      case 'respond':
        this.#link.exchanges?.perform(effect);
        return;
      case 'change':
        this.#changed(effect.change);
        return;
      case 'message':
        this.#deliver(effect);
        return;
      case 'incoming-request':
        void this.#answers.answer(effect, this.member(effect.from), this.#options);
        return;
      case 'settled':
        this.#wishes.settle(effect.ref, effect.payload ?? effect.joined, effect.error);
        return;
      case 'log':
        this.#log[effect.level](effect.message, effect.fields);
        return;
      default:
        this.extra?.perform(effect);
    }
  }

  #rearm(): void {
    const atMs = this.#core.wakeAtMs;
    if (this.#closed || atMs === this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = atMs;
    this.#cancelTimer = this.#options.clock.schedule(Math.max(0, atMs - this.#options.clock.now()), () => {
      this.#timerAtMs = undefined;
      this.input({ type: 'tick' });
    });
  }

  async #ask(wish: (ref: number) => Input, signal?: AbortSignal): Promise<unknown> {
    if (this.#closed) throw closed();
    return this.#wishes.ask(wish, signal);
  }

  /** @internal */
  encode(data: unknown): Uint8Array {
    /** Room that a frame needs around a payload: head, ids, tag, cipher. Source: the largest of ours, rounded up. */
    const FRAME_ROOM_BYTES = 2048;
    const payload = encodeValue(data ?? null, this.#options);
    const { frameBytesMax, decompressedBytesMax } = this.#options.limits;
    const bytesMax = Math.min(frameBytesMax, decompressedBytesMax) - FRAME_ROOM_BYTES;
    checkBytes('data', payload.length, bytesMax, 'frameBytesMax or decompressedBytesMax');
    return payload;
  }

  #changed(change: MembershipChange): void {
    // That we go we know.
    if (change.kind === 'state' && change.row === this.#core.self && change.state === 'leaving') return;
    // Nobody need keep a copy of ten thousand members that nobody looks at.
    if (this.#subscribers.size + this.#queues.size > 0) this.tell(this.#view.event(change));
  }

  /** @internal */
  tell(event: ClusterEvent): void {
    this.#subscribers.call(event.type, event);
    for (const queue of this.#queues) queue.push(event);
  }

  #deliver(effect: Extract<Effect, { type: 'message' }>): void {
    const from = this.member(effect.from);
    if (!from) return;
    let data: unknown;
    try {
      data = decodeValue(effect.payload, this.#options);
    } catch (error) {
      this.drop('payloadsNotDecoded', `type ${effect.messageType} from ${from.id}: ${errorMessage(error)}`);
      return;
    }
    const { messageType: type, tag, direct } = effect;
    const message: Message<unknown> = { type, data, from, tag, direct };
    this.#subscribers.call(type, message);
    this.#subscribers.call('message', message);
  }

  /** @internal A handler of the application did, by its name or message type. */
  failed(error: unknown, handler: string | number): void {
    this.count('handlersFailed');
    const stack = error instanceof Error ? error.stack : undefined;
    this.#log.error('a handler failed', { handler, error: errorMessage(error), stack });
  }
}

function idOf(member: Member | MemberId): MemberId {
  const id = typeof member === 'string' ? member.toLowerCase() : member?.id;
  if (!isMemberId(id)) throw new GossipError('ERR_UNKNOWN_MEMBER', `"${id}" is not a member id`);
  return id;
}

function closed(): GossipError {
  return new GossipError('ERR_CLOSED', 'this member is closed');
}
