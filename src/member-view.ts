/** Members as an application sees them: frozen copies of the core's rows, made once per change. */
import type { MembershipChange } from './core/effect.js';
import type { MemberRow } from './core/members.js';
import { NO_METADATA } from './core/metadata.js';
import type { ClusterEvent, Member } from './events.js';

export class MemberView {
  readonly #snapshots = new WeakMap<MemberRow, Member>();

  /** The copy of a row, the same object until the row changes. */
  member(row: MemberRow): Member {
    const known = this.#snapshots.get(row);
    // An address can change without an event.
    return known && known.address === row.address ? known : this.#copy(row, row.state);
  }

  /** Turns a change into the event that tells of it. */
  event(change: MembershipChange): ClusterEvent {
    const { row } = change;
    if (change.kind === 'metadata') return { type: 'metadata', member: this.#copy(row, row.state) };
    const { state, previous } = change;
    const member = this.#copy(row, state === 'removed' ? state : row.state);
    if (state === 'removed') return { type: 'removed', member, previous };
    if (state === 'leaving') return { type: 'left', member, previous };
    const wasGone = previous === 'unknown' || previous === 'dead' || previous === 'leaving';
    return { type: wasGone && state !== 'dead' ? 'joined' : 'state', member, previous };
  }

  #copy(row: MemberRow, state: Member['state']): Member {
    const member: Member = Object.freeze({
      id: row.id,
      address: row.address,
      state,
      tags: row.tags,
      metadata: row.metadata ?? NO_METADATA,
      applicationVersion: row.applicationVersion,
      protocol: row.dialect,
    });
    this.#snapshots.set(row, member);
    return member;
  }
}
