/**
 * Raw deflate by fflate, with the length of the original in front: `[u32 LE][deflate]`. Smaller than snappy and slower; for
 * clusters without Go peers, which do not know it.
 */
import { deflateSync, Inflate } from 'fflate';
import { errorMessage, GossipError } from '../errors.js';
import type { Compressor } from './compressor.js';

const LENGTH_BYTES = 4;
/** No deflate stream makes more of its bytes. Source: zlib's technical notes, 1032:1. */
const EXPANSION_MAX = 1032;
/**
 * Input given to the inflater at a time, so that what exceeds its declared length is noticed after at most
 * `STEP_BYTES × EXPANSION_MAX` bytes and not after all of it. Source: guess, 4 MiB.
 */
const STEP_BYTES = 4096;

/** Makes the deflate compressor. */
export function deflate(): Compressor {
  return { name: 'deflate', compress, decompress };
}

function compress(bytes: Uint8Array): Uint8Array {
  const body = deflateSync(bytes);
  const out = new Uint8Array(LENGTH_BYTES + body.length);
  new DataView(out.buffer).setUint32(0, bytes.length, true);
  out.set(body, LENGTH_BYTES);
  return out;
}

function decompress(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length <= LENGTH_BYTES) throw refuse('is truncated');
  const declared = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (declared > bytesMax) throw refuse(`declares ${declared} bytes, above the limit of ${bytesMax}`);
  if (declared > bytes.length * EXPANSION_MAX) throw refuse(`declares ${declared} bytes, more than it can hold`);

  const out = new Uint8Array(declared);
  let length = 0;
  // The one-call function would write past the end of a given buffer in silence, and first do all the work.
  const inflater = new Inflate((chunk) => {
    if (chunk.length > declared - length) throw refuse('is longer than it declares');
    out.set(chunk, length);
    length += chunk.length;
  });
  try {
    for (let at = LENGTH_BYTES; at < bytes.length; at += STEP_BYTES) {
      inflater.push(bytes.subarray(at, at + STEP_BYTES), at + STEP_BYTES >= bytes.length);
    }
  } catch (error) {
    if (error instanceof GossipError) throw error;
    throw new GossipError('ERR_COMPRESSED', `deflate: ${errorMessage(error)}`, { cause: error });
  }
  if (length !== declared) throw refuse('is shorter than it declares');
  return out;
}

function refuse(what: string): GossipError {
  return new GossipError('ERR_COMPRESSED', `deflate: the block ${what}`);
}
