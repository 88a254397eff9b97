/**
 * Who is in a group: a state machine that takes members as they are now, one at a time, and answers with what that changed.
 * What it costs does not depend on how many there are.
 */
import type { Member, MemberId } from '../index.js';

/** A change of a group: a member came in, was changed and stays in, or is in no more. */
export type GroupEvent =
  | { readonly type: 'entered'; readonly member: Member }
  | { readonly type: 'changed'; readonly member: Member; readonly previous: Member }
  | { readonly type: 'left'; readonly member: Member; readonly previous: Member };

/** Whether a member takes part; of a suspect it is not known that it does not, and most of them refute. */
export function isHere({ state }: Member): boolean {
  return state === 'alive' || state === 'suspect';
}

export class Roster {
  readonly #in = new Map<MemberId, Member>();

  constructor(private readonly matches: (member: Member) => boolean) {}

  /** Those who are in, in the order in which they came. */
  get members(): ReadonlyMap<MemberId, Member> {
    return this.#in;
  }

  /** Takes a member as it is now. @returns what that changed, if anything. */
  take(member: Member): GroupEvent | undefined {
    const { id } = member;
    const previous = this.#in.get(id);
    // The same copy: nothing in it has changed.
    if (member === previous) return undefined;
    if (isHere(member) && this.matches(member)) {
      this.#in.set(id, member);
      return previous ? { type: 'changed', member, previous } : { type: 'entered', member };
    }
    return this.#in.delete(id) && previous ? { type: 'left', member, previous } : undefined;
  }

  clear(): void {
    this.#in.clear();
  }
}
