/**
 * Values as a store keeps them: copies of its own, frozen as far as the language can, so that nobody changes what others were told, and
 * measured, so that they have a limit.
 */
import { carried } from '../carried.js';
import { GossipError } from '../index.js';

/** Deepest nesting of lists and maps. Source: `limits.depthMax` of a cluster, and room for what is around it in a message. */
const DEPTH_MAX = 60;

/** A value and about how many bytes it takes in a message. */
export interface Kept {
  readonly value: unknown;
  readonly bytes: number;
}

/**
 * Copies a value.
 * @throws GossipError `ERR_CODEC`: not every codec carries it (a function, a cycle, NaN); `ERR_TOO_LARGE`.
 */
export function keep(value: unknown, bytesMax: number): Kept {
  let bytes = 0;
  const measure = (more: number) => {
    bytes += more;
    if (bytes > bytesMax) {
      throw new GossipError('ERR_TOO_LARGE', `a value is above limits.valueBytesMax (${bytesMax} bytes)`);
    }
  };
  return { value: carried(value, { depthMax: DEPTH_MAX, measure, finish: (copy) => Object.freeze(copy) }), bytes };
}
