/** How histories carry what voters say and save: as by a codec, so that nothing is shared by accident. */

/** Nothing is shared with the sender, and what is undefined is left out. By hand, as most of the time went into JSON. */
export function carried<T>(value: T): T {
  return carry(value) as T;
}

function carry(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(carry);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`no codec carries ${value}`);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined) copy[key] = carry(item);
  }
  return copy;
}
