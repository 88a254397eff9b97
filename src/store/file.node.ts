/**
 * `isogossip/store/file`: a store kept in a file of Node, Deno or Bun. Changes are appended, each with its length and a checksum, so that
 * a process that is killed in the middle of one has all those before it. When most of the file is out of date it is written anew
 * beside itself and renamed into place.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import process from 'node:process';
import { msgpack } from '../codec/msgpack.js';
import { GossipError } from '../index.js';
import type { StoredCell, StoredChange, StorePersistence } from './persistence.js';

/** Options of {@link fileStorage}. */
export interface FileStorageOptions {
  /** The file; its folder is made if there is none. Beside it `.lock` says which process of this machine has it; threads of one, and containers, are not told apart. */
  path: string;
  /** Wait until the disk has each change; without, a machine that loses power may lose the last of them or find the file spoilt, a process that is killed loses none. Default true. */
  sync?: boolean;
}

/** What a file begins with: what it is, and the version of its format. */
const MAGIC = Buffer.from('isogossip store 1\n');
/** `[u32 length][4 bytes of its checksum][8 bytes of the payload's]` in front of each change. */
const HEAD_BYTES = 16;
/** A file below that is not worth writing anew. Source: guess. */
const SMALL_BYTES = 1024 * 1024;
/** Nobody takes so long to take a lock. Source: guess, far above what it takes. */
const TURN_MS = 10_000;

/** Who we are in a lock: also a process that has our number after us, as each does in a container, is another one. */
const OURS = `${process.pid} ${randomUUID()}`;

const codec = msgpack();

/** Keeps a store in a file. One store at a time has it. */
export function fileStorage({ path, sync = true }: FileStorageOptions): StorePersistence {
  let file: FileHandle | undefined;
  /** What of it holds; what is behind that is of a save that failed. */
  let bytes = 0;
  let torn = false;
  /** Whether the folder's entry of it is on the disk. */
  let named = true;
  /** How long it was when it was last written anew. */
  let wholeBytes = 0;
  let whole: () => StoredChange;
  let unlock = () => {};

  const write = async (to: FileHandle, record: Uint8Array, from: number) => {
    // A write may be cut short; only a whole one is followed by another.
    for (let at = 0; at < record.length; ) {
      at += (await to.write(record, at, record.length - at, from + at)).bytesWritten;
    }
    if (sync) await to.datasync();
  };

  const rewrite = async () => {
    const record = Buffer.concat([MAGIC, recordOf(whole())]);
    // Who may read it stays as it was.
    const fresh = await open(`${path}.new`, 'w', (await file?.stat())?.mode);
    try {
      await write(fresh, record, 0);
      await fresh.datasync();
      await rename(`${path}.new`, path);
    } catch (error) {
      await fresh.close();
      // A disk that is full has other uses for the room.
      await rm(`${path}.new`, { force: true });
      throw error;
    }
    const old = file;
    file = fresh;
    bytes = wholeBytes = record.length;
    [torn, named] = [false, false];
    await old?.close();
    await syncName();
  };

  const syncName = async () => {
    if (!named) await syncFolder(path);
    named = true;
  };

  /** Once: what comes after may be another's. */
  const release = async () => {
    try {
      await file?.close();
    } finally {
      file = undefined;
      unlock();
      unlock = () => {};
    }
  };

  const refuse = (error: unknown) =>
    new GossipError('ERR_STORAGE', `the store in ${path} cannot be opened: ${(error as Error).message}`, {
      cause: error,
    });

  return {
    async open(all) {
      try {
        await mkdir(dirname(path), { recursive: true });
        unlock = lock(path);
      } catch (error) {
        // What is open here is another store's.
        throw refuse(error);
      }
      whole = all;
      try {
        await rm(`${path}.new`, { force: true });
        const kept = await readFile(path).catch((error) => {
          if (error.code !== 'ENOENT') throw error;
          return undefined;
        });
        if (kept && !kept.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('it is no store of isogossip');
        const { changes, end } = kept ? read(kept) : { changes: [], end: 0 };
        if (kept) {
          file = await open(path, 'r+');
          // What was cut off in the middle.
          if (end < kept.length) await file.truncate(end);
          // Also what a process that was killed did not wait for is safe from here on.
          if (sync) await file.datasync();
          bytes = end;
        } else await rewrite();
        return changes;
      } catch (error) {
        await release();
        throw refuse(error);
      }
    },
    async save(change) {
      const record = recordOf(change);
      if (bytes + record.length > SMALL_BYTES + 2 * wholeBytes) {
        await rewrite();
        return;
      }
      await syncName();
      // Whatever is left of one that failed must not stand before the next.
      const to = file as FileHandle;
      if (torn) await to.truncate(bytes);
      torn = true;
      await write(to, record, bytes);
      torn = false;
      bytes += record.length;
    },
    close: release,
  };
}

function recordOf({ put, drop, floor }: StoredChange): Buffer {
  const payload = codec.encode([[...put], drop, floor]);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(payload.length);
  checksum(head.subarray(0, 4)).copy(head, 4, 0, 4);
  checksum(payload).copy(head, 8);
  return Buffer.concat([head, payload]);
}

/**
 * The changes of a file up to its end, or up to those that are not whole.
 * @throws Error: a whole one follows one that is not, and would be lost.
 */
function read(kept: Buffer): { changes: StoredChange[]; end: number } {
  const changes: StoredChange[] = [];
  let end = MAGIC.length;
  while (end < kept.length) {
    const { whole, to } = recordAt(kept, end);
    if (!whole) {
      // The last that was being written may be cut off, or have holes: a disk writes its parts in any order.
      for (let at = to; at + HEAD_BYTES < kept.length; at++) {
        // Nearly all are too long to be a length, and a checksum of each would take minutes.
        if (kept.readUInt32LE(at) > kept.length - at - HEAD_BYTES || !recordAt(kept, at).whole) continue;
        throw new Error(`it is spoilt at byte ${end}, and more follows; put back a copy, or begin with none`);
      }
      break;
    }
    const [put, drop, floor] = codec.decode(kept.subarray(end + HEAD_BYTES, to)) as [
      [string, StoredCell][],
      string[],
      number,
    ];
    changes.push({ put: new Map(put), drop, floor });
    end = to;
  }
  return { changes, end };
}

/** Whether there is a whole change at a place, and where the next may begin. */
function recordAt(kept: Buffer, at: number): { whole: boolean; to: number } {
  const from = at + HEAD_BYTES;
  const length = from > kept.length ? 0 : kept.readUInt32LE(at);
  const to = from + length;
  if (
    length === 0 ||
    !checksum(kept.subarray(at, at + 4))
      .subarray(0, 4)
      .equals(kept.subarray(at + 4, at + 8))
  ) {
    return { whole: false, to: at + 1 };
  }
  return { whole: to <= kept.length && checksum(kept.subarray(from, to)).equals(kept.subarray(at + 8, from)), to };
}

function checksum(payload: Uint8Array): Buffer {
  return createHash('sha256').update(payload).digest().subarray(0, 8);
}

/** A renamed file is there for certain when its folder is on the disk. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Says that we have the file. A process that is no more, or had our number before us, has it no longer; of several that find its lock
 * one takes it, as they look one after the other, and each in one turn.
 * @returns a function that gives it back.
 */
function lock(path: string): () => void {
  const name = `${path}.lock`;
  const turn = `${name}.turn`;
  try {
    writeFileSync(turn, '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // One that is older is of a process that ended in its turn.
    const { mtimeMs = Date.now() } = statSync(turn, { throwIfNoEntry: false }) ?? {};
    if (Date.now() - mtimeMs < TURN_MS) throw new Error('another process is opening it');
  }
  try {
    const owner = readIfThere(name);
    const pid = Number.parseInt(owner, 10);
    if (owner === OURS) throw new Error('this process has the store open already');
    if (pid > 0 && pid !== process.pid && isRunning(pid)) {
      throw new Error(`process ${pid} has the store; if it has not, remove ${name}`);
    }
    writeFileSync(name, OURS);
  } finally {
    rmSync(turn, { force: true });
  }
  return () => rmSync(name, { force: true });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return '';
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
