/** The application's handlers of requests: each question gets exactly one answer, in time, whatever the handler does. */
import type { Effect } from './core/effect.js';
import { errorMessage, GossipError } from './errors.js';
import type { Member } from './events.js';
import { type RequestType, validate } from './message.js';
import type { ResolvedClusterOptions } from './options.js';
import { decodeValue } from './wire/env.js';
import type { ReplyStatus } from './wire/packet.js';

/** Answers one question; `signal` fires when the answer would come too late. */
export type RequestHandler<Q, A> = (question: { data: Q; from: Member; signal: AbortSignal }) => A | Promise<A>;

interface AnswersOwner {
  reply(exchange: number, status: ReplyStatus, payload: Uint8Array): void;
  encode(data: unknown): Uint8Array;
  failed(error: unknown, type: number): void;
  drop(name: string, detail: string): void;
}

const NO_PAYLOAD: Uint8Array = new Uint8Array(0);

/** The question does not fit its schema: the asker's fault, not the handler's. */
class QuestionRefused extends Error {}

export class Answers {
  readonly #handlers = new Map<number, (data: unknown, from: Member, signal: AbortSignal) => Promise<unknown>>();

  readonly #working = new Set<AbortController>();
  #closed: GossipError | undefined;

  constructor(
    private readonly options: ResolvedClusterOptions,
    private readonly owner: AnswersOwner,
  ) {}

  handle<Q, A>(request: RequestType<Q, A>, handler: RequestHandler<Q, NoInfer<A>>): () => void {
    if (this.#handlers.has(request.type)) {
      throw new GossipError('ERR_OPTION', `requests of type ${request.type} have a handler already`);
    }
    const answer = async (question: unknown, from: Member, signal: AbortSignal) => {
      let data: Q;
      try {
        data = await validate(request.schema, question);
      } catch (error) {
        throw new QuestionRefused(`type ${request.type}: ${errorMessage(error)}`);
      }
      return handler({ data, from, signal });
    };
    this.#handlers.set(request.type, answer);
    return () => {
      if (this.#handlers.get(request.type) === answer) this.#handlers.delete(request.type);
    };
  }

  /** Lets go of every handler; those at work hear it by their signal. */
  close(why: GossipError): void {
    this.#closed = why;
    this.#handlers.clear();
    for (const deadline of this.#working) deadline.abort(why);
  }

  /** Puts a request to its handler and sends what comes of it. Never rejects. */
  async answer(effect: Extract<Effect, { type: 'incoming-request' }>, from: Member | undefined): Promise<void> {
    const { exchange, messageType } = effect;
    const { owner, options } = this;
    const handler = this.#handlers.get(messageType);
    if (!handler || !from) {
      owner.drop('requestsWithoutHandler', `type ${messageType} from ${effect.from}`);
      owner.reply(exchange, 'no-handler', NO_PAYLOAD);
      return;
    }
    let data: unknown;
    try {
      data = decodeValue(effect.payload, options);
    } catch (error) {
      owner.drop('payloadsNotDecoded', `type ${messageType} from ${from.id}: ${errorMessage(error)}`);
      owner.reply(exchange, 'failed', NO_PAYLOAD);
      return;
    }
    const deadline = new AbortController();
    this.#working.add(deadline);
    const cancel = options.clock.schedule(options.requestTimeoutMs, () => {
      deadline.abort(new GossipError('ERR_TIMEOUT', 'the handler took longer than requestTimeoutMs'));
    });
    try {
      const late = new Promise<never>((_, reject) => {
        deadline.signal.addEventListener('abort', () => reject(deadline.signal.reason), { once: true });
      });
      const work = (async () => handler(data, from, deadline.signal))();
      owner.reply(exchange, 'ok', owner.encode(await Promise.race([work, late])));
    } catch (error) {
      if (error === this.#closed) return;
      if (error instanceof QuestionRefused) owner.drop('requestsInvalid', `${error.message} from ${from.id}`);
      else owner.failed(error, messageType);
      owner.reply(exchange, 'failed', NO_PAYLOAD);
    } finally {
      this.#working.delete(deadline);
      cancel();
    }
  }
}
