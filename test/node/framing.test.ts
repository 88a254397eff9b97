import { assert, test } from 'vitest';
import { GossipError } from '../../src/errors.js';
import { FrameReader, withLength } from '../../src/transport/node/framing.js';

function readAll(reader: FrameReader): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let frame = reader.next(); frame; frame = reader.next()) frames.push(frame);
  return frames;
}

const frame = (length: number, fill: number) => new Uint8Array(length).fill(fill);
const stream = (...frames: Uint8Array[]) => new Uint8Array(Buffer.concat(frames.map(withLength)));

test('frames come out as they went in, however the stream is cut', () => {
  const frames = [frame(1, 1), frame(3, 3), frame(5_000, 5), frame(2_048, 6), frame(100_000, 7)];
  const all = stream(...frames);
  for (const step of [1, 2, 3, 4, 5, 7, 4_096, 65_536, all.length]) {
    const reader = new FrameReader(100_000);
    const got: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += step) {
      reader.push(all.subarray(at, at + step));
      got.push(...readAll(reader));
    }
    assert.deepEqual(got, frames, `in steps of ${step}`);
    assert.equal(reader.partial, false);
  }
});

test('whether a frame is incomplete is known from its first byte on', () => {
  const reader = new FrameReader(10);
  assert.equal(reader.partial, false);
  const all = stream(frame(2, 1));
  for (let i = 0; i < all.length - 1; i++) {
    reader.push(all.subarray(i, i + 1));
    assert.equal(reader.next(), undefined);
    assert.equal(reader.partial, true);
  }
  reader.push(all.subarray(-1));
  assert.deepEqual(reader.next(), frame(2, 1));
  assert.equal(reader.partial, false);
});

test('a length above the limit is refused before anything is read', () => {
  const reader = new FrameReader(1_000);
  reader.push(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
  assert.throws(() => reader.next(), GossipError, /4294967295/);
  const exact = new FrameReader(1_000);
  exact.push(stream(frame(1_000, 1)));
  assert.equal(exact.next()?.length, 1_000);
  exact.push(new Uint8Array([0xe9, 0x03, 0, 0]));
  assert.throws(() => exact.next(), GossipError);
});

test('a promise of 4 MiB costs nothing until the bytes come', () => {
  const readers: FrameReader[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 500; i++) {
    const reader = new FrameReader(4 * 1024 * 1024);
    reader.push(new Uint8Array([0, 0, 64, 0, 1, 2, 3]));
    assert.equal(reader.next(), undefined);
    readers.push(reader);
  }
  // 500 × 4 MiB would be 2 GB.
  assert.isBelow(process.memoryUsage().arrayBuffers - before, 8 * 1024 * 1024);
  assert.equal(readers.length, 500);
});

test('a frame of no bytes is refused, or a stream of zeros would be read without end', () => {
  const reader = new FrameReader(10);
  reader.push(new Uint8Array(4));
  assert.throws(() => reader.next(), GossipError, 'a frame of 0 bytes');
});
