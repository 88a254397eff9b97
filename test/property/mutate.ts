/** A seeded mutator of frames: what goes wrong on a wire, and what somebody would try who wants it to go wrong. */
import { Random } from '../../src/core/random.js';

/** Lengths, counts and numbers no honest frame has, as the formats in use write them. */
const BLOWN_UP: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x00, 0x00, 0x00, 0x80],
  // msgpack: list, map, bytes, string, raw, extension, and 64-bit integers.
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0x7f, 0xff, 0xff, 0xff],
  [0xdc, 0xff, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0x00, 0x40, 0x00, 0x00],
  [0xc9, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
  [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
  [0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91],
  [0x81, 0xa9, 0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f, 0x80],
  ...[
    '99999999999999999999',
    '1e999',
    '-0',
    '[[[[[[[[',
    '{"__proto__":{}}',
    '"\\ud800"',
    'null',
    '18446744073709551616',
  ].map((text) => [...new TextEncoder().encode(text)]),
];

/** Makes one mutant by up to `stepsMax` steps. The same arguments give the same mutant. */
export function mutate(seed: number, frames: readonly Uint8Array[], stepsMax: number): Uint8Array {
  const random = new Random(seed);
  const pick = () => frames[random.below(frames.length)] as Uint8Array;
  let frame = pick();
  for (let steps = 1 + random.below(stepsMax); steps > 0; steps--)
    frame = STEPS[random.below(STEPS.length)]?.(frame, random, pick) ?? frame;
  return frame;
}

type Step = (frame: Uint8Array, random: Random, other: () => Uint8Array) => Uint8Array;

const flip: Step = (frame, random) => {
  const out = frame.slice();
  for (let flips = 1 + random.below(3); flips > 0 && out.length > 0; flips--) {
    const at = random.below(out.length);
    out[at] = (out[at] as number) ^ (1 << random.below(8));
  }
  return out;
};

const replace: Step = (frame, random) => {
  const out = frame.slice();
  if (out.length > 0) out[random.below(out.length)] = random.below(256);
  return out;
};

const truncate: Step = (frame, random) => frame.slice(0, random.below(frame.length + 1));

/** Puts bytes in place of others. */
function splice(frame: Uint8Array, at: number, remove: number, insert: ArrayLike<number>): Uint8Array {
  const end = Math.min(frame.length, at + remove);
  const out = new Uint8Array(frame.length - (end - at) + insert.length);
  out.set(frame.subarray(0, at));
  out.set(insert, at);
  out.set(frame.subarray(end), at + insert.length);
  return out;
}

const insert: Step = (frame, random) => {
  const bytes = Array.from({ length: 1 + random.below(8) }, () => random.below(256));
  return splice(frame, random.below(frame.length + 1), 0, bytes);
};

const remove: Step = (frame, random) => splice(frame, random.below(frame.length + 1), 1 + random.below(8), []);

/** The front of one frame and the back of another. */
const cross: Step = (frame, random, other) => {
  const back = other();
  return splice(frame, random.below(frame.length + 1), frame.length, back.subarray(random.below(back.length + 1)));
};

/** A piece of the frame once more: duplicate keys, repeated items. */
const repeat: Step = (frame, random) => {
  const from = random.below(frame.length + 1);
  return splice(frame, random.below(frame.length + 1), 0, frame.subarray(from, from + 1 + random.below(32)));
};

const blowUp: Step = (frame, random) => {
  const bytes = BLOWN_UP[random.below(BLOWN_UP.length)] as readonly number[];
  return splice(frame, random.below(frame.length + 1), random.below(bytes.length + 1), bytes);
};

/** The flags and the header's length, which nothing authenticates on the Go library's wire. */
const flags: Step = (frame, random) => {
  const out = frame.slice();
  if (out.length > 1) out[random.below(2)] = random.below(256);
  return out;
};

const STEPS: readonly Step[] = [flip, flip, replace, truncate, insert, remove, cross, repeat, blowUp, flags];
