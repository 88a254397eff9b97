/**
 * All that a page needs for a leaf, in one file with its libraries, for pages without a bundler: from a CDN or any static
 * server, by `<script type="module">`.
 */
export * from './index.browser.js';
export { webSocketTransport } from './transport/websocket.browser.js';
export type { WebSocketTransport, WebSocketTransportOptions } from './transport/websocket-options.js';
