/** The search in what is in order. */

/**
 * Where the first stands that does not come before something.
 * @param length - of the list. @param before - whether what is at a place comes before it; those that do are the first ones.
 */
export function lowerBound(length: number, before: (place: number) => boolean): number {
  let low = 0;
  for (let high = length; low < high; ) {
    const middle = (low + high) >> 1;
    if (before(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
