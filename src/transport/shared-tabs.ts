/**
 * One WebSocket for all tabs of an origin. The tabs elect a leader with a Web Lock; it dials, and the others reach it by
 * BroadcastChannel. Each tab holds a lock of its own for as long as it lives, so that whoever waits for it knows at once
 * that a tab has closed, crashed or been frozen: no heartbeat, no timer.
 */
import { GossipError } from '../errors.js';
import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import { closePayload, KIND, MuxSocket, type MuxSocketOptions } from './mux-socket.js';
import { type Desk, type Office, openOffice, type ToTab, targetOf } from './shared-office.js';
import type { WebSocketConstructor } from './websocket-client.js';

/** Options of {@link sharedTabs}. */
export interface SharedTabsOptions {
  /** Tabs that pass the same name share. Default: `isogossip`. */
  name?: string;
  /** The client with which the leader dials. Default: the runtime's own. */
  WebSocket?: WebSocketConstructor;
  /** As passed to `createCluster`. */
  limits?: Partial<Limits>;
}

// On the common channel: a leader asks who is there. Anything else there is the id of a tab that looks for its leader.
const WHO_IS_THERE = '';

// What a tab said last may come after its lock has fallen, by another way. Source: guess, some turns of a busy page.
const LAST_WORDS_MS = 100;

// How long a tab without sockets keeps its place. Source: guess, above a leaf's first pause between attempts.
const LINGER_MS = 1_000;

/** What a tab keeps while it has sockets. */
interface Session {
  id: string;
  /** Ends the session and lets go of its locks. */
  ending: AbortController;
  hall: BroadcastChannel;
  /** Shared with the leader and nobody else. */
  own: BroadcastChannel;
  /** Whom we know as the leader, and the way to it. */
  leader?: { id: string; desk: Pick<Desk, 'dial' | 'post'> };
  /** Where we lead. */
  office?: Office;
  links: Map<string, BroadcastChannel>;
}

/**
 * Makes a WebSocket for `webSocketTransport({ WebSocket: sharedTabs() })` whose sockets are channels over one real one
 * per URL and origin; the server must accept the subprotocol `isogossip.mux`, as gateways do. In workers each is a tab
 * of its own. When the leading tab goes, the sockets of all close and may be dialled again at once. Where there are no
 * Web Locks or no BroadcastChannel it is the real one.
 * @throws {GossipError} `ERR_OPTION` when the runtime has no WebSocket and none is given.
 */
export function sharedTabs(options: SharedTabsOptions = {}): WebSocketConstructor {
  const Real = options.WebSocket ?? globalThis.WebSocket;
  if (!Real) throw new GossipError('ERR_OPTION', 'this runtime has no WebSocket of its own: pass WebSocket');
  const { locks } = (globalThis.navigator ?? {}) as { locks?: LockManager };
  if (!locks || !globalThis.BroadcastChannel) return Real;
  const socketOptions = { limits: { ...DEFAULT_LIMITS, ...options.limits }, count() {} };
  const tab = createTab(`isogossip 1 ${options.name ?? 'isogossip'}`, locks, Real, socketOptions);
  return class extends MuxSocket {
    constructor(url: string, protocols: string[] = []) {
      const channel = tab.nextChannel();
      super((...message) => tab.post(channel, ...message), socketOptions);
      tab.dial(channel, this, targetOf(url, protocols));
    }
  };
}

function createTab(name: string, locks: LockManager, Real: WebSocketConstructor, options: MuxSocketOptions) {
  // What belongs to this tab, whatever globals are later; a worker has no document.
  const { BroadcastChannel, document, crypto } = globalThis;
  const page = globalThis as Partial<Pick<typeof globalThis, 'addEventListener'>>;
  const sockets = new Map<number, { socket: MuxSocket; target: string; dialled: boolean }>();
  let session: Session | undefined;
  let frozen = false;
  let lastChannel = 0;

  const lifeOf = (id: string) => `${name} ${id}`;

  /** Settles when the lock is ours, which it then is until the session ends. */
  const hold = (lock: string, { signal }: AbortController) =>
    new Promise<void>((resolve, reject) => {
      const held = () =>
        new Promise<void>((release) => {
          if (signal.aborted) release();
          signal.addEventListener('abort', () => release());
          resolve();
        });
      locks.request(lock, { signal }, held).catch(reject);
    });

  /** Calls back when a tab has gone, unless the session ends before. */
  const whenGone = (id: string, { signal }: AbortController, then: () => void) => {
    locks
      .request(lifeOf(id), { signal }, () => {})
      .catch(() => {})
      .then(() => signal.aborted || then());
  };

  const fromLeader: ToTab = (channel, kind, payload) => {
    const entry = sockets.get(channel);
    if (kind === KIND.close) sockets.delete(channel);
    entry?.socket.receive(kind, payload);
    if (sockets.size === 0) endSoon();
  };

  /** The sockets that it carried are gone. */
  const loseLeader = (now: Session) => {
    for (const [channel, { dialled }] of [...sockets]) {
      if (!dialled) continue;
      const payload = closePayload('the leading tab is gone');
      now.leader?.desk.post(channel, KIND.close, payload);
      fromLeader(channel, KIND.close, payload);
    }
    delete now.leader;
  };

  const setLeader = (now: Session, leader: Session['leader'] & {}) => {
    loseLeader(now);
    now.leader = leader;
    for (const [channel, entry] of sockets) {
      entry.dialled = true;
      leader.desk.dial(channel, entry.target);
    }
  };

  const onLeader = (now: Session, id: string) => {
    if (now.office || id === now.leader?.id) return;
    setLeader(now, {
      id,
      desk: {
        dial: (...message) => now.own.postMessage(message),
        post: (...message) => now.own.postMessage(message),
      },
    });
    whenGone(id, now.ending, () => {
      if (now.leader?.id !== id) return;
      loseLeader(now);
      // There may be another already, if this one had gone before it was heard.
      now.hall.postMessage(now.id);
    });
  };

  /** As the leader: a tab looks for us. A name without a living tab goes as quickly as it came. */
  const onTab = (now: Session, office: Office, id: string) => {
    const link = now.links.get(id) ?? new BroadcastChannel(lifeOf(id));
    if (!now.links.has(id)) {
      now.links.set(id, link);
      const desk = office.attach((...message) => now.links.has(id) && link.postMessage(message));
      link.onmessage = ({ data: [channel, what, payload] }) => {
        if (typeof what === 'string') desk.dial(channel, what);
        else desk.post(channel, what, payload);
      };
      whenGone(id, now.ending, () =>
        setTimeout(() => {
          now.links.delete(id);
          link.close();
          desk.leave();
        }, LAST_WORDS_MS),
      );
    }
    link.postMessage(now.id);
  };

  const lead = (now: Session) => {
    const office = openOffice(Real, options, endSoon);
    const desk = office.attach((...message) => queueMicrotask(() => fromLeader(...message)));
    setLeader(now, { id: now.id, desk });
    now.office = office;
    now.hall.postMessage(WHO_IS_THERE);
  };

  const start = () => {
    const id = crypto.randomUUID();
    const [hall, own] = [new BroadcastChannel(name), new BroadcastChannel(lifeOf(id))];
    const ending = new AbortController();
    const now: Session = { id, ending, hall, own, links: new Map() };
    session = now;
    own.onmessage = ({ data }: MessageEvent<string | Parameters<ToTab>>) => {
      if (typeof data === 'string') onLeader(now, data);
      else fromLeader(...data);
    };
    hall.onmessage = ({ data }) => {
      if (data === WHO_IS_THERE) hall.postMessage(id);
      else if (now.office) onTab(now, now.office, data);
    };
    const { signal } = ending;
    document?.addEventListener('freeze', freeze, { signal });
    page.addEventListener?.('pagehide', (event) => event.persisted && freeze(), { signal });
    hold(lifeOf(id), ending)
      .then(() => {
        hall.postMessage(id);
        return hold(name, ending);
      })
      // Where locks are refused, such as in a sandboxed frame, each tab leads itself.
      .catch(() => {})
      .then(() => signal.aborted || lead(now));
  };

  const end = () => {
    if (!session) return;
    const { ending, office, links, hall, own } = session;
    session = undefined;
    for (const link of links.values()) link.close();
    links.clear();
    office?.close();
    hall.close();
    own.close();
    ending.abort();
  };

  /** Whoever lost its socket will want another: a lead is not given up for that. */
  const endSoon = () => {
    const timer = setTimeout(() => {
      if (sockets.size === 0 && !session?.office?.busy) end();
    }, LINGER_MS);
    // A number in browsers and workers.
    (timer as { unref?(): void }).unref?.();
  };

  /** A page that does not run must not lead, and its own sockets are dead: nothing would answer on them. */
  const freeze = () => {
    frozen = true;
    const thaw = () => {
      if (!frozen) return;
      frozen = false;
      if (sockets.size > 0) start();
    };
    document?.addEventListener('resume', thaw, { once: true });
    page.addEventListener?.('pageshow', thaw, { once: true });
    if (session) loseLeader(session);
    end();
  };

  return {
    nextChannel: () => ++lastChannel,

    dial(channel: number, socket: MuxSocket, target: string) {
      const leader = session?.leader;
      sockets.set(channel, { socket, target, dialled: leader !== undefined });
      if (leader) leader.desk.dial(channel, target);
      else if (!session && !frozen) start();
    },

    post: ((channel, kind, payload) => {
      if (kind === KIND.close) sockets.delete(channel);
      session?.leader?.desk.post(channel, kind, payload);
      if (sockets.size === 0) endSoon();
    }) satisfies ToTab,
  };
}
