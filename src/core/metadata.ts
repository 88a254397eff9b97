/** What a member tells about itself: a map of typed values. A newer version takes its place, told as a whole or by its keys. */

/** Metadata values are what the cluster's codec can carry: JSON's types plus `bigint`, `Uint8Array` and `Date`. */
export type Metadata = Readonly<Record<string, unknown>>;

/** The metadata of a member that set none. */
export const NO_METADATA: Metadata = Object.freeze({});

/** Roughly how many bytes a value takes when encoded, for where nobody has told and only the order of magnitude matters. */
export function estimateBytes(value: unknown): number {
  if (typeof value === 'string') return value.length + 3;
  if (value instanceof Uint8Array) return value.length + 3;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + estimateBytes(item), 3);
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    const entries = Object.entries(value);
    return entries.length === 0
      ? 0
      : entries.reduce((sum, [key, item]) => sum + key.length + 3 + estimateBytes(item), 3);
  }
  return 9;
}
