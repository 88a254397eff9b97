/**
 * XSalsa20-Poly1305 by tweetnacl: the fastest cipher that answers at once in browsers. For clusters without Go peers,
 * which do not know it. `[nonce 24][box]`.
 */
import nacl from 'tweetnacl';
import type { Cipher } from './cipher.js';
import { createKeyring } from './keyring.js';

const NONCE_BYTES = nacl.secretbox.nonceLength;
/** Room for associated data in {@link Cipher.overheadBytes}; the native frames have less than this. */
const ASSOCIATED_BYTES = 8;

/**
 * Makes the secretbox cipher.
 *
 * A secretbox has no associated data: it is put in front of the plaintext, inside the box, and compared on opening. So
 * what uses this cipher must give associated data of a fixed length, and up to 8 bytes of it count in `overheadBytes`.
 * Nonces are random and long enough never to repeat.
 *
 * @param keys - 32 bytes each; the first seals, all of them open. Copied.
 * @throws GossipError `ERR_KEY`: no key, or one of the wrong size.
 */
export function secretbox(keys: readonly Uint8Array[]): Cipher {
  const { keyring, entries } = createKeyring(keys, {
    cipher: 'secretbox',
    keyBytes: [nacl.secretbox.keyLength],
    prepare: (key) => key,
  });
  return {
    name: 'secretbox',
    overheadBytes: NONCE_BYTES + nacl.secretbox.overheadLength + ASSOCIATED_BYTES,
    keyring,
    seal(plaintext, associatedData) {
      const [{ prepared }] = entries();
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const box = nacl.secretbox(joined(associatedData, plaintext), nonce, prepared);
      return joined(nonce, box);
    },
    open(sealed, associatedData) {
      if (sealed.length < NONCE_BYTES + nacl.secretbox.overheadLength) return undefined;
      const nonce = sealed.subarray(0, NONCE_BYTES);
      const box = sealed.subarray(NONCE_BYTES);
      for (const { prepared } of entries()) {
        const opened = nacl.secretbox.open(box, nonce, prepared);
        if (!opened) continue;
        const bound = associatedData.every((byte, i) => byte === opened[i]);
        return bound ? opened.subarray(associatedData.length) : undefined;
      }
      return undefined;
    },
  };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
