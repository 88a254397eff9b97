/** The keyring every cipher here has: the first key seals, all keys open, and keys change while packets flow. */
import { GossipError } from '../errors.js';
import type { Keyring } from './cipher.js';

/** A key and what a cipher made of it once, so that it is not made again for each packet. */
interface RingEntry<T> {
  /** Its bytes as text, to compare keys by. */
  readonly text: string;
  readonly prepared: T;
}

/** What a cipher says about its keys. */
export interface KeyringOptions<T> {
  /** Shown in errors. */
  cipher: string;
  /** Allowed sizes of a key, in bytes. */
  keyBytes: readonly number[];
  /** Makes the form the cipher works with. */
  prepare: (key: Uint8Array) => T;
}

/** A keyring and, for its cipher alone, its entries. */
export interface KeyringParts<T> {
  keyring: Keyring;
  /** The entries right now, the sealing one first. Never empty, and never changed in place: a loop over it is safe. */
  entries: () => readonly [RingEntry<T>, ...RingEntry<T>[]];
}

/**
 * Makes a keyring. Keys are copied; a key given twice counts once.
 * @throws GossipError `ERR_KEY`: no key, or one of the wrong size.
 */
export function createKeyring<T>(keys: readonly Uint8Array[], options: KeyringOptions<T>): KeyringParts<T> {
  let entries: readonly RingEntry<T>[] = [];
  const fail = (text: string): never => {
    throw new GossipError('ERR_KEY', `${options.cipher}: ${text}`);
  };
  const entryOf = (key: Uint8Array): RingEntry<T> => {
    if (!(key instanceof Uint8Array && options.keyBytes.includes(key.length))) {
      fail(`pass a list of Uint8Arrays of ${options.keyBytes} bytes`);
    }
    const text = key.join();
    return entries.find((entry) => entry.text === text) ?? { text, prepared: options.prepare(new Uint8Array(key)) };
  };

  const keyring: Keyring = {
    get size() {
      return entries.length;
    },
    add(key) {
      entries = [...new Set([...entries, entryOf(key)])];
    },
    use(key) {
      entries = [...new Set([entryOf(key), ...entries])];
    },
    remove(key) {
      const rest = entries.filter((entry) => entry.text !== key.join());
      if (rest[0] !== entries[0]) fail('this key seals; use(another) first');
      entries = rest;
    },
  };
  for (const key of keys ?? []) keyring.add(key);
  if (entries.length === 0) fail('pass at least one key');
  return { keyring, entries: () => entries as readonly [RingEntry<T>, ...RingEntry<T>[]] };
}
