/**
 * `isogossip/store/indexed-db`: a store kept in a browser's IndexedDB, so that a page that is opened again has what it had, at once and
 * without a network. One page at a time has a database; where there are Web Locks, another one is told.
 */
import { GossipError } from '../index.js';
import type { StoredCell, StoredChange, StorePersistence } from './persistence.js';

/** Options of {@link indexedDbStorage}. */
export interface IndexedDbStorageOptions {
  /** The name of the database, one for each store. */
  name: string;
}

/** Keeps a store in IndexedDB. */
export function indexedDbStorage({ name }: IndexedDbStorageOptions): StorePersistence {
  let database: IDBDatabase | undefined;
  /** Whether all is to be written: what is still there of it is not known. */
  let anew = false;
  let whole: () => StoredChange;
  let unlock = async () => {};

  const connect = async () => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('cells');
      request.result.createObjectStore('meta');
    };
    const connection = await done(request);
    // By the browser: the data of the site were removed, or what keeps them was ended behind a page that is hidden.
    connection.onclose = () => {
      database = undefined;
      anew = true;
    };
    database = connection;
    return connection;
  };

  return {
    async open(all) {
      unlock = await lock(`isogossip store ${name}`);
      whole = all;
      try {
        const reading = (await connect()).transaction(['cells', 'meta']);
        const cells = reading.objectStore('cells');
        const [ids, kept, floor] = await Promise.all([
          done(cells.getAllKeys()),
          done(cells.getAll()),
          done(reading.objectStore('meta').get('floor')),
        ]);
        const put = new Map(ids.map((id, i) => [String(id), kept[i] as StoredCell]));
        return [{ put, drop: [], floor: (floor as number | undefined) ?? 0 }];
      } catch (error) {
        database?.close();
        await unlock();
        throw new GossipError('ERR_STORAGE', `the database ${name} cannot be opened: ${String(error)}`, {
          cause: error,
        });
      }
    },
    async save(change) {
      const connection = database ?? (await connect());
      const { put, drop, floor } = anew ? whole() : change;
      await new Promise<void>((resolve, reject) => {
        const writing = connection.transaction(['cells', 'meta'], 'readwrite', { durability: 'strict' });
        writing.oncomplete = () => resolve();
        writing.onabort = () => reject(writing.error);
        try {
          const cells = writing.objectStore('cells');
          if (anew) cells.clear();
          for (const [id, cell] of put) cells.put(cell, id);
          for (const id of drop) cells.delete(id);
          writing.objectStore('meta').put(floor, 'floor');
          // Without, the browser waits for the page, and a page that is closed or reloaded now loses it.
          writing.commit();
        } catch (error) {
          // All of it or nothing.
          writing.abort();
          throw error;
        }
      });
      anew = false;
    },
    async close() {
      database?.close();
      await unlock();
    },
  };
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @returns a function that gives it back, and resolves when others can have it.
 * @throws GossipError `ERR_STORAGE`: another page has it, or this one may have none.
 */
function lock(name: string): Promise<() => Promise<void>> {
  if (!globalThis.navigator?.locks) return Promise.resolve(async () => {});
  return new Promise((resolve, reject) => {
    const refuse = (why: string, cause?: unknown) => reject(new GossipError('ERR_STORAGE', why, { cause }));
    const ended = navigator.locks.request(name, { ifAvailable: true }, (held) => {
      if (!held) {
        refuse('another page has the store; give each page a database of its own, or one of them none');
        return undefined;
      }
      return new Promise<void>((release) => {
        resolve(() => {
          release();
          return unlocked;
        });
      });
    });
    const unlocked = ended.then(
      () => {},
      (error) => refuse(`this page gets no lock for the store: ${String(error)}`, error),
    );
  });
}
