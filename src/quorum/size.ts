/**
 * What a leader takes into its log: a copy as others will read it, and how large that will be at most once it is encoded, without encoding
 * it. A leader must not take what it cannot send, nor what others would read as something else, as then their machines differ.
 */

/** So that as many as go in one message fit a frame of the default 4 MiB. */
const COMMAND_BYTES_MAX = 32 * 1024;

/** Levels of nesting. Source: half of what codecs take; a message between voters has some around a command. */
const DEPTH_MAX = 32;
const ENCODER = new TextEncoder();
/** Half of a pair of surrogates: some codecs keep it, some replace it, some do either. */
const BROKEN = /\p{Surrogate}/u;

/** Whether a text is the same to all who are sent it. */
export function isWellFormed(text: string): boolean {
  return !BROKEN.test(text);
}

/** @returns a copy without what does not travel: keys of `undefined`, and the sign of a zero. What is refused anyway may stay as it is. */
export function carriedCopy(value: unknown, depth = DEPTH_MAX): unknown {
  if (typeof value === 'number') return value + 0;
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null || depth < 0) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof Date) return new Date(value);
  if (Array.isArray(value)) return Array.from(value, (item) => carriedCopy(item, depth - 1));
  if (!isPlain(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, carriedCopy(item, depth - 1)]));
}

/** @returns infinitely many for what is not carried, or not as what it is: no plain values, `NaN`, too many levels, broken texts. */
export function bytesAtMost(value: unknown, depth = DEPTH_MAX): number {
  const never = Number.POSITIVE_INFINITY;
  if (typeof value === 'string') return bytesOf(value);
  if (typeof value === 'bigint') return value >= -(2n ** 63n) && value < 2n ** 64n ? 32 : never;
  if (typeof value === 'number') return Number.isFinite(value) ? 32 : never;
  if (typeof value === 'function' || typeof value === 'symbol') return never;
  if (typeof value !== 'object' || value === null) return 32;
  if (value instanceof Uint8Array) return 5 + Math.ceil(value.length / 3) * 4;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? never : 32;
  if (!(Array.isArray(value) || isPlain(value)) || depth === 0) return never;
  let bytes = 5;
  for (const [key, item] of Object.entries(value)) {
    bytes += bytesOf(key) + bytesAtMost(item, depth - 1);
    if (bytes > COMMAND_BYTES_MAX) break;
  }
  return bytes;
}

/** Why a command is not taken, if it is not. */
export function whyNot(command: unknown): 'too-large' | 'not-carried' | undefined {
  const bytes = bytesAtMost(command);
  if (bytes <= COMMAND_BYTES_MAX) return undefined;
  return Number.isFinite(bytes) ? 'too-large' : 'not-carried';
}

function isPlain(value: object): boolean {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** As JSON writes it, which takes most. */
function bytesOf(text: string): number {
  if (text.length > COMMAND_BYTES_MAX) return text.length;
  return isWellFormed(text) ? 5 + ENCODER.encode(JSON.stringify(text)).length : Number.POSITIVE_INFINITY;
}
