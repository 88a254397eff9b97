/**
 * What runs in a page, or in a worker of any kind: a socket that is opened again whenever it closes, and a leaf. A page
 * calls it directly; a worker is called by its page, by messages.
 */
import {
  type Cluster,
  type ClusterOptions,
  createCluster,
  defineMessage,
  defineRequest,
  type Metadata,
} from '../../src/index.browser.js';
import { sharedTabs } from '../../src/transport/shared-tabs.js';
import { type WebSocketLike, webSocketTransport } from '../../src/transport/websocket.js';

const TEXT = defineMessage<string>(129);
const SUM = defineRequest<number[], number>(130);

/** What has happened to a page and its leaf; times are Unix milliseconds. */
export interface Entry {
  what: string;
  atMs: number;
  /** How long the leaf was away, by its own word. */
  awayMs?: number;
}

/** What there is to see for a leaf. */
export interface Known {
  /** Members that are alive, and members that are not there any more. */
  there: string[];
  gone: string[];
  /** The metadata of one of them. */
  of: string;
  key: string;
  value: number;
}

const journal: Entry[] = [];
const note = (what: string, more: Partial<Entry> = {}) => void journal.push({ what, atMs: Date.now(), ...more });

let socket: Promise<WebSocketLike>;
let leaf: Cluster;
let opened = 0;

const commands = {
  /** Opens a shared socket, and again when it closes, for ever. */
  async open(url: string): Promise<void> {
    const Shared = sharedTabs();
    const dial = (): Promise<WebSocketLike> =>
      new Promise((resolve) => {
        const one = new Shared(url);
        one.addEventListener('open', () => {
          opened++;
          resolve(one);
        });
        one.addEventListener('close', () => {
          socket = dial();
          void socket.then(resolve);
        });
      });
    socket = dial();
    await socket;
  },

  /** How often the socket has been open. */
  opened: () => opened,

  /** Waits until it has been open so often. */
  async openedTimes(times: number): Promise<void> {
    while (opened < times) {
      const one = await socket;
      if (opened < times) await new Promise((resolve) => one.addEventListener('close', resolve));
    }
  },

  /** Sends, until the same comes back: what was sent on a socket that then closed is lost. */
  async echo(text: string): Promise<string> {
    for (;;) {
      const one = await socket;
      const back = await new Promise<unknown>((resolve) => {
        one.addEventListener('message', ({ data }) => resolve(data));
        one.addEventListener('close', () => resolve(undefined));
        if (one.readyState === 1) one.send(text);
        else resolve(undefined);
      });
      if (back !== undefined) return String(back);
    }
  },

  /** A leaf of a gateway, that is asked for sums. */
  async leaf(
    urls: string | string[],
    shared = false,
    own: Pick<ClusterOptions, 'tags' | 'metadata'> = {},
  ): Promise<string> {
    const transport = webSocketTransport({ gateways: [urls].flat(), ...(shared ? { WebSocket: sharedTabs() } : {}) });
    leaf = await createCluster({ ...own, transport });
    leaf.on('state', ({ member }) => note(`${member.id === leaf.id ? 'self' : member.id} ${member.state}`));
    leaf.on('resumed', ({ awayMs }) => note('resumed', { awayMs }));
    leaf.on(TEXT, ({ data }) => note(data));
    leaf.handle(SUM, ({ data }) => data.reduce((a, b) => a + b));
    await leaf.join();
    return leaf.id;
  },

  /** Waits until the leaf sees all of them alive. */
  async sees(ids: string[]): Promise<boolean> {
    const events = leaf.events();
    const alive = () => ids.every((id) => leaf.member(id)?.state === 'alive');
    if (alive()) return true;
    for await (const _ of events) if (alive()) return true;
    return false;
  },

  /** Waits until the leaf has been away and is back. */
  async resumed(): Promise<boolean> {
    for await (const { type } of leaf.events()) if (type === 'resumed') return true;
    return false;
  },

  /** Waits until the leaf is at a gateway and sees what there is to see. @returns when it did. */
  async knows({ there, gone, key, value, of }: Known): Promise<number> {
    const events = leaf.events();
    const state = (id: string) => leaf.member(id)?.state;
    const known = () =>
      [leaf.id, ...there].every((id) => state(id) === 'alive') &&
      gone.every((id) => state(id) !== 'alive' && state(id) !== 'suspect') &&
      leaf.member(of)?.metadata[key] === value;
    while (!known()) await events.next();
    return Date.now();
  },

  /** Waits until a text has been heard. */
  async hears(text: string): Promise<boolean> {
    const heard = () => journal.some(({ what }) => what === text);
    while (!heard()) await new Promise((resolve) => leaf.on(TEXT, resolve));
    return true;
  },

  /** Tells one member a text, or all. */
  say: (text: string, to?: string) => (to ? leaf.send(to, TEXT, text) : leaf.broadcast(TEXT, text)),

  change: (metadata: Metadata): void => leaf.setMetadata(metadata),

  journal: () => journal,

  /** Keeps a timer of a second running, and writes down when it was late by far. */
  beats(): void {
    let lastMs = Date.now();
    const beat = () => {
      if (Date.now() - lastMs > 30_000) note('a timer was late', { awayMs: Date.now() - lastMs });
      lastMs = Date.now();
      setTimeout(beat, 1_000);
    };
    beat();
  },

  sum: (id: string, numbers: number[]): Promise<number> => leaf.request(id, SUM, numbers),

  leave: (): Promise<void> => leaf.leave(),
};

/** Their names and what they take, for tests. */
export type Commands = typeof commands;

interface Call {
  command: keyof Commands;
  args: unknown[];
}

async function answer(port: MessagePort, { command, args }: Call): Promise<void> {
  const run = commands[command] as (...args: unknown[]) => unknown;
  port.postMessage(
    await Promise.resolve(run(...args)).then(
      (value) => ({ value }),
      (error) => ({ error: String(error) }),
    ),
  );
}

/** Makes a worker of a kind and asks it; a page keeps one of each. */
const workers = new Map<string, (message: Call, ports: Transferable[]) => void>();

async function worker(
  kind: 'dedicated' | 'shared' | 'service',
): Promise<(message: Call, ports: Transferable[]) => void> {
  if (kind === 'dedicated') {
    const one = new Worker('/agent.js');
    return (message, ports) => one.postMessage(message, ports);
  }
  if (kind === 'shared') {
    const { port } = new SharedWorker('/agent.js');
    return (message, ports) => port.postMessage(message, ports);
  }
  await navigator.serviceWorker.register('/agent.js');
  const { active } = await navigator.serviceWorker.ready;
  return (message, ports) => active?.postMessage(message, ports);
}

const page = {
  ...commands,
  async inWorker(kind: 'dedicated' | 'shared' | 'service', command: keyof Commands, ...args: unknown[]) {
    const post = workers.get(kind) ?? (await worker(kind));
    workers.set(kind, post);
    const { port1, port2 } = new MessageChannel();
    const answered = new Promise<{ value?: unknown; error?: string }>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
    });
    post({ command, args }, [port2]);
    const { value, error } = await answered;
    if (error) throw new Error(error);
    return value;
  },
};

/** What a page of the tests has as `agent`. */
export type Agent = typeof page;

if (globalThis.document) {
  Object.assign(globalThis, { agent: page });
  for (const type of ['freeze', 'resume']) document.addEventListener(type, () => note(type));
  document.addEventListener('visibilitychange', () => note(document.visibilityState));
  addEventListener('pageshow', ({ persisted }) => note(persisted ? 'restored' : 'loaded'));
  addEventListener('online', () => note('online'));
}
const onCall = (event: Event) => {
  const { data, ports } = event as MessageEvent<Call>;
  if (ports[0]) void answer(ports[0], data);
};
globalThis.addEventListener?.('message', onCall);
globalThis.addEventListener?.('connect', (event) => {
  const [port] = (event as MessageEvent).ports;
  if (port) port.onmessage = onCall;
});
