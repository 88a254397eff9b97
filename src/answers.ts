/** The application's handlers of requests: each question gets exactly one answer, in time, whatever the handler does. */
import type { Effect } from './core/effect.js';
import type { Input } from './core/input.js';
import { errorMessage, GossipError } from './errors.js';
import type { Member } from './events.js';
import { checkType, type RequestType, type Schema, validate } from './message.js';
import type { ResolvedClusterOptions } from './options.js';
import { decodeValue } from './wire/env.js';
import type { ReplyStatus } from './wire/packet.js';

/**
 * Answers one question. `signal` fires when the answer would come too late: after the `requestTimeoutMs` of the member that
 * answers, however long the asker waits, and when that member closes. That the asker gives up it does not tell.
 */
export type RequestHandler<Q, A> = (question: { data: Q; from: Member; signal: AbortSignal }) => A | Promise<A>;

interface AnswersOwner {
  input(input: Input): void;
  encode(data: unknown): Uint8Array;
  failed(error: unknown, type: number): void;
  drop(name: string, detail: string): void;
}

export class Answers {
  readonly #handlers = new Map<number, { schema: Schema | undefined; handler: RequestHandler<never, unknown> }>();
  readonly #working = new Set<AbortController>();
  #closed: GossipError | undefined;

  constructor(private readonly owner: AnswersOwner) {}

  handle<Q, A>({ type, schema }: RequestType<Q, A>, handler: RequestHandler<Q, NoInfer<A>>): () => void {
    checkType(type, 0);
    if (this.#handlers.has(type)) {
      throw new GossipError('ERR_OPTION', `requests of type ${type} have a handler already`);
    }
    const entry = { schema, handler };
    this.#handlers.set(type, entry);
    return () => {
      if (this.#handlers.get(type) === entry) this.#handlers.delete(type);
    };
  }

  /** Lets go of every handler; those at work hear it by their signal. */
  close(why: GossipError): void {
    this.#closed = why;
    this.#handlers.clear();
    for (const deadline of this.#working) deadline.abort(why);
  }

  /** Puts a request to its handler and sends what comes of it. Never rejects. */
  async answer(
    effect: Extract<Effect, { type: 'incoming-request' }>,
    from: Member | undefined,
    options: ResolvedClusterOptions,
  ): Promise<void> {
    const { exchange, messageType } = effect;
    const about = `type ${messageType} from ${effect.from}`;
    const entry = this.#handlers.get(messageType);
    let status: ReplyStatus = 'no-handler';
    let payload: Uint8Array = new Uint8Array();
    if (entry && from) {
      const deadline = new AbortController();
      const { signal } = deadline;
      this.#working.add(deadline);
      const cancel = options.clock.schedule(options.requestTimeoutMs, () => {
        deadline.abort(new GossipError('ERR_TIMEOUT', 'longer than requestTimeoutMs'));
      });
      let refused = 'payloadsNotDecoded';
      const work = async () => {
        const question = decodeValue(effect.payload, options);
        refused = 'requestsInvalid';
        const data = (await validate(entry.schema, question)) as never;
        refused = '';
        return entry.handler({ data, from, signal });
      };
      try {
        const late = new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
        payload = this.owner.encode(await Promise.race([work(), late]));
        status = 'ok';
      } catch (error) {
        status = 'failed';
        if (error === this.#closed) return;
        if (refused) this.owner.drop(refused, `${about}: ${errorMessage(error)}`);
        else this.owner.failed(error, messageType);
      } finally {
        this.#working.delete(deadline);
        cancel();
      }
    } else this.owner.drop('requestsWithoutHandler', about);
    this.owner.input({ type: 'reply', exchange, status, payload });
  }
}
