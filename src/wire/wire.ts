/**
 * Frames to packets and back, for whichever dialect the first two bytes show. The Go library's wire is there only when
 * its plug-in is.
 */

import type { Packet } from '../core/input.js';
import type { NativeEnv, WireEnv } from './env.js';
import type { MaybePromise } from './maybe-promise.js';
import { decodeNativeFrame, encodeNativeFrame } from './native/frame.js';
import type { V1Packet } from './v1/packet.js';

/** The part of the v1 plug-in that knows bytes. */
export interface V1Wire {
  encode(packet: V1Packet, env: WireEnv, options: { plain: boolean }): MaybePromise<Uint8Array>;
  decode(frame: Uint8Array, env: WireEnv, options: { plain: boolean; replyTo?: number }): MaybePromise<V1Packet>;
}

/** What can be told from a frame's first two bytes alone. What is no frame of v1 is taken, and may be refused, as native. */
export function peekFrame(frame: Uint8Array): { dialect: 'native' | 'v1'; replyExpected: boolean } {
  /** The largest value of the first u16's low 14 bits that marks a native frame. */
  const NATIVE_MAX = 15;
  const REPLY_EXPECTED = 0x4000;
  const flags = (frame[0] as number) | ((frame[1] as number) << 8);
  const isV1 = frame.length > 2 && (flags & 0x3fff) > NATIVE_MAX;
  return { dialect: isV1 ? 'v1' : 'native', replyExpected: isV1 && (flags & REPLY_EXPECTED) !== 0 };
}

/** Turns packets into frames and frames into packets. A leaf's does so in the open, and knows one dialect. */
export interface FrameMaker {
  readonly env: WireEnv;
  /**
   * @param plain - the carrier neither seals nor compresses v1 frames (HTTP). Native frames are sealed everywhere.
   * @throws GossipError `ERR_CODEC`, `ERR_TOO_LARGE`: nothing was sent.
   */
  encode(packet: Packet, plain: boolean): MaybePromise<Uint8Array>;
  /**
   * @param replyTo - type of the v1 request this frame must answer.
   * @throws GossipError, at once or later: the frame is refused and nothing was changed.
   */
  decode(frame: Uint8Array, plain: boolean, replyTo?: number): MaybePromise<Packet>;
}

/** A full member's. */
export class Wire implements FrameMaker {
  constructor(
    readonly env: NativeEnv,
    readonly v1: V1Wire | undefined,
  ) {}

  encode(packet: Packet, plain: boolean): MaybePromise<Uint8Array> {
    if (packet.dialect !== 'v1') return encodeNativeFrame(packet, this.env);
    // Only the plug-in's other half makes such packets.
    return (this.v1 as V1Wire).encode(packet, this.env, { plain });
  }

  decode(frame: Uint8Array, plain: boolean, replyTo?: number): MaybePromise<Packet> {
    // Without the plug-in a v1 frame is refused, as a native one of an unknown version.
    if (peekFrame(frame).dialect === 'native' || !this.v1) return decodeNativeFrame(frame, this.env);
    return this.v1.decode(frame, this.env, { plain, replyTo });
  }
}
