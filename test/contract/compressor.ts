/** What every compressor must do. Imports no test runner, so that it runs anywhere and others can certify theirs. */
import type { Compressor } from '../../src/compressor/compressor.js';
import { GossipError } from '../../src/errors.js';
import type { TestApi } from './assert.js';

/** One compressor. */
export interface CompressorKind {
  name: string;
  create(): Compressor;
  /** Changes the length a block declares for its output; the rest stays. */
  redeclare(block: Uint8Array, bytes: number): Uint8Array;
}

/** Defines the suite's tests for one compressor. */
export function compressorContract({ test, assert }: TestApi, kind: CompressorKind): void {
  const compressor = kind.create();
  const check = (what: string, body: () => void) => test(`${kind.name}: ${what}`, body);
  const text = new TextEncoder().encode('gossip is a protocol; '.repeat(200));

  const refuses = (block: Uint8Array, bytesMax: number, what: string) => {
    let thrown: unknown;
    try {
      compressor.decompress(block, bytesMax);
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown instanceof GossipError && thrown.code === 'ERR_COMPRESSED', `${what}: ${String(thrown)}`);
  };

  check('restores what it compressed, of every size and texture', () => {
    let seed = 1;
    const next = () => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed >>> 8;
    };
    const textures: [string, (i: number, all: Uint8Array) => number][] = [
      ['zeros', () => 0],
      ['random', () => next() & 0xff],
      ['few values', () => next() & 3],
      ['period 7', (i) => i % 7],
      ['far repeats', (i, all) => (i < 3000 ? next() & 0xff : (all[i - 3000] as number))],
      [
        'far repeats among zeros',
        (i, all) => (i % 60_000 > 63 ? 0 : i < 64 ? next() & 0xff : (all[i - 60_000] as number)),
      ],
      ['too far repeats', (i, all) => (i % 70_000 > 63 ? 0 : i < 64 ? next() & 0xff : (all[i - 70_000] as number))],
      ['farthest repeats', (i, all) => (i < 65_535 ? next() & 0xff : (all[i - 65_535] as number))],
    ];
    for (const [what, at] of textures) {
      for (const size of [0, 1, 3, 4, 5, 59, 60, 61, 64, 65, 67, 68, 69, 255, 256, 257, 300, 4096, 65_536, 200_000]) {
        const bytes = new Uint8Array(size);
        for (let i = 0; i < size; i++) bytes[i] = at(i, bytes);
        const restored = compressor.decompress(compressor.compress(bytes), size);
        assert.ok(restored.length === size && restored.every((byte, i) => byte === bytes[i]), `${what}, ${size} bytes`);
      }
    }
  });

  check('makes text that repeats itself much smaller', () => {
    assert.ok(compressor.compress(text).length * 10 < text.length);
  });

  check('leaves what it was given as it was, and shares no memory with it', () => {
    const copy = text.slice();
    const block = compressor.compress(copy);
    assert.deepEqual(copy, text);
    const restored = compressor.decompress(block, text.length);
    block.fill(0);
    assert.deepEqual(restored, text);
  });

  check('takes a block that is a view into a larger buffer', () => {
    const block = compressor.compress(text);
    const larger = new Uint8Array(block.length + 20).fill(0xaa);
    larger.set(block, 7);
    assert.deepEqual(compressor.decompress(larger.subarray(7, 7 + block.length), text.length), text);
  });

  check('refuses output above the limit, declared or real', () => {
    const block = compressor.compress(text);
    refuses(block, text.length - 1, 'one byte too many');
    refuses(block, 0, 'nothing allowed');
    for (const declared of [0, 1, text.length - 1, text.length + 1, text.length * 5, 0xffff_ffff]) {
      refuses(kind.redeclare(block, declared), 2 ** 32, `declares ${declared}`);
    }
  });

  check('refuses a bomb before it goes off', () => {
    const bomb = compressor.compress(new Uint8Array(16 * 1024 * 1024));
    for (const declared of [1000, 4 * 1024 * 1024]) {
      refuses(kind.redeclare(bomb, declared), 4 * 1024 * 1024, `declares ${declared}`);
    }
  });

  check('refuses truncated blocks and none', () => {
    const block = compressor.compress(text.subarray(0, 200));
    for (let end = 0; end < block.length; end++) refuses(block.subarray(0, end), 1000, `${end} bytes`);
  });
}
