/** Members as an application sees them: frozen copies of the core's rows. */
import type { MembershipChange } from './core/effect.js';
import type { KnownMember } from './core/machine.js';
import { NO_METADATA } from './core/metadata.js';
import type { ClusterEvent, Member } from './events.js';

export class MemberView {
  readonly #snapshots = new WeakMap<KnownMember, Member>();

  /** The copy of a row, the same object until something in it changes. */
  member(row: KnownMember): Member {
    const known = this.#snapshots.get(row);
    // Each message has its sender looked up here.
    if (
      known &&
      known.state === row.state &&
      known.address === row.address &&
      known.metadata === (row.metadata ?? NO_METADATA) &&
      known.tags === row.tags &&
      known.via === row.via &&
      known.applicationVersion === row.applicationVersion &&
      known.protocol === row.dialect
    ) {
      return known;
    }
    const member: Member = Object.freeze({
      id: row.id,
      address: row.address,
      via: row.via,
      state: row.state,
      tags: Object.freeze(row.tags),
      metadata: Object.freeze(row.metadata ?? NO_METADATA),
      applicationVersion: row.applicationVersion,
      protocol: row.dialect,
    });
    this.#snapshots.set(row, member);
    return member;
  }

  /** Turns a change into the event that tells of it. */
  event(change: MembershipChange): ClusterEvent {
    const current = this.member(change.row);
    if (change.kind === 'metadata') return { type: 'metadata', member: current };
    const { state, previous } = change;
    // The row may have gone on since.
    const member = state === current.state ? current : Object.freeze({ ...current, state: state as Member['state'] });
    const isChange = state === 'dead' || previous === 'alive' || previous === 'suspect';
    const type = state === 'removed' ? state : state === 'leaving' ? 'left' : isChange ? 'state' : 'joined';
    return { type, member, previous };
  }
}
