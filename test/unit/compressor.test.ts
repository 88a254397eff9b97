/** The compressors under the contract, and blocks only an enemy would make. */
import fc from 'fast-check';
import { assert, describe, expect, test } from 'vitest';
import type { Compressor } from '../../src/compressor/compressor.js';
import { snappy } from '../../src/compressor/snappy.js';
import { GossipError } from '../../src/errors.js';
import { compressorContract } from '../contract/compressor.js';
import { compressorKinds } from '../contract/kinds.js';
import { tries } from '../effort.js';

const outcome = (compressor: Compressor, block: Uint8Array, bytesMax = 100_000): unknown => {
  try {
    return compressor.decompress(block, bytesMax);
  } catch (error) {
    return error instanceof GossipError ? error.code : error;
  }
};

for (const kind of compressorKinds) {
  compressorContract({ test, assert }, kind);

  test(`${kind.name}: arbitrary and mutated blocks are restored or refused with ERR_COMPRESSED, nothing else`, () => {
    const compressor = kind.create();
    const decompress = (block: Uint8Array) => {
      const result = outcome(compressor, block);
      expect(result === 'ERR_COMPRESSED' || result instanceof Uint8Array).toBe(true);
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), decompress), { numRuns: tries(3_000) });
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(pieces, changes, (parts, mutations) => {
        const bytes = Uint8Array.from([...parts, ...parts, ...parts].flatMap((part) => [...part]));
        const block = compressor.compress(bytes);
        expect(compressor.decompress(block, bytes.length)).toEqual(bytes);
        for (const [at, byte] of mutations) block[at % block.length] = byte;
        decompress(block);
      }),
      { numRuns: tries(3_000) },
    );
  });
}

describe('snappy blocks', () => {
  const compressor = snappy();
  const restore = (...block: number[]) => outcome(compressor, Uint8Array.from(block));
  const text = (...codes: number[]) => Uint8Array.from(codes);

  test('each kind of element is read', () => {
    expect(restore(5, 0x00, 97, 0x01, 1)).toEqual(text(97, 97, 97, 97, 97));
    expect(restore(3, 0x00, 97, (1 << 2) | 2, 1, 0)).toEqual(text(97, 97, 97));
    expect(restore(3, 0x00, 97, (1 << 2) | 3, 1, 0, 0, 0)).toEqual(text(97, 97, 97));
    expect(restore(2, 60 << 2, 1, 97, 98)).toEqual(text(97, 98));
    expect(restore(2, 63 << 2, 1, 0, 0, 0, 97, 98)).toEqual(text(97, 98));
  });

  test('copies from before the beginning, from nowhere, and beyond the end are refused', () => {
    expect(restore(5, 0x00, 97, 0x01, 2)).toBe('ERR_COMPRESSED');
    expect(restore(5, 0x00, 97, 0x01, 0)).toBe('ERR_COMPRESSED');
    expect(restore(4, 0x00, 97, 0x01, 1)).toBe('ERR_COMPRESSED');
    expect(restore(3, 0x00, 97, (1 << 2) | 3, 255, 255, 255, 255)).toBe('ERR_COMPRESSED');
  });

  test('a literal of 4 GiB, a length that never ends, and one above 32 bits are refused', () => {
    expect(restore(5, 63 << 2, 255, 255, 255, 255, 97)).toBe('ERR_COMPRESSED');
    expect(restore(255, 255, 255, 255, 255, 255, 255)).toBe('ERR_COMPRESSED');
    expect(outcome(compressor, text(255, 255, 255, 255, 255, 0, 0), 2 ** 40)).toBe('ERR_COMPRESSED');
    expect(outcome(compressor, text(255, 255, 255, 255, 15), 2 ** 40)).toBe('ERR_COMPRESSED');
  });

  test('what cannot be compressed grows by less than one byte in sixty', () => {
    const random = crypto.getRandomValues(new Uint8Array(60_000));
    expect(compressor.compress(random).length).toBeLessThan(60_000 + 1_000);
  });
});
