/** A page that takes turns with others by a lock, and says what became of it. */
import { createCluster } from '../../src/index.browser.js';
import { webSocketTransport } from '../../src/transport/websocket.browser.js';
import { lockAdd, lockStart, takesPart } from '../runtime/lock-behaviour.js';

const query = new URLSearchParams(location.search);
const leaf = await createCluster({
  transport: webSocketTransport({ gateways: query.getAll('gateway') }),
  metadata: { who: query.get('who') },
});
takesPart(leaf);
await leaf.join();
(document.getElementById('state') as HTMLElement).innerText = [leaf.id, lockStart.type, lockAdd.type].join(' ');
