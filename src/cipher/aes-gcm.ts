/**
 * AES-GCM on WebCrypto, for every runtime; asynchronous, because WebCrypto is. Under Node the export condition `node`
 * takes `aes-gcm.node.ts` instead, which is several times faster and answers at once. Both make the same bytes, which are
 * those of the Go library: `[nonce 12][ciphertext][tag 16]`.
 */
import { toGossipError } from '../errors.js';
import type { Cipher } from './cipher.js';
import { createKeyring } from './keyring.js';

/**
 * Makes the AES-GCM cipher, with 128, 192 or 256-bit keys. Chromium has none of 192 bits: there such a key opens nothing
 * and does not seal (`ERR_KEY`).
 *
 * Nonces are random: by the usual bound (NIST SP 800-38D, 8.3) replace a key before 2^32 packets have been sealed with it.
 *
 * @param keys - 16, 24 or 32 bytes each; the first seals, all of them open. Copied.
 * @throws GossipError `ERR_KEY`: no key, or one of the wrong size.
 */
export function aesGcm(keys: readonly Uint8Array[]): Cipher {
  const NONCE_BYTES = 12;
  const TAG_BYTES = 16;
  const { keyring, entries } = createKeyring(keys, {
    cipher: 'aes-gcm',
    keyBytes: [16, 24, 32],
    prepare: (key) => {
      let imported: Promise<CryptoKey> | undefined;
      return () => {
        imported ??= crypto.subtle
          .importKey('raw', owned(key), 'AES-GCM', false, ['encrypt', 'decrypt'])
          .catch((cause): never => {
            throw toGossipError(cause, 'ERR_KEY', `aes-gcm: this runtime takes no key of ${key.length} bytes: `);
          });
        return imported;
      };
    },
  });
  const parameters = (iv: Uint8Array<ArrayBuffer>, associatedData: Uint8Array) => ({
    name: 'AES-GCM',
    iv,
    additionalData: owned(associatedData),
  });
  return {
    name: 'aes-gcm',
    overheadBytes: NONCE_BYTES + TAG_BYTES,
    keyring,
    async seal(plaintext, associatedData) {
      // Fetched before the first await: what counts is the ring at the time of the call.
      const [{ prepared }] = entries();
      const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const how = parameters(iv, associatedData);
      const input = owned(plaintext);
      const ciphertext = await crypto.subtle.encrypt(how, await prepared(), input);
      const sealed = new Uint8Array(NONCE_BYTES + ciphertext.byteLength);
      sealed.set(iv);
      sealed.set(new Uint8Array(ciphertext), NONCE_BYTES);
      return sealed;
    },
    async open(sealed, associatedData) {
      const input = owned(sealed);
      const how = parameters(input.subarray(0, NONCE_BYTES), associatedData);
      for (const { prepared } of entries()) {
        try {
          return new Uint8Array(await crypto.subtle.decrypt(how, await prepared(), input.subarray(NONCE_BYTES)));
        } catch {
          // Not this key, or too short; WebCrypto does not say more, on purpose.
        }
      }
      return undefined;
    },
  };
}

/** A copy, so that the caller may reuse its buffer while WebCrypto still waits for its key. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
