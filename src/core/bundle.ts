/**
 * Broadcasts of one member that leave together are one broadcast on their way, a bundle: it is remembered, passed on, announced and
 * asked for as one, and only who delivers it takes it apart. So a message of a hundred a millisecond costs its cluster little
 * more than its bytes.
 */
import type { Outgoing } from './input.js';

/** In place of a message type: the payload is messages, `[u16 type][u16 length][payload]` each. */
export const BUNDLE = 0;
/** What a message takes beside its payload. */
export const PART_BYTES = 4;

/** Puts messages together, in memory of their own, as they are remembered; one alone stays a message. All of them together must fit 64 KiB. */
export function pack(parts: readonly Outgoing[]): Outgoing {
  const [{ messageType, payload: alone }] = parts as [Outgoing];
  if (parts.length === 1) return { messageType, payload: alone.slice() };
  const payload = new Uint8Array(parts.reduce((bytes, part) => bytes + PART_BYTES + part.payload.length, 0));
  let at = 0;
  for (const part of parts) {
    for (const word of [part.messageType, part.payload.length]) {
      payload[at++] = word;
      payload[at++] = word >> 8;
    }
    payload.set(part.payload, at);
    at += part.payload.length;
  }
  return { messageType: BUNDLE, payload };
}

/** The messages of a broadcast, whose payloads are views; none, when it is not what a bundle must be. */
export function unpack(message: Outgoing): readonly Outgoing[] {
  const { messageType, payload: bytes } = message;
  if (messageType !== BUNDLE) return [message];
  const parts: Outgoing[] = [];
  const word = (at: number) => (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  for (let at = 0; at < bytes.length; ) {
    const from = at + PART_BYTES;
    const type = word(at);
    at = from + word(at + 2);
    // Nor one of less than the wire takes for an application's type, or of what was not there.
    if (!(at <= bytes.length && type >= 64)) return [];
    parts.push({ messageType: type, payload: bytes.subarray(from, at) });
  }
  return parts;
}
