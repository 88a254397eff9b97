/** Members as the page shows them: what a member says of itself is text of limited length, or it is not shown. */
import type { Cluster, Member } from 'isogossip';
import { textOf } from '../messages.mjs';
import type { Welcome } from './control.js';

/** Colours that a member can have; their values stand in the style sheet. */
export const COLOURS = ['sky', 'mint', 'lemon', 'peach', 'rose', 'lilac'];

export type State = 'alive' | 'suspect' | 'dead' | 'leaving' | 'unknown';

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly mood: string;
  readonly colour: string;
  readonly kind: 'gateway' | 'member' | 'tab';
  /** The id of its gateway. */
  readonly via: string | undefined;
  readonly state: State;
  /** This tab. */
  readonly mine: boolean;
}

/** Reads a member. */
export function personOf(member: Member, cluster: Cluster, welcome: Welcome): Person {
  const { id, via, metadata, state } = member;
  const known = welcome.members.find((one) => one.id === id);
  const mine = id === cluster.id;
  const colour = textOf(metadata.colour);
  return {
    id,
    name: textOf(metadata.name, 'somebody').slice(0, 20),
    mood: textOf(metadata.mood).slice(0, 20),
    colour: COLOURS.includes(colour) ? colour : 'none',
    kind: known?.gateway ? 'gateway' : via || mine ? 'tab' : 'member',
    via,
    state: state === 'removed' ? 'unknown' : state,
    mine,
  };
}

/** Everybody to be shown: the demo's own members first, known to the cluster or not, then the tabs by name. */
export function everybody(cluster: Cluster, welcome: Welcome): Person[] {
  const known = cluster.members().map((member) => personOf(member, cluster, welcome));
  const missing = welcome.members
    .filter(({ id }) => !known.some((person) => person.id === id))
    .map(({ id, name, gateway }): Person => {
      const kind = gateway ? 'gateway' : 'member';
      return { id, name, kind, mood: '', colour: 'none', via: undefined, state: 'unknown', mine: false };
    });
  const rank = ({ kind, mine }: Person) => (mine ? 1 : kind === 'tab' ? 2 : 0);
  return [...known, ...missing].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

/** What somebody is, in a word or two. */
export function kindText({ kind, via, mine }: Person, nameOf: (id: string) => string): string {
  if (kind !== 'tab') return kind;
  const at = via ? ` at ${nameOf(via)}` : '';
  return mine ? `this tab${at}` : `tab${at}`;
}

export const STATE_TEXT: Record<State, string> = {
  alive: 'alive',
  suspect: 'suspect',
  dead: 'dead',
  leaving: 'has left',
  unknown: 'not there',
};
