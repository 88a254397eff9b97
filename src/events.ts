/** What an application hears: events about members, and messages. Handlers that fail are reported and harm nobody. */
import type { VisibleState } from './core/effect.js';
import type { MemberId } from './core/member-id.js';
import type { Metadata } from './core/metadata.js';
import type { Dialect, MemberState } from './wire/packet.js';

/** A member as it was when it was asked for; a plain frozen object. */
export interface Member {
  readonly id: MemberId;
  /** What peers dial. */
  readonly address: string;
  /** The id of its gateway, when it is a leaf. */
  readonly via: MemberId | undefined;
  readonly state: MemberState | 'removed';
  readonly tags: readonly string[];
  readonly metadata: Metadata;
  readonly applicationVersion: string;
  /** `v1`: a peer of the Go library. */
  readonly protocol: Dialect;
}

/** A change in the membership. */
export type ClusterEvent =
  /** A member appeared, or came back from dead or leaving. */
  | { readonly type: 'joined'; readonly member: Member; readonly previous: VisibleState }
  /** It became suspect, alive again, or dead. That we ourselves are dead means that our own link is ill; we are back when it is well. */
  | { readonly type: 'state'; readonly member: Member; readonly previous: VisibleState }
  /** It says something else of itself: its metadata; or its tags, gateway or version, after a restart under its id. */
  | { readonly type: 'metadata'; readonly member: Member }
  /** It said that it leaves. */
  | { readonly type: 'left'; readonly member: Member; readonly previous: VisibleState }
  /** It was forgotten. */
  | { readonly type: 'removed'; readonly member: Member; readonly previous: VisibleState }
  /**
   * We, a leaf, were out of touch with every gateway and are back: the members are current again, what was broadcast or sent
   * to us in the meantime may be lost.
   */
  | { readonly type: 'resumed'; readonly member: Member; readonly awayMs: number };

/** An application message as it arrives. */
export interface Message<T> {
  readonly type: number;
  readonly data: T;
  /** Its origin, not the member that passed it on. */
  readonly from: Member;
  /** The tag it was broadcast to; empty for all and for direct messages. */
  readonly tag: string;
  /** Sent to us alone. */
  readonly direct: boolean;
}

/** Names for `cluster.on(name, handler)`; `message` hears every application message that arrives. */
export type EventMap = {
  [E in ClusterEvent as E['type']]: E;
} & { message: Message<unknown> };
