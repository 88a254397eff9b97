/** The ciphers under the contract, and that the two builds of AES-GCM are one cipher. */
import { assert, describe, expect, test } from 'vitest';
import { aesGcm as aesGcmWeb } from '../../src/cipher/aes-gcm.js';
import { aesGcm as aesGcmNode } from '../../src/cipher/aes-gcm.node.js';
import { secretbox } from '../../src/cipher/secretbox.js';
import { cipherContract } from '../contract/cipher.js';
import { cipherKinds } from '../contract/kinds.js';
import { nodeCipherKinds } from '../contract/kinds.node.js';

for (const kind of [...cipherKinds(), ...nodeCipherKinds]) cipherContract({ test, assert }, kind);

const key = (bytes: number) => new Uint8Array(bytes).map((_, i) => i);
const text = new TextEncoder().encode('what the cluster says');
const NONE = new Uint8Array(0);

describe('aes-gcm', () => {
  test.each([16, 24, 32])('both builds open each other, %i-byte key', async (bytes) => {
    const [web, node] = [aesGcmWeb([key(bytes)]), aesGcmNode([key(bytes)])];
    for (const associated of [NONE, Uint8Array.of(1, 128)]) {
      expect(await web.open(await node.seal(text, associated), associated)).toEqual(text);
      expect(await node.open(await web.seal(text, associated), associated)).toEqual(text);
    }
    expect(web.overheadBytes).toBe(node.overheadBytes);
    expect((await node.seal(text, NONE)).length).toBe(text.length + node.overheadBytes);
  });

  test('the build for Node answers at once', () => {
    const cipher = aesGcmNode([key(16)]);
    expect(cipher.open(cipher.seal(text, NONE) as Uint8Array, NONE)).toEqual(text);
  });

  test('opens the test vector of NIST (case 4 of the GCM specification)', async () => {
    const hex = (digits: string) => Uint8Array.from(Buffer.from(digits, 'hex'));
    const sealed = hex(
      'cafebabefacedbaddecaf88842831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
    );
    const associated = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
    const plaintext =
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39';
    for (const create of [aesGcmNode, aesGcmWeb]) {
      const opened = await create([hex('feffe9928665731c6d6a8f9467308308')]).open(sealed, associated);
      expect(opened && Buffer.from(opened).toString('hex')).toBe(plaintext);
    }
  });
});

describe('secretbox', () => {
  test('adds nothing when there is no associated data', () => {
    expect((secretbox([key(32)]).seal(text, NONE) as Uint8Array).length).toBe(24 + 16 + text.length);
  });
});
