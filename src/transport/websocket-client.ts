/**
 * Opens a WebSocket with whatever client the runtime has: the global one, or `ws` through isomorphic-ws where there is
 * none (Node 20). The only file that names isomorphic-ws; a bundle for the browser resolves it to its empty half.
 */
import type { WebSocketLike } from './websocket-connection.js';

/** A standard WebSocket client, such as `globalThis.WebSocket`. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;

/**
 * The runtime's own client.
 * @param frameBytesMax - what `ws` may be sent in one message; other clients cannot be told.
 */
export async function platformWebSocket(frameBytesMax: number): Promise<WebSocketConstructor> {
  if (typeof globalThis.WebSocket === 'function') return globalThis.WebSocket;
  // Loaded only here, so that runtimes with a client of their own never do. It has a default export and no other.
  const { default: Client } = await import('isomorphic-ws');
  return class extends Client {
    constructor(url: string, protocols: string[] = []) {
      super(url, protocols, { maxPayload: frameBytesMax, perMessageDeflate: false });
    }
  };
}
