/** A page with a store: it shows what is in it, writes when its button is pressed, and keeps another store in IndexedDB. */
import { createCluster, GossipError } from '../../src/index.browser.js';
import { indexedDbStorage } from '../../src/store/indexed-db.js';
import { createStore } from '../../src/store/store.js';
import { webSocketTransport } from '../../src/transport/websocket.browser.js';
import { stateOf, writeAs } from '../runtime/store-behaviour.js';

const query = new URLSearchParams(location.search);
const who = query.get('who') ?? '';
const show = (id: string, text: string) => {
  (document.getElementById(id) as HTMLElement).innerText = text;
};
const press = (id: string, run: () => unknown) => document.getElementById(id)?.addEventListener('click', run);

const leaf = await createCluster({ transport: webSocketTransport({ gateways: query.getAll('gateway') }) });
await leaf.join();
const store = await createStore(leaf, { syncIntervalMs: 1000 });
await store.ready;
let round = 0;
press('write', () => writeAs(store, who, ++round));
store.watch({ prefix: '' }, () => show('state', stateOf(store)));
show('state', stateOf(store));

const name = `kept by ${who}`;
const open = () => createStore(leaf, { name, persistence: indexedDbStorage({ name }) });
let kept = await open();
press('keep', async () => {
  writeAs(kept, who, 1);
  writeAs(kept, who, 2);
  await kept.flush();
  const before = stateOf(kept);
  // A second one while it is open is refused.
  const second = await createStore(leaf, { name: 'second', persistence: indexedDbStorage({ name }) }).catch((error) =>
    error instanceof GossipError ? error.code : 'another error',
  );
  await kept.close();
  kept = await open();
  show('kept', `${second} ${stateOf(kept) === before ? 'the same' : `${before} became`} ${stateOf(kept)}`);
});
