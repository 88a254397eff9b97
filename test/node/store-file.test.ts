/** A store in a file: what is there after an end of every kind, a kill in the middle of a write among them. */
import { randomBytes } from 'node:crypto';
import {
  appendFile,
  chmod,
  type FileHandle,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { fileStorage } from '../../src/store/file.node.js';
import type { StoredCell, StoredChange } from '../../src/store/persistence.js';
import { tries } from '../effort.js';
import { built } from './built.js';
import { killTimeAndAgain, openStoreIn } from './killed-store.js';
import { cleanups } from './peers.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'isogossip-store-'));
  path = join(folder, 'deep', 'kept.store');
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
});

const openStore = () => openStoreIn(path);

/** What all open files have in common. */
async function files(): Promise<FileHandle> {
  const probe = await open(join(folder, 'probe'), 'w');
  await probe.close();
  return Object.getPrototypeOf(probe);
}

const NOTHING: StoredChange = { put: new Map(), drop: [], floor: 0 };
const change = (n: number): StoredChange => ({
  put: new Map<string, StoredCell>([
    [`r\0${n}`, [0, `${n}`, '', '0123456789abcdef', n, 0, 0, { n, bytes: new Uint8Array(n) }]],
  ]),
  drop: [`old${n}`],
  floor: n,
});

/** Two of them, and the file is written anew. */
const BIG: StoredChange = { put: new Map([['r', [0, 'k', '', '', 1, 0, 0, 'x'.repeat(700_000)]]]), drop: [], floor: 0 };

test('has all of it when it is opened again', async () => {
  const first = await openStore();
  first.set('k', { n: 2n ** 60n, at: new Date(7), bytes: new Uint8Array([1, 2]), nothing: null });
  first.set('gone', 1);
  first.set('late', 1, { ttlMs: 30_000 });
  first.setOf<number>('s').add(7);
  first.setOf<number>('s').add(8);
  first.map('m').set('f', [1]);
  first.counter('c').increment(3);
  first.delete('gone');
  first.setOf<number>('s').delete(8);
  await first.flush();
  expect(first.stats()).toMatchObject({ unsaved: 0, savesFailed: 0 });
  first.counter('c').increment();
  await first.close();
  const again = await openStore();
  expect(again.get('k')).toEqual({ n: 2n ** 60n, at: new Date(7), bytes: new Uint8Array([1, 2]), nothing: null });
  expect([again.get('gone'), again.get('late'), again.setOf<number>('s').values(), again.map('m').get('f')]).toEqual([
    undefined,
    1,
    [7],
    [1],
  ]);
  expect(again.counter('c').value).toBe(4);
  again.counter('c').increment();
  expect(again.counter('c').value).toBe(5);
  expect(again.stats()).toMatchObject({ cells: (first.stats().cells as number) + 1 });
});

test('is written anew when most of it is out of date', async () => {
  const store = await openStore();
  for (let i = 0; i < 60; i++) {
    store.set('k', `${i}${'x'.repeat(50_000)}`);
    await store.flush();
  }
  await store.close();
  expect((await stat(path)).size).toBeLessThan(1_300_000);
  expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store']);
  expect((await openStore()).get<string>('k')).toMatch(/^59x/);
});

test('cut off anywhere, it has what was saved before the cut, and goes on from there', async () => {
  const storage = fileStorage({ path });
  expect([...(await storage.open(() => NOTHING))]).toEqual([]);
  for (let n = 1; n <= 3; n++) await storage.save(change(n));
  await storage.close();
  const whole = await readFile(path);
  const lengths: number[] = [];
  for (let bytes = whole.length; bytes >= 18; bytes--) {
    await writeFile(path, whole.subarray(0, bytes));
    const one = fileStorage({ path });
    const changes = [...(await one.open(() => NOTHING))].slice(1);
    expect(changes).toEqual([1, 2, 3].slice(0, changes.length).map(change));
    lengths.push(changes.length);
    if (bytes % 16 === 0) {
      await one.save(change(9));
      await one.close();
      const two = fileStorage({ path });
      expect([...(await two.open(() => NOTHING))].at(-1)).toEqual(change(9));
      await two.close();
    } else await one.close();
  }
  expect(new Set(lengths)).toEqual(new Set([3, 2, 1, 0]));
});

test('with bytes that are not what was written, it has what is before them', async () => {
  const storage = fileStorage({ path });
  await storage.open(() => NOTHING);
  await storage.save(change(1));
  const { size } = await stat(path);
  await storage.save(change(2));
  await storage.close();
  const spoilt = await readFile(path);
  spoilt[size + 20] = (spoilt[size + 20] as number) ^ 1;
  await writeFile(path, spoilt);
  const again = fileStorage({ path });
  expect([...(await again.open(() => NOTHING))].slice(1)).toEqual([change(1)]);
  await again.close();
  expect((await stat(path)).size).toBe(size);
});

test('with holes in the change that was being written when the power was lost, it has what is before them', async () => {
  const storage = fileStorage({ path });
  await storage.open(() => NOTHING);
  await storage.save(change(1));
  const { size } = await stat(path);
  await storage.save(change(200));
  await storage.close();
  const whole = await readFile(path);
  for (const [from, to] of [
    [0, 4],
    [4, 8],
    [8, 16],
    [0, 100],
    [16, 30],
    [20, 60],
  ] as const) {
    await writeFile(path, Buffer.from(whole).fill(0, size + from, size + to));
    const again = fileStorage({ path });
    expect([...(await again.open(() => NOTHING))].slice(1)).toEqual([change(1)]);
    await again.close();
    expect((await stat(path)).size).toBe(size);
  }
});

test('with the beginning of a long change lost, it is opened in no time', async () => {
  const storage = fileStorage({ path });
  await storage.open(() => NOTHING);
  await storage.save(change(1));
  await storage.close();
  const { size } = await stat(path);
  await appendFile(path, randomBytes(8 * 1024 * 1024));
  const again = fileStorage({ path });
  const { user } = process.cpuUsage();
  expect([...(await again.open(() => NOTHING))].slice(1)).toEqual([change(1)]);
  expect(process.cpuUsage().user - user).toBeLessThan(5_000_000);
  await again.close();
  expect((await stat(path)).size).toBe(size);
});

test('what a process that was killed had not waited for is on the disk before it is believed', async () => {
  const storage = fileStorage({ path });
  await storage.open(() => NOTHING);
  await storage.close();
  const syncs = vi.spyOn(await files(), 'datasync');
  await storage.open(() => NOTHING);
  expect(syncs).toHaveBeenCalledTimes(1);
  syncs.mockRestore();
  await storage.close();
});

test('with room at its end that was never written, as after a loss of power, it has all of it', async () => {
  const storage = fileStorage({ path });
  await storage.open(() => NOTHING);
  await storage.save(change(1));
  await storage.close();
  const { size } = await stat(path);
  await appendFile(path, Buffer.alloc(5000));
  const again = fileStorage({ path });
  expect([...(await again.open(() => NOTHING))].slice(1)).toEqual([change(1)]);
  await again.close();
  expect((await stat(path)).size).toBe(size);
});

describe('a disk that fails', () => {
  test.for(['write', 'datasync'] as const)('at a %s leaves nothing in front of what comes next', async (what) => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    await storage.save(change(1));
    const handles = await files();
    const write: (...given: [Uint8Array, number, number, number]) => unknown = handles.write;
    const fails = vi.spyOn(handles, what);
    fails.mockImplementationOnce(async function (this: FileHandle, ...given: unknown[]) {
      const [record, , , from] = given as [Uint8Array, 0, number, number];
      if (record) await write.call(this, record, 0, record.length - 1, from);
      throw new Error('the disk is full');
    } as never);
    await expect(storage.save(change(200))).rejects.toThrow('the disk is full');
    fails.mockRestore();
    await storage.save(change(3));
    await storage.close();
    const again = fileStorage({ path });
    expect([...(await again.open(() => NOTHING))].slice(1)).toEqual([change(1), change(3)]);
    await again.close();
  });

  test('once the file has been written anew does not lose what is saved after that', async () => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    await storage.save(BIG);
    const fails = vi.spyOn(await files(), 'sync').mockRejectedValueOnce(new Error('no folder today'));
    await expect(storage.save(BIG)).rejects.toThrow('no folder today');
    await storage.save(change(3));
    expect(fails).toHaveBeenCalledTimes(2);
    fails.mockRestore();
    await storage.close();
    const again = fileStorage({ path });
    expect([...(await again.open(() => NOTHING))]).toEqual([NOTHING, change(3)]);
    await again.close();
  });
});

describe('written anew', () => {
  test('it may be read by those who might before', async () => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    await chmod(path, 0o600);
    const { ino } = await stat(path);
    for (const one of [BIG, BIG]) await storage.save(one);
    await storage.close();
    const now = await stat(path);
    expect([now.ino === ino, now.mode & 0o777]).toEqual([false, 0o600]);
  });

  test('it leaves nothing beside itself when that fails, or when it is killed and opened again', async () => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    await storage.save(BIG);
    const fails = vi.spyOn(await files(), 'datasync').mockRejectedValueOnce(new Error('the disk is full'));
    await expect(storage.save(BIG)).rejects.toThrow('the disk is full');
    fails.mockRestore();
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store', 'kept.store.lock']);
    await storage.close();
    await writeFile(`${path}.new`, 'half of it');
    const again = fileStorage({ path });
    expect([...(await again.open(() => NOTHING))]).toEqual([NOTHING, BIG]);
    await again.close();
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store']);
  });
});

test("is another one's also when it could not be closed", async () => {
  const storage = fileStorage({ path });
  const syncs = vi.spyOn(await files(), 'datasync');
  await storage.open(() => NOTHING);
  const [handle] = syncs.mock.contexts as [FileHandle];
  syncs.mockRestore();
  const close = handle.close.bind(handle);
  handle.close = async () => {
    await close();
    throw new Error('the last of it is lost');
  };
  await expect(storage.close()).rejects.toThrow('the last of it is lost');
  await (await openStore()).close();
});

describe('is refused by name', () => {
  const refused = (message: RegExp) =>
    expect.objectContaining({ code: 'ERR_STORAGE', message: expect.stringMatching(message) });

  test('when another process has it, and not when that is no more', async () => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    await storage.close();
    await writeFile(`${path}.lock`, `${process.ppid}\n`);
    await expect(openStore()).rejects.toEqual(refused(new RegExp(`process ${process.ppid} has the store`)));
    await writeFile(`${path}.lock`, '4194999\n');
    await (await openStore()).close();
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store']);
  });

  test('when another store of this process has it, which keeps it, and not when a process had our number', async () => {
    const first = await openStore();
    first.set('k', 1);
    const second = fileStorage({ path: `${folder}/deep/../deep/kept.store` });
    await expect(second.open(() => NOTHING)).rejects.toEqual(refused(/this process has the store open already/));
    await second.close();
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store', 'kept.store.lock']);
    await first.close();
    await second.close();
    const three = [1, 2, 3].map(() => fileStorage({ path }));
    const opening = await Promise.allSettled(three.map((one) => one.open(() => NOTHING)));
    expect(opening.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    for (const one of three) await one.close();
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store']);
    // As in a container that was killed, where each process has the same number.
    await writeFile(`${path}.lock`, `${process.pid} another one`);
    expect((await openStore()).get('k')).toBe(1);
  });

  test('when another store has it by the same object, which keeps it; and by that it can be opened again', async () => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    await expect(storage.open(() => BIG)).rejects.toEqual(refused(/this process has the store open already/));
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store', 'kept.store.lock']);
    await storage.save(change(1));
    await storage.close();
    const again = fileStorage({ path });
    expect([...(await again.open(() => NOTHING))]).toEqual([NOTHING, change(1)]);
    await again.close();
    await rm(path);
    expect([...(await again.open(() => NOTHING))]).toEqual([]);
    await again.close();
  });

  test('while another process looks whose it is, and not when that has ended in the middle of it', async () => {
    await (await openStore()).close();
    const turn = `${path}.lock.turn`;
    await writeFile(turn, '');
    await expect(openStore()).rejects.toEqual(refused(/another process is opening it/));
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store', 'kept.store.lock.turn']);
    const longAgoS = Date.now() / 1000 - 60;
    await utimes(turn, longAgoS, longAgoS);
    await (await openStore()).close();
    expect(await readdir(join(folder, 'deep'))).toEqual(['kept.store']);
  });

  test('when its folder cannot be made, or the file not be read', async () => {
    await writeFile(join(folder, 'deep'), 'no folder');
    await expect(openStore()).rejects.toEqual(refused(/cannot be opened: .*EEXIST|ENOTDIR/));
    path = folder;
    await expect(openStore()).rejects.toEqual(refused(/cannot be opened: .*EISDIR/));
  });

  test('when a change in the middle of it is spoilt, anywhere, and loses nothing', async () => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    const { size: first } = await stat(path);
    await storage.save(change(1));
    const { size: second } = await stat(path);
    await storage.save(change(2));
    await storage.close();
    const whole = await readFile(path);
    for (let at = 18; at < second; at++) {
      const spoilt = Buffer.from(whole);
      spoilt[at] = (spoilt[at] as number) ^ 0x80;
      await writeFile(path, spoilt);
      const opening = fileStorage({ path }).open(() => NOTHING);
      await expect(opening).rejects.toEqual(refused(new RegExp(`spoilt at byte ${at < first ? 18 : first},`)));
      expect((await readFile(path)).equals(spoilt)).toBe(true);
    }
  });

  test('when the file is another one', async () => {
    const storage = fileStorage({ path });
    await storage.open(() => NOTHING);
    await storage.close();
    await truncate(path, 0);
    await appendFile(path, 'a letter to my aunt in Bremen');
    await expect(openStore()).rejects.toEqual(refused(/no store of isogossip/));
    expect(await readFile(path, 'utf8')).toBe('a letter to my aunt in Bremen');
  });
});

const program = built(new URL('store-file-member.ts', import.meta.url));

const KILLS = tries(6, 3);

test('a process that is killed while it writes loses nothing that it called safe, time after time', {
  timeout: 120_000,
}, async () => {
  expect(await killTimeAndAgain(KILLS, path, [process.execPath, program])).toBeGreaterThan(25 * KILLS);
});
