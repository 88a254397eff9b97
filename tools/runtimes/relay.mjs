/**
 * The server on loopback for a page that runs the contracts: it serves the page and the bundle, takes the report, and
 * accepts WebSockets in the page's name (`test/runtime/relay-listener.ts` is the other half). It joins two sockets frame
 * by frame, so that each end speaks with the other, its closing handshake included, and not with the relay.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { createUnmask } from './unmask.mjs';

const PAGE = `<!doctype html><title>contracts</title><script type="module">
import { runOnPage } from '/web.mjs';
runOnPage();
</script>`;

/** Of RFC 6455. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * Starts it.
 * @returns the page's `url`, `report` (settles when the page has posted it) and `close`.
 */
export async function startRelay(bundlePath) {
  const bundle = await readFile(bundlePath);
  let [onReport, onFailed] = [];
  const report = new Promise((resolve, reject) => {
    [onReport, onFailed] = [resolve, reject];
  });
  // Whoever stops waiting for it has a reason of their own.
  report.catch(() => {});

  const answers = {
    '/': (_, response) => response.setHeader('content-type', 'text/html').end(PAGE),
    '/web.mjs': (_, response) => response.setHeader('content-type', 'text/javascript').end(bundle),
    '/report': async (request, response) => {
      onReport(JSON.parse(await text(request)));
      response.end();
    },
    '/failed': async (request, response) => {
      onFailed(new Error(await text(request)));
      response.end();
    },
  };
  const server = createServer((request, response) => {
    const answer = answers[request.url];
    if (answer) void answer(request, response);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${server.address().port}`;
  const open = acceptInItsName(server, `ws://${host}`);
  return {
    url: `http://${host}/`,
    report,
    async close() {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * `/listen` is a page's own connection: it is told a URL, and then of each dial there, which waits until the page takes it.
 * @returns the sockets that are open.
 */
function acceptInItsName(server, origin) {
  const controls = new WebSocketServer({ noServer: true });
  const listeners = new Map();
  const waiting = new Map();
  const open = new Set();
  let made = 0;

  server.on('upgrade', (request, socket, head) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
    const control = listeners.get(request.url);
    const dialled = waiting.get(request.url);
    waiting.delete(request.url);
    if (request.url === '/listen') {
      controls.handleUpgrade(request, socket, head, (listener) => {
        const path = `/at/${++made}`;
        listeners.set(path, listener);
        listener.on('close', () => listeners.delete(path));
        listener.send(JSON.stringify({ url: origin + path }));
      });
    } else if (control) {
      const take = `/take/${++made}`;
      waiting.set(take, shakeHands(request, socket, head));
      control.send(JSON.stringify({ take }));
    } else if (dialled) {
      join(dialled, shakeHands(request, socket, head));
    } else {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
    }
  });
  return open;
}

/** Answers a handshake, and keeps what comes after it: a browser opens one WebSocket after another to the same host. */
function shakeHands(request, socket, head) {
  const key = request.headers['sec-websocket-key'] + ACCEPT_SUFFIX;
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: Upgrade',
    `sec-websocket-accept: ${createHash('sha1').update(key).digest('base64')}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  socket.pause();
  return { socket, head };
}

/** Lets two clients speak with each other. Both are clients, so both mask what they send, and neither may be sent that. */
function join(a, b) {
  let closes = 0;
  const onClose = () => {
    closes++;
    // Both have said goodbye; the server's end is closed first.
    if (closes === 2) for (const { socket } of [a, b]) socket.end();
  };
  for (const [from, to] of [
    [a, b],
    [b, a],
  ]) {
    const unmask = createUnmask(onClose).on('data', (frame) => to.socket.write(frame));
    unmask.write(from.head);
    from.socket.pipe(unmask);
    from.socket.on('close', () => to.socket.destroy());
  }
}

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
