/**
 * What a leader takes into its log: a command as all voters will read it, and no more than it can send. Else their machines would
 * differ, or those that follow would wait for it for ever.
 */
import { carried } from '../carried.js';

/** So that as many as go in one message fit a frame of the default 4 MiB. */
const COMMAND_BYTES_MAX = 32 * 1024;

/** Levels of nesting. Source: half of what codecs take; a message between voters has some around a command. */
const DEPTH_MAX = 32;
const ENCODER = new TextEncoder();

/** A command that is taken, as a copy of our own; or why it is not. */
export function readCommand(given: unknown): { command: unknown } | { refused: 'too-large' | 'not-carried' } {
  try {
    const command = carried(given, { depthMax: DEPTH_MAX });
    return bytesAtMost(command) > COMMAND_BYTES_MAX ? { refused: 'too-large' } : { command };
  } catch {
    return { refused: 'not-carried' };
  }
}

/** How large a value that is carried will be at most once it is encoded, without encoding it. */
export function bytesAtMost(value: unknown): number {
  if (typeof value === 'string') return bytesOf(value);
  if (value instanceof Uint8Array) return 5 + Math.ceil(value.length / 3) * 4;
  if (typeof value !== 'object' || value === null || value instanceof Date) return 32;
  let bytes = 5;
  for (const [key, item] of Object.entries(value)) {
    bytes += bytesOf(key) + bytesAtMost(item);
    if (bytes > COMMAND_BYTES_MAX) break;
  }
  return bytes;
}

/** As JSON writes it, which takes most. */
function bytesOf(text: string): number {
  return text.length > COMMAND_BYTES_MAX ? text.length : 5 + ENCODER.encode(JSON.stringify(text)).length;
}
