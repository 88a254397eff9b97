/** What a member tells about itself: a small map of typed values, replaced as a whole by a newer version. */

/** Metadata values are what the cluster's codec can carry: JSON's types plus `bigint`, `Uint8Array` and `Date`. */
export type Metadata = Readonly<Record<string, unknown>>;

/** The metadata of a member that set none. */
export const NO_METADATA: Metadata = Object.freeze({});
