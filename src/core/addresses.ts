/**
 * What the core knows of addresses: that one may be a list, because a member can be reached in more than one way, and
 * which part of a list a peer of the Go library can use. What the parts mean is the transports' affair.
 */

/** Parts looked at; no member listens in more ways. Source: guess. */
const PARTS_MAX = 8;

/** The parts of an address, joined by single spaces, the one its member prefers first. */
export function addressParts(address: string): readonly string[] {
  return address.split(' ', PARTS_MAX);
}

/** Tells whether an address, or one part of it, is one of the parts of another. */
export function sharesPart(address: string, other: string): boolean {
  const parts = addressParts(other);
  return addressParts(address).some((part) => parts.includes(part));
}

/**
 * The one part of an address that a peer of the Go library may be told: such peers know no lists and no WebSocket.
 *
 * @param peer - the peer's own address; a part of the same kind, a URL or not, comes first.
 * @returns `undefined` when such a peer cannot reach the member at all.
 */
export function v1Part(address: string, peer = ''): string | undefined {
  const parts = addressParts(address).filter((part) => kind(part) !== 'ws');
  if (parts.length <= 1) return parts[0];
  const wanted = addressParts(peer).map(kind);
  return parts.find((part) => wanted.includes(kind(part))) ?? parts[0];
}

function kind(part: string): 'http' | 'ws' | 'socket' {
  if (/^(srv\+)?wss?:\/\//i.test(part)) return 'ws';
  return /^(srv\+)?https?:\/\//i.test(part) ? 'http' : 'socket';
}
