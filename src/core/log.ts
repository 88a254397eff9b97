/**
 * A logarithm that is the same on every runtime: engines differ in the last bit of theirs, and a timer that is due a little
 * earlier makes another run of the same seed. A millionth is far below what any rule here needs.
 */
export function log(n: number, base = 10): number {
  return Math.round((Math.log(n) / Math.log(base)) * 1e6) / 1e6;
}
