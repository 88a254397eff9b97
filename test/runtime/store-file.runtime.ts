/** A store in a file of Deno and Bun: what is there after a process of theirs was killed, for Node, and for them when they go on. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { built } from '../node/built.js';
import { killTimeAndAgain } from '../node/killed-store.js';
import { after, BUN, DENO } from './members-hosts.js';

const program = built(new URL('../node/store-file-member.ts', import.meta.url));

test.each([
  ['Deno', DENO],
  ['Bun', BUN],
])('a process of %s that is killed while it writes loses nothing that it called safe', async (_name, runtime) => {
  const folder = await mkdtemp(join(tmpdir(), 'isogossip-store-'));
  after(() => rm(folder, { recursive: true, force: true }));
  expect(await killTimeAndAgain(4, join(folder, 'kept.store'), [...runtime, program])).toBeGreaterThan(100);
});
