/** Changes of the membership in plain words. */
import type { ClusterEvent } from 'isogossip';
import type { Person, State } from './people.js';

/** A line of the log: its sign and its words. */
export type Line = readonly [sign: State | 'note', text: string];

/**
 * Tells what happened.
 *
 * @param before - the one it happened to as it was last shown; absent for a newcomer
 */
export function wordsFor(
  event: ClusterEvent,
  now: Person,
  before: Person | undefined,
  nameOf: (id: string) => string,
): Line[] {
  const { name, kind, via, mine } = now;
  const lines: Line[] = [];
  switch (event.type) {
    case 'joined':
      if (event.previous === 'unknown')
        lines.push(['alive', via ? `${name} has joined, by ${nameOf(via)}` : `${name} is there, a ${kind}`]);
      else lines.push(['alive', `${name} is back (was ${event.previous})`]);
      break;
    case 'state':
      // That we are back is told as `resumed`.
      if (!mine || now.state !== 'alive') lines.push(stateLine(now, event.previous, nameOf));
      break;
    case 'left':
      lines.push(['leaving', `${name} says goodbye and leaves`]);
      break;
    case 'removed':
      if (event.previous !== 'leaving') lines.push(['note', `${name} is forgotten`]);
      break;
    case 'resumed':
      lines.push([
        'alive',
        `You are back after ${(event.awayMs / 1000).toFixed(1)} s, by ${via ? nameOf(via) : 'a gateway'}`,
      ]);
      break;
    case 'metadata':
      if (!before) break;
      if (before.name !== name) lines.push(['note', `${before.name} is called ${name} now`]);
      if (before.mood !== now.mood) lines.push(['note', `${mine ? 'You feel' : `${name} feels`} ${now.mood} now`]);
      if (before.colour !== now.colour)
        lines.push(['note', `${mine ? 'You wear' : `${name} wears`} ${now.colour} now`]);
  }
  if (!mine && before?.via && via && before.via !== via) {
    lines.push(['note', `${name} has gone from ${nameOf(before.via)} to ${nameOf(via)}`]);
  }
  return lines;
}

function stateLine({ name, kind, via, state, mine }: Person, previous: string, nameOf: (id: string) => string): Line {
  switch (state) {
    case 'suspect':
      if (mine) return [state, `You have lost ${via ? nameOf(via) : 'the gateway'} and look for another`];
      if (kind === 'tab') return [state, `${name} is suspect: its gateway or its connection is gone`];
      return [state, `${name} is suspect: no answer, neither directly nor through another`];
    case 'dead':
      return [
        state,
        kind === 'tab' ? `${name} is dead: it has not come back` : `${name} is dead: it has not objected in time`,
      ];
    default:
      return [state, `${name} is ${state} again (was ${previous})`];
  }
}
