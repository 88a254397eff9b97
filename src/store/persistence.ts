/** Where a store keeps its cells beyond the life of its process: what `isogossip/store/file` and `isogossip/store/indexed-db` are. */

/** A change to be kept. */
export interface StoredChange {
  /** Cells by their ids, as they are told in messages: each replaces the one with its id. */
  readonly put: ReadonlyMap<string, StoredCell>;
  /** Ids of cells that are no more. */
  readonly drop: readonly string[];
  /** Through which time what was removed has been forgotten. */
  readonly floor: number;
}

/**
 * `[kind, key, field, writer, time, state, expiresAtMs, value]`: plain values that every codec and a structured clone carry.
 */
export type StoredCell = readonly unknown[];

/** A place that keeps a store; anyone can write one. */
export interface StorePersistence {
  /**
   * Opens it, once.
   * @param whole - all that there is now, for who wants to write it anew.
   * @returns what was kept, in the order in which it was saved.
   * @throws GossipError `ERR_STORAGE`: it cannot be opened, or another process has it.
   */
  open(whole: () => StoredChange): Promise<Iterable<StoredChange>>;
  /**
   * Keeps a change. There is one call at a time. What was saved before is never lost when this is kept.
   * @returns when it is as safe as this place makes it.
   */
  save(change: StoredChange): Promise<void>;
  /** Called after the last `save` has settled. */
  close(): Promise<void>;
}
