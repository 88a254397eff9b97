/**
 * Starts members of both kinds as processes and drives them by the JSON lines of `isogossip member --json`. Every wait is
 * on an event with a deadline; a wait that fails shows what the peer said last. Everything started is ended by its own
 * handle. `ISO_KIND=go` puts Go peers in the place of ours, to try the harness and to learn what Go itself does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, inject } from 'vitest';

/** What runs behind a peer: the Go library, or our command. */
export type PeerKind = 'go' | 'iso';

/** A member as events and the `members` answer describe it. */
interface MemberLine {
  id: string;
  address: string;
  state: string;
  tags: string[];
  metadata: Record<string, unknown>;
  protocol: string;
}

/** One JSON line of a peer. Which keys are there depends on `event`. */
interface PeerEvent extends Partial<MemberLine> {
  event: string;
  ref?: string;
  type?: number;
  from?: string;
  data?: unknown;
  tag?: string;
  previous?: string;
  code?: string;
  message?: string;
  members?: MemberLine[];
  stats?: Record<string, unknown>;
}

/** A command of the contract, without its `ref`. */
export type PeerCommand = { cmd: string } & Record<string, unknown>;

/** What to start. `join` takes addresses or running peers. */
interface PeerOptions {
  kind: PeerKind;
  args?: readonly string[];
  join?: readonly (string | Peer)[];
}

/** A running member. */
export interface Peer {
  readonly kind: PeerKind;
  readonly id: string;
  readonly address: string;
  readonly events: readonly PeerEvent[];
  readonly stderr: () => string;
  /** Resolves with the exit code (null when killed). */
  readonly exited: Promise<number | null>;
  /** The first event from index `from` on that the predicate accepts. */
  waitFor(predicate: (event: PeerEvent) => boolean, deadlineMs?: number, from?: number): Promise<PeerEvent>;
  /** Waits until `check` holds; it is asked again after every event of this peer. */
  waitUntil(what: string, check: () => boolean, deadlineMs?: number): Promise<void>;
  /** Waits until the last `member` event about each of `others` says one of `states`. */
  waitForMembers(others: readonly Pick<Peer, 'id'>[], states: string | string[], deadlineMs?: number): Promise<void>;
  /** States reported about a member by `member` events, oldest first. */
  statesOf(id: string): string[];
  onEvent(listener: (event: PeerEvent) => void): void;
  send(command: PeerCommand): void;
  /** Sends with a new ref and waits for the event that carries it. */
  call(command: PeerCommand, deadlineMs?: number): Promise<PeerEvent>;
  /** The `members` answer without the peer itself. */
  members(): Promise<MemberLine[]>;
  /** Leaves gracefully and waits for the exit. */
  leave(): Promise<number | null>;
  /** A signal, SIGKILL by default: a crash. */
  kill(signal?: NodeJS.Signals): void;
  endInput(): void;
}

/** How long an ordinary exchange on loopback may take; far above what it needs, for a loaded machine. */
const DEADLINE_MS = 10_000;

const isoKind: PeerKind = process.env.ISO_KIND === 'go' ? 'go' : 'iso';

/** False when `ISO_KIND=go`: then expectations that only our members meet are not checked. */
export const isoIsReal = isoKind === 'iso';

const goPeer = inject('goPeer');
const leafMember = inject('leafMember');
const isoMain = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** `describe`, counted as skipped where Go is not installed. */
export const describeWithGo = describe.skipIf(goPeer === '');

/** As `describeWithGo`, of what a Go peer in the place of ours cannot do: it is no gateway. */
export const describeLeaves = describe.skipIf(goPeer === '' || !isoIsReal);

/** What starts peers and ends them all. */
export interface Harness {
  startPeer(options: PeerOptions): Promise<Peer>;
  /** Starts a leaf of one of these gateways, with options of `leaf-member.ts`; it may not be attached yet. */
  startLeaf(gateways: readonly string[], args?: readonly string[]): Promise<Peer>;
  /** Starts all at once; the order of the answers is that of the options. */
  startPeers(options: readonly PeerOptions[]): Promise<Peer[]>;
  /** Kills what still runs and waits for each exit. */
  endAll(): Promise<void>;
}

/** One harness per suite: `afterEach(() => harness.endAll())`. */
export function createHarness(): Harness {
  const running = new Map<ChildProcess, Promise<number | null>>();
  const start = async (program: string, words: readonly string[], kind: PeerKind, args: readonly string[]) => {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    const peer = wrap(child, kind, args);
    running.set(child, peer.exited);
    void peer.exited.then(() => running.delete(child));
    const started = await peer.waitFor((event) => event.event === 'started');
    return Object.assign(peer, { id: started.id ?? '', address: started.address ?? '' });
  };
  const startPeer = async (options: PeerOptions): Promise<Peer> => {
    const kind = options.kind === 'iso' ? isoKind : 'go';
    const join = (options.join ?? []).flatMap((seed) => ['--join', typeof seed === 'string' ? seed : seed.address]);
    const args = ['member', '--json', ...(options.args ?? []), ...join];
    if (!args.includes('--bind')) args.push('--bind', '127.0.0.1:0');
    return kind === 'go'
      ? start(goPeer, args, options.kind, args)
      : start(process.execPath, [isoMain, ...args], options.kind, args);
  };
  return {
    startPeer,
    startLeaf(gateways, options = []) {
      const args = [...gateways.flatMap((url) => ['--gateway', url]), ...options];
      return start(process.execPath, [leafMember, ...args], 'iso', args);
    },
    startPeers: (options) => Promise.all(options.map(startPeer)),
    async endAll() {
      const exits = [...running.values()];
      for (const child of running.keys()) child.kill('SIGKILL');
      await Promise.all(exits);
    },
  };
}

/** A process that is expected to refuse to start: its exit code and what it wrote to standard error. */
export function runToExit(kind: PeerKind, args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const real = kind === 'iso' ? isoKind : 'go';
  const child = spawn(real === 'go' ? goPeer : process.execPath, real === 'go' ? args : [isoMain, ...args]);
  const peer = wrap(child, kind, args);
  return peer.exited.then((code) => ({ code, stderr: peer.stderr() }));
}

function wrap(child: ChildProcess, kind: PeerKind, args: readonly string[]): Peer {
  const events: PeerEvent[] = [];
  const listeners = new Set<(event: PeerEvent) => void>();
  const exitListeners = new Set<() => void>();
  const states = new Map<string, string[]>();
  let stderr = '';
  let pending: string[] = [];
  let refs = 0;
  let over = false;

  const take = (line: string) => {
    let event: PeerEvent;
    try {
      event = JSON.parse(line) as PeerEvent;
    } catch {
      event = { event: 'not-json', message: line };
    }
    events.push(event);
    if (event.event === 'member' && event.id !== undefined) {
      const list = states.get(event.id) ?? [];
      list.push(event.state ?? '');
      states.set(event.id, list);
    }
    for (const listener of [...listeners]) listener(event);
  };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = chunk.split('\n');
    pending.push(lines[0] ?? '');
    for (const next of lines.slice(1)) {
      const line = pending.join('');
      pending = [next];
      if (line !== '') take(line);
    }
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr = (stderr + chunk).slice(-20_000);
  });
  child.stdin?.on('error', () => {}); // a command written to a peer that has just died
  const exited = new Promise<number | null>((resolve) => {
    const finish = (code: number | null) => {
      over = true;
      resolve(code);
      for (const listener of [...exitListeners]) listener();
    };
    child.on('error', (error) => {
      stderr += String(error);
      finish(null);
    });
    child.on('close', finish);
  });

  const shown = () => {
    const last = events.slice(-15).map((event) => `  ${JSON.stringify(event).slice(0, 300)}`);
    return `${kind} peer ${args.join(' ')}\nlast events:\n${last.join('\n')}\nstderr:\n${stderr.slice(-3000)}`;
  };

  const waitUntil = (what: string, check: () => boolean, deadlineMs = DEADLINE_MS) => {
    const place = new Error();
    return new Promise<void>((resolve, reject) => {
      const settle = (problem?: string) => {
        clearTimeout(timer);
        listeners.delete(again);
        exitListeners.delete(onExit);
        if (problem === undefined) return resolve();
        place.message = `${problem} while waiting for ${what}\n${shown()}`;
        reject(place);
      };
      const again = () => {
        if (check()) settle();
      };
      const onExit = () => settle(check() ? undefined : 'the peer ended');
      const timer = setTimeout(() => settle(`${deadlineMs} ms passed`), deadlineMs);
      listeners.add(again);
      exitListeners.add(onExit);
      if (over) onExit();
      else again();
    });
  };

  const peer: Peer = {
    kind,
    id: '',
    address: '',
    events,
    stderr: () => stderr,
    exited,
    waitUntil,
    async waitFor(predicate, deadlineMs, from = 0) {
      let next = from;
      let found: PeerEvent | undefined;
      await waitUntil(
        `an event: ${predicate}`,
        () => {
          while (found === undefined && next < events.length) {
            const event = events[next++];
            if (event !== undefined && predicate(event)) found = event;
          }
          return found !== undefined;
        },
        deadlineMs,
      );
      return found as PeerEvent;
    },
    waitForMembers(others, wanted, deadlineMs) {
      const accepted = [wanted].flat();
      const missing = () => others.filter((other) => !accepted.includes(states.get(other.id)?.at(-1) ?? 'unknown'));
      return waitUntil(
        `${accepted.join(' or ')}: ${others.map((other) => other.id).join(', ')}`,
        () => missing().length === 0,
        deadlineMs,
      );
    },
    statesOf: (id) => [...(states.get(id) ?? [])],
    onEvent: (listener) => {
      listeners.add(listener);
    },
    send(command) {
      child.stdin?.write(`${JSON.stringify(command)}\n`);
    },
    call(command, deadlineMs) {
      const ref = `ref-${++refs}`;
      const from = events.length;
      peer.send({ ...command, ref });
      return peer.waitFor((event) => event.ref === ref, deadlineMs, from);
    },
    async members() {
      const answer = await peer.call({ cmd: 'members' });
      return (answer.members ?? []).filter((member) => member.id !== peer.id);
    },
    leave() {
      peer.send({ cmd: 'leave' });
      return exited;
    },
    kill: (signal = 'SIGKILL') => {
      child.kill(signal);
    },
    endInput: () => {
      child.stdin?.end();
    },
  };
  return peer;
}

/** Waits until every one of `peers` has every other one alive, by its events and by its `members` answer. */
export async function waitForAllAlive(peers: readonly Peer[], deadlineMs = 20_000): Promise<void> {
  await Promise.all(
    peers.map(async (peer) => {
      const others = peers.filter((other) => other !== peer);
      await peer.waitForMembers(others, 'alive', deadlineMs);
      const listed = await peer.members();
      for (const other of others) {
        const line = listed.find((member) => member.id === other.id);
        if (line?.state !== 'alive') {
          throw new Error(`${peer.kind} ${peer.id} lists ${other.kind} ${other.id} as ${line?.state ?? 'nothing'}`);
        }
      }
    }),
  );
}
