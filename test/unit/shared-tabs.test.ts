/**
 * Tabs that share one connection: who leads, what happens to the others when the leader goes, and that whoever is gone
 * leaves nothing behind.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { sharedTabs } from '../../src/transport/shared-tabs.js';
import type { WebSocketLike } from '../../src/transport/websocket.js';
import { FakeOrigin, type FakeTab } from './fake-tabs.js';
import { messagesOf, next } from './socket-pair.js';

const URL = 'wss://gateway.example/';
let origin: FakeOrigin;

beforeEach(() => {
  origin = new FakeOrigin();
});

afterEach(() => {
  origin.close();
});

async function open(tab: FakeTab, url = URL): Promise<WebSocketLike> {
  const socket = new tab.WebSocket(url);
  await next(socket, 'open');
  return socket;
}

/** As a leaf does: again, until it is open. */
async function reopen(tab: FakeTab): Promise<WebSocketLike> {
  for (;;) {
    const socket = new tab.WebSocket(URL);
    const closed = next(socket, 'close').then(() => undefined);
    const opened = await Promise.race([next(socket, 'open').then(() => socket), closed]);
    if (opened) return opened;
  }
}

/** A socket that is opened again within its own close, and the one that it is now. */
function lasting(tab: FakeTab) {
  const state = { opened: 0, socket: new tab.WebSocket(URL) };
  const watch = () => {
    state.socket.addEventListener('open', () => state.opened++);
    state.socket.addEventListener('close', () => {
      state.socket = new tab.WebSocket(URL);
      watch();
    });
  };
  watch();
  return state;
}

/** This many tabs, each with a socket; the first leads. */
async function openTabs(count: number) {
  const tabs = Array.from({ length: count }, () => origin.tab());
  const sockets: WebSocketLike[] = [];
  for (const tab of tabs) sockets.push(await open(tab));
  return { tabs, sockets };
}

async function echoed(socket: WebSocketLike, text: string): Promise<unknown> {
  const heard = next(socket, 'message');
  socket.send(text);
  return (await heard).data;
}

/** Waits for what no event of ours tells. */
const until = (condition: () => boolean, what: string) =>
  vi.waitFor(() => expect(condition(), what).toBe(true), { timeout: 5_000, interval: 10 });

describe('sharing', () => {
  test('five tabs use one connection, each hears its own', async () => {
    const { tabs, sockets } = await openTabs(5);
    expect(await Promise.all(sockets.map((socket, at) => echoed(socket, `tab ${at}`)))).toEqual(
      sockets.map((_, at) => `tab ${at}`),
    );
    expect(origin.dialled).toEqual([{ url: URL, protocols: ['isogossip.mux'] }]);
    expect(tabs.map(({ leads }) => leads)).toEqual([true, false, false, false, false]);
  });

  test('tabs that open at the same moment elect one', async () => {
    const tabs = Array.from({ length: 8 }, () => origin.tab());
    const sockets = await Promise.all(tabs.map((tab) => open(tab)));
    await Promise.all(sockets.map((socket) => echoed(socket, 'x')));
    expect(origin.dialled).toHaveLength(1);
    expect(tabs.filter(({ leads }) => leads)).toHaveLength(1);
  });

  test('several sockets of one tab are channels too; bytes arrive as they were', async () => {
    const [leader, other] = [origin.tab(), origin.tab()];
    await open(leader);
    const [one, two] = [await open(other), await open(other)];
    const heard = messagesOf(one);
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    one.send('first');
    one.send(bytes);
    one.send('last');
    expect(await echoed(two, 'two')).toBe('two');
    await until(() => heard.length === 3, 'three messages');
    expect([heard[0], heard[2]]).toEqual(['first', 'last']);
    expect(Buffer.from(heard[1] as Uint8Array).equals(bytes)).toBe(true);
    expect(origin.connections.size).toBe(1);
  });

  test('what is asked for differently, or under another name, is not shared', async () => {
    const tab = origin.tab();
    await open(tab);
    await open(tab, 'wss://other.example/');
    await next(new tab.WebSocket(URL, ['token.1']), 'open');
    await open(origin.tab({ name: 'another' }));
    expect(origin.dialled).toEqual([
      { url: URL, protocols: ['isogossip.mux'] },
      { url: 'wss://other.example/', protocols: ['isogossip.mux'] },
      { url: URL, protocols: ['isogossip.mux', 'token.1'] },
      { url: URL, protocols: ['isogossip.mux'] },
    ]);
  });

  test('a close is carried from and to any tab', async () => {
    const { sockets } = await openTabs(3);
    const [first, second] = [...origin.sockets].slice(1) as [WebSocketLike, WebSocketLike];
    const here = next(sockets[1] as WebSocketLike, 'close');
    first.close(4000, 'idle');
    expect(await here).toMatchObject({ code: 4000, reason: 'idle' });
    const there = next(second, 'close');
    sockets[2]?.close(4009, 'mine');
    expect(await there).toMatchObject({ code: 4009, reason: 'mine' });
    expect(await echoed(sockets[0] as WebSocketLike, 'x')).toBe('x');
  });

  test('a dial that fails is told to each tab', async () => {
    origin.refuses = true;
    const sockets = [origin.tab(), origin.tab()].map((tab) => new tab.WebSocket(URL));
    for (const event of await Promise.all(sockets.map((socket) => next(socket, 'close')))) {
      expect(event).toMatchObject({ code: 1006, reason: 'the shared connection ended: refused' });
    }
    origin.refuses = false;
    origin.chooses = () => 'chat';
    expect((await next(new (origin.tab().WebSocket)(URL), 'close')).reason).toContain('does not speak');
    expect(await next(new (origin.tab().WebSocket)('bad'), 'close')).toMatchObject({ code: 1006, reason: 'bad URL' });
  });
});

describe('going', () => {
  test('when the leader crashes the sockets of all close at once, and one dials for all again', async () => {
    const { tabs, sockets } = await openTabs(5);
    const rest = sockets.slice(1);
    const closes = Promise.all(rest.map((socket) => next(socket, 'close')));
    tabs[0]?.crash();
    for (const { code } of await closes) expect(code).toBe(1006);
    const again = await Promise.all(tabs.slice(1).map((tab) => open(tab)));
    expect(await Promise.all(again.map((socket) => echoed(socket, 'back')))).toEqual(Array(4).fill('back'));
    expect(origin.dialled).toHaveLength(2);
    expect(tabs.slice(1).filter(({ leads }) => leads)).toHaveLength(1);
    expect(origin.sockets.size).toBe(4);
  });

  test('leaders that crash one after the other leave the last tab alone and well', async () => {
    const { tabs } = await openTabs(6);
    while (tabs.length > 1) {
      tabs
        .splice(
          tabs.findIndex(({ leads }) => leads),
          1,
        )[0]
        ?.crash();
      const sockets = await Promise.all(tabs.map(reopen));
      for (const socket of sockets) expect(await echoed(socket, 'x')).toBe('x');
    }
    expect(origin.connections.size).toBe(1);
  });

  test('a tab that crashes is noticed: its channel closes, and no other', async () => {
    const { tabs, sockets } = await openTabs(3);
    const theirs = next([...origin.sockets][1] as WebSocketLike, 'close');
    tabs[1]?.crash();
    expect(await theirs).toMatchObject({ code: 1006, reason: 'the tab is gone' });
    expect(await echoed(sockets[2] as WebSocketLike, 'x')).toBe('x');
    expect(origin.dialled).toHaveLength(1);
  });

  test('a leader that is frozen hands over, and follows when it is back', async () => {
    const { tabs, sockets } = await openTabs(3);
    const [leader, ...others] = tabs as [FakeTab, FakeTab, FakeTab];
    const closes = Promise.all(sockets.map((socket) => next(socket, 'close')));
    leader.freeze();
    await closes;
    await until(() => leader.holds.locks === 0, 'no lock');
    expect(leader.holds.channels).toBe(0);
    // It would dial at once, but its page does not run.
    const waiting = new leader.WebSocket(URL);
    await Promise.all(others.map((tab) => open(tab)));
    expect([origin.dialled.length, waiting.readyState, leader.leads]).toEqual([2, 0, false]);
    const opened = next(waiting, 'open');
    leader.resume();
    await opened;
    expect(await echoed(waiting, 'back')).toBe('back');
    expect(origin.connections.size).toBe(1);
    expect(leader.leads).toBe(false);
  });

  test('a tab that is frozen is gone', async () => {
    const { tabs, sockets } = await openTabs(2);
    const theirs = next([...origin.sockets][1] as WebSocketLike, 'close');
    const here = next(sockets[1] as WebSocketLike, 'close');
    tabs[1]?.freeze();
    await Promise.all([theirs, here]);
    await until(() => tabs[1]?.holds.locks === 0, 'no lock');
    tabs[1]?.resume();
    expect(tabs[1]?.holds).toEqual({ channels: 0, locks: 0 });
  });

  test('who closes its last socket holds nothing, and a leader goes on for the others', async () => {
    const { tabs, sockets } = await openTabs(3);
    sockets[0]?.close(1000);
    sockets[1]?.close(1000);
    await until(() => origin.sockets.size === 1, 'one channel');
    await until(() => tabs[1]?.holds.channels === 0, 'nothing held');
    expect(await echoed(sockets[2] as WebSocketLike, 'still')).toBe('still');
    expect([origin.dialled.length, tabs[0]?.leads]).toEqual([1, true]);
    sockets[2]?.close(1000);
    await until(() => origin.connections.size === 0, 'no connection');
    await until(() => origin.locks.queues.size === 0, 'no lock');
    expect(tabs.map(({ holds }) => holds.channels)).toEqual([0, 0, 0]);
    expect(await echoed(await open(tabs[1] as FakeTab), 'again')).toBe('again');
  });

  test('a real connection that breaks closes the sockets of all; the leader stays', async () => {
    const tabs = [origin.tab(), origin.tab(), origin.tab()];
    const sockets = tabs.map(lasting);
    await until(() => sockets.every(({ opened }) => opened === 1), 'all open');
    const leads = tabs.map((tab) => tab.leads);
    for (const connection of origin.connections) connection.terminate();
    await until(() => sockets.every(({ opened }) => opened === 2), 'all open again');
    for (const { socket } of sockets) expect(await echoed(socket, 'x')).toBe('x');
    expect(origin.dialled).toHaveLength(2);
    expect(tabs.map((tab) => tab.leads)).toEqual(leads);
  });

  test('a tab that takes nothing costs the others nothing', async () => {
    const { tabs, sockets } = await openTabs(3);
    const [, theirs] = [...origin.sockets] as [WebSocketLike, WebSocketLike];
    // It lives, holds its lock, and does not run.
    vi.spyOn(sockets[1] as unknown as { receive(): void }, 'receive').mockImplementation(() => {});
    const closed = next(theirs, 'close');
    for (let i = 0; i < 30; i++) theirs.send(new Uint8Array(100_000));
    expect(await closed).toMatchObject({ code: 4008 });
    expect(await echoed(sockets[2] as WebSocketLike, 'x')).toBe('x');
    expect(tabs[0]?.leads).toBe(true);
  });
});

describe('hostile or odd surroundings', () => {
  test('a stray id on the common channel holds nothing', async () => {
    const { tabs, sockets } = await openTabs(2);
    const before = tabs.map(({ holds }) => holds);
    const hall = new BroadcastChannel('isogossip 1 isogossip');
    for (let i = 0; i < 20; i++) hall.postMessage(`stray ${i}`);
    expect(await echoed(sockets[1] as WebSocketLike, 'x')).toBe('x');
    await until(() => tabs[0]?.holds.channels === before[0]?.channels, 'no channel is left');
    expect(tabs.map(({ holds }) => holds)).toEqual(before);
    hall.close();
  });

  test('a leader that is gone before it is heard is not waited for', async () => {
    const { tabs } = await openTabs(2);
    const late = origin.tab();
    const one = lasting(late);
    await until(() => one.opened === 1, 'open');
    const own = [...origin.locks.queues].find(([, queue]) => queue[0]?.tab === late)?.[0] as string;
    const stale = new BroadcastChannel(own);
    stale.postMessage('somebody who died');
    await until(() => one.opened === 2, 'open again');
    expect(await echoed(one.socket, 'x')).toBe('x');
    expect(tabs[0]?.leads).toBe(true);
    stale.close();
  });

  test('where locks are refused each tab has a connection of its own', async () => {
    vi.spyOn(origin.locks, 'request').mockRejectedValue(new Error('SecurityError'));
    const sockets = await Promise.all([open(origin.tab()), open(origin.tab())]);
    for (const socket of sockets) expect(await echoed(socket, 'x')).toBe('x');
    expect(origin.connections.size).toBe(2);
  });

  test('without Web Locks or BroadcastChannel it is the real one; without any it says so', () => {
    class Real {}
    const given = { WebSocket: Real as never };
    expect(sharedTabs(given)).toBe(Real);
    vi.stubGlobal('navigator', { locks: {} });
    vi.stubGlobal('BroadcastChannel', undefined);
    expect(sharedTabs(given)).toBe(Real);
    vi.stubGlobal('WebSocket', undefined);
    expect(() => sharedTabs()).toThrow('pass WebSocket');
    vi.unstubAllGlobals();
  });
});
