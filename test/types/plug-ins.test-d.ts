/** What anyone needs to write a plug-in of their own: the smallest object that the compiler accepts as one. */

import type { Cipher, Codec, Compressor, GossipError, GossipErrorCode, Logger } from 'isogossip';
import { expectTypeOf, test } from 'vitest';

test('a codec has three members and promises nothing about the type it decodes', () => {
  const codec = { name: 'mine', encode: () => new Uint8Array(), decode: () => 1 };
  expectTypeOf(codec).toExtend<Codec>();
  expectTypeOf<ReturnType<Codec['decode']>>().toBeUnknown();
  expectTypeOf<keyof Codec>().toEqualTypeOf<'name' | 'encode' | 'decode'>();
});

test('a compressor must take the limit of its output', () => {
  expectTypeOf<Compressor['decompress']>().parameters.toEqualTypeOf<[bytes: Uint8Array, bytesMax: number]>();
});

test('a cipher may answer at once or later', () => {
  expectTypeOf<(plaintext: Uint8Array) => Uint8Array>().toExtend<Cipher['seal']>();
  expectTypeOf<(plaintext: Uint8Array) => Promise<Uint8Array>>().toExtend<Cipher['seal']>();
  expectTypeOf<(plaintext: Uint8Array) => string>().not.toExtend<Cipher['seal']>();
});

test('the console is a logger as it is', () => {
  expectTypeOf<typeof console>().toExtend<Logger>();
});

test('the code of an error is one of a closed union', () => {
  expectTypeOf<GossipError['code']>().toEqualTypeOf<GossipErrorCode>();
  expectTypeOf<string>().not.toExtend<GossipErrorCode>();
});
