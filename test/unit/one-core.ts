/** One core with ordinary settings, for tests of its parts. */
import type { CoreConfig } from '../../src/core/config.js';
import { Core } from '../../src/core/core.js';
import { DEFAULT_LIMITS } from '../../src/limits.js';
import { PRESETS } from '../../src/options.js';

/** Wall time at monotonic zero. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

/** An id that ends in a number. */
export function idOf(n: number): string {
  return `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** An HLC time at so many milliseconds of monotonic time. */
export function hlcAt(nowMs: number): bigint {
  return BigInt(Math.floor((EPOCH_MS - 1_735_689_600_000 + nowMs) * 1000)) << 10n;
}

/** A core with id 0, started at monotonic 0. */
export function oneCore(change: Partial<CoreConfig> = {}): Core {
  return new Core(
    {
      id: idOf(0),
      address: 'self',
      tags: [],
      applicationVersion: '',
      metadata: {},
      metadataBytes: 0,
      timing: PRESETS.lan,
      limits: DEFAULT_LIMITS,
      epochMs: EPOCH_MS,
      seed: 1,
      refuseVersion: () => undefined,
      ...change,
    },
    0,
  );
}
