/**
 * A page that keeps a store in IndexedDB and is reloaded right after each of its writes; in the end its browser closes the database, as one
 * does that removes what a site has. It tells how much of what it wrote was there.
 */
import { indexedDbStorage } from '../../src/store/indexed-db.js';
import type { StoredCell, StoredChange } from '../../src/store/persistence.js';

const show = (text: string) => {
  (document.getElementById('state') as HTMLElement).innerText = text;
};
addEventListener('error', ({ message }) => show(message));
addEventListener('unhandledrejection', ({ reason }) => show(String(reason)));

const ROUNDS = 24;
const round = Number(sessionStorage.round ?? 0);
const told: string[] = JSON.parse(sessionStorage.told ?? '[]');

const connections: IDBDatabase[] = [];
const { transaction } = IDBDatabase.prototype;
IDBDatabase.prototype.transaction = function (...given) {
  connections.push(this);
  return transaction.apply(this, given);
};

const cell = (key: string, n: number): [string, StoredCell] => [
  `r\0${key}`,
  [0, key, '', '', n, 0, 0, 'x'.repeat(1000)],
];
const changeOf = (n: number): StoredChange => ({
  put: new Map([cell('latest', n), ...Array.from({ length: 200 }, (_, i) => cell(`filling/${i}`, n))]),
  drop: [],
  floor: n,
});
/** No database takes it. */
const BAD: [string, StoredCell] = ['bad', [() => {}]];
let all: [string, StoredCell][] = [];
const whole = (): StoredChange => ({ put: new Map(all), drop: [], floor: 100 });
const timeOf = (kept: StoredChange | undefined, key: string) => kept?.put.get(`r\0${key}`)?.[4];

async function openKept() {
  const storage = indexedDbStorage({ name: 'kept' });
  const [kept] = await storage.open(whole);
  return { storage, kept };
}

const fails = (saving: Promise<void>) =>
  saving.then(
    () => 'saved',
    () => 'failed',
  );

let { storage, kept } = await openKept();
if (round > 0) {
  const there = timeOf(kept, 'latest') === round && timeOf(kept, 'filling/199') === round && kept?.floor === round;
  told.push(there ? 'kept' : 'lost');
}
if (round < ROUNDS) {
  sessionStorage.round = round + 1;
  sessionStorage.told = JSON.stringify(told);
  storage.save(changeOf(round + 1)).catch(() => {});
  location.reload();
} else {
  told.push(await half(), await bereft());
  show(told.join(' '));
}

/** What is there when half of a change could not be saved. */
async function half(): Promise<string> {
  const saving = storage.save({ put: new Map([cell('latest', 99), BAD]), drop: [], floor: 99 });
  const how = await fails(saving);
  await storage.close();
  const again = await openKept();
  ({ storage } = again);
  return `${how}:${timeOf(again.kept, 'latest')}:${again.kept?.floor}`;
}

/** What is there when the browser has removed everything and closed the database, and the first save after that has failed. */
async function bereft(): Promise<string> {
  const connection = connections.at(-1) as IDBDatabase;
  const removing = connection.transaction(['cells', 'meta'], 'readwrite');
  for (const name of removing.objectStoreNames) removing.objectStore(name).clear();
  await new Promise((resolve) => {
    removing.oncomplete = resolve;
  });
  connection.close();
  connection.dispatchEvent(new Event('close'));
  all = [cell('all', 100), BAD];
  const how = await fails(storage.save(changeOf(101)));
  all = [cell('all', 100), cell('latest', 100)];
  await storage.save(changeOf(101));
  await storage.save({ put: new Map([cell('next', 102)]), drop: ['r\0latest'], floor: 102 });
  await storage.close();
  const { kept } = await openKept();
  return `${how}:${[...(kept?.put.keys() ?? [])].map((id) => id.slice(2))}:${kept?.floor}`;
}
