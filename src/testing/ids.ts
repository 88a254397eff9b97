/**
 * The ids of a simulation's members, each made once: the same string everywhere is found in a table without comparing its
 * letters, and takes no room of its own at each of ten thousand members.
 */
import { type MemberId, memberIdFromBytes } from '../core/member-id.js';

/** Ids remembered, at most: one per slot, the latest. */
const SLOTS = 65_536;

/** Makes a reader of ids that remembers them. */
export function idReader(): (bytes: Uint8Array, at?: number) => MemberId {
  const ids: MemberId[] = [];
  const words = new Int32Array(SLOTS * 4);
  return (bytes, at = 0) => {
    const a = word(bytes, at);
    const b = word(bytes, at + 4);
    const c = word(bytes, at + 8);
    const d = word(bytes, at + 12);
    const slot = (a ^ (b << 7) ^ (c >>> 5) ^ d ^ (d >>> 16)) & (SLOTS - 1);
    const known = ids[slot];
    const first = slot * 4;
    if (
      known !== undefined &&
      words[first] === a &&
      words[first + 1] === b &&
      words[first + 2] === c &&
      words[first + 3] === d
    ) {
      return known;
    }
    words.set([a, b, c, d], first);
    const id = memberIdFromBytes(bytes, at);
    ids[slot] = id;
    return id;
  };
}

function word(b: Uint8Array, at: number): number {
  return (
    (b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24)
  );
}
