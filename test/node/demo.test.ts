/** The demo without a terminal tells its story and ends; cut off in the middle, it leaves no process behind. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createCluster } from '../../src/index.js';
import { webSocketTransport } from '../../src/transport/websocket.js';
import { some } from '../effort.js';

const START = fileURLToPath(new URL('../../demo/start.mjs', import.meta.url));

function startDemo() {
  const child = spawn(process.execPath, [START], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      for (const look of [...watchers]) look();
    });
  }
  // 'close' comes when every process that holds the pipes has ended; the members hold pipes of their own.
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const waitFor = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => pattern.test(text) && watchers.delete(look) && resolve();
      watchers.add(look);
      look();
    });
  return { child, ended, waitFor, text: () => text };
}

const processes = (text: string) => [...text.matchAll(/process (\d+), at/g)].map(([, pid]) => Number(pid));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Looks again and again, because nobody tells a stranger of a process's end. */
async function untilGone(pids: readonly number[]): Promise<void> {
  const giveUpMs = performance.now() + 10_000;
  while (pids.some(isAlive) && performance.now() < giveUpMs) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(pids.filter(isAlive)).toEqual([]);
}

test('the story: start, broadcast, kill, suspicion, death, return, end', { timeout: 60_000 }, async () => {
  const demo = startDemo();
  const code = await demo.ended;
  const text = demo.text();
  expect(code, text).toBe(0);
  const inOrder = [
    'Everybody knows everybody',
    'Ada broadcasts',
    'Cleo is killed',
    'suspects Cleo',
    'takes Cleo for dead',
    'sees Cleo alive again (was dead)',
    'Cleo broadcasts',
    'nothing is running any more',
  ];
  const places = inOrder.map((part) => text.indexOf(part));
  expect(places, text).toEqual([...places].sort((a, b) => a - b));
  expect(places[0], text).toBeGreaterThan(0);
  expect(text).toContain('Ben hears Ada: "hello number 1"');
  for (const name of ['Ada', 'Ben', 'Cleo']) expect(text).toContain(`${name} has left`);
  expect(processes(text)).toHaveLength(4);
  await untilGone(processes(text));
});

test('the end of the story waits for the tabs that are open', { timeout: 60_000 }, async () => {
  const demo = startDemo();
  await demo.waitFor(/Everybody knows/);
  const url = new URL(/http:\/\/\S+/.exec(demo.text())?.[0] as string);
  const ticket = url.hash.slice(1);
  const headers = { authorization: `Bearer ${ticket}` };
  const response = await fetch(new URL('/visitors', url), { method: 'POST', headers });
  const { name, gateways } = (await response.json()) as { name: string; gateways: string[] };
  const tab = await createCluster({ transport: webSocketTransport({ gateways, ticket }), metadata: { name } });
  await demo.waitFor(/The end waits until the last tab is closed/);
  expect(demo.text()).toContain(`Ada learns of ${name}, a tab at Ada`);
  await tab.leave();
  expect(await demo.ended, demo.text()).toBe(0);
  expect(demo.text()).toContain(`Ada is told that ${name} leaves`);
});

test.each(some(['SIGKILL', 'SIGTERM'] as const))(
  'ended by %s, it leaves no process',
  { timeout: 60_000 },
  async (signal) => {
    const demo = startDemo();
    await demo.waitFor(/Everybody knows/);
    const pids = processes(demo.text());
    expect(pids.length).toBe(3);
    demo.child.kill(signal);
    await demo.ended;
    await untilGone(pids);
  },
);
