/** What the contract of gateways and the member behind them, its puppet, say to each other. */
import { defineMessage, defineRequest, type Member, type Metadata } from '../../src/index.js';

/** What the puppet does when it is told to; *you* is whoever tells it. */
export type Command =
  | { do: 'broadcast'; text: string; tag?: string }
  | { do: 'send'; text: string }
  /** Asks you. @returns an {@link Outcome}. The `asked` that it hears from you aborts it. */
  | { do: 'ask'; type: number; data: unknown; timeoutMs: number }
  | { do: 'set'; values: Metadata }
  /** @returns a member as it sees it, once that is like this. */
  | { do: 'see'; id: string; like: { state?: Member['state']; via?: string; step?: unknown } }
  /** @returns what it has heard from you, once that is so much. */
  | { do: 'heard'; count: number }
  /** @returns what `authorize` was told about you last. */
  | { do: 'admission' }
  /** @returns the counters of your gateway. */
  | { do: 'count' };

/** How a request of the puppet's ended. */
export type Outcome = { answer: unknown } | { code: string };

/** What the puppet keeps of a message. */
export interface Heard {
  text: string;
  tag: string;
  direct: boolean;
}

/** What `authorize` was told. */
export interface Asked {
  ticket: string;
  inUrl: string;
  protocols: string[];
}

export const command = defineRequest<Command, unknown>(140);
/** The gateway of this name closes, and is there anew when it has closed. */
export const restart = defineMessage<'one' | 'two'>(141);
/** To who asked for it with `silent`: the request has arrived. */
export const asked = defineMessage<null>(142);

export const chat = defineMessage<string>(129);
/** Everybody answers these two. */
export const sum = defineRequest<{ a: number; b: number }, number>(130);
export const echo = defineRequest<unknown, unknown>(131);
/** Their handlers throw, never answer, and do not exist. */
export const failing = defineRequest<null, null>(132);
export const silent = defineRequest<null, null>(133);
export const unhandled = defineRequest<null, null>(134);

/** A member as a value that every codec carries. */
export const plain = (member: Member): Metadata => ({ ...member, via: member.via ?? '' });
