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
  let database: IDBDatabase;
  let unlock = () => {};
  return {
    async open() {
      unlock = await lock(`isogossip store ${name}`);
      try {
        const request = indexedDB.open(name, 1);
        request.onupgradeneeded = () => {
          request.result.createObjectStore('cells');
          request.result.createObjectStore('meta');
        };
        database = await done(request);
        const reading = database.transaction(['cells', 'meta']);
        const cells = reading.objectStore('cells');
        const [ids, kept, floor] = await Promise.all([
          done(cells.getAllKeys()),
          done(cells.getAll()),
          done(reading.objectStore('meta').get('floor')),
        ]);
        const put = new Map(ids.map((id, i) => [String(id), kept[i] as StoredCell]));
        return [{ put, drop: [], floor: (floor as number | undefined) ?? 0 }];
      } catch (error) {
        unlock();
        throw new GossipError('ERR_STORAGE', `the database ${name} cannot be opened: ${String(error)}`, {
          cause: error,
        });
      }
    },
    save({ put, drop, floor }: StoredChange) {
      return new Promise((resolve, reject) => {
        const writing = database.transaction(['cells', 'meta'], 'readwrite', { durability: 'strict' });
        const cells = writing.objectStore('cells');
        for (const [id, cell] of put) cells.put(cell, id);
        for (const id of drop) cells.delete(id);
        writing.objectStore('meta').put(floor, 'floor');
        writing.oncomplete = () => resolve();
        writing.onabort = () => reject(writing.error);
      });
    },
    async close() {
      database?.close();
      unlock();
    },
  };
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @returns a function that gives it back. @throws GossipError `ERR_STORAGE`: another page has it, or this one may have none. */
function lock(name: string): Promise<() => void> {
  if (!globalThis.navigator?.locks) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const refuse = (why: string, cause?: unknown) => reject(new GossipError('ERR_STORAGE', why, { cause }));
    const ended = navigator.locks.request(name, { ifAvailable: true }, (held) => {
      if (held) return new Promise<void>((release) => resolve(release));
      refuse('another page has the store; give each page a database of its own, or one of them none');
      return undefined;
    });
    ended.catch((error) => refuse(`this page gets no lock for the store: ${String(error)}`, error));
  });
}
