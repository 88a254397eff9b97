// The few statistics that the benches share.

/** The value below which the share `q` of the values lies, by nearest rank; `undefined` without values. */
export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length > 0 ? sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] : undefined;
}

export const median = (values) => quantile(values, 0.5);
