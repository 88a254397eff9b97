/** A process that writes into a store in a file, killed in the middle of it, in whichever runtime: what it called safe must be there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'vitest';
import { createCluster } from '../../src/index.js';
import { fileStorage } from '../../src/store/file.node.js';
import { createStore, type Store } from '../../src/store/store.js';
import { createMemoryNetwork } from '../../src/transport/memory.js';
import { cleanups } from './peers.js';

/** A store in a file, on a member of its own. */
export async function openStoreIn(path: string): Promise<Store> {
  const cluster = await createCluster({ transport: createMemoryNetwork().transport() });
  const store = await createStore(cluster, { persistence: fileStorage({ path }) });
  cleanups.push(async () => {
    await store.close();
    await cluster.close();
  });
  return store;
}

/**
 * Starts `store-file-member.ts`, kills it while it writes, and looks into its file, some times.
 * @returns how many writes there have been.
 */
export async function killTimeAndAgain(
  times: number,
  path: string,
  [command = '', ...args]: readonly string[],
): Promise<number> {
  let next = 0;
  for (let round = 0; round < times; round++) {
    const child = spawn(command, [...args, path, String(next)], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(() => child.kill('SIGKILL'));
    let printed = '';
    child.stdout.setEncoding('utf8');
    // At a moment of its own in each round: so many are safe, and some more bytes of the next are not.
    for await (const text of child.stdout) {
      printed += text;
      if (printed.split('\n').length > 20 + round * 7) break;
    }
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const safe = Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1));
    const store = await openStoreIn(path);
    const latest = store.get<number>('latest') as number;
    expect(latest).toBeGreaterThanOrEqual(safe);
    // All or nothing of what was written in one turn.
    expect(store.counter('writes').value).toBe(latest + 1);
    expect(store.setOf<number>('even').has(latest - (latest % 2))).toBe(true);
    expect(store.get(`filling/${latest % 50}`)).toHaveLength(20_000);
    next = latest + 1;
    await store.close();
  }
  return next;
}
