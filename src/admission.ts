/** Who may be a leaf of a gateway, and what a leaf may do: what an application decides, and the limits when it does not. */
import type { MemberId } from './core/member-id.js';
import type { Metadata } from './core/metadata.js';
import { checkNames, errorMessage, GossipError } from './errors.js';
import type { Member } from './events.js';
import { isOwnSite } from './transport/websocket-request.js';

/** What is known of somebody who wants to be a leaf. */
export interface LeafRequest {
  /** The id it asks for; it is its own, or nobody else's at the moment. */
  readonly id: MemberId;
  readonly tags: readonly string[];
  readonly metadata: Metadata;
  readonly applicationVersion: string;
  /** What `webSocketTransport({ ticket })` sent; empty without it. */
  readonly ticket: string;
  /** Of the WebSocket's request; a ticket may be in its query. Absent when the server did not pass it on. */
  readonly url: URL | undefined;
  readonly headers: Headers;
  readonly cookies: Readonly<Record<string, string>>;
  /** The page's origin. Only browsers send it. */
  readonly origin: string | undefined;
  /** What it offered as subprotocols; a ticket may be among them. */
  readonly protocols: readonly string[];
  readonly remoteAddress: string | undefined;
}

/** What a leaf wants to send. */
export interface LeafMessage {
  readonly kind: 'broadcast' | 'message' | 'request';
  readonly type: number;
  /** Of a broadcast; empty for all. */
  readonly tag: string;
  /** Absent for a broadcast. */
  readonly to: Member | undefined;
}

/** What a leaf may do beyond its limits. Both are asked often: they must be quick, and must not change anything. */
export interface LeafPolicy {
  /** Whether it may send this. Default: everything. Requests that may not are answered with `ERR_REFUSED`. */
  send?(leaf: Member, message: LeafMessage): boolean;
  /**
   * Whether it may see a member, and hear from it. Default: everybody. Asked when something about the member changes; one that
   * was seen and is no longer to be seen stays where it was until the leaf attaches anew.
   */
  see?(leaf: Member, member: Member): boolean;
}

/** Upper bounds for one leaf. What is above is dropped and counted; a leaf that goes on is expelled. */
export interface LeafLimits {
  /** Packets a second, of which each message, request and answer is one; twice as many in a burst. Source: guess, what a lively page sends ten times over. */
  messagesPerS: number;
  /** Bytes a second; twice as many in a burst. Source: guess. */
  bytesPerS: number;
  /** Encoded data of one message. Source: guess. */
  payloadBytesMax: number;
  /** Encoded metadata. Source: guess; a cluster's members hold those of all leaves. */
  metadataBytesMax: number;
  /** What waits to be taken by it; a leaf with more is closed. Source: guess. */
  queueBytesMax: number;
  /** Types it may send. Default: any. */
  types: readonly number[] | undefined;
}

/** The limits of a gateway that sets none. */
export const LEAF_LIMITS: LeafLimits = {
  messagesPerS: 200,
  bytesPerS: 4 * 1024 * 1024,
  payloadBytesMax: 1024 * 1024,
  metadataBytesMax: 16 * 1024,
  queueBytesMax: 4 * 1024 * 1024,
  types: undefined,
};

/** @throws GossipError `ERR_OPTION` */
export function checkLeafLimits(limits: Partial<LeafLimits> = {}): void {
  checkNames(limits, LEAF_LIMITS, 'limits.');
  const { types, ...numbers } = limits;
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (typeof value === 'number' && value > 0)) continue;
    throw new GossipError('ERR_OPTION', `option limits.${name} must be a number above 0, not ${value}`);
  }
  if (types !== undefined && !Array.isArray(types)) {
    throw new GossipError('ERR_OPTION', 'option limits.types must be a list of message types');
  }
}

/** @throws GossipError `ERR_OPTION` */
export function checkPolicy(policy: LeafPolicy): void {
  checkNames(policy, { send: 1, see: 1 }, 'policy.');
}

/** What becomes of a leaf that is let in. */
export interface Admission {
  /** The id it gets, whatever it asked for; with it nothing needs to be proven. */
  id?: MemberId;
  /** Its tags, whatever it asked for. */
  tags?: readonly string[];
  /** Its limits, over those of the gateway. */
  limits?: Partial<LeafLimits>;
  /** Its policy, in place of the gateway's. */
  policy?: LeafPolicy;
}

/** Decides on a leaf: `true` or an admission lets it in, `false` or a text, which it is told, does not. */
export type Authorize = (request: LeafRequest) => Verdict | Promise<Verdict>;

/** What `authorize` says: `true`, an admission, `false`, or a text that says why not. */
export type Verdict = boolean | string | Admission;

/**
 * Asks the application. Never rejects.
 * @param failed - called with the reason when it fails, which is not for whoever knocks.
 * @returns an admission, or why there is none.
 */
export async function decide(
  authorize: Authorize | undefined,
  request: LeafRequest,
  failed: (reason: string) => void,
): Promise<Admission | string> {
  if (!authorize) return {};
  try {
    const verdict = await authorize(request);
    if (verdict === true) return {};
    if (typeof verdict === 'object') {
      checkLeafLimits(verdict.limits);
      checkPolicy(verdict.policy ?? {});
    }
    return verdict || 'not authorized';
  } catch (error) {
    failed(errorMessage(error));
    return 'authorizing failed';
  }
}

/** Names and values of a `cookie` header. */
export function readCookies(header: string | null): Record<string, string> {
  const pairs = (header ?? '').split(';').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at > 0 ? [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const] : [];
  });
  return Object.fromEntries(pairs);
}

/** Which origins pages of leaves may have: those listed, `*` for any, by default that of the gateway itself. */
export function allowsOrigin(origins: readonly string[] | '*' | undefined, origin: string, host: string): boolean {
  if (origins === '*') return true;
  if (!origins) return isOwnSite(origin, host);
  return URL.canParse(origin) && origins.includes(new URL(origin).origin);
}
