/** How members of our own kind look to peers of the Go library: at which address, and whether they are told of them at all. */
import { v1Part } from '../addresses.js';
import { PROTOCOL_VERSION } from '../config.js';
import type { Core } from '../core.js';
import type { MemberRow } from '../row.js';

/**
 * The address under which a v1 peer is told of a member; a leaf's is that of its gateway, which answers for it there.
 * @param peer - the peer's own address; a part of the same kind comes first.
 * @returns `undefined` when such a peer can reach neither: it is not told of the member, which could not answer it.
 */
export function v1Address(core: Core, row: MemberRow, peer = ''): string | undefined {
  const host = row.via ? core.members.get(row.via) : row;
  return host && (host.dialect === 'v1' || host.bilingual) ? v1Part(host.address, peer) : undefined;
}

/** The key that shows others of our kind that a member is one too. */
export function isoMark(row: MemberRow): { iso?: number } {
  return row.dialect === 'native' ? { iso: PROTOCOL_VERSION } : {};
}
