/** A group that keeps a value of the application's for each member in it, such as a connection or what it last said. */
import { GossipError } from '../errors.js';
import type { Cluster, Member, MemberId } from '../index.js';
import type { GroupCriteria } from './criteria.js';
import { Group } from './group.js';
import type { GroupEvent } from './roster.js';

/** Who is in a data group, and how values come to be and go. */
export interface DataGroupOptions<T> extends GroupCriteria {
  /** Makes the value of a member that enters. When it throws, the member is in without one, until it changes. */
  create: (member: Member) => T;
  /** Makes a new value, or answers with the old one, when a member that is in has changed. Default: the value stays. */
  update?: (value: T, member: Member) => T;
  /** Takes back the value of a member that has left, and of everyone at `close()`. */
  drop?: (value: T, member: Member) => void;
}

/** A {@link Group} with a value for each member. Made by {@link createDataGroup}. */
export class DataGroup<T> extends Group {
  readonly #values = new Map<MemberId, [member: Member, value: T]>();
  readonly #drop: DataGroupOptions<T>['drop'];

  /** @internal Use {@link createDataGroup}. */
  constructor(cluster: Cluster, { create, update = (value) => value, drop, ...criteria }: DataGroupOptions<T>) {
    if (typeof create !== 'function')
      throw new GossipError('ERR_OPTION', 'option create must be a function of a member');
    super(cluster, criteria);
    this.#drop = drop;
    const take = ({ member }: GroupEvent) => {
      const known = this.#values.get(member.id);
      this.#values.set(member.id, [member, known ? update(known[1], member) : create(member)]);
    };
    // The first to hear: other handlers find the values as the members are.
    this.on('entered', take);
    this.on('changed', take);
    this.on('left', ({ member }) => {
      const known = this.#values.get(member.id);
      this.#values.delete(member.id);
      if (known) drop?.(known[1], member);
    });
    for (const member of this) this.call(take, { type: 'entered', member });
  }

  /** The value of a member that is in. */
  get(member: Member | MemberId): T | undefined {
    return this.#values.get(typeof member === 'string' ? member : member.id)?.[1];
  }

  /** Gives a member another value. @returns false when it is not in: nothing was changed. */
  set(member: Member | MemberId, value: T): boolean {
    const known = this.#values.get(typeof member === 'string' ? member : member.id);
    if (known) known[1] = value;
    return known !== undefined;
  }

  /** Each member that has a value, with it, in the order in which they came. */
  entries(): IterableIterator<[member: Member, value: T]> {
    return this.#values.values();
  }

  override close(): void {
    super.close();
    const dropped = [...this.#values.values()];
    this.#values.clear();
    for (const [member, value] of dropped) {
      this.call(() => this.#drop?.(value, member), { type: 'left', member, previous: member });
    }
  }
}
