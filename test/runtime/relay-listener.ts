/**
 * Lets a page accept WebSockets, which no browser can: somebody else accepts for it (`tools/runtimes/relay.mjs`), tells
 * it of each over a connection of its own, and joins the two when the page dials for it. For tests alone.
 */
import type { WebSocketListenFunction } from '../../src/transport/websocket.js';

/** Makes the listener; `relay` is the `ws://host:port` of the relay. */
export function relayListener(relay: string): WebSocketListenFunction {
  return ({ accept }) =>
    new Promise((resolve, reject) => {
      const control = new WebSocket(`${relay}/listen`);
      const closed = new Promise<void>((settle) => {
        control.addEventListener('close', () => settle());
      });
      control.addEventListener('error', () => reject(new Error('the relay is not there')));
      control.addEventListener('message', ({ data }) => {
        const { url, take } = JSON.parse(data) as { url?: string; take?: string };
        if (take !== undefined) accept(new WebSocket(relay + take));
        if (url === undefined) return;
        resolve({
          url,
          async close() {
            control.close();
            await closed;
          },
        });
      });
    });
}
