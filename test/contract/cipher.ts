/** What every cipher must do. Imports no test runner, so that it runs anywhere and others can certify theirs. */
import type { Cipher } from '../../src/cipher/cipher.js';
import { GossipError } from '../../src/errors.js';
import type { TestApi } from './assert.js';

/** One cipher. */
export interface CipherKind {
  name: string;
  create(keys: readonly Uint8Array[]): Cipher;
  /** The sizes of key it takes, the one to test most with last. */
  keyBytes: readonly number[];
  /** The size it takes elsewhere, but cannot work with on this runtime. */
  unusableKeyBytes?: number;
}

const NONE = new Uint8Array(0);
const BOUND = Uint8Array.of(1, 128);

/** Defines the suite's tests for one cipher. */
export function cipherContract({ test, assert }: TestApi, kind: CipherKind): void {
  const size = kind.keyBytes.at(-1) as number;
  const key = (fill: number, bytes = size) => new Uint8Array(bytes).fill(fill);
  const text = new TextEncoder().encode('what the cluster says');
  const check = (what: string, body: () => void | Promise<void>) => test(`${kind.name}: ${what}`, body);

  const refuses = (call: () => unknown, what: string): string => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown instanceof GossipError && thrown.code === 'ERR_KEY', `${what}: ${String(thrown)}`);
    return (thrown as GossipError).message;
  };

  check('opens what it sealed, with and without associated data, with each size of key', async () => {
    for (const bytes of kind.keyBytes) {
      const cipher = kind.create([key(1, bytes)]);
      for (const associated of [NONE, BOUND]) {
        for (const plaintext of [NONE, text, new Uint8Array(70_000).fill(7)]) {
          const sealed = await cipher.seal(plaintext, associated);
          assert.ok(sealed.length <= plaintext.length + cipher.overheadBytes, 'overheadBytes is a bound');
          const opened = await cipher.open(sealed, associated);
          assert.deepEqual(opened && Array.from(opened), Array.from(plaintext));
          assert.equal(opened && Object.getPrototypeOf(opened), Uint8Array.prototype);
        }
      }
    }
  });

  check('seals the same text differently each time', async () => {
    const cipher = kind.create([key(1)]);
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) seen.add(String(await cipher.seal(text, NONE)));
    assert.equal(seen.size, 100);
  });

  check('opens nothing that was altered, bound to other data, cut short or never sealed', async () => {
    const cipher = kind.create([key(1)]);
    const sealed = await cipher.seal(text, BOUND);
    for (let i = 0; i < sealed.length; i++) {
      const altered = sealed.slice();
      altered[i] = (altered[i] as number) ^ 1;
      assert.equal(await cipher.open(altered, BOUND), undefined, `byte ${i} altered`);
    }
    for (let end = 0; end < sealed.length; end++) {
      assert.equal(await cipher.open(sealed.subarray(0, end), BOUND), undefined, `${end} bytes`);
    }
    for (const other of [Uint8Array.of(1, 129), Uint8Array.of(0, 128)]) {
      assert.equal(await cipher.open(sealed, other), undefined, 'other associated data');
    }
    assert.equal(await cipher.open(new Uint8Array(100), NONE), undefined, 'zeros');
    assert.equal(await cipher.open(text, NONE), undefined, 'plaintext');
  });

  check('leaves what it was given as it was, and what it opened stays', async () => {
    const cipher = kind.create([key(1)]);
    const plaintext = text.slice();
    const sealed = await cipher.seal(plaintext, BOUND);
    const copy = sealed.slice();
    const opened = await cipher.open(sealed, BOUND);
    assert.deepEqual(plaintext, text);
    assert.deepEqual(sealed, copy);
    sealed.fill(0);
    plaintext.fill(0);
    assert.deepEqual(opened && Array.from(opened), Array.from(text));
  });

  check('seals with the first key and opens with all', async () => {
    const cipher = kind.create([key(1), key(2)]);
    const [one, two, three] = [kind.create([key(1)]), kind.create([key(2)]), kind.create([key(3)])];
    assert.ok(await one.open(await cipher.seal(text, NONE), NONE));
    assert.equal(await two.open(await cipher.seal(text, NONE), NONE), undefined);
    assert.ok(await cipher.open(await two.seal(text, NONE), NONE));
    assert.equal(await cipher.open(await three.seal(text, NONE), NONE), undefined);
  });

  check('changes its keys while running', async () => {
    const cipher = kind.create([key(1)]);
    const next = kind.create([key(2)]);
    cipher.keyring.add(key(2));
    cipher.keyring.add(key(2));
    assert.equal(cipher.keyring.size, 2);
    assert.equal(await next.open(await cipher.seal(text, NONE), NONE), undefined, 'add does not seal yet');
    assert.ok(await cipher.open(await next.seal(text, NONE), NONE), 'add opens');
    cipher.keyring.use(key(2));
    assert.equal(cipher.keyring.size, 2);
    assert.ok(await next.open(await cipher.seal(text, NONE), NONE), 'use seals');
    refuses(() => cipher.keyring.remove(key(2)), 'removing the sealing key');
    cipher.keyring.remove(key(1));
    cipher.keyring.remove(key(9));
    assert.equal(cipher.keyring.size, 1);
    assert.equal(await cipher.open(await kind.create([key(1)]).seal(text, NONE), NONE), undefined, 'removed');
    refuses(() => cipher.keyring.remove(key(2)), 'removing the last key');
    cipher.keyring.use(key(3));
    assert.equal(cipher.keyring.size, 2);
    assert.ok(await kind.create([key(3)]).open(await cipher.seal(text, NONE), NONE), 'use adds');
  });

  check('a key counts from the next packet: one being sealed or opened keeps the ring it began with', async () => {
    const cipher = kind.create([key(1)]);
    const sealing = cipher.seal(text, NONE);
    cipher.keyring.use(key(2));
    const opening = cipher.open(await sealing, NONE);
    cipher.keyring.remove(key(1));
    assert.ok(await opening);
  });

  const { unusableKeyBytes } = kind;
  if (unusableKeyBytes !== undefined) {
    check('says that this runtime cannot work with a key, which then opens nothing and harms no other', async () => {
      const unusable = key(5, unusableKeyBytes);
      const outcome = (async () => kind.create([unusable]).seal(text, NONE))().catch((error) => error.code);
      assert.equal(await outcome, 'ERR_KEY');
      const cipher = kind.create([unusable, key(1)]);
      assert.ok(await cipher.open(await kind.create([key(1)]).seal(text, NONE), NONE));
      assert.equal(await cipher.open(await kind.create([key(2)]).seal(text, NONE), NONE), undefined);
    });
  }

  check('takes a key given twice once, and copies keys', async () => {
    const mine = key(1);
    const cipher = kind.create([mine, key(1), key(2), key(2)]);
    assert.equal(cipher.keyring.size, 2);
    mine.fill(9);
    assert.ok(await kind.create([key(1)]).open(await cipher.seal(text, NONE), NONE));
  });

  check('refuses a missing key and keys of the wrong size, and says what to do', () => {
    assert.ok(refuses(() => kind.create([]), 'no key').includes('at least one key'));
    refuses(() => kind.create(undefined as never), 'nothing');
    for (const bytes of [0, 1, 15, 17, 31, 33, 64]) refuses(() => kind.create([key(1, bytes)]), `${bytes} bytes`);
    assert.ok(refuses(() => kind.create(key(1) as never), 'a key in no list').includes('pass a list'));
    refuses(() => kind.create(['a string of 32 characters, no key' as unknown as Uint8Array]), 'a string');
    const cipher = kind.create([key(1)]);
    refuses(() => cipher.keyring.add(key(1, 5)), 'add');
    refuses(() => cipher.keyring.use(key(1, 5)), 'use');
    assert.equal(cipher.keyring.size, 1);
  });
}
