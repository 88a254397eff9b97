/** The keyring every cipher here has: the first key seals, all keys open, and keys change while packets flow. */
import { GossipError } from '../errors.js';
import type { Keyring } from './cipher.js';

/** A key and what a cipher made of it once, so that it is not made again for each packet. */
interface RingEntry<T> {
  readonly bytes: Uint8Array;
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
  const entryOf = (key: Uint8Array): RingEntry<T> => {
    if (!(key instanceof Uint8Array) || !options.keyBytes.includes(key.length)) {
      const got = key instanceof Uint8Array ? `${key.length} bytes` : typeof key;
      throw new GossipError(
        'ERR_KEY',
        `${options.cipher}: a key is a Uint8Array of ${options.keyBytes.join(', ')} bytes, not ${got}`,
      );
    }
    const bytes = new Uint8Array(key);
    return { bytes, prepared: options.prepare(bytes) };
  };
  const find = (key: Uint8Array) => entries.find((entry) => sameBytes(entry.bytes, key));

  const [first, ...others] = keys;
  if (first === undefined) {
    throw new GossipError('ERR_KEY', `${options.cipher}: pass at least one key, or leave out the cipher option`);
  }
  let entries: readonly [RingEntry<T>, ...RingEntry<T>[]] = [entryOf(first)];
  const keyring: Keyring = {
    get size() {
      return entries.length;
    },
    add(key) {
      const entry = find(key) ?? entryOf(key);
      if (!entries.includes(entry)) entries = [...entries, entry];
    },
    use(key) {
      const entry = find(key) ?? entryOf(key);
      entries = [entry, ...entries.filter((other) => other !== entry)];
    },
    remove(key) {
      const entry = find(key);
      if (entry === entries[0]) {
        throw new GossipError('ERR_KEY', `${options.cipher}: this key seals; use(another) before removing it`);
      }
      const [sealing, ...rest] = entries;
      entries = [sealing, ...rest.filter((other) => other !== entry)];
    },
  };
  for (const key of others) keyring.add(key);
  return { keyring, entries: () => entries };
}

/** Whether two byte strings are equal. Not in constant time: both come from this process's owner. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
