/**
 * AES-GCM on `node:crypto`: the same cipher and bytes as `aes-gcm.ts`, answering at once. Chosen by the export condition
 * `node`, which is why this file may import `node:*`. Not by Deno, whose `node:crypto` has no AES-192-GCM.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomFillSync } from 'node:crypto';
import type { Cipher } from './cipher.js';
import { createKeyring } from './keyring.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The name of OpenSSL's algorithm and the key in its form. */
interface NodeKey {
  algorithm: 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';
  key: KeyObject;
}

/**
 * Makes the AES-GCM cipher, with 128, 192 or 256-bit keys.
 *
 * Nonces are random: by the usual bound (NIST SP 800-38D, 8.3) replace a key before 2^32 packets have been sealed with it.
 *
 * @param keys - 16, 24 or 32 bytes each; the first seals, all of them open. Copied.
 * @throws GossipError `ERR_KEY`: no key, or one of the wrong size.
 */
export function aesGcm(keys: readonly Uint8Array[]): Cipher {
  const { keyring, entries } = createKeyring<NodeKey>(keys, {
    cipher: 'aes-gcm',
    keyBytes: [16, 24, 32],
    prepare: (key) => ({
      algorithm: `aes-${(key.length * 8) as 128 | 192 | 256}-gcm`,
      key: createSecretKey(key),
    }),
  });
  return {
    name: 'aes-gcm',
    overheadBytes: NONCE_BYTES + TAG_BYTES,
    keyring,
    seal(plaintext, associatedData) {
      const [{ prepared }] = entries();
      const sealed = new Uint8Array(NONCE_BYTES + plaintext.length + TAG_BYTES);
      const nonce = randomFillSync(sealed.subarray(0, NONCE_BYTES));
      const cipher = createCipheriv(prepared.algorithm, prepared.key, nonce, { authTagLength: TAG_BYTES });
      if (associatedData.length > 0) cipher.setAAD(associatedData);
      sealed.set(cipher.update(plaintext), NONCE_BYTES);
      cipher.final();
      sealed.set(cipher.getAuthTag(), NONCE_BYTES + plaintext.length);
      return sealed;
    },
    open(sealed, associatedData) {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
      for (const { prepared } of entries()) {
        const opened = openWith(prepared, sealed, associatedData);
        if (opened) return opened;
      }
      return undefined;
    },
  };
}

function openWith({ algorithm, key }: NodeKey, sealed: Uint8Array, associatedData: Uint8Array): Uint8Array | undefined {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(tagAt));
  if (associatedData.length > 0) decipher.setAAD(associatedData);
  const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, tagAt));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}
