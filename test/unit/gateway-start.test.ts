/** How a gateway comes to be and closes: what prevents it, that nothing is left open then, and the servers it fits. */
import { afterEach, expect, test } from 'vitest';
import { createGateway, type GatewayOptions, type WebSocketAcceptor } from '../../src/gateway.js';
import type { WebSocketListenFunction } from '../../src/transport/websocket.js';
import { bunWebSockets } from '../../src/transport/websocket-bun.js';
import type { WebSocketLike } from '../../src/transport/websocket-connection.js';
import { uuidV7 } from '../../src/uuid.js';
import { socketPair } from './socket-pair.js';
import { admitted, closeAll, gatewayWith, memberWith, Stranger, soon } from './stranger.js';

afterEach(closeAll);

/** A listener that begins when it is let. */
function listener() {
  const state = { open: 0, closed: 0 };
  let begin = () => {};
  const allowed = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const listen: WebSocketListenFunction = async () => {
    await allowed;
    state.open++;
    return {
      url: 'wss://gateway/',
      async close() {
        state.open--;
        state.closed++;
      },
    };
  };
  return { state, begin, listen };
}

test('without a URL, or a listener that has one, nothing starts', async () => {
  const member = await memberWith();
  await expect(createGateway(member)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await createGateway(member, { url: 'wss://gateway/' });
});

test.each([
  [{ autorize: () => false }, /^option autorize is unknown; there are .*authorize/],
  [{ policy: { sends: () => false } }, /^option policy.sends is unknown; there are send, see$/],
  [{ limits: { messagePerS: 1 } }, /^option limits.messagePerS is unknown; there are messagesPerS/],
  [{ limits: { bytesPerS: Number.NaN } }, /^option limits.bytesPerS must be a number above 0, not NaN$/],
  [{ limits: { types: 129 } }, /^option limits.types must be a list/],
  [{ origins: 'https://example.org' }, /^option origins must be a list/],
])('what would keep nobody out, as %j, is refused', async (options, message) => {
  const member = await memberWith();
  const starting = createGateway(member, { url: 'wss://gateway/', ...(options as GatewayOptions) });
  await expect(starting).rejects.toMatchObject({ code: 'ERR_OPTION', message: expect.stringMatching(message) });
});

test('a leaf whose admission has a limit that there is not stays outside', async () => {
  const { gateway, member } = await gatewayWith({ authorize: () => ({ limits: { messagePerS: 1 } as object }) });
  const leaf = new Stranger(gateway);
  leaf.attach(uuidV7());
  await soon(() => expect(leaf.closed).toBeDefined());
  expect(member.stats()).toMatchObject({ authorizeFailed: 1, leavesRefused: 1 });
});

test('a member that is closed while its gateway starts has none, and the listener is closed', async () => {
  const member = await memberWith();
  const { state, begin, listen } = listener();
  const starting = createGateway(member, { listen });
  const refused = expect(starting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await member.close();
  begin();
  await refused;
  expect(state).toEqual({ open: 0, closed: 1 });
});

test('of two gateways that start at the same time one comes to be, and the other closes what it has opened', async () => {
  const member = await memberWith();
  const [first, second] = [listener(), listener()];
  const starting = [first, second].map(({ listen }) => createGateway(member, { listen }));
  second.begin();
  const gateway = await starting[1];
  first.begin();
  await expect(starting[0]).rejects.toMatchObject({ code: 'ERR_OPTION' });
  expect([first.state, second.state]).toEqual([
    { open: 0, closed: 1 },
    { open: 1, closed: 0 },
  ]);
  await gateway?.close();
  expect(second.state).toEqual({ open: 0, closed: 1 });
});

test('a listener that fails is told of, and the member may try again', async () => {
  const member = await memberWith();
  const listen: GatewayOptions['listen'] = () => Promise.reject(new Error('the port is taken'));
  await expect(createGateway(member, { listen })).rejects.toThrow('the port is taken');
  expect((await createGateway(member, { url: 'wss://gateway/' })).url).toBe('wss://gateway/');
});

test('a gateway that has closed takes nobody in', async () => {
  const { gateway, member } = await gatewayWith();
  const leaf = new Stranger(gateway);
  leaf.attach(uuidV7());
  await admitted(leaf);
  await gateway.close();
  expect([leaf.closed, leaf.bye]).toEqual([4001, 'closing: the gateway leaves']);
  const late = new Stranger(gateway);
  late.attach(uuidV7());
  await soon(() => expect(late.closed).toBe(4001));
  expect(member.stats()).toMatchObject({ leavesAttached: 1, leavesRefused: 1 });
});

test("what Bun's server accepts comes to a gateway with its request and its subprotocol", async () => {
  const asked: unknown[] = [];
  const { gateway } = await gatewayWith({
    authorize({ url, protocols, remoteAddress }) {
      asked.push([url?.searchParams.get('ticket'), protocols, remoteAddress]);
      return true;
    },
  });
  /** What Bun keeps with a socket, after an upgrade. */
  const upgraded = (acceptor: WebSocketAcceptor, protocols: string) => {
    const headers = { 'sec-websocket-protocol': protocols };
    const sockets = bunWebSockets(acceptor);
    let data = {};
    sockets.upgrade(new Request('http://gateway/?ticket=in-url', { headers }), {
      upgrade(_request, how) {
        data = how.data;
        return true;
      },
      requestIP: () => ({ address: '192.0.2.1' }),
    });
    return { ...sockets.websocket, data };
  };
  /** What Bun gives out of a socket. */
  const bunSocket = (socket: WebSocketLike, data: object) => ({
    data,
    readyState: 1,
    send(bytes: string | Uint8Array<ArrayBuffer>) {
      socket.send(bytes);
      return bytes.length;
    },
    close: (code?: number, reason?: string) => socket.close(code, reason),
    terminate() {},
    getBufferedAmount: () => 0,
  });

  const leaf = new Stranger({
    accept(socket) {
      const { data, open, message } = upgraded(gateway, 'isogossip, ticket.x');
      const theirs = bunSocket(socket, data);
      open(theirs);
      socket.addEventListener('message', (event) => message(theirs, event.data as string | ArrayBuffer));
    },
  });
  leaf.attach(uuidV7());
  await admitted(leaf);
  expect(asked).toEqual([['in-url', ['isogossip', 'ticket.x'], '192.0.2.1']]);

  // Tabs that share a connection are known by it, which they offer first.
  const accepted: unknown[] = [];
  const { data, open } = upgraded(
    { accept: ({ protocol }) => void accepted.push(protocol) },
    'isogossip.mux, ticket.x',
  );
  open(bunSocket(socketPair()[0], data));
  expect(accepted).toEqual(['isogossip.mux']);
});
