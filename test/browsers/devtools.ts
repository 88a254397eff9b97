/**
 * Chromium as it comes, driven by its DevTools protocol alone: under playwright a page is never hidden, and so can be
 * neither frozen nor put into the back-forward cache.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { CHROMIUM, CHROMIUM_ARGS } from './site.js';

interface Answer {
  id?: number;
  method?: string;
  sessionId?: string;
  result?: unknown;
  error?: { message: string };
}

/** A page that is driven by it. */
export type DevtoolsPage = Awaited<ReturnType<Awaited<ReturnType<typeof openDevtools>>['open']>>;

/** Starts it. Of the pages of a window only the last one opened is not hidden. */
export async function openDevtools(flags: readonly string[] = []) {
  const profile = await mkdtemp(join(tmpdir(), 'isogossip-chromium-'));
  const args = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'];
  // It leads a group of processes, all of which can be stopped.
  const child = spawn(CHROMIUM, [...CHROMIUM_ARGS, ...flags, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const exited = once(child, 'exit');
  let endpoint = '';
  for await (const line of createInterface({ input: child.stderr })) {
    endpoint = /^DevTools listening on (\S+)/.exec(line)?.[1] ?? '';
    if (endpoint) break;
  }
  child.stderr.resume();
  const socket = new WebSocket(endpoint);
  await once(socket, 'open');
  const answers = new Map<number, (answer: Answer) => void>();
  const events = new Map<string, () => void>();
  let lastId = 0;
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as Answer;
    if (message.id !== undefined) answers.get(message.id)?.(message);
    else events.get(`${message.method} ${message.sessionId}`)?.();
  });
  const send = <R>(method: string, params: object = {}, sessionId?: string): Promise<R> =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      answers.set(id, ({ result, error }) => {
        answers.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result as R);
      });
      socket.send(JSON.stringify({ id, method, params, sessionId }));
    });

  return {
    /** A window of its own: its pages hide no others, and share no process with them. @returns its name. */
    async window(): Promise<string> {
      return (await send<{ browserContextId: string }>('Target.createBrowserContext')).browserContextId;
    },

    /** Stops every process of it, as a machine does that sleeps, or lets them go on. */
    stopped(stopped: boolean): void {
      process.kill(-(child.pid as number), stopped ? 'SIGSTOP' : 'SIGCONT');
    },

    /** Opens a page, at the end of its loading. */
    async open(url: string, window?: string) {
      const { targetId } = await send<{ targetId: string }>('Target.createTarget', {
        url: 'about:blank',
        browserContextId: window,
      });
      const { sessionId } = await send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
      await send('Page.enable', {}, sessionId);
      const shown = async (navigate: () => Promise<unknown>) => {
        const navigated = new Promise<void>((resolve) => {
          // The first is told of a page out of the cache, the second of one that is loaded.
          events.set(`Page.frameStoppedLoading ${sessionId}`, resolve);
          events.set(`Page.loadEventFired ${sessionId}`, resolve);
        });
        await navigate();
        await navigated;
      };
      const goto = (to: string) => shown(() => send('Page.navigate', { url: to }, sessionId));
      await goto(url);
      return {
        goto,
        /** Goes to the page before this one. */
        back: () =>
          shown(async () => {
            const { entries, currentIndex } = await send<{ entries: { id: number }[]; currentIndex: number }>(
              'Page.getNavigationHistory',
              {},
              sessionId,
            );
            await send('Page.navigateToHistoryEntry', { entryId: entries[currentIndex - 1]?.id }, sessionId);
          }),
        /** The value of an expression, waited for. */
        async run(expression: string): Promise<unknown> {
          const options = { expression, awaitPromise: true, returnByValue: true };
          const { result, exceptionDetails } = await send<{
            result: { value: unknown };
            exceptionDetails?: { text: string };
          }>('Runtime.evaluate', options, sessionId);
          if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`);
          return result.value;
        },
        frozen: (frozen: boolean) =>
          send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' }, sessionId),
        /** Any other method, in the page's session. */
        send: <R>(method: string, params: object = {}) => send<R>(method, params, sessionId),
        close: () => send('Target.closeTarget', { targetId }),
      };
    },

    async close() {
      socket.terminate();
      child.kill();
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
