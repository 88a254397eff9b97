/**
 * The contracts in a browser: on a page of the relay's, to which the report is posted. Leaves are what the package gives to
 * pages; their gateways are named by the page's fragment.
 */
import { createCluster } from '../../src/index.browser.js';
import { webSocketTransport as leafTransport } from '../../src/transport/websocket.browser.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { runContracts } from './contracts.js';
import { relayListener } from './relay-listener.js';

/** Runs them all and posts the report to `/report`; what prevents that, to `/failed`. */
export async function runOnPage(): Promise<void> {
  const relay = location.origin.replace(/^http/, 'ws');
  const post = (path: string, body: string) => fetch(path, { method: 'POST', body });
  try {
    const report = await runContracts(navigator.userAgent, {
      aes192: !/Chrome\//.test(navigator.userAgent),
      transports: [
        {
          name: 'websocket',
          create: () => webSocketTransport({ listen: relayListener(relay) }),
          // Port 2 is bound nowhere, and browsers do not forbid it as they do 1.
          nobody: 'ws://127.0.0.1:2/',
          unreadable: '127.0.0.1:1',
          datagrams: false,
          losesNothing: true,
          lasting: true,
          twoWay: true,
          exchanges: false,
        },
      ],
      leaves: [
        {
          name: 'websocket',
          gateways: location.hash.slice(1).split(',') as [string, string],
          start: (dial, options) => createCluster({ transport: leafTransport(dial), ...options }),
        },
      ],
      watch(uncaught) {
        addEventListener('unhandledrejection', ({ reason }) => uncaught(reason));
        addEventListener('error', ({ error, message }) => uncaught(error ?? message));
      },
    });
    await post('/report', JSON.stringify(report));
  } catch (error) {
    await post('/failed', String(error));
  }
}
