/** Turns the frames of a WebSocket client, which are masked, into those of a server, which are not. */
import { Transform } from 'node:stream';

const MASKED = 0x80;
const OPCODE_CLOSE = 8;
/** The length is in the two bytes of the head, or in two or eight that follow. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;

/** Makes the stream; `onClose` is called after each close frame. */
export function createUnmask(onClose) {
  let buffered = Buffer.alloc(0);
  return new Transform({
    transform(chunk, _encoding, done) {
      buffered = Buffer.concat([buffered, chunk]);
      for (let frame = read(buffered); frame; frame = read(buffered)) {
        const { head, mask, payload, bytes } = frame;
        for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i % MASK_BYTES];
        this.push(Buffer.concat([head, payload]));
        if ((head[0] & 0x0f) === OPCODE_CLOSE) onClose();
        buffered = buffered.subarray(bytes);
      }
      done();
    },
  });
}

/** The first frame, if all of it is there: its head without the mask, its mask and its payload, masked. */
function read(buffer) {
  if (buffer.length < 2) return undefined;
  const short = buffer[1] & ~MASKED;
  const headBytes = short === LENGTH_64 ? 10 : short === LENGTH_16 ? 4 : 2;
  const payloadAt = headBytes + MASK_BYTES;
  if (buffer.length < payloadAt) return undefined;
  const length =
    short === LENGTH_64 ? Number(buffer.readBigUInt64BE(2)) : short === LENGTH_16 ? buffer.readUInt16BE(2) : short;
  const bytes = payloadAt + length;
  if (buffer.length < bytes) return undefined;
  const head = Buffer.from(buffer.subarray(0, headBytes));
  head[1] &= ~MASKED;
  return { head, mask: buffer.subarray(headBytes, payloadAt), payload: buffer.subarray(payloadAt, bytes), bytes };
}
