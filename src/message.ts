/**
 * Typed messages: a number on the wire, a type in the program and, when wanted, a schema that checks what arrives. Any
 * Standard Schema fits (zod, valibot, arktype …).
 */
import { errorMessage, GossipError } from './errors.js';

/** The part of the Standard Schema interface (standardschema.dev, version 1) that is used here. */
export interface Schema<T = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

/** What a schema says of a value: the value it makes of it, or what is wrong with it. */
export type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

declare const DATA: unique symbol;
declare const ANSWER: unique symbol;

/** A kind of message: the number that travels, the type of its data. Made by {@link defineMessage}. */
export interface MessageType<T> {
  readonly type: number;
  readonly schema: Schema<T> | undefined;
  readonly [DATA]?: T;
}

/** A kind of request: the number that travels, the types of question and answer. Made by {@link defineRequest}. */
export interface RequestType<Q, A> {
  readonly type: number;
  readonly schema: Schema<Q> | undefined;
  readonly answerSchema: Schema<A> | undefined;
  readonly [DATA]?: Q;
  readonly [ANSWER]?: A;
}

/**
 * Defines a kind of message.
 * @param type - 128 to 65,535, the same at all members.
 * @param schema - checks data on arrival; what does not fit is dropped and counted (`messagesInvalid`).
 * @throws GossipError `ERR_OPTION`
 */
export function defineMessage<T = unknown>(type: number, schema?: Schema<T>): MessageType<T> {
  checkType(type);
  return Object.freeze({ type, schema });
}

/**
 * Defines a kind of request.
 * @param schemas - `request` checks the question at the member that answers, `response` the answer at the one that asked.
 * @throws GossipError `ERR_OPTION`
 */
export function defineRequest<Q = unknown, A = unknown>(
  type: number,
  schemas: { request?: Schema<Q>; response?: Schema<A> } = {},
): RequestType<Q, A> {
  checkType(type);
  return Object.freeze({ type, schema: schemas.request, answerSchema: schemas.response });
}

/**
 * Checks the number of a kind, and with it that something is a kind.
 * @param min - by default the first number of applications, the Go library's `UserMsg`; what comes with this package has lower ones.
 */
export function checkType(type: number, min = 128): void {
  const TYPE_MAX = 65_535;
  if (!Number.isInteger(type) || type < min || type > TYPE_MAX) {
    throw new GossipError('ERR_OPTION', `message type ${type} must be an integer from ${min} to ${TYPE_MAX}`);
  }
}

/**
 * Checks data against a schema; without one everything fits.
 * @throws GossipError `ERR_INVALID_DATA`, with the schema's messages, or with its failure.
 */
export async function validate<T>(schema: Schema<T> | undefined, value: unknown): Promise<T> {
  if (!schema) return value as T;
  let reason: string;
  try {
    const result = await schema['~standard'].validate(value);
    if (!result.issues) return result.value;
    reason = result.issues.map((issue) => issue.message).join('; ');
  } catch (error) {
    reason = errorMessage(error);
  }
  throw new GossipError('ERR_INVALID_DATA', reason);
}
