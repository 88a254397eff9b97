/** What the adapter for Durable Objects does before anybody connects; with real sockets it is tried in test/runtime. */
import { expect, test } from 'vitest';
import { type HibernatableSocket, hibernatingWebSockets } from '../../src/transport/websocket-hibernation.js';

/** A socket that writes down how it was closed. */
function socket(): HibernatableSocket & { closed: unknown[] } {
  const closed: unknown[] = [];
  return { readyState: 1, closed, send() {}, close: (...how) => void closed.push(how) };
}

test('sockets that an earlier member left are closed so that peers connect anew, others are left alone', () => {
  const [left, foreign] = [socket(), socket()];
  const accepted: unknown[] = [];
  const sockets = hibernatingWebSockets(
    {
      acceptWebSocket() {},
      getWebSockets: (tag) => (tag === 'isogossip' ? [left] : [left, foreign]),
    },
    { accept: (one) => void accepted.push(one) },
  );
  expect(left.closed).toEqual([[4012, 'started anew']]);
  for (const one of [left, foreign]) {
    sockets.webSocketMessage(one, 'isogossip 1 -');
    sockets.webSocketError(one, new Error('broken'));
    sockets.webSocketClose(one, 1006, '');
  }
  expect(foreign.closed).toEqual([]);
  expect(accepted).toEqual([]);
  expect(sockets.upgrade(new Request('http://me.test/')).status).toBe(426);
});
