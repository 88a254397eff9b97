/**
 * A cipher seals what leaves and opens what arrives. It holds a keyring, so that keys can be rotated without a pause.
 */

/** Authenticated encryption with a keyring. May answer at once or with a promise; the caller keeps the order of packets. */
export interface Cipher {
  readonly name: string;
  /** Bytes that sealing adds (nonce and tag), so that a sender knows whether a datagram will fit. */
  readonly overheadBytes: number;
  readonly keyring: Keyring;
  /**
   * Seals with the first key of the ring and a fresh random nonce.
   * @param associatedData - authenticated, not encrypted, not included in the result; may be empty.
   */
  seal(plaintext: Uint8Array, associatedData: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * Opens with whichever key fits.
   * @returns the plaintext, or `undefined` when no key opens it (wrong key, altered, or not sealed). Never throws for bad bytes.
   */
  open(sealed: Uint8Array, associatedData: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** The keys of a cipher: the first seals, all of them open. Changed while running; the change counts from the next packet. */
export interface Keyring {
  /** How many keys there are. */
  readonly size: number;
  /** Adds a key that opens but does not seal yet. Adding a known key changes nothing. @throws GossipError `ERR_KEY` */
  add(key: Uint8Array): void;
  /** Makes a key the one that seals, adding it when it is new. @throws GossipError `ERR_KEY` */
  use(key: Uint8Array): void;
  /** Removes a key. @throws GossipError `ERR_KEY`: it is the one that seals; `use` another first. */
  remove(key: Uint8Array): void;
}
